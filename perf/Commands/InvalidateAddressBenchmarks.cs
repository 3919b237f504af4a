using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// TLBI_NH_VA of a page that is cached, and CMD_SYNC: one pair a write of CMDQ_PROD, until the write returns. Each
/// iteration begins with all pages cached and takes away 128 of them.
/// </summary>
[MemoryDiagnoser]
public class InvalidateAddressBenchmarks
{
    private const int Pairs = 128;   // As many as the Command queue holds.

    private TranslationScene? scene;
    private CommandFeed? feed;

    /// <summary>Pages in the TLB.</summary>
    [Params(200, 4_096, 65_536)]
    public int Cached { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Cached, CachedPages.Room(Cached));
        var commands = new Command[2 * Pairs];
        for (int i = 0; i < Pairs; i++)
        {
            ulong page = TranslationScene.PageOf(i * (Cached / Pairs));
            commands[2 * i] = Command.TlbiNhVa(default, new Asid(TranslationScene.AsidNumber), page);
            commands[(2 * i) + 1] = Command.Sync();
        }

        feed = new CommandFeed(scene.Machine, commands);
        CachedPages.FillAndRequire(scene, Cached);
        ulong walksBefore = scene.Machine.Smmu.GetStatistics().Walks;
        Smmu();
        CachedPages.FillEngine(scene, Cached);
        ulong walks = scene.Machine.Smmu.GetStatistics().Walks - walksBefore;
        TranslationScene.Require(walks is >= Pairs and <= Pairs + 2, $"{Pairs} commands took {walks} pages away");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [IterationSetup(Target = nameof(Textbook))]
    public void RefillTextbook() => CachedPages.FillTextbook(scene!, Cached);

    [IterationSetup(Target = nameof(Smmu))]
    public void RefillEngine() => CachedPages.FillEngine(scene!, Cached);

    [Benchmark(OperationsPerInvoke = Pairs, Baseline = true)]
    public ulong Textbook()
    {
        for (int i = 0; i < Pairs; i++) scene!.Textbook.WriteCommandProducer(feed!.Advance(2));
        return feed!.Producer;
    }

    [Benchmark(OperationsPerInvoke = Pairs, Description = "TLBI_NH_VA + SYNC")]
    public ulong Smmu()
    {
        for (int i = 0; i < Pairs; i++) feed!.Publish(2);
        return feed!.RequireConsumed();
    }
}
