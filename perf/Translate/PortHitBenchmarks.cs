using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>
/// Accesses through a port over pages that were all touched before. The port's own table has 512 entries and the shared TLB
/// 98,304 by default: 200 pages hit in the first, 4,096 and 65,536 in the second, and with 1,048,576 most accesses walk.
/// </summary>
[MemoryDiagnoser]
public class PortHitBenchmarks
{
    private const int OfRound = 65_536;

    private ulong[] addresses = [];
    private int next;
    private ulong nothing;
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
            foreach (int pages in new[] { 64, 200, 4_096, 65_536, 1_048_576 })
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
        addresses = Load.Addresses(TranslationScene.FirstPage, Math.Max(OfRound, Load.Pages));
        table = new TagTable(TranslationScene.FirstPage, Load.Pages, TranslationScene.FirstOutput);
        nothing = 0;
        scene.Warm(addresses);
        ulong expected = At0(Floor);
        foreach (var other in (Func<ulong>[])[Textbook, Port, Scope, Write, Batch])
        {
            TranslationScene.Require(At0(other) == expected, $"the answers of {other.Method.Name} differ");
        }

        var before = scene.Machine.Smmu.GetStatistics();
        At0(Port);
        var after = scene.Machine.Smmu.GetStatistics();
        ulong lookups = after.TlbLookups - before.TlbLookups;
        ulong hits = after.TlbHits - before.TlbHits;
        TranslationScene.Require(Load.Pages > 200 || lookups == 0, "the port's own table does not hold the pages");
        TranslationScene.Require(Load.Pages > 65_536 || hits >= lookups * 0.99, "the shared TLB does not hold the pages");
        next = 0;
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = OfRound)]
    public ulong Floor() => table!.Sum(Round());

    [Benchmark(OperationsPerInvoke = OfRound, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        foreach (ulong address in Round()) sum += smmu.Translate(TranslationScene.Stream, address, isWrite: false).Address;
        return sum;
    }

    /// <summary>A scope for each access.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: port.Translate")]
    public ulong Port() => Accesses.OneByOne(scene!.Port, Round());

    /// <summary>A scope for every 64 accesses.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: scope.Translate")]
    public ulong Scope() => Accesses.InScopes(scene!.Port, Round());

    /// <summary>The same, writes.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: scope.Translate, writes")]
    public ulong Write() => Accesses.InScopes(scene!.Port, Round(), AccessKind.Write);

    /// <summary>A batch for every 64 accesses.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: port.TranslateBatch")]
    public ulong Batch()
    {
        Span<TranslationResult> results = stackalloc TranslationResult[Accesses.InScope];
        return Accesses.InBatches(scene!.Port, Round(), results);
    }

    /// <summary>Each address waits for the answer to the one before.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: scope.Translate, dependent")]
    public ulong Dependent()
    {
        var port = scene!.Port;
        var round = Round();
        ulong mask = nothing;
        ulong answer = 0;
        for (int i = 0; i < round.Length; i += Accesses.InScope)
        {
            using var scope = port.Enter();
            foreach (ulong address in round.Slice(i, Accesses.InScope))
            {
                answer = scope.Translate(address + (answer & mask), AccessKind.Read).Address.Value;
            }
        }

        return answer;
    }

    /// <summary>The same of the floor.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "hit: floor, dependent")]
    public ulong DependentFloor() => table!.Chase(Round(), nothing);

    private ulong At0(Func<ulong> round)
    {
        next = 0;
        return round();
    }

    // All addresses come up in turn, so many at a time.
    private ReadOnlySpan<ulong> Round()
    {
        var round = addresses.AsSpan(next, OfRound);
        next += OfRound;
        if (next == addresses.Length) next = 0;
        return round;
    }
}
