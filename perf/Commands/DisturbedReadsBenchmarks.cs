using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>Whom the invalidation between reads means.</summary>
public enum Bystander
{
    /// <summary>Another page of the same ASID.</summary>
    OtherPage,

    /// <summary>A page of another ASID.</summary>
    OtherAsid,

    /// <summary>All of another ASID.</summary>
    AllOfOtherAsid,

    /// <summary>A page of another VMID.</summary>
    OtherVmid,
}

/// <summary>
/// 16 reads of 64 cached pages, then TLBI and CMD_SYNC that mean somebody else: what an invalidation costs those whom it does not
/// concern is the difference to the commands alone.
/// </summary>
[MemoryDiagnoser]
public class DisturbedReadsBenchmarks
{
    private const int Groups = 256;
    private const int ReadsOfGroup = 16;

    private readonly ulong[] addresses =
        new WorkingSet(64, AccessOrder.Random).Addresses(TranslationScene.FirstPage, Groups * ReadsOfGroup);
    private TranslationScene? scene;
    private CommandFeed? feed;

    /// <summary>Whom it means.</summary>
    [Params(Bystander.OtherPage, Bystander.OtherAsid, Bystander.AllOfOtherAsid, Bystander.OtherVmid)]
    public Bystander Meant { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        const ushort Other = 0x99;
        scene = new TranslationScene(pages: 128);
        ulong page = TranslationScene.PageOf(100);
        feed = new CommandFeed(
            scene.Machine,
            Meant switch
            {
                Bystander.OtherPage => Command.TlbiNhVa(default, CommandWorld.LoneAsid, page),
                Bystander.OtherAsid => Command.TlbiNhVa(default, new Asid(Other), page),
                Bystander.AllOfOtherAsid => Command.TlbiNhAsid(default, new Asid(Other)),
                _ => Command.TlbiNhVa(new Vmid(Other), CommandWorld.LoneAsid, page),
            },
            Command.Sync());
        scene.Warm(addresses);
        ulong before = scene.Machine.Smmu.GetStatistics().Walks;
        ulong sum = Whole();
        TranslationScene.Require(scene.Machine.Smmu.GetStatistics().Walks == before, "reads walk");
        TranslationScene.Require(sum == Accesses.OneByOne(scene.Port, addresses), "the answers differ");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    /// <summary>A group is one operation: 16 reads in a scope, and the commands.</summary>
    [Benchmark(OperationsPerInvoke = Groups, Baseline = true, Description = "16 reads, then TLBI + SYNC of others")]
    public ulong Whole()
    {
        var port = scene!.Port;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i += ReadsOfGroup)
        {
            using (var scope = port.Enter())
            {
                foreach (ulong address in addresses.AsSpan(i, ReadsOfGroup))
                {
                    sum += scope.Translate(address, AccessKind.Read).Address.Value;
                }
            }

            feed!.Publish(2);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Groups, Description = "TLBI + SYNC of others alone")]
    public ulong CommandsAlone()
    {
        for (int i = 0; i < Groups; i++) feed!.Publish(2);
        return feed!.RequireConsumed();
    }
}
