using Smmu.Fast.Commands;
using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;
using Smmu.Fast.Streams;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Tests.Queues;

/// <summary>
/// When commands are fetched and consumed, and what an error or a disable leaves behind (IHI 0070, 3.21.2, 4.1.2, 6.3.28,
/// 7.1).
/// </summary>
public class CommandQueueTests
{
    [Fact]
    [Rule("QUE-08")]
    [Rule("RQ-26")]
    public void WriteOfTheProducerConsumesUpToIt()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(8);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 1);
        machine.Publish(1);
        machine.Enable();

        machine.Publish(4);

        Assert.Equal((4u, 0b1110u), (machine.Consumer, machine.MarksOf(8)));
    }

    [Fact]
    [Rule("QUE-08")]
    public void EntryOfTheProducerIsNotLookedAt()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(2);
        machine.Enable();

        machine.Publish(2);   // The third entry is zero.

        Assert.Equal((2u, 0u), (machine.Consumer, machine.Errors));
    }

    [Fact]
    [Rule("QUE-08")]
    public void DisabledQueueConsumesNothing()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(2);

        machine.Publish(2);
        machine.Machine.Smmu.RunPending();

        Assert.Equal((0u, 0u), (machine.Consumer, machine.MarksOf(2)));
    }

    [Fact]
    [Rule("QUE-15")]
    public void EnablingConsumesWhatIsPublishedAlready()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(2);
        machine.Publish(2);

        machine.Enable();

        Assert.Equal((2u, 0b11u), (machine.Consumer, machine.MarksOf(2)));
    }

    [Fact]
    [Rule("RQ-31")]
    public void ConsumerStopsOnTheCommandThatIsRefused()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(4);
        machine.Store(2, default);
        machine.Enable();

        machine.Publish(4);
        machine.Publish(4);

        Assert.Equal(2u | CommandMachine.IllegalCode, machine.Consumer);
        Assert.Equal((CommandMachine.CommandError, 0b0011u), (machine.Errors, machine.MarksOf(4)));
    }

    [Fact]
    [Rule("RQ-32")]
    public void InterruptOfACommandErrorFindsItsReason()
    {
        using var machine = new CommandMachine();
        uint found = 0;
        machine.Machine.Smmu.InterruptRaised += line =>
        {
            if (line == InterruptLine.GlobalError) found = machine.Consumer;
        };
        machine.Machine.Write(RegisterOffset.IRQ_CTRL, 1);
        machine.Enable();

        machine.Publish(1);

        Assert.Equal(CommandMachine.IllegalCode, found);
    }

    [Fact]
    [Rule("RQ-32")]
    public unsafe void ReasonStandsBeforeTheDeviceIsToldOfAnError()
    {
        using var memory = new GuestMemory();
        memory.AddOwned(0, GuestMemory.PageBytes);
        using var slots = new NativeBlock(EpochSlot.SizeBytes, EpochSlot.SizeBytes);
        var features = SmmuFeatures.Default;
        using var caches = new TranslationCaches(features, tlbEntries: 16, walkCacheEntries: 16);
        using var dates = new ConfigurationDates();
        var reader = new CommandQueueReader(memory, largestLog2: 3, outputBits: 48);
        var context = new CommandContext(features, caches, dates, new StallTable(features));
        var events = new EventQueueWriter(memory, largestLog2: 3, outputBits: 48);
        var epoch = new TranslationEpoch((EpochSlot*)slots.Pointer, 1);
        var consumer = new CommandConsumer(reader, context, epoch, events);
        reader.WriteBase(3);
        reader.WriteProducer(1);
        consumer.SetEnabled(true);
        int budget = 8;

        Assert.Equal(ConsumerStep.Error, consumer.Step(ref budget));   // The device toggles CMDQ_ERR on this answer.

        Assert.Equal(CommandMachine.IllegalCode, reader.ConsumerRegister);
    }

    [Fact]
    [Rule("RQ-34")]
    [Rule("QUE-18")]
    public void AcknowledgedErrorResumesWithTheCommandAsItIsNow()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(4);
        machine.Store(1, default);
        machine.Enable();
        machine.Publish(4);

        machine.Store(1, machine.Mark(1, 77));
        machine.Store(2, machine.Mark(2, 88));   // Behind the error: may have been fetched, must not be used.
        machine.Acknowledge();

        Assert.Equal((4u, 0u), (machine.ReadIndex, machine.Errors));
        Assert.Equal((1u, 77u, 88u, 1u), (machine.MarkIn(0), machine.MarkIn(1), machine.MarkIn(2), machine.MarkIn(3)));
    }

    [Fact]
    [Rule("RQ-34")]
    public void AcknowledgedErrorDoesNotResumeADisabledQueue()
    {
        using var machine = new CommandMachine();
        machine.Enable();
        machine.Publish(1);
        machine.Enable(false);
        machine.StoreMarks(1);

        machine.Acknowledge();
        Assert.Equal((0u, 0u), (machine.ReadIndex, machine.MarksOf(1)));

        machine.Enable();
        Assert.Equal((1u, 1u), (machine.ReadIndex, machine.MarksOf(1)));
    }

    [Fact]
    [Rule("QUE-16")]
    public void SyncThatWaitedForAScopeIsConsumedWhenItEnds()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(2);
        machine.Enable();
        using var port = machine.Machine.Smmu.OpenPort(new StreamId(1));

        using (port.Enter())
        {
            machine.Publish(2);
            Assert.Equal((0u, 0u), (machine.Consumer, machine.MarksOf(2)));
        }

        Assert.Equal((2u, 0b11u), (machine.Consumer, machine.MarksOf(2)));
    }

    [Fact]
    [Rule("QUE-16")]
    public void CommandsPublishedFromAnInterruptHandlerAreConsumedToo()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(3);
        machine.Enable();
        machine.Machine.Smmu.InterruptRaised += _ => machine.Publish(3);

        machine.Publish(1);

        Assert.Equal((3u, 0b111u), (machine.Consumer, machine.MarksOf(3)));
    }

    [Fact]
    [Rule("QUE-17")]
    [Rule("QUE-18")]
    public void DisablingStopsBehindTheCommandInHand()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(4);
        machine.Enable();
        int interrupts = 0;
        machine.Machine.Smmu.InterruptRaised += _ =>
        {
            if (++interrupts == 2) machine.Enable(false);   // While the second command is in hand.
        };

        machine.Publish(4);
        Assert.Equal((2u, 0b0011u), (machine.Consumer, machine.MarksOf(4)));

        machine.Store(2, machine.Mark(2, 99));
        machine.Enable();
        Assert.Equal((4u, 99u, 0u), (machine.Consumer, machine.MarkIn(2), machine.Errors));
    }

    [Fact]
    [Rule("QUE-17")]
    public void DisablingLeavesAWaitingSyncUnconsumed()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(1);
        machine.Enable();
        using var port = machine.Machine.Smmu.OpenPort(new StreamId(1));

        using (port.Enter())
        {
            machine.Publish(1);
            machine.Enable(false);
        }

        machine.Machine.Smmu.RunPending();
        Assert.Equal((0u, 0u), (machine.Consumer, machine.MarksOf(1)));

        machine.Enable();
        Assert.Equal((1u, 1u), (machine.Consumer, machine.MarksOf(1)));
    }

    [Fact]
    [Rule("QUE-18")]
    public void ReusedSlotIsNeverExecutedFromAnOldCopy()
    {
        using var machine = new CommandMachine(log2: 1);
        machine.Enable();

        for (uint round = 1; round <= 200; round++)
        {
            machine.Store((int)(round - 1) & 1, machine.Mark(0, round));
            machine.Publish(round & 3);
            Assert.Equal((round & 3, round), (machine.Consumer, machine.MarkIn(0)));
        }
    }

    [Fact]
    [Rule("QUE-19")]
    public void CommandMemoryIsWrittenByNothingButAnMsiAimedAtIt()
    {
        const ulong Queue = 0x8000_0000;
        using var machine = new CommandMachine(log2: 8, Queue);
        var region = machine.Machine.Memory.AddOwned(Queue, GuestMemory.PageBytes);
        for (int slot = 0; slot < 4; slot++) machine.Store(slot, Command.Sync());
        machine.Store(4, Command.SyncWithMsi(new PhysicalAddress(Queue + 0xff0), 5));
        var stores = new List<(ulong Address, int Length)>();
        machine.Machine.Memory.Watch(region, stored: (address, length) => stores.Add((address, length)));
        machine.Enable();

        machine.Publish(4);
        Assert.Equal(4u, machine.Consumer);
        Assert.Empty(stores);

        machine.Publish(6);   // The MSI, and an illegal command.
        Assert.Equal(5u | CommandMachine.IllegalCode, machine.Consumer);
        Assert.Equal([(Queue + 0xff0, 4)], stores);
    }

    [Theory]
    [Rule("QUE-21")]
    [InlineData(4, 1)]   // Was full: one event, at the first command.
    [InlineData(3, 0)]
    public void FullQueueThatGetsRoomWakesThoseWhoWaitForIt(uint commands, int expected)
    {
        using var machine = new CommandMachine(log2: 2);
        for (int slot = 0; slot < 4; slot++) machine.Store(slot, Command.CfgiAll());
        var consumers = new List<uint>();
        machine.Machine.Smmu.InterruptRaised += line =>
        {
            Assert.Equal(InterruptLine.WakeUpEvent, line);
            consumers.Add(machine.Consumer);
        };
        machine.Enable();

        machine.Publish(commands);

        Assert.Equal(expected, consumers.Count);
        Assert.All(consumers, consumer => Assert.NotEqual(0u, consumer));   // Whoever wakes up finds room.
        Assert.Equal(commands, machine.Consumer);
    }

    [Fact]
    [Rule("QUE-21")]
    public void NobodyIsWokenWithoutWakeUpEvents()
    {
        using var machine = new CommandMachine(log2: 2, features: SmmuFeatures.Stage1Only);
        for (int slot = 0; slot < 4; slot++) machine.Store(slot, Command.CfgiAll());
        machine.Machine.Smmu.InterruptRaised += line => Assert.Fail($"{line} was raised.");
        machine.Enable();

        machine.Publish(4);

        Assert.Equal(4u, machine.Consumer);
    }
}
