using System.Diagnostics;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Prefetch commands are hints: legal everywhere, and without a trace that software could see (IHI 0070, 4.2).</summary>
public class PrefetchTests
{
    private const ulong Iova = 0x12_3000;

    [Fact]
    [Rule("CMD-PREF-01")]
    public void PrefetchIsLegalOnEveryImplementation()
    {
        foreach (var features in (SmmuFeatures[])[SmmuFeatures.Stage1Only, CommandScene.Stage2Alone, SmmuFeatures.Default])
        {
            using var scene = new CommandScene(features);
            Assert.Equal(0u, scene.Judge(Command.PrefetchConfig(new StreamId(1))));
            Assert.Equal(0u, scene.Judge(Command.PrefetchConfig(new StreamId(1), new SubstreamId(3))));
            Assert.Equal(0u, scene.Judge(Command.PrefetchAddress(new StreamId(1), Iova)));
        }
    }

    [Fact]
    [Rule("CMD-PREF-02")]
    public void PrefetchOfHugeRangesIsDoneInBoundedTime()
    {
        using var scene = new CommandScene();
        scene.Attach(1, 1).Map(Iova, 0x4100_0000);
        var begin = Stopwatch.StartNew();

        scene.Run(Command.PrefetchAddress(new StreamId(1), 0, size: 31, stride: 31));

        Assert.True(begin.Elapsed < TimeSpan.FromSeconds(5));
        Assert.Equal(0x4100_0000UL, scene.Output(1, Iova));
    }

    [Fact]
    [Rule("CMD-PREF-03")]
    [Rule("CACHE-27")]
    public void PrefetchNeverRecordsErrsOrStalls()
    {
        using var scene = new CommandScene();
        scene.Machine.SetStream(1, default);                                     // V = 0.
        scene.Machine.SetStream(2, Entries.Valid(0b110));                        // ILLEGAL without stage 2.
        scene.Machine.SetStream(3, Entries.Stage1(0x7f_ffff_ffc0));              // The CD lies outside of memory.
        scene.Machine.SetStream(4, Entries.Stage1(scene.Machine.Allocate(64)));  // CD.V = 0.
        scene.Attach(5, 1);                                                      // Nothing is mapped.

        for (uint stream = 1; stream <= 5; stream++) Prefetch(stream);
        Prefetch(0xffff);        // Outside of the table.
        Prefetch(0x8000_0000);   // Outside of what is implemented.

        Assert.False(scene.Machine.TryTakeEvent(out _));
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.GERROR));

        void Prefetch(uint stream) => scene.Run(
            Command.PrefetchConfig(new StreamId(stream)), Command.PrefetchAddress(new StreamId(stream), Iova));
    }

    [Fact]
    [Rule("CMD-PREF-04")]
    [Rule("CACHE-08")]
    public void PrefetchFetchesNothingWhileTranslationIsOff()
    {
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus, start: false);
        scene.Machine.SetUpCommandQueue();
        scene.Machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, HostBus.Base);
        scene.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, 4);
        scene.Machine.Enable(ControlBits.CommandQueue);

        scene.Run(Command.PrefetchConfig(new StreamId(1)), Command.PrefetchAddress(new StreamId(1), Iova));

        Assert.Empty(bus.Reads);
        Assert.Equal(0UL, scene.Machine.Smmu.GetStatistics().ConfigurationLookups);
    }

    [Fact]
    [Rule("CMD-PREF-05")]
    [Rule("CMD-PREF-06")]
    public void SubstreamsWithoutSubstreamsAndStridesAreNoErrors()
    {
        using var scene = new CommandScene(SmmuFeatures.Stage1Only.With(SmmuFeatureField.ArchMinorRev, 0));
        Assert.Equal(0u, scene.Judge(Command.PrefetchConfig(new StreamId(1), new SubstreamId(1))));
        Assert.Equal(0u, scene.Judge(Command.PrefetchAddress(new StreamId(1), Iova, stride: 9)));

        using var lone = new CommandScene(CommandScene.Substreams);
        lone.Attach(1, 1).Map(Iova, 0x4100_0000);   // S1CDMax = 0.
        Assert.Equal(0u, lone.Judge(Command.PrefetchAddress(new StreamId(1), Iova, substream: new SubstreamId(1))));
        Assert.False(lone.Machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("CMD-PREF-07")]
    [Rule("HTTU-27")]
    public void PrefetchNeverMakesAPageDirty()
    {
        const ulong DirtyBitModifier = 1UL << 51;
        const ulong WritableClean = Stage1Space.ReadOnly | DirtyBitModifier;
        using var scene = new CommandScene(SmmuFeatures.Default);
        var space = scene.Attach(1, 1, change: descriptor => descriptor
            .With(ContextDescriptorField.HA, 1)
            .With(ContextDescriptorField.HD, 1));
        space.Map(Iova, 0x4100_0000, WritableClean);
        ulong before = scene.Machine.Read64(space.Slot(Iova, 3));

        scene.Run(Command.PrefetchAddress(new StreamId(1), Iova));

        Assert.Equal(before, scene.Machine.Read64(space.Slot(Iova, 3)));
        Assert.True(scene.Translate(1, Iova, AccessKind.Write).IsSuccess);   // The page could have been made dirty.
        Assert.NotEqual(before, scene.Machine.Read64(space.Slot(Iova, 3)));
    }
}
