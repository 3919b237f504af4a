using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// An invalidation, CMD_SYNC, and a read through the port: what an invalidation puts off comes to light here. Each iteration
/// begins with all pages cached. The read is of a page that the commands leave alone, if they leave any: a hit after TLBI_NH_VA
/// and TLBI_NH_ASID (of others), a walk after TLBI_NSNH_ALL, and an STE and a CD after CFGI_STE of the stream itself.
/// </summary>
[MemoryDiagnoser]
public class NextAccessBenchmarks
{
    private CommandWorld? world;
    private ulong kept;

    /// <summary>The command.</summary>
    [Params("TLBI_NH_VA", "TLBI_NH_ASID", "TLBI_NSNH_ALL", "CFGI_STE of the stream")]
    public string Command { get; set; } = "";

    /// <summary>Pages in the TLB.</summary>
    [Params(200, 4_096, 65_536)]
    public int Cached { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var kind = Command.StartsWith("CFGI", StringComparison.Ordinal)
            ? new CommandKind(Owners.OneAsid, (_, _) => Formats.Command.CfgiSte(TranslationScene.Stream))
            : CommandKind.All[Command];
        world = new CommandWorld(kind, Cached);
        world.RequireCached();
        kept = FindKept();
        world.RefillEngines();
        ulong before = world.Scene(0).Machine.Smmu.GetStatistics().Walks;
        ulong expected = Smmu();
        ulong walks = world.Scene(0).Machine.Smmu.GetStatistics().Walks - before;
        TranslationScene.Require(
            Command == "TLBI_NSNH_ALL" ? walks == (ulong)world.PairsOfDevice : walks <= 1, $"{walks} reads walk");
        world.RefillTextbooks();
        TranslationScene.Require(Textbook() == expected, "the answers differ");
        world.RefillEngines();
        Steady.Reach(() =>
        {
            Smmu();
            world.RefillEngines();
        });
    }

    [GlobalCleanup]
    public void CleanUp() => world!.Dispose();

    [IterationSetup(Target = nameof(Textbook))]
    public void RefillTextbooks() => world!.RefillTextbooks();

    [IterationSetup(Target = nameof(Smmu))]
    public void RefillEngines() => world!.RefillEngines();

    [Benchmark(OperationsPerInvoke = CommandWorld.Pairs, Baseline = true)]
    public ulong Textbook()
    {
        ulong sum = 0;
        for (int device = 0; device < world!.Devices; device++)
        {
            var textbook = world.Scene(device).Textbook;
            var feed = world.Feed(device);
            for (int i = 0; i < world.PairsOfDevice; i++)
            {
                textbook.WriteCommandProducer(feed.Advance(2));
                sum += textbook.Translate(TranslationScene.Stream, kept, isWrite: false).Address;
            }
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = CommandWorld.Pairs, Description = "invalidation + SYNC + read")]
    public ulong Smmu()
    {
        ulong sum = 0;
        for (int device = 0; device < world!.Devices; device++)
        {
            var port = world.Scene(device).Port;
            var feed = world.Feed(device);
            for (int i = 0; i < world.PairsOfDevice; i++)
            {
                feed.Publish(2);
                sum += port.Translate(kept, AccessKind.Read).Address.Value;
            }
        }

        return sum;
    }

    // The commands name some pages of those that are mapped; with 200 cached all of them, so then another one is read, which
    // the port has cached by the second read.
    private ulong FindKept()
    {
        var named = Enumerable.Range(0, world!.PairsOfDevice).Select(world.TargetOf).ToHashSet();
        return TranslationScene.PageOf(Enumerable.Range(0, Math.Max(Cached, CommandWorld.Pairs)).First(page => !named.Contains(page)));
    }
}
