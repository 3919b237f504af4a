using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>GERROR turns a bit over for news, GERRORN takes note of it, and each piece of news is told once (IHI 0070, 7.5).</summary>
public sealed class GlobalErrorTests : IDisposable
{
    private const ulong Doorbell = ScriptedBus.Base;

    private readonly ScriptedBus bus = new();
    private readonly GuestMachine machine;
    private readonly List<InterruptLine> pulses;

    public GlobalErrorTests()
    {
        machine = new GuestMachine(bus: bus);
        pulses = machine.RecordPulses();
    }

    public void Dispose() => machine.Dispose();

    [Theory]
    [InlineData(0x1b5u)]
    [InlineData(0x1fdu, SmmuFeatureField.PRI)]
    [Rule("GERR-01")]
    [Rule("IRQ-08")]
    [Rule("IRQ-11")]
    public void TheAcknowledgeHasTheBitsOfItsFeatures(uint bits, params SmmuFeatureField[] present)
    {
        using var other = new GuestMachine(present.Aggregate(SmmuFeatures.Stage1Only, (features, field) => features.With(field, 1)));
        other.Write(RegisterOffset.GERRORN, uint.MaxValue);
        Assert.Equal(bits, other.Read(RegisterOffset.GERRORN));
    }

    [Theory]
    [InlineData(0x105u, 0)]
    [InlineData(0x10du, 1)]
    [Rule("GERR-01")]
    [Rule("IRQ-08")]
    public void TheAcknowledgeHasNoBitsOfMessagesWithoutThem(uint bits, byte pageRequests)
    {
        using var other = new GuestMachine(Scenes.WithoutMsi.With(SmmuFeatureField.PRI, pageRequests));
        other.Write(RegisterOffset.GERRORN, uint.MaxValue);
        Assert.Equal(bits, other.Read(RegisterOffset.GERRORN));
    }

    [Fact]
    [Rule("GERR-01")]
    [Rule("IRQ-07")]
    [Rule("IRQ-09")]
    public void EachErrorHasItsBit()
    {
        PointEveryMsiAtTheBus();
        machine.Start();
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        bus.Aborts = true;
        machine.CauseEvent();
        Assert.Equal(0x20u, machine.Read(RegisterOffset.GERROR));
        machine.Submit(Command.SyncWithMsi(new PhysicalAddress(Doorbell), 1));
        Assert.Equal(0x30u, machine.Read(RegisterOffset.GERROR));
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal(0x31u, machine.Read(RegisterOffset.GERROR));
        machine.AcknowledgeErrors();
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN);
        machine.AcknowledgeErrors();   // Of the command that was still bad: once more, and this time its MSI aborts.
        Assert.Equal(0x31u | 0x80u, machine.Read(RegisterOffset.GERROR));
        Assert.Equal(GlobalErrors.CMDQ_ERR | GlobalErrors.MSI_GERROR_ABT_ERR, machine.ActiveErrors());
    }

    [Fact]
    [Rule("GERR-01")]
    [Rule("GERR-12")]
    [Rule("IRQ-15")]
    public void AnEventThatCannotBeWrittenStopsTheQueueUntilTheErrorIsAcknowledged()
    {
        machine.SetUpEventQueue(address: ScriptedBus.Base);
        machine.Start();
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN);
        machine.CauseEvent();
        machine.EmptyEventQueue();
        pulses.Clear();

        bus.Aborts = true;
        machine.CauseEvent();
        Assert.Equal(GlobalErrors.EVENTQ_ABT_ERR, machine.ActiveErrors());
        Assert.Equal(4u, machine.Read(RegisterOffset.GERROR));
        Assert.Equal(1u, machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.Equal([InterruptLine.GlobalError], pulses);
        Assert.Equal(4u, machine.Read(RegisterOffset.CR0ACK) & 4);

        bus.Aborts = false;
        int writes = bus.Writes.Count;
        machine.CauseEvent();
        Assert.Equal(writes, bus.Writes.Count);
        Assert.Equal(1u, machine.Read(RegisterOffset.EVENTQ_PROD));

        machine.AcknowledgeErrors();
        Assert.Equal(1u, machine.Read(RegisterOffset.EVENTQ_PROD));   // What came meanwhile is lost.
        machine.CauseEvent();
        Assert.Equal(2u, machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.True(machine.TryTakeEvent(out var record));
        Assert.Equal(EventType.BadStreamTableEntry, record.Type);
        Assert.Equal([InterruptLine.GlobalError, InterruptLine.EventQueue], pulses);
    }

    [Fact]
    [Rule("GERR-12")]
    [Rule("GERR-19")]
    public void AnEventQueueInReadOnlyMemoryAborts()
    {
        const ulong Rom = 0x2000_0000;
        machine.Memory.AddOwned(Rom, GuestMemory.PageBytes, readOnly: true);
        machine.SetUpEventQueue(log2Entries: 4, address: Rom);
        machine.Start();
        machine.CauseEvent();
        Assert.Equal(GlobalErrors.EVENTQ_ABT_ERR, machine.ActiveErrors());
        Assert.Equal(0u, machine.Read(RegisterOffset.EVENTQ_PROD));
    }

    [Fact]
    [Rule("GERR-02")]
    [Rule("IRQ-10")]
    public void RepeatsOfAnActiveErrorLeaveNoTrace()
    {
        AbortEventMessages();
        machine.CauseEvent();
        machine.EmptyEventQueue();
        machine.CauseEvent();
        machine.EmptyEventQueue();
        Assert.Equal(2, bus.Writes.Count);
        Assert.Equal(0x20u, machine.Read(RegisterOffset.GERROR));
        Assert.Single(pulses, InterruptLine.GlobalError);

        machine.AcknowledgeErrors();
        Assert.Equal(GlobalErrors.None, machine.ActiveErrors());
        Assert.Equal(0x20u, machine.Read(RegisterOffset.GERROR));
        machine.CauseEvent();
        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
        Assert.Equal(GlobalErrors.MSI_EVENTQ_ABT_ERR, machine.ActiveErrors());
        Assert.Equal(2, pulses.Count(line => line == InterruptLine.GlobalError));
    }

    [Fact]
    [Rule("GERR-03")]
    [Rule("IRQ-11")]
    [Rule("IRQ-09")]
    public void TheAcknowledgeBelongsToSoftware()
    {
        AbortEventMessages();
        machine.CauseEvent();
        Assert.Equal(0u, machine.Read(RegisterOffset.GERRORN));
        Assert.Equal(GlobalErrors.MSI_EVENTQ_ABT_ERR, machine.ActiveErrors());
        machine.Write(RegisterOffset.GERRORN, 0x20);
        Assert.Equal(0x20u, machine.Read(RegisterOffset.GERRORN));
        Assert.Equal(0x20u, machine.Read(RegisterOffset.GERROR));
        Assert.Equal(GlobalErrors.None, machine.ActiveErrors());
    }

    [Fact]
    [Rule("GERR-04")]
    [Rule("IRQ-12")]
    public void AnAcknowledgeOfNoErrorIsKeptAndDoesNothing()
    {
        machine.Start();
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN);
        machine.Write(RegisterOffset.GERRORN, 0xb5);
        Assert.Equal(0xb5u, machine.Read(RegisterOffset.GERRORN));
        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
        machine.SubmitAndSync();
        Assert.True(machine.IsCommandQueueEmpty);
        Assert.Empty(pulses);

        machine.CauseEvent();
        Assert.Equal([InterruptLine.EventQueue], pulses);
    }

    [Fact]
    [Rule("GERR-14")]
    [Rule("GERR-19")]
    [Rule("IRQ-17")]
    public void AnAbortedMessageShowsAtItsSourceAndLaterOnesAreSent()
    {
        AbortEventMessages();
        machine.CauseEvent();
        Assert.Equal(GlobalErrors.MSI_EVENTQ_ABT_ERR, machine.ActiveErrors());
        machine.Submit(Command.SyncWithMsi(new PhysicalAddress(Doorbell + 8), 0x5a));
        Assert.Equal(GlobalErrors.MSI_EVENTQ_ABT_ERR | GlobalErrors.MSI_CMDQ_ABT_ERR, machine.ActiveErrors());

        bus.Aborts = false;   // Unacknowledged as they are, the errors hold back nothing.
        machine.EmptyEventQueue();
        machine.CauseEvent();
        machine.Submit(Command.SyncWithMsi(new PhysicalAddress(Doorbell + 8), 0x5b));
        Assert.Equal(0x11u, machine.Read32(Doorbell));
        Assert.Equal(0x5bu, machine.Read32(Doorbell + 8));
    }

    [Fact]
    [Rule("GERR-15")]
    [Rule("INT-10")]
    [Rule("IRQ-13")]
    public void EveryActivationIsTold()
    {
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN);
        AbortEventMessages();
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal([InterruptLine.GlobalError], pulses);
        pulses.Clear();
        machine.CauseEvent();   // While CMDQ_ERR is active.
        Assert.Equal([InterruptLine.EventQueue, InterruptLine.GlobalError], pulses);
    }

    [Fact]
    [Rule("GERR-15")]
    [Rule("IRQ-13")]
    [Rule("GERR-14")]
    public void TheAbortOfTheErrorMessageItselfIsNotTold()
    {
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, Doorbell, 0x33);
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN);
        machine.Start();
        bus.Aborts = true;
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal(GlobalErrors.CMDQ_ERR | GlobalErrors.MSI_GERROR_ABT_ERR, machine.ActiveErrors());
        Assert.Single(bus.Writes);
        Assert.Equal([InterruptLine.GlobalError], pulses);

        bus.Aborts = false;
        machine.AcknowledgeErrors();   // The command is still bad: the next message goes out as ever.
        Assert.Equal(0x33u, machine.Read32(Doorbell));
    }

    [Fact]
    [Rule("GERR-15")]
    [Rule("IRQ-03")]
    public void ErrorsAreNotToldWhileTheirInterruptIsOff()
    {
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, Doorbell, 0x33);
        machine.Start();
        machine.EnableInterrupts(InterruptEnables.EVENTQ_IRQEN);
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());
        Assert.Empty(pulses);
        Assert.Empty(bus.Writes);
    }

    [Fact]
    [Rule("IRQ-14")]
    public void AnAcknowledgeOfOneErrorDoesNothingForAnother()
    {
        AbortEventMessages();
        machine.Submit(Scenes.IllegalCommand);
        machine.CauseEvent();
        machine.Write64(machine.CommandQueue, [Command.Sync().Word0, Command.Sync().Word1]);
        machine.Write(RegisterOffset.GERRORN, 0x20);
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());
        Assert.Equal(0u, machine.CommandConsumer().RD);
    }

    private void PointEveryMsiAtTheBus()
    {
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, Doorbell, 1);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Doorbell, 2);
    }

    private void AbortEventMessages()
    {
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, Doorbell, 0x11);
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN);
        machine.Start();
        bus.Aborts = true;
    }
}
