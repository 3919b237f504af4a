using BenchmarkDotNet.Attributes;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// An invalidation and CMD_SYNC: one pair a write of CMDQ_PROD, until the write returns. Each iteration begins with all pages
/// cached; then come 800 pairs. Each TLBI_NH_VA names another page, each TLBI_NH_ASID another ASID, and all of them own
/// something. Of 65,536 pages of 800 ASIDs the TLB has cached at least 60 %, which
/// is what its three ways hold; of all others at least 99 %.
/// </summary>
[MemoryDiagnoser]
public class InvalidateBenchmarks
{
    private CommandWorld? world;

    /// <summary>The command.</summary>
    [Params("TLBI_NH_VA", "TLBI_NH_ASID")]
    public string Command { get; set; } = "";

    /// <summary>Pages in the TLB.</summary>
    [Params(0, 200, 4_096, 65_536)]
    public int Cached { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        world = new CommandWorld(CommandKind.All[Command], Cached);
        int taken = world.RequireCached();
        int expected = Command == "TLBI_NH_VA" ? Math.Min(Cached, world.PairsOfDevice) : Cached;
        TranslationScene.Require(Math.Abs(taken - expected) <= expected / 100, $"the commands took {taken} pages away");
        world.RefillTextbooks();
        TranslationScene.Require(world.Scene(0).Textbook.Cached == Cached, "the textbook has not cached the pages");
        world.PublishToTextbooks();
        TranslationScene.Require(world.Scene(0).Textbook.Cached == Cached - expected, "the textbook does not take the pages away");
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
    public ulong Textbook() => world!.PublishToTextbooks();

    [Benchmark(OperationsPerInvoke = CommandWorld.Pairs, Description = "invalidation + SYNC")]
    public ulong Smmu() => world!.PublishToEngines();
}
