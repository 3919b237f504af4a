using BenchmarkDotNet.Attributes;
using Smmu.Fast.Device;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>
/// Hits through the ports of 8 streams, 64 accesses to 64 pages for each in turn, while many more streams are live: attached to
/// contexts of their own, and each has translated before.
/// </summary>
[MemoryDiagnoser]
public class ManyStreamsBenchmarks
{
    private const int OfRound = 16_384;
    private const int Pages = 64;
    private const int MostPorts = 8;

    private readonly ulong[] addresses = new WorkingSet(Pages, AccessOrder.Random).Addresses(TranslationScene.FirstPage, OfRound);
    private DmaPort[] ports = [];
    private TranslationScene? scene;

    /// <summary>Streams that are live; one alone has all the traffic.</summary>
    [Params(1, 8, 256, 65_536)]
    public int Live { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = ManyStreams.Attach(Live);
        ManyStreams.TouchAll(scene, Live);
        int count = Math.Min(MostPorts, Live);
        ports = [.. Enumerable.Range(0, count)
            .Select(i => scene.Machine.Smmu.OpenPort(ManyStreams.StreamOf(i * (Live / count))))];
        ulong expected = ExpectedSum();
        TranslationScene.Require(Port() == expected && Scope() == expected, "the answers are wrong");
        ulong before = scene.Machine.Smmu.GetStatistics().TlbLookups;
        Port();
        TranslationScene.Require(scene.Machine.Smmu.GetStatistics().TlbLookups == before, "the ports do not hold the pages");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        foreach (var port in ports) port.Dispose();
        scene!.Dispose();
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "many streams: port.Translate")]
    public ulong Port()
    {
        ulong sum = 0;
        for (int i = 0; i < OfRound; i += Accesses.InScope)
        {
            sum += Accesses.OneByOne(PortOf(i), addresses.AsSpan(i, Accesses.InScope));
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "many streams: scope.Translate")]
    public ulong Scope()
    {
        ulong sum = 0;
        for (int i = 0; i < OfRound; i += Accesses.InScope)
        {
            sum += Accesses.InScopes(PortOf(i), addresses.AsSpan(i, Accesses.InScope));
        }

        return sum;
    }

    private DmaPort PortOf(int access) => ports[access / Accesses.InScope % ports.Length];

    private ulong ExpectedSum() => addresses.Aggregate(
        0UL, (sum, address) => sum + address - TranslationScene.FirstPage + TranslationScene.FirstOutput);
}
