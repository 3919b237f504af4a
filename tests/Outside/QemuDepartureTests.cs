using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Outside;

/// <summary>
/// Where QEMU 10.2, when it is run, departs from the architecture and this SMMU must not: registers, queues, structures and
/// stage 1. <see cref="QemuNestingDepartureTests"/> goes on with stage 2.
/// </summary>
public class QemuDepartureTests
{
    private const ulong Iova = 0x1234_5000;
    private const ulong Output = 0x4100_0000;
    private const uint Stream = 8;

    private static readonly SmmuFeatures qemu = SmmuFeatures.QemuVirt;

    [Fact]
    public void Departure01_AWriteThatATableForbidsStaysForbiddenAfterARead()
    {
        const ulong ReadOnlyBelow = 0b10UL << 61;   // APTable.
        using var scene = new StreamScene();
        var space = scene.AttachPage(Stream, Iova, Output);
        ulong table = space.Slot(Iova, level: 1);
        scene.Machine.Write64(table, scene.Machine.Read64(table) | ReadOnlyBelow);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(Stream));

        scene.AssertFaults(EventType.Permission, Stream, Iova, AccessKind.Write);
        scene.AssertReaches(Output, Stream, Iova);
        scene.AssertFaults(EventType.Permission, Stream, Iova, AccessKind.Write);

        Assert.True(port.Translate(Iova, AccessKind.Read).IsSuccess);
        var write = port.Translate(Iova, AccessKind.Write);
        Assert.Equal((TranslationOutcome.Faulted, EventType.Permission), (write.Outcome, write.Event));
    }

    [Fact]
    public void Departure02_AFullEventQueueTogglesTheOverflowFlagAndIsNoGlobalError()
    {
        using var machine = new FaultingMachine(log2: 1);
        machine.Fault(0x1000, 0x2000);
        Assert.Equal(2u, machine.Producer);

        machine.Fault(0x3000);

        Assert.Equal(2u | FaultingMachine.OverflowFlag, machine.Producer);
        Assert.Equal(0u, machine.Errors);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    public void Departure03_EachRangeIgnoresTheTopByteByItsOwnBit(ulong low, ulong high)
    {
        const ulong HighIova = 0xffff_ff80_0000_0000 | Iova;
        const ulong TopByte = 0x5aUL << 56;
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        scene.Machine.SetStream(Stream, Entries.Stage1(scene.NewContext(space.Descriptor()
            .With(ContextDescriptorField.EPD1, 0)
            .With(ContextDescriptorField.T1SZ, 25)
            .With(ContextDescriptorField.TG1, 2)
            .With(ContextDescriptorField.TTB1, space.Root)
            .With(ContextDescriptorField.TBI0, low)
            .With(ContextDescriptorField.TBI1, high))));

        scene.AssertReaches(Output, Stream, Iova);
        scene.AssertReaches(Output, Stream, HighIova);
        AssertTagged(TopByte | Iova, low != 0);
        AssertTagged((HighIova & (ulong.MaxValue >> 8)) | TopByte, high != 0);

        void AssertTagged(ulong iova, bool isIgnored)
        {
            if (isIgnored) scene.AssertReaches(Output, Stream, iova);
            else scene.AssertFaults(EventType.Translation, Stream, iova);
        }
    }

    public static TheoryData<string, ulong> NotForThisSmmu => new()
    {
        { "CMD_TLBI_EL2_ALL", Command.TlbiEl2All().Word0 },
        { "CMD_TLBI_EL2_ASID", Command.TlbiEl2Asid(default).Word0 },
        { "CMD_TLBI_EL2_VA", Command.TlbiEl2Va(default, 0).Word0 },
        { "CMD_TLBI_EL2_VAA", Command.TlbiEl2Vaa(0).Word0 },
        { "CMD_TLBI_EL3_ALL", Command.TlbiEl3All().Word0 },
        { "CMD_TLBI_EL3_VA", Command.TlbiEl3Va(0).Word0 },
        { "CMD_ATC_INV", (ulong)CommandOpcode.AtcInv },
        { "CMD_PRI_RESP", (ulong)CommandOpcode.PriResp },
        { "CMD_RESUME", Command.ResumeRetry(new StreamId(Stream), stallTag: 0).Word0 },
        { "CMD_STALL_TERM", Command.StallTerm(new StreamId(Stream)).Word0 },
    };

    /// <summary>The SMMU of QEMU's machine has neither EL2 nor ATS nor PRI nor stalls; the queue is not Secure.</summary>
    [Theory]
    [MemberData(nameof(NotForThisSmmu))]
    public void Departure04_ACommandForWhatIsNotThereIsIllegal(string name, ulong word)
    {
        using var machine = new GuestMachine(qemu);
        machine.Start();

        machine.Submit(new Command(word, 0));

        Assert.True((machine.Read(RegisterOffset.GERROR) & (uint)GlobalErrors.CMDQ_ERR) != 0, name);
        Assert.Equal((uint)CommandError.Illegal << 24, machine.Read(RegisterOffset.CMDQ_CONS));
    }

    [Fact]
    public void Departure05_AStreamTableIsLinearAgainWhenTheFormatSaysSo()
    {
        const uint TwoLevels = (1 << 16) | (6 << 6) | 8;
        const uint Linear = 8;
        using var scene = new StreamScene();
        var machine = scene.Machine;
        ulong linear = machine.StreamTable;
        scene.AttachPage(Stream, Iova, Output);
        ulong level1 = machine.Allocate(4096);

        scene.UseTable(level1, TwoLevels);
        scene.AssertFaults(EventType.BadStreamId, Stream, Iova);
        scene.UseTable(linear, Linear);

        scene.AssertReaches(Output, Stream, Iova);
        Assert.Equal(Linear, machine.Read(RegisterOffset.STRTAB_BASE_CFG));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Departure06_AnUnknownStreamIsRecordedOnlyWhenTheDriverAsksForIt(bool isRecorded)
    {
        const uint BeyondTheTable = 256;
        using var scene = new StreamScene(recordInvalidStreams: isRecorded);

        var result = scene.Access(BeyondTheTable, Iova);

        Assert.False(result.IsSuccess);
        if (isRecorded) Assert.Equal(EventType.BadStreamId, scene.TakeOnlyEvent().Type);
        else scene.AssertNoEvent();
    }

    [Fact]
    public void Departure07_EnablesOfWhatIsNotThereAreNotAcknowledged()
    {
        const uint PageRequestQueue = 1 << 1;
        const uint AtsCheck = 1 << 4;
        const uint VmidWildcard = 1 << 6;
        const uint Present = (uint)(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        using var machine = new GuestMachine(qemu);
        machine.Start();

        machine.Write(RegisterOffset.CR0, Present | PageRequestQueue | AtsCheck | VmidWildcard);

        Assert.Equal(Present, machine.Read(RegisterOffset.CR0ACK));
    }

    [Theory]
    [InlineData(AccessKind.Read)]
    [InlineData(AccessKind.Write)]
    public void Departure12_ATranslationFaultSaysThatTheInputAddressCausedIt(AccessKind access)
    {
        using var scene = new StreamScene();
        scene.AttachPage(Stream, Iova, Output);

        var record = scene.AssertFaults(EventType.Translation, Stream, Iova + 0x1000, access);

        Assert.Equal(FaultClass.Input, record.Class);
        Assert.Equal((Iova + 0x1000, access == AccessKind.Read), (record.InputAddress, record.RnW));
    }

    [Fact]
    public void Departure14_TheAddressOfAnUnreadableContextIsInItsDoubleword()
    {
        using var scene = new StreamScene();
        scene.Machine.SetStream(Stream, Entries.Stage1(StreamScene.Nowhere + 0x40));
        ulong place = scene.Machine.EventQueue;

        scene.AssertFaults(EventType.ContextDescriptorFetch, Stream, Iova);

        Assert.Equal(StreamScene.Nowhere + 0x40, scene.Machine.Read64(place + 24));
        Assert.Equal(0ul, scene.Machine.Read64(place + 16));
    }

    [Fact]
    public void Departure15_AStage2OfAnotherFormatIsTheStreamsMistakeAndNobodyElses()
    {
        using var scene = new StreamScene();
        var space = scene.NewIntermediateSpace();
        scene.AttachPage(Stream + 1, Iova, Output);
        scene.Machine.SetStream(Stream, StreamScene.Stage2(space).With(StreamTableEntryField.S2AA64, 0));

        scene.AssertFaults(EventType.BadStreamTableEntry, Stream, Iova);

        scene.AssertReaches(Output, Stream + 1, Iova);
    }
}
