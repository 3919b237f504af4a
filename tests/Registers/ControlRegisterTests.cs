using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Registers;

/// <summary>CR0 shows what was written at once; CR0ACK shows it when queues and translation follow it (IHI 0070, 6.3.9).</summary>
public sealed class ControlRegisterTests : IDisposable
{
    private const uint Commands = (uint)ControlBits.CommandQueue;
    private const uint Events = (uint)ControlBits.EventQueue;

    private readonly ScriptedBus bus = new();
    private readonly GuestMachine machine;

    public ControlRegisterTests() => machine = new GuestMachine(bus: bus);

    public void Dispose() => machine.Dispose();

    [Fact]
    [Rule("CTL-02")]
    [Rule("CTL-51")]
    [Rule("EN-05")]
    [Rule("EN-06")]
    [Rule("IRQ-01")]
    [Rule("IRQ-07")]
    [Rule("IRQ-11")]
    public void AfterResetEverythingIsOffAndTrafficPasses()
    {
        AssertReset();
        var result = machine.Smmu.Translate(new StreamId(3), null, 0x1234, AccessKind.Write);
        Assert.Equal(TranslationOutcome.DeviceBypassed, result.Outcome);
    }

    [Fact]
    [Rule("EN-32")]
    [Rule("CTL-02")]
    [Rule("EN-05")]
    public void AResetReturnsEveryRegisterAndForgetsEveryStream()
    {
        uint[] fresh = machine.ReadAllRegisters();
        machine.Start();
        machine.SetStream(5, Entries.Bypass);
        machine.PointMsi(RegisterOffset.GERROR_IRQ_CFG0, ScriptedBus.Base, 7);
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN | InterruptEnables.EVENTQ_IRQEN);
        machine.CauseEvent();
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal(TranslationOutcome.StreamBypassed, TranslateFive().Outcome);
        machine.Write(RegisterOffset.GERRORN, 0x10);

        machine.Smmu.Reset();
        Assert.Equal(fresh, machine.ReadAllRegisters());
        AssertReset();

        machine.SetStream(5, Entries.Abort);   // Nothing of the stream's old entry is left to serve.
        machine.WriteWhole(RegisterOffset.STRTAB_BASE, machine.StreamTable);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 8);
        machine.Enable(ControlBits.Smmu);
        Assert.Equal(TranslationOutcome.Aborted, TranslateFive().Outcome);
    }

    [Fact]
    [Rule("EN-06")]
    public void AfterResetTrafficAbortsIfTheHostSaysSo()
    {
        using var aborting = new GuestMachine(configure: options => options with { GlobalBypassReset = 0x0010_1000 });
        aborting.Smmu.Reset();
        Assert.Equal(0x0010_1000u, aborting.Read(RegisterOffset.GBPA));
        Assert.Equal(TranslationOutcome.Aborted, aborting.Smmu.Translate(default, null, 0, AccessKind.Read).Outcome);
    }

    [Fact]
    [Rule("CTL-03")]
    [Rule("CTL-04")]
    [Rule("EN-02")]
    public void EveryEnableIsReadBackAndAcknowledgedAtItsOwnPosition()
    {
        machine.SetUpCommandQueue();
        machine.SetUpEventQueue();
        machine.SetUpStreamTable();
        foreach (uint bits in (uint[])[1, 4, 8, 13, 9, 0])
        {
            machine.Write(RegisterOffset.CR0, bits);
            Assert.Equal(bits, machine.Read(RegisterOffset.CR0));
            Assert.Equal(bits, machine.Read(RegisterOffset.CR0ACK));
        }
    }

    [Fact]
    [Rule("CTL-06")]
    [Rule("EN-03")]
    [Rule("ACC-21")]
    public void AFieldInTransitionHoldsUpNoOther()
    {
        machine.SetUpEventQueue(address: ScriptedBus.Base);
        machine.Start();
        bool wasAsked = false;
        bus.Writing = _ =>
        {
            machine.Enable(ControlBits.Smmu);   // The record under way keeps EVENTQEN from completing.
            Assert.Equal(1u, machine.Read(RegisterOffset.CR0));
            Assert.Equal(1u, machine.Read(RegisterOffset.CR0ACK) & ~Events);
            machine.Enable(ControlBits.None);
            Assert.Equal(0u, machine.Read(RegisterOffset.CR0));
            Assert.Equal(0u, machine.Read(RegisterOffset.CR0ACK) & ~Events);
            wasAsked = true;
        };
        machine.CauseEvent();
        Assert.True(wasAsked);
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0ACK));
    }

    [Fact]
    [Rule("EN-04")]
    [Rule("CTL-07")]
    public void AnUpdateThatIsTakenBackBeforeItsEndIsCalledOff()
    {
        machine.SetUpEventQueue(address: ScriptedBus.Base);
        machine.Start();
        uint control = machine.Read(RegisterOffset.CR0);
        bus.Writing = _ =>
        {
            machine.Write(RegisterOffset.CR0, control & ~Events);
            machine.Write(RegisterOffset.CR0, control);
        };
        machine.CauseEvent();
        bus.Writing = null;
        Assert.Equal(control, machine.Read(RegisterOffset.CR0ACK));

        machine.CauseEvent();
        Assert.Equal(2u, machine.Read(RegisterOffset.EVENTQ_PROD));
    }

    [Fact]
    [Rule("CTL-11")]
    [Rule("CTL-12")]
    public void CommandsAreReadFromTheEnableOnAndWithoutAnotherWriteOfTheIndex()
    {
        machine.SetUpCommandQueue(address: ScriptedBus.Base);
        machine.Submit(Command.Sync(), Command.Sync());
        machine.Smmu.RunPending();
        Assert.Empty(bus.Reads);
        Assert.Equal(0u, machine.CommandConsumer().RD);

        machine.Enable(ControlBits.CommandQueue);
        Assert.Equal(2u, machine.CommandConsumer().RD);
        Assert.Equal([ScriptedBus.Base, ScriptedBus.Base + 16], bus.Reads);
    }

    [Fact]
    [Rule("CTL-11")]
    public void ADisableInTheMiddleLeavesTheIndexOnTheFirstUnconsumedCommand()
    {
        machine.SetUpCommandQueue(address: ScriptedBus.Base);
        var pulses = machine.RecordPulses();
        bus.Reading = address =>
        {
            if (address == ScriptedBus.Base + 16) machine.Enable(ControlBits.None);
        };
        machine.Enable(ControlBits.CommandQueue);
        machine.Submit(Command.Sync(), Command.Sync(CompletionSignal.Interrupt), Command.Sync(CompletionSignal.Interrupt));
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0ACK));
        Assert.Equal(1u, machine.CommandConsumer().RD);
        Assert.Empty(pulses);

        bus.Reading = null;
        bus.Reads.Clear();
        machine.Enable(ControlBits.CommandQueue);   // What was read before the disable is read again.
        Assert.Equal([ScriptedBus.Base + 16, ScriptedBus.Base + 32], bus.Reads);
        Assert.Equal([InterruptLine.CommandSync, InterruptLine.CommandSync], pulses);
    }

    [Fact]
    [Rule("CTL-12")]
    [Rule("CTL-13")]
    [Rule("GERR-10")]
    public void DisableAndEnableLeaveAQueueStoppedThatStoppedOnAnError()
    {
        machine.Start();
        machine.Submit(Scenes.IllegalCommand, Command.Sync());
        machine.Write(RegisterOffset.CR0, machine.Read(RegisterOffset.CR0) & ~Commands);
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());

        machine.Write64(machine.CommandQueue, [Command.Sync().Word0, Command.Sync().Word1]);
        machine.Write(RegisterOffset.CR0, machine.Read(RegisterOffset.CR0) | Commands);
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());
        Assert.Equal(0u, machine.CommandConsumer().RD);

        machine.AcknowledgeErrors();
        Assert.Equal(2u, machine.CommandConsumer().RD);
    }

    [Fact]
    [Rule("GERR-10")]
    [Rule("CTL-13")]
    public void AnErrorThatIsAcknowledgedWhileTheQueueIsOffLeavesItReadyToStart()
    {
        machine.Start();
        machine.Submit(Scenes.IllegalCommand);
        machine.Write(RegisterOffset.CR0, machine.Read(RegisterOffset.CR0) & ~Commands);
        machine.AcknowledgeErrors();
        machine.Write64(machine.CommandQueue, [Command.Sync().Word0, Command.Sync().Word1]);
        Assert.Equal(0u, machine.CommandConsumer().RD);

        machine.Write(RegisterOffset.CR0, machine.Read(RegisterOffset.CR0) | Commands);
        Assert.Equal(1u, machine.CommandConsumer().RD);
        Assert.Equal(GlobalErrors.None, machine.ActiveErrors());
    }

    [Fact]
    [Rule("CTL-14")]
    [Rule("EN-25")]
    public void RecordsAreInMemoryWhenTheEventQueueIsOffAndNoneFollow()
    {
        machine.Start();
        machine.CauseEvent();
        machine.Write(RegisterOffset.CR0, machine.Read(RegisterOffset.CR0) & ~Events);
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0ACK) & Events);
        Assert.Equal((ulong)EventType.BadStreamTableEntry, machine.Read64(machine.EventQueue) & 0xff);

        machine.CauseEvent();
        Assert.Equal(1u, machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.Equal(0UL, machine.Read64(machine.EventQueue + 32));
    }

    private TranslationResult TranslateFive() => machine.Smmu.Translate(new StreamId(5), null, 0x1000, AccessKind.Read);

    private void AssertReset()
    {
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0));
        Assert.Equal(0u, machine.Read(RegisterOffset.CR0ACK));
        Assert.Equal(0u, machine.Read(RegisterOffset.IRQ_CTRL));
        Assert.Equal(0u, machine.Read(RegisterOffset.IRQ_CTRLACK));
        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
        Assert.Equal(0u, machine.Read(RegisterOffset.GERRORN));
        Assert.Equal(0x1000u, machine.Read(RegisterOffset.GBPA));
    }
}
