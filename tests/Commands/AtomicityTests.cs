using System.Diagnostics;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>How the SMMU reads structures and descriptors, and that it never writes what is software's (IHI 0070, 3.21).</summary>
public class AtomicityTests
{
    private const ulong Iova = 0x4012_3000;
    private const ulong Output = 0x8000_0000;

    [Fact]
    [Rule("CACHE-20")]
    public void WordsOfStructuresAreReadWhole()
    {
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus, start: false);
        scene.Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, HostBus.Base);
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, 4);
        scene.Machine.SetUpEventQueue();
        scene.Machine.Enable(ControlBits.EventQueue | ControlBits.Smmu);
        const ulong Context = HostBus.Base + 0x4000;
        Span<ulong> words = stackalloc ulong[8];
        Entries.Stage1(Context).CopyTo(words);
        scene.Machine.Write64(HostBus.Base + 64, words);
        scene.Machine.SetContext(Context, scene.Space(1, Iova, Output).Descriptor());
        bus.Forget();

        Assert.Equal(Output, scene.Output(1, Iova));

        Assert.Equal(64, bus.Reads.Where(read => read.Address < Context).Sum(read => read.Length));   // Each word once.
        Assert.Equal(64, bus.Reads.Where(read => read.Address >= Context).Sum(read => read.Length));
        Assert.All(bus.Reads, read => Assert.Equal(0UL, (read.Address | (uint)read.Length) & 7));
    }

    [Fact]
    [Rule("CACHE-21")]
    public void DescriptorsAreReadWhole()
    {
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        var space = scene.Attach(1, 1);
        space.Map(Iova, Output);
        ulong leaf = scene.Machine.Read64(space.Slot(Iova, 3));
        scene.Machine.Write64(space.Slot(Iova, 2), HostBus.Base | Stage1Space.TableOrPage);
        ulong slot = HostBus.Base + (((Iova >> 12) & 0x1ff) * sizeof(ulong));
        scene.Machine.Write64(slot, leaf);
        bus.Forget();

        Assert.Equal(Output, scene.Output(1, Iova));

        Assert.Equal((slot, sizeof(ulong)), Assert.Single(bus.Reads));
    }

    [Fact]
    [Rule("CACHE-20")]
    [Rule("CACHE-21")]
    public void WordsThatChangeMeanwhileAreReadOldOrNew()
    {
        // Each pair differs in both halves of the word; a mixture would lead elsewhere.
        const ulong One = 0x0011_0001_1000;
        const ulong Other = 0x0022_0002_2000;
        using var scene = new CommandScene(configure: options => options with { CachesEnabled = false });
        var space = scene.Attach(1, 1);
        space.Map(Iova, One);
        ulong slot = space.Slot(Iova, 3);
        ulong attributes = scene.Machine.Read64(slot) & ~One;
        ulong entry = scene.Machine.StreamEntry(1);
        ulong stage1 = scene.Machine.Read64(entry);
        ulong abort = stage1 & 0x00ff_ffff_ffff_fff1;   // Config = 0, and another S1CDMax above.
        bool done = false;
        var writer = new Thread(() =>
        {
            for (int i = 0; !Volatile.Read(ref done); i++)
            {
                scene.Machine.Write64(slot, attributes | ((i & 1) == 0 ? Other : One));
                scene.Machine.Write64(entry, (i & 2) == 0 ? abort | (0xffUL << 56) : stage1);
            }
        });
        writer.Start();
        int translated = 0;
        int aborted = 0;
        var begin = Stopwatch.StartNew();
        while (translated + aborted < 10_000 || translated == 0 || aborted == 0)
        {
            if (begin.Elapsed > TimeSpan.FromSeconds(20)) break;   // Somebody never got a processor.
            var result = scene.Translate(1, Iova);
            if (result.IsSuccess) translated++;
            else aborted++;
            if (result.IsSuccess ? result.Address.Value is not (One or Other) : result.Outcome != TranslationOutcome.Aborted)
            {
                done = true;
                Assert.Fail($"{result.Outcome} {result.Event} at 0x{result.Address.Value:x}");
            }
        }

        Volatile.Write(ref done, true);
        writer.Join();
        Assert.NotEqual(0, translated);
        Assert.NotEqual(0, aborted);
    }

    [Fact]
    [Rule("CACHE-22")]
    public void StructuresAreNeverWritten()
    {
        const ulong ReadOnly = 0x2_0000_0000;
        const ulong AccessFlag = 1UL << 10;
        using var scene = new CommandScene(
            CommandScene.Substreams.With(SmmuFeatureField.HTTU, 2), start: false);
        var region = scene.Machine.Memory.AddOwned(ReadOnly, 0x1_0000);
        const ulong Level2 = ReadOnly + 0x1000;
        const ulong Level1Contexts = ReadOnly + 0x2000;
        const ulong Contexts = ReadOnly + 0x4000;
        var space = new Stage1Space(scene.Machine, 1);
        space.Map(Iova, Output, Stage1Space.ReadWrite & ~AccessFlag);
        scene.Machine.Write64(ReadOnly, Level2 | 7);
        Span<ulong> words = stackalloc ulong[8];
        Entries.Stage1(Level1Contexts)
            .With(StreamTableEntryField.S1CDMax, 7)
            .With(StreamTableEntryField.S1Fmt, 1)
            .CopyTo(words);
        scene.Machine.Write64(Level2 + 64, words);
        scene.Machine.Write64(Level1Contexts, Contexts | 1);
        scene.Machine.SetContext(Contexts + 64, space.Descriptor().With(ContextDescriptorField.HA, 1));
        scene.Machine.Memory.MakeReadOnly(region);   // A write would abort, and show as an event.
        scene.Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, ReadOnly);
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, (1 << 16) | (6 << 6) | 8);
        scene.Machine.SetUpCommandQueue();
        scene.Machine.SetUpEventQueue();
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        byte[] before = new byte[0x1_0000];
        Assert.True(scene.Machine.Memory.Read(ReadOnly, before));

        Assert.Equal(Output, scene.Output(1, Iova, substream: 1));
        Assert.Equal(EventType.Translation, scene.Translate(1, 0x1000, substream: 1).Event);
        scene.Run(Command.CfgiAll(), Command.TlbiNsnhAll());
        Assert.Equal(Output, scene.Output(1, Iova, substream: 1));

        byte[] after = new byte[before.Length];
        Assert.True(scene.Machine.Memory.Read(ReadOnly, after));
        Assert.Equal(before, after);
    }
}
