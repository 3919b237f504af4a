using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>An MSI is one word to physical memory, sent as configured when its source was enabled (IHI 0070, 3.18 and 6.3.21).</summary>
public sealed class MessageInterruptTests : IDisposable
{
    private const ulong Doorbell = ScriptedBus.Base + 0x40;

    private readonly ScriptedBus bus = new();
    private readonly GuestMachine machine;
    private readonly List<InterruptLine> pulses;

    public MessageInterruptTests()
    {
        machine = new GuestMachine(bus: bus);
        pulses = machine.RecordPulses();
    }

    public void Dispose() => machine.Dispose();

    [Theory]
    [InlineData(RegisterOffset.GERROR_IRQ_CFG0, InterruptEnables.GERROR_IRQEN)]
    [InlineData(RegisterOffset.EVENTQ_IRQ_CFG0, InterruptEnables.EVENTQ_IRQEN)]
    [Rule("INT-02")]
    [Rule("INT-04")]
    [Rule("IRQ-19")]
    [Rule("IRQ-22")]
    [Rule("ID-15")]
    public void AMessageIsOneAlignedLittleEndianWord(uint configuration, InterruptEnables source)
    {
        machine.PointMsi(configuration, Doorbell | 3, 0x1234_5678);
        machine.EnableInterrupts(source);
        machine.Start();
        CauseEventAndError();
        Assert.Equal([(Doorbell, 4)], bus.Writes);
        byte[] bytes = new byte[6];
        Assert.True(machine.Memory.Read(Doorbell - 1, bytes));
        Assert.Equal([0, 0x78, 0x56, 0x34, 0x12, 0], bytes);
    }

    [Theory]
    [InlineData(RegisterOffset.GERROR_IRQ_CFG0)]
    [InlineData(RegisterOffset.EVENTQ_IRQ_CFG0)]
    [Rule("INT-04")]
    public void AMessageToMemoryLeavesItsNeighboursAlone(uint configuration)
    {
        ulong mailbox = machine.Allocate(64);
        machine.Write64(mailbox, [ulong.MaxValue, ulong.MaxValue]);
        machine.PointMsi(configuration, mailbox + 4, 0x1234_5678);
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN);
        machine.Start();
        CauseEventAndError();
        Assert.Equal(0x1234_5678_ffff_ffffUL, machine.Read64(mailbox));
        Assert.Equal(ulong.MaxValue, machine.Read64(mailbox + 8));
    }

    [Fact]
    [Rule("INT-04")]
    [Rule("IRQ-23")]
    public void AddressZeroSendsNoneAndLeavesTheWire()
    {
        machine.Memory.AddOwned(0, 4096);
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, 0, 0x55);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, 3, 0x55);   // Bits [1:0] are no part of the address.
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN);
        machine.Start();
        CauseEventAndError();
        Assert.Equal(0u, machine.Read32(0));
        Assert.Equal([InterruptLine.EventQueue, InterruptLine.GlobalError], pulses);
    }

    [Fact]
    [Rule("INT-16")]
    [Rule("IRQ-32")]
    public void AnEnabledSourceWithAnAddressDoesBoth()
    {
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Doorbell, 0x66);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        machine.Start();
        machine.CauseEvent();
        Assert.Equal(0x66u, machine.Read32(Doorbell));
        Assert.Equal([InterruptLine.EventQueue], pulses);
    }

    [Fact]
    [Rule("INT-13")]
    public void AfterAnotherEnableEveryMessageIsAsConfiguredThen()
    {
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Doorbell, 1);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        machine.Start();
        machine.CauseEvent();
        machine.EmptyEventQueue();

        machine.EnableInterrupts(InterruptEnables.None);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Doorbell + 8, 2);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        Assert.Equal(4u, machine.Read(RegisterOffset.IRQ_CTRLACK));
        machine.CauseEvent();
        Assert.Equal([(Doorbell, 4), (Doorbell + 8, 4)], bus.Writes);
        Assert.Equal((1u, 2u), (machine.Read32(Doorbell), machine.Read32(Doorbell + 8)));
    }

    [Fact]
    [Rule("INT-12")]
    [Rule("IRQ-05")]
    public void ADisableIsAcknowledgedWhenMessagesUnderWayHaveArrived()
    {
        bool wasAsked = false;
        SendEventMessagesToTheBus();
        bus.Writing = _ =>
        {
            machine.EnableInterrupts(InterruptEnables.None);   // No GERROR message is under way, so that bit is clear at once.
            Assert.Equal(4u, machine.Read(RegisterOffset.IRQ_CTRLACK));
            wasAsked = true;
        };
        machine.CauseEvent();
        Assert.True(wasAsked);
        Assert.Equal(0u, machine.Read(RegisterOffset.IRQ_CTRLACK));
        Assert.Equal(0x11u, machine.Read32(Doorbell));

        bus.Writing = null;
        machine.EmptyEventQueue();
        pulses.Clear();
        machine.CauseEvent();
        Assert.Single(bus.Writes);
        Assert.Empty(pulses);
    }

    [Fact]
    [Rule("INT-12")]
    [Rule("IRQ-05")]
    public void ADisableIsAcknowledgedWhenTheAbortOfAMessageShows()
    {
        SendEventMessagesToTheBus();
        bus.Aborts = true;
        bus.Writing = _ =>
        {
            machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN);
            Assert.Equal(5u, machine.Read(RegisterOffset.IRQ_CTRLACK));
            Assert.Equal(GlobalErrors.None, machine.ActiveErrors());
        };
        uint acknowledged = uint.MaxValue;
        machine.Smmu.InterruptRaised += line =>
        {
            if (line == InterruptLine.GlobalError) acknowledged = machine.Read(RegisterOffset.IRQ_CTRLACK);
        };
        machine.CauseEvent();
        Assert.Equal(1u, acknowledged);
        Assert.Equal(GlobalErrors.MSI_EVENTQ_ABT_ERR, machine.ActiveErrors());
    }

    [Fact]
    [Rule("INT-12")]
    public void ADisableThatIsTakenBackIsCalledOff()
    {
        SendEventMessagesToTheBus();
        bus.Writing = _ =>
        {
            machine.EnableInterrupts(InterruptEnables.None);
            machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        };
        machine.CauseEvent();
        Assert.Equal(4u, machine.Read(RegisterOffset.IRQ_CTRLACK));
        machine.EmptyEventQueue();
        machine.CauseEvent();
        Assert.Equal(2, bus.Writes.Count);
    }

    [Fact]
    [Rule("INT-14")]
    [Rule("IRQ-31")]
    public void AMessageFindsTheNewsItTellsOf()
    {
        ulong command = ScriptedBus.Base + 0x80;
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Doorbell, 1);
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, Doorbell + 8, 2);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN | InterruptEnables.GERROR_IRQEN);
        machine.Start();
        var seen = new List<ulong>();
        bus.Writing = address => seen.Add(
            address == Doorbell ? (machine.Read64(machine.EventQueue) & 0xff) | ((ulong)machine.Read(RegisterOffset.EVENTQ_PROD) << 32)
            : address == command ? machine.CommandConsumer().RD
            : machine.Read(RegisterOffset.GERROR));
        machine.CauseEvent();
        machine.Submit(Command.SyncWithMsi(new PhysicalAddress(command), 3), Scenes.IllegalCommand);
        Assert.Equal([0x1_0000_0004UL, 1UL, 1UL], seen);
    }

    [Fact]
    [Rule("INT-17")]
    public void MessagesAreNotTranslated()
    {
        // Every stream is translated, and the page of the doorbell elsewhere.
        var space = new Stage1Space(machine, asid: 1);
        ulong doorbell = machine.Allocate(4096);
        ulong elsewhere = machine.Allocate(4096);
        space.Map(doorbell, elsewhere);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, doorbell, 0x77);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        machine.Start();
        for (uint stream = 0; stream < 256; stream++)
        {
            if (stream != Scenes.StreamWithoutEntry.Value) machine.AttachStage1(stream, space);
        }

        machine.CauseEvent();
        Assert.Equal(0x77u, machine.Read32(doorbell));
        Assert.Equal(0u, machine.Read32(elsewhere));
    }

    private void SendEventMessagesToTheBus()
    {
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Doorbell, 0x11);
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN | InterruptEnables.GERROR_IRQEN);
        machine.Start();
    }

    private void CauseEventAndError()
    {
        machine.CauseEvent();
        machine.Submit(Scenes.IllegalCommand);
    }
}
