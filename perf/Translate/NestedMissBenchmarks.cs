using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Translate;

/// <summary>
/// Misses with both stages, four levels of 4 KiB pages each, the tables of stage 1 mapped by pages too: 24 descriptors for a
/// walk without caches.
/// </summary>
[MemoryDiagnoser]
public class NestedMissBenchmarks
{
    private const int Pages = 131_072;

    private readonly TranslationResult[] results = new TranslationResult[Accesses.InScope];
    private ulong[] addresses = [];
    private LeafScene? scene;

    /// <summary>The order of the pages.</summary>
    [Params(AccessOrder.InOrder, AccessOrder.Random)]
    public AccessOrder Order { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new LeafScene(Stages.Nested, LeafKind.Page4K, Pages, tablesByPages: true);
        addresses = new WorkingSet(Pages, Order).Addresses(LeafScene.First, Pages);
        ulong expected = Floor();
        TranslationScene.Require(Port() == expected && Scope() == expected && Batch() == expected, "the answers differ");
        var before = scene.Machine.Smmu.GetStatistics();
        Port();
        var after = scene.Machine.Smmu.GetStatistics();
        TranslationScene.Require(after.TlbLookups - before.TlbLookups >= Pages * 0.99, "accesses hit in the port");
        TranslationScene.Require(after.Walks - before.Walks >= Pages * 0.99, "accesses hit in the shared TLB");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Pages)]
    public unsafe ulong Floor()
    {
        scene!.Machine.Memory.TryGetHostSpan(GuestMachine.RamBase, write: false, out byte* host, out _);
        return BareNestedWalk.Sum(host - GuestMachine.RamBase, scene.RootOfStage1, scene.RootOfStage2, addresses);
    }

    [Benchmark(OperationsPerInvoke = Pages, Baseline = true, Description = "nested miss: port.Translate")]
    public ulong Port() => Accesses.OneByOne(scene!.Port, addresses);

    [Benchmark(OperationsPerInvoke = Pages, Description = "nested miss: scope.Translate")]
    public ulong Scope() => Accesses.InScopes(scene!.Port, addresses);

    [Benchmark(OperationsPerInvoke = Pages, Description = "nested miss: port.TranslateBatch")]
    public ulong Batch() => Accesses.InBatches(scene!.Port, addresses, results);
}
