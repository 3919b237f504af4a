using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>
/// Reads through a port over far more pages than anything caches, each once a round: at least 99 % of the accesses miss in
/// the port's table and in the shared TLB, which counters confirm, and walk four levels of tables (or one, where the walk
/// cache knows the last).
/// </summary>
[MemoryDiagnoser]
public class MissBenchmarks
{
    private const int Pages = 131_072;
    private const int AccessesInBatch = 64;

    private readonly TranslationResult[] results = new TranslationResult[AccessesInBatch];
    private ulong[] addresses = [];
    private TranslationScene? scene;

    /// <summary>The order of the pages.</summary>
    [Params(AccessOrder.InOrder, AccessOrder.Random)]
    public AccessOrder Order { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Pages);
        addresses = new WorkingSet(Pages, Order).Addresses(TranslationScene.FirstPage, Pages);
        scene.Warm(addresses);
        TranslationScene.Require(Port() == Textbook() && Port() == Floor() && Port() == Batch(), "the answers differ");
        RequireMisses(Port);
        RequireMisses(Batch);

        ulong walksBefore = scene.Textbook.Walks;
        Textbook();
        TranslationScene.Require(scene.Textbook.Walks - walksBefore >= Pages * 0.99, "the textbook does not miss");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Pages)]
    public unsafe ulong Floor() => BareWalk.Sum(scene!.HostBase, scene.Space.Root, addresses);

    [Benchmark(OperationsPerInvoke = Pages, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        foreach (ulong address in addresses) sum += smmu.Translate(TranslationScene.Stream, address, isWrite: false).Address;
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Pages, Description = "port.Translate, miss and walk")]
    public ulong Port()
    {
        var port = scene!.Port;
        ulong sum = 0;
        foreach (ulong address in addresses) sum += port.Translate(address, AccessKind.Read).Address.Value;
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Pages, Description = "port.TranslateBatch, miss and walk")]
    public ulong Batch()
    {
        var port = scene!.Port;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i += AccessesInBatch)
        {
            port.TranslateBatch(addresses.AsSpan(i, AccessesInBatch), results, AccessKind.Read);
            foreach (ref readonly var result in results.AsSpan()) sum += result.Address.Value;
        }

        return sum;
    }

    private void RequireMisses(Func<ulong> round)
    {
        var before = scene!.Machine.Smmu.GetStatistics();
        round();
        var after = scene.Machine.Smmu.GetStatistics();
        TranslationScene.Require(after.TlbLookups - before.TlbLookups >= Pages * 0.99, "accesses hit in the port");
        TranslationScene.Require(after.Walks - before.Walks >= Pages * 0.99, "accesses hit in the shared TLB");
    }
}
