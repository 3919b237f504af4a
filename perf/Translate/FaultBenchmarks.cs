using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Translate;

/// <summary>Reads of pages that are not mapped: a walk that ends in an F_TRANSLATION record, which the driver takes later.</summary>
[MemoryDiagnoser]
public class FaultBenchmarks
{
    private const int Faults = 128;   // Half of an Event queue.
    private const int MappedPages = 64;

    private TranslationScene? scene;

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(MappedPages);
        TranslationScene.Require(Port() == Textbook(), "the answers differ");
        var before = scene.Machine.Smmu.GetStatistics();
        Port();
        var after = scene.Machine.Smmu.GetStatistics();
        TranslationScene.Require(after.EventsRecorded - before.EventsRecorded == Faults, "not every fault is recorded");
        TranslationScene.Require(after.EventsLost == 0, "records are lost");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Faults, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        for (int i = 0; i < Faults; i++)
        {
            sum += (ulong)smmu.Translate(TranslationScene.Stream, Unmapped(i), isWrite: false).Outcome;
        }

        smmu.AcknowledgeEvents();
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Faults, Description = "fault, event written: port.Translate")]
    public ulong Port()
    {
        var port = scene!.Port;
        ulong sum = 0;
        for (int i = 0; i < Faults; i++) sum += (ulong)port.Translate(Unmapped(i), AccessKind.Read).Outcome;

        var smmu = scene.Machine.Smmu;
        smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD));
        return sum;
    }

    private static ulong Unmapped(int index) => TranslationScene.PageOf(MappedPages + index);
}
