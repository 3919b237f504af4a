using BenchmarkDotNet.Attributes;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// TLBI_NH_VA of a range and CMD_SYNC, one pair a write of CMDQ_PROD. Each iteration begins with 32,768 pages cached; then come 800
/// ranges one behind the other, round and round over the cached pages: with one page or 31 each range is cached when its command
/// comes, with 512 the first 64 are, and a range of 262,144 takes all at once.
/// </summary>
[MemoryDiagnoser]
public class RangeBenchmarks
{
    private const int Cached = 32_768;

    private CommandWorld? world;

    /// <summary>Pages of a range.</summary>
    [Params(1, 31, 512, 262_144)]
    public int Pages { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        world = new CommandWorld(CommandKind.Range(Pages), Cached, stride: Pages);
        int taken = world.RequireCached();
        TranslationScene.Require(taken >= Math.Min(Cached, (long)Pages * CommandWorld.Pairs), $"the commands took {taken} pages away");
        world.RefillEngines();
        Steady.Reach(() =>
        {
            Smmu();
            world.RefillEngines();
        });
    }

    [GlobalCleanup]
    public void CleanUp() => world!.Dispose();

    [IterationSetup]
    public void RefillEngines() => world!.RefillEngines();

    [Benchmark(OperationsPerInvoke = CommandWorld.Pairs, Baseline = true, Description = "TLBI_NH_VA of a range + SYNC")]
    public ulong Smmu() => world!.PublishToEngines();
}
