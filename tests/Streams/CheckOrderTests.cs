using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>The first check that fails decides; what comes after it leaves no trace.</summary>
public class CheckOrderTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Ipa = 0x23_4567_8000;
    private const ulong Output = 0x5678_0000;
    private const ulong AccessFlag = 1UL << 10;
    private const ulong ReadOnlyStage2 = Stage2ReadWrite & ~(2UL << 6);

    [Fact]
    [Rule("EVT-35")]
    [Rule("EVT-30")]
    [Rule("ORD-02")]
    [Rule("ORD-04")]
    [Rule("ORD-06")]
    [Rule("ORD-07")]
    public void AStreamWithEveryDefectReportsThemOneByOneAsTheyAreMended()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var machine = scene.Machine;
        ulong level1 = machine.Allocate(4096);
        ulong level2 = machine.Allocate(64 << 6, 64 << 6);
        scene.UseTable(Nowhere, 0);   // The table has stream 0 alone, and reading it would abort.
        AssertFirst(EventType.BadStreamId, substream: 99);

        scene.UseTable(level1, 8 | (6 << 6) | (1 << 16));
        AssertFirst(EventType.BadStreamId, substream: 99);

        machine.Write64(level1, Nowhere | 7);
        AssertFirst(EventType.StreamTableEntryFetch, substream: 99);

        machine.Write64(level1, level2 | 7);
        AssertFirst(EventType.BadStreamTableEntry, substream: 99);

        var stage2 = scene.NewIntermediateSpace();
        var entry = Nested(Nowhere, stage2)
            .With(StreamTableEntryField.S1CDMax, 4).With(StreamTableEntryField.S1DSS, 2).With(StreamTableEntryField.S2TG, 3);
        Store(entry);
        AssertFirst(EventType.BadStreamTableEntry, substream: 99);

        Store(entry.With(StreamTableEntryField.S2TG, 0));
        AssertFirst(EventType.BadSubstreamId, substream: 99);
        AssertFirst(EventType.StreamDisabled, substream: 0);
        AssertFirst(EventType.Translation, substream: 3);   // Of the CD's address at stage 2.

        stage2.Map(Nowhere, Nowhere, Stage2ReadWrite);
        AssertFirst(EventType.ContextDescriptorFetch, substream: 3);

        ulong contexts = machine.Allocate(4096);
        stage2.Map(Nowhere, contexts, Stage2ReadWrite);
        AssertFirst(EventType.BadContextDescriptor, substream: 3);

        var space = scene.NewSpace();
        machine.SetContext(contexts + (3 * 64), space.Descriptor());
        var record = AssertFirst(EventType.Translation, substream: 3);
        Assert.Equal(FaultClass.Input, record.Class);   // Of the access itself, beyond T0SZ: no table was asked.
        Assert.False(record.S2);

        EventRecord AssertFirst(EventType type, uint substream) =>
            scene.AssertFaults(type, 1, ulong.MaxValue >> 1, AccessKind.Write, substream);

        void Store(StreamTableEntry value)
        {
            Span<ulong> words = stackalloc ulong[8];
            value.CopyTo(words);
            machine.Write64(level2 + 64, words);
        }
    }

    [Fact]
    [Rule("ORD-01")]
    public void TheSmmuEnableIsAskedBeforeAnyConfiguration()
    {
        using var scene = new StreamScene();
        scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova);

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);
        Assert.Equal(TranslationOutcome.DeviceBypassed, scene.AssertReaches(Iova, 1, Iova).Outcome);
        scene.AssertReaches(Iova, 1 << 20, Iova);

        scene.Machine.Write(RegisterOffset.GBPA, (1u << 31) | (1 << 20));
        scene.AssertAbortsSilently(1, Iova);
    }

    [Fact]
    [Rule("ORD-04")]
    public void SubstreamsAreJudgedBeforeTheContextIsFetched()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Entries.Stage1(Nowhere).With(StreamTableEntryField.S1CDMax, 4));
        scene.AssertFaults(EventType.BadSubstreamId, 1, Iova, substream: 16);
        scene.AssertFaults(EventType.StreamDisabled, 1, Iova);
        scene.AssertFaults(EventType.ContextDescriptorFetch, 1, Iova, substream: 15);

        scene.SetStream(1, Entries.Stage1(Nowhere)
            .With(StreamTableEntryField.S1CDMax, 4).With(StreamTableEntryField.S1DSS, 2));
        scene.AssertFaults(EventType.StreamDisabled, 1, Iova, substream: 0);
        scene.AssertFaults(EventType.ContextDescriptorFetch, 1, Iova);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("ORD-07")]
    public void ABadContextComesBeforeFaultsOfTheAddress(bool isLegal)
    {
        using var scene = new StreamScene();
        var descriptor = scene.NewSpace().Descriptor().With(ContextDescriptorField.EPD0, 1);   // EPD1 is 1 as well.
        if (!isLegal) descriptor = descriptor.With(ContextDescriptorField.AA64, 0);
        scene.SetStream(1, Entries.Stage1(scene.NewContext(descriptor)));

        var expected = isLegal ? EventType.Translation : EventType.BadContextDescriptor;
        scene.AssertFaults(expected, 1, Iova);
        scene.AssertFaults(expected, 1, ulong.MaxValue);
        scene.AssertFaults(expected, 1, 1UL << 60);
    }

    [Fact]
    [Rule("EVT-36")]
    [Rule("ORD-10")]
    [Rule("ORD-11")]
    [Rule("EVT-30")]
    public void AStage1WalkReportsItsDefectsOneByOneAsTheyAreMended()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var machine = scene.Machine;
        var space = scene.NewSpace();
        ulong context = scene.NewContext(space.Descriptor().With(ContextDescriptorField.IPS, 0));
        machine.SetStream(1, Entries.Stage1(context));
        ulong slot = space.Slot(Iova, 1);

        AssertFirst(EventType.Translation);
        machine.Write64(slot, (1UL << 36) | Stage1Space.TableOrPage);
        AssertFirst(EventType.AddressSize);
        machine.Write64(slot, Nowhere | Stage1Space.TableOrPage);
        Assert.Equal(Nowhere + (((Iova >> 21) & 0x1ff) * 8), AssertFirst(EventType.WalkExternalAbort).FetchAddress.Value);

        machine.Write64(slot, 0);
        ulong denied = Stage1Space.ReadOnly & ~AccessFlag;
        space.Map(Iova, 1UL << 36, denied);
        AssertFirst(EventType.AddressSize);
        space.Map(Iova, Output, denied);
        AssertFirst(EventType.AccessFlag);
        space.Map(Iova, Output, denied | AccessFlag);
        AssertFirst(EventType.Permission);
        space.Map(Iova, Output);
        scene.AssertReaches(Output, 1, Iova, AccessKind.Write);

        EventRecord AssertFirst(EventType type) => scene.AssertFaults(type, 1, Iova, AccessKind.Write);
    }

    [Fact]
    [Rule("EVT-37")]
    [Rule("ORD-12")]
    [Rule("ORD-13")]
    public void ANestedWalkReportsItsDefectsOneByOneAsTheyAreMended()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var machine = scene.Machine;
        var stage2 = scene.NewIntermediateSpace();
        ulong table = machine.Allocate(4096);
        var space = scene.NewSpace();
        ulong context = scene.NewContext(space.Descriptor().With(ContextDescriptorField.TTB0, Nowhere));
        stage2.Map(context & ~0xfffUL, context & ~0xfffUL, Stage2ReadWrite);
        machine.SetStream(1, Nested(context, stage2));
        ulong slot = ((Iova >> 30) & 0x1ff) * 8;

        // The address of the first table at stage 2: size, Access flag, permission; then its read.
        AssertFirst(EventType.Translation, true, FaultClass.TranslationTable);
        stage2.Map(Nowhere, Nowhere, Stage2ReadWrite & ~AccessFlag & ~(3UL << 6));
        AssertFirst(EventType.AccessFlag, true, FaultClass.TranslationTable);
        stage2.Map(Nowhere, Nowhere, Stage2ReadWrite & ~(3UL << 6));
        AssertFirst(EventType.Permission, true, FaultClass.TranslationTable);
        stage2.Map(Nowhere, Nowhere, Stage2ReadWrite);
        AssertFirst(EventType.WalkExternalAbort, false, FaultClass.TranslationTable);
        stage2.Map(Nowhere, table, Stage2ReadWrite);
        AssertFirst(EventType.Translation, false, FaultClass.Input);

        // The leaf at stage 1, and only then the IPA it leads to.
        ulong ipa = Ipa & ~((1UL << 30) - 1);
        machine.Write64(table + slot, ipa | (Stage1Space.ReadOnly & ~AccessFlag) | Stage1Space.Block);
        AssertFirst(EventType.AccessFlag, false, FaultClass.Input);
        machine.Write64(table + slot, ipa | Stage1Space.ReadOnly | Stage1Space.Block);
        AssertFirst(EventType.Permission, false, FaultClass.Input);
        machine.Write64(table + slot, ipa | Stage1Space.ReadWrite | Stage1Space.Block);
        AssertFirst(EventType.Translation, true, FaultClass.Input);
        ulong final = ipa | (Iova & ((1UL << 30) - 1));
        stage2.Map(final, Output, ReadOnlyStage2);
        AssertFirst(EventType.Permission, true, FaultClass.Input);
        stage2.Map(final, Output, Stage2ReadWrite);
        scene.AssertReaches(Output, 1, Iova, AccessKind.Write);

        void AssertFirst(EventType type, bool atStage2, FaultClass faultClass)
        {
            var record = scene.AssertFaults(type, 1, Iova, AccessKind.Write);
            Assert.Equal((atStage2, faultClass), (record.S2, record.Class));
        }
    }

    [Theory]
    [InlineData(0x5a12_0034_5678_9abcUL)]
    [InlineData(0xffff_ffff_ffff_ffffUL)]
    [InlineData(0x0080_0000_0000_0001UL)]
    [Rule("ORD-22")]
    [Rule("ADS-01")]
    [Rule("EVT-04")]
    [Rule("W1-07")]
    public void ARecordHasAllBitsOfTheAddressAsItWasGiven(ulong iova)
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        var descriptor = space.Descriptor()
            .With(ContextDescriptorField.TBI0, 1).With(ContextDescriptorField.TBI1, 1);
        scene.SetStream(1, Entries.Stage1(scene.NewContext(descriptor)));
        scene.SetStream(2, Entries.Bypass);

        Assert.Equal(iova, scene.AssertFaults(EventType.Translation, 1, iova).InputAddress);
        Assert.Equal(iova, scene.AssertFaults(EventType.AddressSize, 2, iova).InputAddress);
    }

    [Fact]
    [Rule("ORD-23")]
    public void AddressesNeedNoAlignment()
    {
        using var scene = new StreamScene();
        scene.AttachPage(1, Iova, Output);

        for (ulong offset = 0; offset < 16; offset++) scene.AssertReaches(Output + offset, 1, Iova + offset);
    }
}
