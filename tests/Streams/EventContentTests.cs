using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>A record as software finds it in memory: the bits of its event, and zeroes.</summary>
public class EventContentTests
{
    private const ulong Iova = 0x12_3456_7abc;
    private const ulong Page = Iova & ~0xfffUL;
    private const ulong Ipa = 0x23_4567_8000;
    private const uint Substream = 0x5;

    private const ulong Privileged = 1UL << 33;
    private const ulong Instruction = 1UL << 34;
    private const ulong Read = 1UL << 35;
    private const ulong S2 = 1UL << 39;
    private const ulong ClassTable = 1UL << 40;
    private const ulong ClassInput = 2UL << 40;
    private const ulong TableRead = 1UL << 44;

    [Fact]
    [Rule("EVT-01")]
    [Rule("EVT-02")]
    public void ARecordLiesInMemoryAs32LittleEndianBytes()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        ulong table = scene.Machine.Allocate(64 << 4, 64 << 4);
        scene.Machine.SetContext(table + (Substream * 64), space.Descriptor());
        scene.SetStream(0xa1, Entries.Stage1(table).With(StreamTableEntryField.S1CDMax, 4));
        byte[] old = new byte[256];
        Array.Fill(old, (byte)0xff);
        Assert.True(scene.Machine.Memory.Write(scene.Machine.EventQueue, old));

        scene.Access(0xa1, Iova, AccessKind.Read, Substream);

        byte[] record = new byte[33];
        Assert.True(scene.Machine.Memory.Read(scene.Machine.EventQueue, record));
        Assert.Equal(
            [
                0x10, 0x58, 0, 0, 0xa1, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x02, 0, 0,
                0xbc, 0x7a, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
            ],
            record);
    }

    [Theory]
    [InlineData(AccessKind.Read, Read)]
    [InlineData(AccessKind.Write, 0)]
    [InlineData(AccessKind.Read | AccessKind.Privileged, Read | Privileged)]
    [InlineData(AccessKind.Write | AccessKind.Privileged, Privileged)]
    [InlineData(AccessKind.Read | AccessKind.Instruction, Read | Instruction)]
    [InlineData(AccessKind.Write | AccessKind.Instruction, 0)]
    [InlineData(AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged, Read | Instruction | Privileged)]
    [Rule("EVT-03")]
    [Rule("EVT-16")]
    [Rule("EVT-18")]
    [Rule("EVT-19")]
    [Rule("EVT-20")]
    [Rule("ATT-02")]
    public void ARecordTellsWhatTheClientDidEvenWhenAnAccessOfTheSmmuFailed(AccessKind kind, ulong marks)
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        ulong context = scene.NewContext(space.Descriptor());
        ulong aborting = scene.NewContext(space.Descriptor().With(ContextDescriptorField.TTB0, Nowhere));
        var stage2 = scene.NewIntermediateSpace();
        scene.SetStream(1, Entries.Stage1(context));
        scene.SetStream(2, Entries.Stage1(aborting));
        scene.SetStream(3, Nested(context, stage2));

        ulong descriptor = Nowhere + (((Iova >> 30) & 0x1ff) * 8);
        Assert.Equal(
            new EventRecord(0x0000_0001_0000_0010, marks | ClassInput, Iova, 0),
            scene.AssertFaults(EventType.Translation, 1, Iova, kind));
        Assert.Equal(
            new EventRecord(0x0000_0002_0000_000b, marks | ClassTable, Iova, descriptor),
            scene.AssertFaults(EventType.WalkExternalAbort, 2, Iova, kind));
        Assert.Equal(
            new EventRecord(0x0000_0003_0000_0010, marks | S2, Iova, context & ~0xfffUL),
            scene.AssertFaults(EventType.Translation, 3, Iova, kind));
    }

    [Theory]
    [InlineData(2u, false)]
    [InlineData(3u, true)]
    [Rule("EVT-03")]
    [Rule("STE-34")]
    public void ARecordHasTheMarksAfterTheOverridesOfItsStream(uint privilege, bool isPrivileged)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Entries.Stage1(scene.NewContext(scene.NewSpace().Descriptor()))
            .With(StreamTableEntryField.PRIVCFG, privilege).With(StreamTableEntryField.INSTCFG, 3));

        foreach (var mark in (AccessKind[])[0, AccessKind.Privileged])
        {
            var read = scene.AssertFaults(EventType.Translation, 1, Iova, AccessKind.Read | mark);
            var write = scene.AssertFaults(EventType.Translation, 1, Iova, AccessKind.Write | mark);
            Assert.Equal((isPrivileged, true, true), (read.PnU, read.InD, read.RnW));
            Assert.Equal((isPrivileged, false, false), (write.PnU, write.InD, write.RnW));
        }
    }

    [Theory]
    [InlineData(2u, false)]
    [InlineData(3u, true)]
    [Rule("EVT-03")]
    public void ARecordOfAContextDescriptorFetchHasTheMarksAfterTheOverrides(uint privilege, bool isPrivileged)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Nested(Ipa, scene.NewIntermediateSpace()).With(StreamTableEntryField.PRIVCFG, privilege));

        foreach (var mark in (AccessKind[])[0, AccessKind.Privileged])
        {
            var record = scene.AssertFaults(EventType.Translation, 1, Iova, AccessKind.Read | mark);
            Assert.Equal((true, isPrivileged, Ipa), (record.S2, record.PnU, record.IntermediatePhysicalAddress));
        }
    }

    [Theory]
    [InlineData(1UL << 7, true)]   // Writable alone: what is missing is the read.
    [InlineData(1UL << 6, false)]
    [InlineData(0UL, false)]
    [Rule("EVT-03")]
    [Rule("EVT-39")]
    public void TheRecordOfAnAtomicSaysReadWhenOnlyTheReadIsDenied(ulong permitted, bool isRead)
    {
        const ulong Permissions = 3UL << 6;
        using var scene = new StreamScene();
        var space = scene.NewIntermediateSpace();
        space.Map(Page, Ipa, (Stage2ReadWrite & ~Permissions) | permitted);
        scene.SetStream(1, Stage2(space));

        foreach (var mark in (AccessKind[])[0, AccessKind.Instruction])
        {
            var record = scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Atomic | mark);
            Assert.Equal((isRead, false), (record.RnW, record.InD));
        }
    }

    [Fact]
    [Rule("EVT-05")]
    [Rule("EVT-16")]
    [Rule("EVT-17")]
    public void AnAbortedWalkTellsItsStageItsClassAndItsPhysicalAddress()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var machine = scene.Machine;
        var stage2 = scene.NewIntermediateSpace();
        var space = scene.NewSpace();
        const ulong TableIpa = 0x30_0000_0000, ContextIpa = 0x31_0000_0000;
        ulong context = scene.Machine.Allocate(4096);
        machine.SetContext(context, space.Descriptor().With(ContextDescriptorField.TTB0, TableIpa));
        machine.SetStream(1, Nested(ContextIpa, stage2));

        // Each of the three addresses meets a stage 2 table that is not there; then the stage 1 table itself is not.
        Abort(ContextIpa, atStage2: true, FaultClass.ContextDescriptor);
        stage2.Map(ContextIpa, context, Stage2ReadWrite);
        Abort(TableIpa, atStage2: true, FaultClass.TranslationTable);
        stage2.Map(TableIpa, Nowhere, Stage2ReadWrite);
        AssertAbort(false, FaultClass.TranslationTable, Nowhere + (((Iova >> 30) & 0x1ff) * 8));
        stage2.Map(TableIpa, space.Root, Stage2ReadWrite);
        ulong block = Ipa & ~((1UL << 30) - 1);
        machine.Write64(space.Root + (((Iova >> 30) & 0x1ff) * 8), block | Stage1Space.ReadWrite | Stage1Space.Block);
        Abort(block | (Page & ((1UL << 30) - 1)), atStage2: true, FaultClass.Input);

        void Abort(ulong ipa, bool atStage2, FaultClass faultClass)
        {
            ulong slot = stage2.Slot(ipa, 1);
            machine.Write64(slot, Nowhere | Stage1Space.TableOrPage);
            AssertAbort(atStage2, faultClass, Nowhere + (((ipa >> 21) & 0x1ff) * 8));
            machine.Write64(slot, 0);
        }

        void AssertAbort(bool atStage2, FaultClass faultClass, ulong fetch)
        {
            var record = scene.AssertFaults(EventType.WalkExternalAbort, 1, Iova);
            ulong where = (atStage2 ? S2 : 0) | ((ulong)faultClass << 40);
            Assert.Equal(new EventRecord(0x0000_0001_0000_000b, Read | where, Iova, fetch), record);
        }
    }

    [Fact]
    [Rule("EVT-05")]
    [Rule("EVT-18")]
    [Rule("EVT-20")]
    [Rule("EVT-21")]
    [Rule("W2-16")]
    [Rule("WN-04")]
    public void AStage2FaultTellsTheIpaOfWhatWasTranslated()
    {
        using var scene = new StreamScene(cachesEnabled: false);
        var machine = scene.Machine;
        var stage2 = scene.NewIntermediateSpace();
        var space = scene.NewSpace();
        const ulong TableIpa = 0x30_0000_0000, ContextIpa = 0x31_0000_0000;
        const ulong Unreadable = Stage2ReadWrite & ~(3UL << 6);
        ulong context = scene.Machine.Allocate(4096);
        machine.SetContext(context + 64, space.Descriptor().With(ContextDescriptorField.TTB0, TableIpa));
        machine.SetStream(1, Nested(ContextIpa + 64, stage2));
        machine.Write64(
            space.Root + (((Iova >> 30) & 0x1ff) * 8), (Ipa & ~((1UL << 30) - 1)) | Stage1Space.ReadWrite | Stage1Space.Block);

        stage2.Map(ContextIpa, context, Unreadable);
        AssertPermission(0, ContextIpa);
        stage2.Map(ContextIpa, context, Stage2ReadWrite);
        stage2.Map(TableIpa, space.Root, Unreadable);
        AssertPermission(ClassTable | TableRead, TableIpa);
        stage2.Map(TableIpa, space.Root, Stage2ReadWrite);
        ulong final = (Ipa & ~((1UL << 30) - 1)) | (Page & ((1UL << 30) - 1));
        stage2.Map(final, 0x5000, Unreadable);
        AssertPermission(ClassInput, final);

        void AssertPermission(ulong where, ulong ipa) => Assert.Equal(
            new EventRecord(0x0000_0001_0000_0013, Read | S2 | where, Iova, ipa),
            scene.AssertFaults(EventType.Permission, 1, Iova));
    }

    [Theory]
    [InlineData(AccessKind.Read, Read)]
    [InlineData(AccessKind.Write, 0)]
    [InlineData(AccessKind.Atomic, 0)]
    [InlineData(AccessKind.Write | AccessKind.Privileged, Privileged)]
    [InlineData(AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged, Read | Instruction | Privileged)]
    [Rule("WN-08")]
    [Rule("W2-16")]
    public void AStage2FaultOfAFetchTellsTheMarksOfTheClientsAccess(AccessKind kind, ulong marks)
    {
        const ulong ContextIpa = 0x31_0000_0000, TableIpa = 0x30_0000_0000;
        using var scene = new StreamScene(cachesEnabled: false);
        var stage2 = scene.NewIntermediateSpace();
        ulong context = scene.Machine.Allocate(4096);
        scene.Machine.SetContext(context, scene.NewSpace().Descriptor().With(ContextDescriptorField.TTB0, TableIpa));
        scene.Machine.SetStream(1, Nested(ContextIpa, stage2));

        Assert.Equal(
            new EventRecord(0x0000_0001_0000_0010, marks | S2, Iova, ContextIpa),
            scene.AssertFaults(EventType.Translation, 1, Iova, kind));
        stage2.Map(ContextIpa, context, Stage2ReadWrite);
        Assert.Equal(
            new EventRecord(0x0000_0001_0000_0010, marks | S2 | ClassTable, Iova, TableIpa),
            scene.AssertFaults(EventType.Translation, 1, Iova, kind));
    }

    [Fact]
    [Rule("EVT-18")]
    [Rule("EVT-19")]
    public void TheFourFaultsOfStage1HaveOneLayout()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(0x1000, 1UL << 40);
        space.Map(0x2000, 0x5000, Stage1Space.ReadWrite & ~(1UL << 10));
        space.Map(0x3000, 0x5000, Stage1Space.ReadOnly);
        ulong table = scene.Machine.Allocate(64 << 4, 64 << 4);
        scene.Machine.SetContext(
            table + (Substream * 64), space.Descriptor().With(ContextDescriptorField.IPS, 0));
        scene.SetStream(1, Entries.Stage1(table).With(StreamTableEntryField.S1CDMax, 4));

        EventType[] types = [EventType.Translation, EventType.AddressSize, EventType.AccessFlag, EventType.Permission];
        for (uint page = 0; page < 4; page++)
        {
            var record = scene.AssertFaults(types[page], 1, (page << 12) | 0x123, AccessKind.Write, Substream);
            ulong word0 = 0x0000_0001_0000_5810UL | page;   // The numbers follow one another.
            Assert.Equal(new EventRecord(word0, ClassInput, (page << 12) | 0x123, 0), record);
        }
    }

    [Fact]
    [Rule("EVT-40")]
    [Rule("SPEC-15")]
    public void AnAccessThatIsTranslatedAndThenAbortsLeavesNoRecord()
    {
        using var scene = new StreamScene();
        scene.AttachPage(1, Page, Nowhere);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));

        Assert.False(port.Read(Page, new byte[8]));
        Assert.False(port.Write(Page, new byte[8]));
        scene.AssertNoEvent();
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [Rule("STE-45")]
    [Rule("EVT-38")]
    public void RecordsThatAreAlikeAreNotMergedWhateverMevSays(uint mev)
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        scene.SetStream(1, Entries.Stage1(scene.NewContext(space.Descriptor())).With(StreamTableEntryField.MEV, mev));
        for (ulong i = 0; i < 5; i++) Assert.Equal(EventType.Translation, scene.Access(1, Page + (i & 1)).Event);

        for (ulong i = 0; i < 5; i++)
        {
            Assert.True(scene.Machine.TryTakeEvent(out var record));
            Assert.Equal((EventType.Translation, Page + (i & 1)), (record.Type, record.InputAddress));
        }

        scene.AssertNoEvent();
    }

    [Fact]
    [Rule("EVT-31")]
    public void RecordsAreLostWhileTheQueueIsOff()
    {
        using var scene = new StreamScene();
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        Assert.Equal(EventType.BadStreamTableEntry, scene.Access(1, Iova).Event);
        scene.AssertNoEvent();

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu | ControlBits.EventQueue);
        scene.AssertNoEvent();
        scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova);
    }

    [Fact]
    [Rule("EVT-31")]
    public void RecordsAreLostWhileTheQueueIsFullAndKeptAgainAfterwards()
    {
        using var scene = new StreamScene();
        for (uint i = 0; i <= 256; i++) scene.Access(i & 0xff, Iova + i);   // One more than there is room for.

        for (uint i = 0; i < 256; i++)
        {
            Assert.True(scene.Machine.TryTakeEvent(out var record));
            Assert.Equal(i, record.StreamId.Value);
        }

        scene.AssertFaults(EventType.BadStreamTableEntry, 7, Iova);
    }

    [Fact]
    [Rule("EVT-31")]
    public void RecordsAreLostWhileAnAbortOfTheQueueIsNotAcknowledged()
    {
        const uint EventQueueAborted = 1 << 2;
        using var scene = new StreamScene();
        var machine = scene.Machine;
        machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        machine.SetUpEventQueue(8, Nowhere);
        machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu | ControlBits.EventQueue);
        scene.Access(1, Iova);
        Assert.Equal(EventQueueAborted, machine.Read(RegisterOffset.GERROR) & EventQueueAborted);

        machine.Memory.AddOwned(Nowhere, 1 << 16);
        scene.Access(1, Iova);
        scene.AssertNoEvent();

        machine.Write(RegisterOffset.GERRORN, machine.Read(RegisterOffset.GERROR));
        scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova);
    }
}
