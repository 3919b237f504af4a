using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>Reads without a port: the stream is named with each access, as hosts do that cannot keep a port for a device.</summary>
[MemoryDiagnoser]
public class OneOffBenchmarks
{
    private const int Accesses = 16_384;
    private const uint FirstStream = 16;

    private ulong[] addresses = [];
    private TranslationScene? scene;

    /// <summary>Streams, taken in turn, that share an address space.</summary>
    [Params(1, 256)]
    public int Streams { get; set; }

    /// <summary>The pages.</summary>
    [ParamsSource(nameof(WorkingSets))]
    public WorkingSet Load { get; set; } = new(64, AccessOrder.Random);

    public static IEnumerable<WorkingSet> WorkingSets { get; } =
        [new(64, AccessOrder.Random), new(4_096, AccessOrder.Random)];

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Load.Pages);
        for (uint i = 0; i < Streams; i++) scene.Machine.AttachStage1(FirstStream + i, scene.Space);
        addresses = Load.Addresses(TranslationScene.FirstPage, Accesses);
        TranslationScene.Require(OneOff() == Textbook(), "the answers differ");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Accesses, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i++) sum += smmu.Translate(StreamOf(i), addresses[i], isWrite: false).Address;
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Accesses, Description = "smmu.Translate")]
    public ulong OneOff()
    {
        var smmu = scene!.Machine.Smmu;
        ulong sum = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            sum += smmu.Translate(StreamOf(i), substream: null, addresses[i], AccessKind.Read).Address.Value;
        }

        return sum;
    }

    private StreamId StreamOf(int access) => new(FirstStream + (uint)(access & (Streams - 1)));
}
