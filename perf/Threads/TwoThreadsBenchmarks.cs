using BenchmarkDotNet.Attributes;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Threads;

/// <summary>What the threads read.</summary>
public enum ThreadLoad
{
    /// <summary>64 pages each, at random: the port's own table answers.</summary>
    Hits64,

    /// <summary>4,096 pages each, at random: the shared TLB answers.</summary>
    Hits4096,

    /// <summary>131,072 pages each, in order: misses.</summary>
    Misses,

    /// <summary>No SMMU at all, and no memory: sums in registers, for what two cores of the machine give.</summary>
    Arithmetic,
}

/// <summary>What happens beside the reads.</summary>
public enum Beside
{
    /// <summary>Nothing.</summary>
    Nothing,

    /// <summary>A thread more publishes 100,000 TLBI_NH_VA and CMD_SYNC a second, of pages that nobody uses.</summary>
    Invalidator,
}

/// <summary>
/// Reads by threads that have a stream and an ASID each, of one device: elapsed time divided by all reads together, so that two
/// threads that do not hinder each other need half of the time of one.
/// </summary>
[ManyThreads]
[Allocates]
public class TwoThreadsBenchmarks
{
    private const int Reads = 1 << 22;
    private const int OfRound = 131_072;
    private const uint FirstStream = 0x40;
    private const int Line = 16;

    private readonly ulong[] sums = new ulong[2 * Line];
    private ulong[] addresses = [];
    private DmaPort[] ports = [];
    private TranslationScene? scene;
    private Producers? readers;
    private Invalidator? invalidator;

    /// <summary>What they read.</summary>
    [Params(ThreadLoad.Hits64, ThreadLoad.Hits4096, ThreadLoad.Misses, ThreadLoad.Arithmetic)]
    public ThreadLoad Load { get; set; }

    /// <summary>Threads that read.</summary>
    [Params(1, 2)]
    public int Threads { get; set; }

    /// <summary>What happens meanwhile.</summary>
    [Params(Beside.Nothing, Beside.Invalidator)]
    public Beside Other { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        int pages = Load switch { ThreadLoad.Hits4096 => 4_096, ThreadLoad.Misses => OfRound, _ => 64 };
        scene = new TranslationScene(pages);
        addresses = new WorkingSet(pages, Load == ThreadLoad.Misses ? AccessOrder.InOrder : AccessOrder.Random)
            .Addresses(TranslationScene.FirstPage, OfRound);
        ports = [.. Enumerable.Range(0, Threads).Select(OpenPort)];
        foreach (var port in ports)
        {
            ulong expected = Accesses.InScopes(port, addresses);
            TranslationScene.Require(Accesses.InScopes(port, addresses) == expected, "the answers differ");
            var before = scene.Machine.Smmu.GetStatistics();
            Accesses.InScopes(port, addresses);
            var after = scene.Machine.Smmu.GetStatistics();
            ulong walks = after.Walks - before.Walks;
            TranslationScene.Require(Load == ThreadLoad.Misses ? walks >= OfRound * 0.99 : walks == 0, $"there are {walks} walks");
            port.Park();
        }

        readers = new Producers(Threads, Read);
        if (Other == Beside.Invalidator) invalidator = new Invalidator(scene.Machine);
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        readers!.Dispose();
        invalidator?.Dispose();
        foreach (var port in ports) port.Dispose();
        scene!.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Reads, Description = "threads: scope.Translate")]
    public void Smmu() => readers!.Run();

    private void Read(int number)
    {
        if (Load == ThreadLoad.Arithmetic)
        {
            Volatile.Write(ref sums[number * Line], Sum(Reads / Threads));
            return;
        }

        for (int i = 0; i < Reads / OfRound / Threads; i++) Accesses.InScopes(ports[number], addresses);
        ports[number].Park();
    }

    // About as long for each as a hit takes.
    private static ulong Sum(int count)
    {
        const int Steps = 8;
        ulong sum = 1;
        for (int i = 0; i < count * Steps; i++) sum = (sum ^ (ulong)i) + (sum >> 7);
        return sum;
    }

    private DmaPort OpenPort(int number)
    {
        ulong context = scene!.Machine.Allocate(64, 64);
        scene.Machine.SetContext(context, scene.Space.Descriptor().With(ContextDescriptorField.ASID, 0x200UL + (ulong)number));
        scene.Machine.SetStream(FirstStream + (uint)number, Entries.Stage1(context));
        return scene.Machine.Smmu.OpenPort(new StreamId(FirstStream + (uint)number));
    }
}
