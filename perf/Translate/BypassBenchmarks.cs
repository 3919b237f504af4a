using BenchmarkDotNet.Attributes;
using Smmu.Fast.Perf.Baselines;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Translate;

/// <summary>Why an access is not translated.</summary>
public enum Untranslated
{
    /// <summary>STE.Config = 0b100.</summary>
    StreamBypass,

    /// <summary>STE.Config = 0b000.</summary>
    StreamAbort,

    /// <summary>SMMUEN = 0, and GBPA lets everything pass.</summary>
    SmmuOff,
}

/// <summary>Reads of 64 pages through a port that nothing translates.</summary>
[MemoryDiagnoser]
public class BypassBenchmarks
{
    private const int OfRound = 16_384;

    private readonly ulong[] addresses = new WorkingSet(64, AccessOrder.Random).Addresses(0x4000_0000, OfRound);
    private TranslationScene? scene;
    private TextbookSmmu? textbook;

    /// <summary>The reason.</summary>
    [Params(Untranslated.StreamBypass, Untranslated.StreamAbort, Untranslated.SmmuOff)]
    public Untranslated Reason { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(pages: 1);
        var machine = scene.Machine;
        machine.SetStream(
            TranslationScene.Stream.Value, Reason == Untranslated.StreamAbort ? Entries.Abort : Entries.Bypass);
        if (Reason == Untranslated.SmmuOff) machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        textbook = new TextbookSmmu(machine, machine.Smmu.Options.TlbEntries) { IsEnabled = Reason != Untranslated.SmmuOff };
        TranslationScene.Require(Port() == Textbook() && Scope() == Textbook(), "the answers differ");
        TranslationScene.Require((Port() == 0) == (Reason == Untranslated.StreamAbort), "the accesses end in another way");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = OfRound, Baseline = true)]
    public ulong Textbook()
    {
        ulong sum = 0;
        foreach (ulong address in addresses)
        {
            sum += textbook!.Translate(TranslationScene.Stream, address, isWrite: false).Address;
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = OfRound, Description = "untranslated: port.Translate")]
    public ulong Port() => Accesses.OneByOne(scene!.Port, addresses);

    [Benchmark(OperationsPerInvoke = OfRound, Description = "untranslated: scope.Translate")]
    public ulong Scope() => Accesses.InScopes(scene!.Port, addresses);
}
