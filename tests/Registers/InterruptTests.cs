using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>Interrupts tell of what happens while they are enabled: once, at once, and never of the past (IHI 0070, 3.18).</summary>
public sealed class InterruptTests : IDisposable
{
    private const InterruptEnables Both = InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN;

    private readonly ScriptedBus bus = new();
    private readonly GuestMachine machine;
    private readonly List<InterruptLine> pulses;

    public InterruptTests()
    {
        machine = new GuestMachine(bus: bus);
        pulses = machine.RecordPulses();
    }

    public void Dispose() => machine.Dispose();

    [Fact]
    [Rule("INT-06")]
    [Rule("INT-07")]
    [Rule("INT-15")]
    [Rule("IRQ-30")]
    public void ARecordThatEndsTheEmptinessOfTheQueueIsOnePulse()
    {
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.CauseEvent();
        Assert.Equal([InterruptLine.EventQueue], pulses);

        machine.CauseEvent();   // The queue is not empty: nothing new to tell.
        machine.Smmu.RunPending();
        machine.Read(RegisterOffset.EVENTQ_PROD);
        Assert.Single(pulses);

        machine.EmptyEventQueue();
        Assert.Single(pulses);
        machine.CauseEvent();
        Assert.Equal(2, pulses.Count);
    }

    [Fact]
    [Rule("INT-07")]
    [Rule("IRQ-30")]
    public void ARecordIntoAQueueThatWasOnlyPartlyEmptiedIsNoPulse()
    {
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.CauseEvent();
        machine.CauseEvent();
        Assert.True(machine.TryTakeEvent(out _));
        machine.CauseEvent();
        Assert.Single(pulses);
    }

    [Fact]
    [Rule("INT-08")]
    public void ARecordThatArrivesWhileTheQueueIsEmptiedIsTold()
    {
        machine.SetUpEventQueue(address: ScriptedBus.Base);
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.CauseEvent();
        Assert.Single(pulses);

        bus.Writing = _ =>
        {
            Assert.Equal(1u, machine.Read(RegisterOffset.EVENTQ_PROD));
            machine.EmptyEventQueue();   // Software goes to sleep: it has seen all there was.
        };
        machine.CauseEvent();
        Assert.Equal([InterruptLine.EventQueue, InterruptLine.EventQueue], pulses);
    }

    [Fact]
    [Rule("INT-09")]
    public void ARecordThatIsLostIsNotTold()
    {
        machine.SetUpEventQueue(log2Entries: 0);
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.CauseEvent();
        pulses.Clear();
        machine.CauseEvent();   // The queue is full.
        Assert.Equal(0x8000_0001u, machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.Empty(pulses);

        machine.EmptyEventQueue();
        machine.Enable(ControlBits.Smmu);
        machine.CauseEvent();
        Assert.Empty(pulses);
    }

    [Fact]
    [Rule("INT-10")]
    public void EachActivationIsAPulse()
    {
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.Submit(Scenes.IllegalCommand);
        machine.Write64(machine.CommandQueue, [Command.Sync().Word0, Command.Sync().Word1]);
        machine.AcknowledgeErrors();
        Assert.Equal([InterruptLine.GlobalError], pulses);
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal([InterruptLine.GlobalError, InterruptLine.GlobalError], pulses);
    }

    [Fact]
    [Rule("INT-11")]
    [Rule("IRQ-04")]
    public void AnEnableTellsNothingOfThePast()
    {
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, ScriptedBus.Base, 1);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, ScriptedBus.Base, 2);
        machine.Start();
        machine.CauseEvent();
        machine.Submit(Scenes.IllegalCommand);
        for (int i = 0; i < 2; i++)
        {
            machine.EnableInterrupts(Both);
            machine.Smmu.RunPending();
            machine.EnableInterrupts(InterruptEnables.None);
        }

        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());
        Assert.Empty(pulses);
        Assert.Empty(bus.Writes);
    }

    [Fact]
    [Rule("INT-11")]
    [Rule("INT-12")]
    public void WhatHappensBetweenDisableAndEnableIsNeverTold()
    {
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.EnableInterrupts(InterruptEnables.None);
        machine.CauseEvent();
        machine.Submit(Scenes.IllegalCommand);
        machine.EnableInterrupts(Both);
        machine.CauseEvent();   // Not the first in the queue.
        Assert.Empty(pulses);
    }

    [Theory]
    [InlineData(InterruptEnables.GERROR_IRQEN, InterruptLine.GlobalError)]
    [InlineData(InterruptEnables.EVENTQ_IRQEN, InterruptLine.EventQueue)]
    [Rule("INT-01")]
    [Rule("IRQ-03")]
    public void AnEnableGatesWireAndMessageOfItsOwnSource(InterruptEnables enables, InterruptLine line)
    {
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, ScriptedBus.Base, 1);
        machine.PointMsi(RegisterOffset.EVENTQ_IRQ_CFG0, ScriptedBus.Base + 8, 1);
        machine.Start();
        machine.EnableInterrupts(enables);
        machine.CauseEvent();
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal([line], pulses);
        Assert.Equal([(line == InterruptLine.GlobalError ? ScriptedBus.Base : ScriptedBus.Base + 8, 4)], bus.Writes);
    }

    [Fact]
    [Rule("INT-05")]
    public void WiresObeyTheirEnableWithoutMessages()
    {
        using var wired = new GuestMachine(Scenes.WithoutMsi);
        var wires = wired.RecordPulses();
        wired.Start();
        wired.CauseEvent();
        wired.Submit(Scenes.IllegalCommand);
        Assert.Empty(wires);

        wired.AcknowledgeErrors();
        wired.AcknowledgeErrors();
        wired.EmptyEventQueue();
        wired.EnableInterrupts(Both);
        wired.CauseEvent();
        wired.AcknowledgeErrors();   // The command is still bad, which is news.
        Assert.Equal([InterruptLine.EventQueue, InterruptLine.GlobalError], wires);
    }

    [Fact]
    [Rule("IRQ-06")]
    public void CompletedSyncsAreToldWithoutAnEnable()
    {
        ulong mailbox = machine.Allocate(64);
        machine.Start();
        machine.Submit(Command.Sync(CompletionSignal.Interrupt), Command.SyncWithMsi(new PhysicalAddress(mailbox), 9));
        Assert.Equal(0u, machine.Read(RegisterOffset.IRQ_CTRL));
        Assert.Contains(InterruptLine.CommandSync, pulses);
        Assert.Equal(9u, machine.Read32(mailbox));
    }

    [Fact]
    [Rule("INT-14")]
    [Rule("IRQ-31")]
    public void APulseFindsTheNewsItTellsOf()
    {
        var seen = new List<(InterruptLine, ulong)>();
        machine.Smmu.InterruptRaised += line => seen.Add((line, line switch
        {
            InterruptLine.EventQueue => (machine.Read64(machine.EventQueue) & 0xff) | ((ulong)machine.Read(RegisterOffset.EVENTQ_PROD) << 32),
            InterruptLine.CommandSync => machine.CommandConsumer().RD,
            _ => machine.Read(RegisterOffset.GERROR),
        }));
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.CauseEvent();
        machine.Submit(Command.Sync(CompletionSignal.Interrupt), Scenes.IllegalCommand);
        Assert.Equal(
            [(InterruptLine.EventQueue, 0x1_0000_0004UL), (InterruptLine.CommandSync, 1UL), (InterruptLine.GlobalError, 1UL)],
            seen);
    }

    [Fact]
    [Rule("INT-06")]
    public void APulseMayBeAnsweredFromInsideItself()
    {
        int answers = 0;
        machine.Smmu.InterruptRaised += line =>
        {
            if (line != InterruptLine.EventQueue || answers++ > 0) return;
            machine.EmptyEventQueue();
            machine.CauseEvent();
        };
        machine.Start();
        machine.EnableInterrupts(Both);
        machine.CauseEvent();
        Assert.Equal(2, answers);
        Assert.Equal(2u, machine.Read(RegisterOffset.EVENTQ_PROD));
    }
}
