using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>A change of SMMUEN parts transactions into those before and those after it; queues go on (IHI 0070, 6.3.9.6).</summary>
public sealed class SmmuEnableTests : IDisposable
{
    private const ulong Page = 0x1000;
    private const ControlBits Queues = ControlBits.CommandQueue | ControlBits.EventQueue;
    private const uint AbortWhenOff = 0x8010_1000;

    private static readonly StreamId Stream = new(3);

    private readonly ScriptedBus bus = new();
    private readonly GuestMachine machine;
    private readonly DmaPort port;

    public SmmuEnableTests()
    {
        machine = new GuestMachine(bus: bus);
        port = machine.Smmu.OpenPort(Stream);
    }

    public void Dispose() => machine.Dispose();

    [Fact]
    [Rule("CTL-33")]
    [Rule("EN-11")]
    public void EveryTransactionAfterTheEnableUsesItsEntry()
    {
        machine.SetUpStreamTable();
        machine.SetStream(3, Entries.Abort);
        Assert.Equal(TranslationOutcome.DeviceBypassed, port.Translate(Page, AccessKind.Read).Outcome);
        machine.Enable(ControlBits.Smmu);
        Assert.Equal(1u, machine.Read(RegisterOffset.CR0ACK));
        Assert.Equal(TranslationOutcome.Aborted, port.Translate(Page, AccessKind.Read).Outcome);
    }

    [Theory]
    [InlineData(0u, false)]
    [InlineData(2u, true)]
    [Rule("CTL-33")]
    [Rule("CTL-44")]
    [Rule("EN-11")]
    public void StreamsOutsideOfTheTableAreRecordedIfTheControlSaysSo(uint control, bool isRecorded)
    {
        machine.SetUpStreamTable(log2Streams: 4);
        machine.SetUpEventQueue();
        machine.Write(RegisterOffset.CR2, control);
        machine.Enable(ControlBits.Smmu | ControlBits.EventQueue);
        var result = machine.Smmu.Translate(new StreamId(16), null, Page, AccessKind.Read);
        Assert.False(result.IsSuccess);
        Assert.Equal(isRecorded, machine.TryTakeEvent(out var record));
        if (isRecorded) Assert.Equal(EventType.BadStreamId, record.Type);
    }

    [Theory]
    [InlineData(0u, false)]
    [InlineData(1u, true)]
    [Rule("CTL-43")]
    [Rule("EN-11")]
    public void HypervisorStreamsHaveAHighHalfOfTheirAddressesIfTheControlSaysSo(uint control, bool hasHighHalf)
    {
        const ulong HypervisorWorld = 0b10;
        const ulong FourKiB = 0b10;
        const ulong HighHalf = 0xffff_0000_0000_0000;
        using var hypervisor = new GuestMachine();
        var space = new Stage1Space(hypervisor, asid: 1);
        space.Map(Page, 0x4100_0000);
        hypervisor.SetUpStreamTable();
        hypervisor.SetContext(
            hypervisor.AttachStage1(Stream.Value, space),
            space.Descriptor()
                .With(ContextDescriptorField.EPD1, 0)
                .With(ContextDescriptorField.T1SZ, 16)
                .With(ContextDescriptorField.TG1, FourKiB)
                .With(ContextDescriptorField.TTB1, space.Root));
        ulong[] words = [hypervisor.Read64(hypervisor.StreamEntry(3)), hypervisor.Read64(hypervisor.StreamEntry(3) + 8), 0, 0, 0, 0, 0, 0];
        hypervisor.SetStream(3, new StreamTableEntry(words).With(StreamTableEntryField.STRW, HypervisorWorld));
        hypervisor.Write(RegisterOffset.CR2, control);
        hypervisor.Enable(ControlBits.Smmu);

        Assert.True(hypervisor.Smmu.Translate(Stream, null, Page, AccessKind.Read).IsSuccess);
        var high = hypervisor.Smmu.Translate(Stream, null, HighHalf | Page, AccessKind.Read);
        Assert.Equal(hasHighHalf ? EventType.None : EventType.Translation, high.Event);
        Assert.Equal(hasHighHalf, high.IsSuccess);
    }

    [Fact]
    [Rule("EN-12")]
    [Rule("CTL-34")]
    public void EveryTransactionAfterTheDisableGoesByTheBypassRegister()
    {
        MapOnePage();
        machine.Write(RegisterOffset.GBPA, AbortWhenOff);
        Assert.Equal(TranslationOutcome.Translated, port.Translate(Page, AccessKind.Read).Outcome);
        machine.Enable(Queues);
        Assert.Equal((uint)Queues, machine.Read(RegisterOffset.CR0ACK));
        Assert.Equal(TranslationOutcome.Aborted, port.Translate(Page, AccessKind.Read).Outcome);
        Assert.False(machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("EN-13")]
    [Rule("CTL-34")]
    public void ATransactionThatBeganBeforeTheDisableEndsAsItBegan()
    {
        PutStreamTableOnTheBus(Entries.Bypass);
        machine.Write(RegisterOffset.GBPA, AbortWhenOff);
        bus.Reading = _ => machine.Enable(ControlBits.None);
        Assert.Equal(TranslationOutcome.StreamBypassed, port.Translate(Page, AccessKind.Read).Outcome);
        Assert.NotEmpty(bus.Reads);
        Assert.Equal(TranslationOutcome.Aborted, port.Translate(Page, AccessKind.Read).Outcome);
    }

    [Fact]
    [Rule("CTL-24")]
    [Rule("EN-10")]
    public void InvalidationsReachTheCachesWhileTranslationIsOff()
    {
        var space = MapOnePage();
        ulong first = port.Translate(Page, AccessKind.Read).Address.Value;
        machine.Enable(Queues);
        space.Map(Page, first + Page);
        var other = new Stage1Space(machine, asid: 1);
        other.Map(Page, first + (2 * Page));
        machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(1), Page));
        Assert.True(machine.IsCommandQueueEmpty);
        machine.Enable(Queues | ControlBits.Smmu);
        Assert.Equal(first + Page, port.Translate(Page, AccessKind.Read).Address.Value);

        machine.Enable(Queues);
        machine.AttachStage1(Stream.Value, other);
        machine.SubmitAndSync(Command.CfgiSte(Stream), Command.TlbiNhAll(default));
        machine.Enable(Queues | ControlBits.Smmu);
        Assert.Equal(first + (2 * Page), port.Translate(Page, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("CTL-31")]
    public void WhatIsCachedIsServedAgainAfterThePause()
    {
        MapOnePage();
        ulong first = port.Translate(Page, AccessKind.Read).Address.Value;
        ulong walks = machine.Smmu.GetStatistics().Walks;
        machine.Enable(Queues);
        port.Translate(Page, AccessKind.Read);
        machine.Enable(Queues | ControlBits.Smmu);
        Assert.Equal(first, port.Translate(Page, AccessKind.Read).Address.Value);
        Assert.Equal(walks, machine.Smmu.GetStatistics().Walks);
    }

    [Fact]
    [Rule("EN-09")]
    public void CommandsRunAndRecordsUnderWayArriveWhileTranslationIsOff()
    {
        machine.SetUpEventQueue(address: ScriptedBus.Base);
        machine.Start();
        bus.Writing = _ => machine.Enable(Queues);
        machine.CauseEvent();
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0ACK) & 1);
        Assert.True(machine.TryTakeEvent(out var record));
        Assert.Equal(EventType.BadStreamTableEntry, record.Type);

        ulong mailbox = machine.Allocate(64);
        machine.Submit(Command.SyncWithMsi(new PhysicalAddress(mailbox), 0x51));
        Assert.Equal(0x51u, machine.Read32(mailbox));
    }

    [Fact]
    [Rule("CTL-23")]
    [Rule("EN-08")]
    public void PrefetchesAreVoidWhileTranslationIsOff()
    {
        PutStreamTableOnTheBus(Entries.Bypass);
        machine.Enable(ControlBits.CommandQueue);
        machine.SubmitAndSync(Command.PrefetchConfig(Stream), Command.PrefetchAddress(Stream, Page));
        Assert.True(machine.IsCommandQueueEmpty);
        Assert.Empty(bus.Reads);
    }

    [Fact]
    [Rule("CTL-27")]
    [Rule("EN-08")]
    [Rule("HTTU-27")]
    public void NoFlagIsUpdatedWhileTranslationIsOff()
    {
        using var updating = new GuestMachine();
        const ulong Accessed = 1UL << 10;
        var space = new Stage1Space(updating, asid: 1);
        space.Map(Page, 0x4100_0000, Stage1Space.ReadWrite & ~Accessed);
        updating.Start();
        updating.SetContext(
            updating.AttachStage1(Stream.Value, space),
            space.Descriptor().With(ContextDescriptorField.HA, 1));
        ulong slot = space.Slot(Page, 3);

        updating.Enable(Queues);
        updating.Smmu.Translate(Stream, null, Page, AccessKind.Write);
        Assert.Equal(0UL, updating.Read64(slot) & Accessed);

        updating.Enable(Queues | ControlBits.Smmu);
        Assert.True(updating.Smmu.Translate(Stream, null, Page, AccessKind.Write).IsSuccess);
        Assert.Equal(Accessed, updating.Read64(slot) & Accessed);
    }

    [Fact]
    [Rule("CTL-26")]
    public void CommandsForClientsAreConsumedWithoutErrorWhileTranslationIsOff()
    {
        using var client = new GuestMachine(SmmuFeatures.Default);
        client.SetUpCommandQueue();
        client.Enable(ControlBits.CommandQueue);
        client.SubmitAndSync(
            Command.AtcInv(Stream, Page, size: 0),
            Command.PriResp(Stream, 1, PageResponse.Success));
        Assert.True(client.IsCommandQueueEmpty);
        Assert.Equal(GlobalErrors.None, client.ActiveErrors());
    }

    private Stage1Space MapOnePage()
    {
        var space = new Stage1Space(machine, asid: 1);
        space.Map(Page, 0x4100_0000);
        machine.Start();
        machine.AttachStage1(Stream.Value, space);
        return space;
    }

    private void PutStreamTableOnTheBus(StreamTableEntry entry)
    {
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        machine.SetUpStreamTable(log2Streams: 4);
        machine.SetUpCommandQueue();
        machine.WriteWhole(RegisterOffset.STRTAB_BASE, ScriptedBus.Base);
        machine.Write64(ScriptedBus.Base + (Stream.Value * 64), words);
        machine.Enable(ControlBits.Smmu);
    }
}
