using BenchmarkDotNet.Attributes;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// All other commands and CMD_SYNC, as <see cref="InvalidateBenchmarks"/> does: 800 pairs, each for another page, stream or
/// VMID, all of which own some of the cached pages. No endpoint with an ATC is there, and nothing is stalled.
/// </summary>
[MemoryDiagnoser]
public class OtherCommandBenchmarks
{
    private CommandWorld? world;

    /// <summary>The command.</summary>
    [ParamsSource(nameof(Names))]
    public string Command { get; set; } = "";

    /// <summary>Pages in the TLB.</summary>
    [Params(0, 200, 4_096, 65_536)]
    public int Cached { get; set; }

    public static IEnumerable<string> Names =>
        CommandKind.All.Keys.Except(["TLBI_NH_VA", "TLBI_NH_ASID", "TLBI_NSNH_ALL"]);

    [GlobalSetup]
    public void SetUp()
    {
        world = new CommandWorld(CommandKind.All[Command], Cached);
        int taken = world.RequireCached();
        bool takes = Command.StartsWith("TLBI", StringComparison.Ordinal) && !Command.Contains("EL2", StringComparison.Ordinal);
        int expected = !takes ? 0
            : CommandKind.All[Command].Owners == Owners.ManyVmids ? Cached
            : Math.Min(Cached, world.PairsOfDevice);
        TranslationScene.Require(taken >= expected * 0.99, $"the commands took {taken} pages away");
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

    [Benchmark(OperationsPerInvoke = CommandWorld.Pairs, Baseline = true, Description = "command + SYNC")]
    public ulong Smmu() => world!.PublishToEngines();
}
