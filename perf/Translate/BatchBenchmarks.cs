using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>Batches over pages that were touched before, at random: address and status of each answer, which is 16 bytes.</summary>
[MemoryDiagnoser]
public class BatchBenchmarks
{
    private const int OfRound = 16_384;

    private TranslationResult[] results = [];
    private (ulong Address, ulong Status)[] answers = [];
    private ulong[] addresses = [];
    private TranslationScene? scene;
    private TagTable? table;

    /// <summary>Pages.</summary>
    [Params(64, 256, 1_024)]
    public int Pages { get; set; }

    /// <summary>Accesses of a batch.</summary>
    [Params(64, 256, 1_024)]
    public int Batch { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Pages);
        results = new TranslationResult[Batch];
        answers = new (ulong, ulong)[Batch];
        addresses = new WorkingSet(Pages, AccessOrder.Random).Addresses(TranslationScene.FirstPage, OfRound);
        table = new TagTable(TranslationScene.FirstPage, Pages, TranslationScene.FirstOutput);
        scene.Warm(addresses);
        TranslationScene.Require(Smmu() == Textbook(), "the answers differ");
        Floor();
        TranslationScene.Require(
            answers.Sum(answer => (decimal)answer.Address) == results.Sum(result => (decimal)result.Address.Value), "the floor differs");
        ulong before = scene.Machine.Smmu.GetStatistics().Walks;
        Smmu();
        TranslationScene.Require(scene.Machine.Smmu.GetStatistics().Walks == before, "accesses miss");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = OfRound)]
    public ulong Floor()
    {
        for (int i = 0; i < OfRound; i += answers.Length) table!.Translate(addresses.AsSpan(i, answers.Length), answers);
        return answers[0].Address;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        foreach (ulong address in addresses) sum += smmu.Translate(TranslationScene.Stream, address, isWrite: false).Address;
        return sum;
    }

    /// <summary>Answers are written and read.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "batch: port.TranslateBatch and a look at each answer")]
    public ulong Smmu() => Accesses.InBatches(scene!.Port, addresses, results);

    /// <summary>Answers are written, as the floor does.</summary>
    [Benchmark(OperationsPerInvoke = OfRound, Description = "batch: port.TranslateBatch")]
    public ulong Call()
    {
        var port = scene!.Port;
        for (int i = 0; i < OfRound; i += results.Length)
        {
            port.TranslateBatch(addresses.AsSpan(i, results.Length), results, AccessKind.Read);
        }

        return results[0].Address.Value;
    }
}
