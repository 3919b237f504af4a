using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>
/// Reads through a port over pages that were all touched before. The port's own table has 256 entries and the shared TLB
/// 8,192 by default: 200 pages hit in the first, 4,096 mostly in the second, and with 65,536 most accesses walk.
/// </summary>
[MemoryDiagnoser]
public class PortHitBenchmarks
{
    private const int Accesses = 65_536;
    private const int AccessesInScope = 64;

    private readonly TranslationResult[] results = new TranslationResult[AccessesInScope];
    private ulong[] addresses = [];
    private TranslationScene? scene;
    private TagTable? table;

    /// <summary>The pages.</summary>
    [ParamsSource(nameof(WorkingSets))]
    public WorkingSet Load { get; set; } = new(1, AccessOrder.InOrder);

    public static IEnumerable<WorkingSet> WorkingSets
    {
        get
        {
            yield return new WorkingSet(1, AccessOrder.InOrder);
            foreach (int pages in new[] { 64, 200, 4_096, 65_536 })
            {
                yield return new WorkingSet(pages, AccessOrder.InOrder);
                yield return new WorkingSet(pages, AccessOrder.Random);
            }
        }
    }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Load.Pages);
        addresses = Load.Addresses(TranslationScene.FirstPage, Accesses);
        table = new TagTable(TranslationScene.FirstPage, Load.Pages, firstOutput: 0x1_0000_0000);
        scene.Warm(addresses);
        TranslationScene.Require(Port() == Textbook() && Port() == Floor() && Port() == Batch(), "the answers differ");

        ulong before = scene.Machine.Smmu.GetStatistics().TlbLookups;
        Port();
        ulong missed = scene.Machine.Smmu.GetStatistics().TlbLookups - before;
        TranslationScene.Require(Load.Pages > 200 || missed == 0, "the port's own table does not hold the pages");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Accesses)]
    public ulong Floor() => table!.Sum(addresses);

    [Benchmark(OperationsPerInvoke = Accesses, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        foreach (ulong address in addresses) sum += smmu.Translate(TranslationScene.Stream, address, isWrite: false).Address;
        return sum;
    }

    /// <summary>A scope for each access.</summary>
    [Benchmark(OperationsPerInvoke = Accesses, Description = "port.Translate")]
    public ulong Port()
    {
        var port = scene!.Port;
        ulong sum = 0;
        foreach (ulong address in addresses) sum += port.Translate(address, AccessKind.Read).Address.Value;
        return sum;
    }

    /// <summary>A scope for every 64 accesses.</summary>
    [Benchmark(OperationsPerInvoke = Accesses, Description = "scope.Translate")]
    public ulong Scope()
    {
        var port = scene!.Port;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i += AccessesInScope)
        {
            using var scope = port.Enter();
            foreach (ulong address in addresses.AsSpan(i, AccessesInScope))
            {
                sum += scope.Translate(address, AccessKind.Read).Address.Value;
            }
        }

        return sum;
    }

    /// <summary>64 accesses a call.</summary>
    [Benchmark(OperationsPerInvoke = Accesses, Description = "port.TranslateBatch")]
    public ulong Batch()
    {
        var port = scene!.Port;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i += AccessesInScope)
        {
            port.TranslateBatch(addresses.AsSpan(i, AccessesInScope), results, AccessKind.Read);
            foreach (ref readonly var result in results.AsSpan()) sum += result.Address.Value;
        }

        return sum;
    }
}
