using Smmu.Fast.Commands;
using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Streams;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Tests.Registers;

/// <summary>A bad command stops the queue on itself until software has acknowledged the error (IHI 0070, 7.1).</summary>
public sealed class CommandErrorTests : IDisposable
{
    private readonly ScriptedBus bus = new();
    private readonly GuestMachine machine;
    private readonly ulong mailboxes;

    public CommandErrorTests()
    {
        machine = new GuestMachine(bus: bus);
        mailboxes = machine.Allocate(4096);
    }

    public void Dispose() => machine.Dispose();

    [Fact]
    [Rule("GERR-05")]
    [Rule("GERR-06")]
    [Rule("GERR-07")]
    public void ABadCommandStopsTheQueueBetweenOlderAndNewerCommands()
    {
        machine.Start();
        machine.Submit(Letter(0), Scenes.IllegalCommand, Letter(1));
        Assert.Equal(new CommandQueueConsumer { RD = 1, ERR = CommandError.Illegal }, machine.CommandConsumer());
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());
        Assert.Equal([true, false], Delivered(2));
    }

    [Fact]
    [Rule("GERR-07")]
    public void NothingIsConsumedWhileTheErrorIsActive()
    {
        machine.Start();
        machine.Submit(Scenes.IllegalCommand);
        machine.Submit(Letter(0));
        machine.Write64(machine.CommandQueue, [Letter(1).Word0, Letter(1).Word1]);
        machine.Write(RegisterOffset.CMDQ_PROD, machine.Read(RegisterOffset.CMDQ_PROD));
        machine.Smmu.RunPending();
        machine.CauseEvent();
        Assert.Equal(0u, machine.CommandConsumer().RD);
        Assert.Equal([false, false], Delivered(2));
    }

    [Fact]
    [Rule("GERR-05")]
    [Rule("GERR-16")]
    public unsafe void TheErrorCodeStandsBeforeAnybodyCanRaiseTheError()
    {
        using var memory = new GuestMemory();
        memory.AddOwned(0, GuestMemory.PageBytes);
        memory.Write(0, [0xff]);
        using var slots = new NativeBlock(EpochSlot.SizeBytes, EpochSlot.SizeBytes);
        using var caches = new TranslationCaches(SmmuFeatures.Default, tlbEntries: 16, walkCacheEntries: 16);
        using var dates = new ConfigurationDates();
        var reader = new CommandQueueReader(memory, largestLog2: 8, outputBits: 48);
        var consumer = new CommandConsumer(
            reader,
            new CommandContext(SmmuFeatures.Default, caches, dates, new StallTable(SmmuFeatures.Default)),
            new TranslationEpoch((EpochSlot*)slots.Pointer, 1),
            new EventQueueWriter(memory, largestLog2: 8, outputBits: 48));
        consumer.SetEnabled(true);
        reader.WriteBase(8);
        reader.WriteProducer(1);

        int budget = 8;
        Assert.Equal(ConsumerStep.Error, consumer.Step(ref budget));
        Assert.Equal(CommandError.Illegal, new CommandQueueConsumer(reader.ConsumerRegister).ERR);
    }

    [Fact]
    [Rule("GERR-16")]
    public void TheInterruptFindsErrorAndCode()
    {
        GlobalErrors active = default;
        CommandError code = default;
        machine.Smmu.InterruptRaised += line =>
        {
            if (line == InterruptLine.GlobalError) (active, code) = (machine.ActiveErrors(), machine.CommandConsumer().ERR);
        };
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN);
        machine.Start();
        machine.Submit(Scenes.IllegalCommand);
        Assert.Equal((GlobalErrors.CMDQ_ERR, CommandError.Illegal), (active, code));
    }

    [Fact]
    [Rule("GERR-08")]
    [Rule("IRQ-14")]
    public void TheAcknowledgeAloneRestartsTheQueueWithCommandsReadAgain()
    {
        machine.Start();
        machine.Submit(Scenes.IllegalCommand, Letter(0));
        machine.Write64(machine.CommandQueue, [Letter(1).Word0, Letter(1).Word1]);
        machine.Write64(machine.CommandQueue + 16, [Letter(2).Word0, Letter(2).Word1]);
        machine.AcknowledgeErrors();
        Assert.Equal(2u, machine.CommandConsumer().RD);
        Assert.Equal([false, true, true], Delivered(3));
        Assert.Equal(GlobalErrors.None, machine.ActiveErrors());
    }

    [Fact]
    [Rule("GERR-08")]
    public void AnAcknowledgedCommandThatIsStillBadStopsTheQueueAnew()
    {
        machine.Start();
        var pulses = machine.RecordPulses();
        machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN);
        machine.Submit(Scenes.IllegalCommand);
        machine.AcknowledgeErrors();
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());
        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
        Assert.Equal(0u, machine.CommandConsumer().RD);
        Assert.Equal(2, pulses.Count);
    }

    [Fact]
    [Rule("GERR-09")]
    public void SoftwareMayTakeBackCommandsAsFarAsTheBadOne()
    {
        machine.Start();
        machine.Submit(Letter(0), Scenes.IllegalCommand, Letter(1));
        machine.Write(RegisterOffset.CMDQ_PROD, 1);
        machine.AcknowledgeErrors();
        Assert.Equal(GlobalErrors.None, machine.ActiveErrors());
        Assert.Equal(1u, machine.CommandConsumer().RD);
        Assert.Equal([true, false], Delivered(2));

        machine.Submit(Letter(1));
        Assert.Equal([true, true], Delivered(2));
    }

    [Fact]
    [Rule("GERR-09")]
    public void SoftwareMayAddCommandsDuringTheError()
    {
        machine.Start();
        machine.Submit(Scenes.IllegalCommand);
        machine.Submit(Letter(0), Letter(1));
        machine.Write64(machine.CommandQueue, [Letter(2).Word0, Letter(2).Word1]);
        machine.AcknowledgeErrors();
        Assert.Equal([true, true, true], Delivered(3));
        Assert.True(machine.IsCommandQueueEmpty);
    }

    [Fact]
    [Rule("GERR-06")]
    [Rule("GERR-11")]
    public void AnAbortedReadOfACommandIsReportedOnThatCommand()
    {
        machine.SetUpCommandQueue(address: ScriptedBus.Base);
        machine.Start();
        bus.Reading = address => bus.Aborts = address == ScriptedBus.Base + 16;
        machine.Submit(Letter(0), Letter(1), Letter(2));
        Assert.Equal(new CommandQueueConsumer { RD = 1, ERR = CommandError.Abort }, machine.CommandConsumer());
        Assert.Equal(GlobalErrors.CMDQ_ERR, machine.ActiveErrors());
        Assert.Equal([true, false, false], Delivered(3));

        (bus.Reading, bus.Aborts) = (null, false);
        machine.AcknowledgeErrors();
        Assert.Equal(3u, machine.CommandConsumer().RD);
        Assert.Equal([true, true, true], Delivered(3));
    }

    [Fact]
    [Rule("GERR-06")]
    [Rule("GERR-11")]
    public void AQueueInNoMemoryAbortsOnItsFirstCommand()
    {
        using var bare = new GuestMachine();
        bare.WriteWhole(RegisterOffset.CMDQ_BASE, 0x1_0000_0000 | 4);
        bare.Write(RegisterOffset.CMDQ_PROD, 3);
        bare.Enable(ControlBits.CommandQueue);
        Assert.Equal(new CommandQueueConsumer { RD = 0, ERR = CommandError.Abort }, bare.CommandConsumer());
        Assert.Equal(GlobalErrors.CMDQ_ERR, bare.ActiveErrors());
    }

    private Command Letter(uint mailbox) => Command.SyncWithMsi(new PhysicalAddress(mailboxes + (mailbox * 4)), 0x100 + mailbox);

    private bool[] Delivered(uint count) =>
        [.. Enumerable.Range(0, (int)count).Select(mailbox => machine.Read32(mailboxes + ((ulong)mailbox * 4)) == 0x100 + mailbox)];
}
