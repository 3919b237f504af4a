using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>
/// Reads through a port over far more pages than anything caches, each once a round: at least 99 % of the accesses miss in
/// the port's table and in the shared TLB and walk, which counters confirm.
/// </summary>
[MemoryDiagnoser]
public class MissBenchmarks
{
    private const int OfRound = 131_072;
    private const int PagesOfTable = 512;

    private readonly TranslationResult[] results = new TranslationResult[Accesses.InScope];
    private ulong[] addresses = [];
    private int next;
    private TranslationScene? scene;

    /// <summary>The order of the pages.</summary>
    [Params(AccessOrder.InOrder, AccessOrder.Random)]
    public AccessOrder Order { get; set; }

    /// <summary>Whether pages share their last-level tables or each has one of its own.</summary>
    [Params(WalkCacheState.Warm, WalkCacheState.Cold)]
    public WalkCacheState WalkCache { get; set; }

    // Pages that are spread out share places in the TLB by chance: so that 99 % of them miss, they have to be more.
    private int Pages => WalkCache == WalkCacheState.Warm ? OfRound : 4 * OfRound;

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(WalkCache == WalkCacheState.Warm ? Pages : 1);
        addresses = new WorkingSet(Pages, Order).Addresses(TranslationScene.FirstPage, Pages);
        if (WalkCache == WalkCacheState.Cold) SpreadOut();
        scene.Warm(addresses);
        ulong expected = All(Floor);
        foreach (var other in (Func<ulong>[])[Port, Scope, Batch, Textbook])
        {
            TranslationScene.Require(All(other) == expected, $"the answers of {other.Method.Name} differ");
        }

        RequireMisses(Port);
        RequireMisses(Batch);

        ulong walksBefore = scene.Textbook.Walks;
        All(Textbook);
        TranslationScene.Require(scene.Textbook.Walks - walksBefore >= Pages * 0.99, "the textbook does not miss");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = OfRound)]
    public unsafe ulong Floor() => BareWalk.Sum(scene!.HostBase, scene.Space.Root, Round());

    [Benchmark(OperationsPerInvoke = OfRound, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        foreach (ulong address in Round()) sum += smmu.Translate(TranslationScene.Stream, address, isWrite: false).Address;
        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "miss and walk: port.Translate")]
    public ulong Port() => Accesses.OneByOne(scene!.Port, Round());

    [Benchmark(OperationsPerInvoke = OfRound, Description = "miss and walk: scope.Translate")]
    public ulong Scope() => Accesses.InScopes(scene!.Port, Round());

    [Benchmark(OperationsPerInvoke = OfRound, Description = "miss and walk: port.TranslateBatch")]
    public ulong Batch() => Accesses.InBatches(scene!.Port, Round(), results);

    // One page in every 2 MiB. The tables lie in the same memory, so that it is a cold walk cache that is measured, and
    // not cold memory: a cache of walks knows tables by input address.
    private unsafe void SpreadOut()
    {
        var space = scene!.Space;
        ulong table = space.Slot(TranslationScene.FirstPage, level: 3) & ~0xfffUL;
        for (int page = 0; page < PagesOfTable; page++) scene.DescriptorOf(page) = Output(page) | TranslationScene.Leaf;
        for (int i = 0; i < Pages; i += PagesOfTable)
        {
            ulong* slots = (ulong*)(scene.HostBase + space.Slot(Spread((ulong)i), level: 2, create: true));
            for (int page = 0; page < PagesOfTable; page++) slots[page] = table | 3;
        }

        for (int i = 0; i < Pages; i++)
        {
            ulong index = (addresses[i] - TranslationScene.FirstPage) >> 12;
            addresses[i] = Spread(index) + ((index % PagesOfTable) << 12) + (addresses[i] & 0xfff);
        }

        static ulong Spread(ulong index) => TranslationScene.FirstPage + (index << 21);

        static ulong Output(int page) => TranslationScene.FirstOutput + ((ulong)page << 12);
    }

    // All addresses come up in turn, so many at a time.
    private ReadOnlySpan<ulong> Round()
    {
        var round = addresses.AsSpan(next, OfRound);
        next += OfRound;
        if (next == addresses.Length) next = 0;
        return round;
    }

    private ulong All(Func<ulong> round)
    {
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i += OfRound) sum += round();
        return sum;
    }

    private void RequireMisses(Func<ulong> round)
    {
        var before = scene!.Machine.Smmu.GetStatistics();
        All(round);
        var after = scene.Machine.Smmu.GetStatistics();
        ulong walks = after.Walks - before.Walks;
        TranslationScene.Require(after.TlbLookups - before.TlbLookups >= Pages * 0.99, "accesses hit in the port");
        TranslationScene.Require(walks >= Pages * 0.99, "accesses hit in the shared TLB");
        double known = (after.WalkCacheHits - before.WalkCacheHits) / (double)walks;
        TranslationScene.Require(
            WalkCache == WalkCacheState.Warm ? known >= 0.99 : after.DescriptorReads - before.DescriptorReads >= 2 * walks,
            $"the walk cache answers {known:P0}");
    }
}

/// <summary>What the walk cache knows when an access misses.</summary>
public enum WalkCacheState
{
    /// <summary>The last-level table: one descriptor is read.</summary>
    Warm,

    /// <summary>Nothing of that address' last-level table.</summary>
    Cold,
}
