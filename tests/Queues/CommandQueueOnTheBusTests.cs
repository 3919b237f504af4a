using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>A Command queue in memory that only the host serves: its code runs while a command is fetched.</summary>
public class CommandQueueOnTheBusTests
{
    [Fact]
    [Rule("QUE-01")]
    [Rule("QUE-02")]
    public void CommandsAreFetchedThroughTheHost()
    {
        var bus = new HookedBus();
        using var machine = new CommandMachine(log2: 3, HookedBus.Base, bus);
        machine.StoreMarks(8);
        var places = new List<int>();
        bus.AfterRead = place =>
        {
            places.Add(place);
            return true;
        };
        machine.Enable();

        machine.Publish(8);

        Assert.Equal((8u, 0xffu, 0u), (machine.Consumer, machine.MarksOf(8), machine.Errors));
        Assert.Equal(Enumerable.Range(0, 8).Select(slot => slot * 16), places);
    }

    [Fact]
    [Rule("GERR-11")]
    public void FetchThatAbortsStopsTheQueueOnItsEntry()
    {
        var bus = new HookedBus();
        using var machine = new CommandMachine(log2: 3, HookedBus.Base, bus);
        machine.StoreMarks(3);
        bus.AfterRead = place => place != 16;
        machine.Enable();

        machine.Publish(3);
        Assert.Equal(1u | CommandMachine.AbortCode, machine.Consumer);
        Assert.Equal((CommandMachine.CommandError, 0b001u), (machine.Errors, machine.MarksOf(3)));

        bus.AfterRead = null;
        machine.Acknowledge();
        Assert.Equal((3u, 0b111u), (machine.ReadIndex, machine.MarksOf(3)));
    }

    [Fact]
    [Rule("GERR-11")]
    public void QueueWhereThereIsNoMemoryStopsAtOnce()
    {
        using var machine = new CommandMachine(log2: 3, HookedBus.Base);
        machine.Enable();

        machine.Publish(3);

        Assert.Equal((CommandMachine.AbortCode, CommandMachine.CommandError), (machine.Consumer, machine.Errors));
    }

    [Fact]
    [Rule("QUE-18")]
    public void CommandThatWasFetchedWhileTheQueueWentOffAndOnIsReadAgain()
    {
        var bus = new HookedBus();
        using var machine = new CommandMachine(log2: 3, HookedBus.Base, bus);
        machine.StoreMarks(1);
        bus.AfterRead = _ =>
        {
            bus.AfterRead = null;   // The old command is under way; it changes before it is used.
            machine.Enable(false);
            machine.Store(0, machine.Mark(1, 55));
            machine.Enable();
            return true;
        };
        machine.Enable();

        machine.Publish(1);

        Assert.Equal((1u, 0u, 55u), (machine.Consumer, machine.MarkIn(0), machine.MarkIn(1)));
    }

    [Fact]
    [Rule("QUE-17")]
    public void FetchThatADisableOvertakesIsNotConsumed()
    {
        var bus = new HookedBus();
        using var machine = new CommandMachine(log2: 3, HookedBus.Base, bus);
        machine.StoreMarks(2);
        bus.AfterRead = place =>
        {
            if (place == 16) machine.Enable(false);
            return true;
        };
        machine.Enable();

        machine.Publish(2);

        Assert.Equal((1u, 0b01u), (machine.Consumer, machine.MarksOf(2)));
    }

    [Fact]
    [Rule("QUE-10")]
    [Rule("QUE-17")]
    [Rule("CTL-11")]
    [Rule("CTL-39")]
    [Rule("RQ-19")]
    [Rule("RQ-27")]
    public void ADisableIsAcknowledgedAndRegistersAreOpenWhenTheReadOfACommandIsOver()
    {
        const uint CommandQueue = 8;
        var bus = new HookedBus();
        using var machine = new CommandMachine(log2: 3, HookedBus.Base, bus);
        machine.StoreMarks(2);
        ulong queueBase = machine.Machine.Smmu.ReadRegister64(RegisterOffset.CMDQ_BASE);
        uint inside = 0;
        bus.AfterRead = place =>
        {
            if (place != 16) return true;
            machine.Enable(false);
            inside = machine.Machine.Read(RegisterOffset.CR0ACK);
            machine.Machine.Smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, 4);
            machine.Machine.Write(RegisterOffset.CMDQ_CONS, 5);
            machine.Machine.Write(RegisterOffset.CR1, 0x3f);
            return true;
        };
        machine.Enable();

        machine.Publish(2);

        Assert.Equal((CommandQueue, 0u), (inside, machine.Machine.Read(RegisterOffset.CR0ACK)));
        Assert.Equal((1u, 0b01u), (machine.Consumer, machine.MarksOf(2)));
        Assert.Equal(queueBase, machine.Machine.Smmu.ReadRegister64(RegisterOffset.CMDQ_BASE));
        Assert.Equal(0u, machine.Machine.Read(RegisterOffset.CR1));
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 5);
        Assert.Equal(5u, machine.Consumer);
    }

    [Fact]
    public void AReadThatTheHostBreaksOffOrAResetOvertakesHoldsNoAcknowledgeUp()
    {
        var bus = new HookedBus();
        using var machine = new CommandMachine(log2: 3, HookedBus.Base, bus);
        machine.StoreMarks(1);
        machine.Enable();
        bus.AfterRead = _ => throw new InvalidOperationException("The host breaks off.");
        Assert.Throws<InvalidOperationException>(() => machine.Publish(1));
        bus.AfterRead = null;
        machine.Enable(false);
        Assert.Equal(0u, machine.Machine.Read(RegisterOffset.CR0ACK));

        uint inside = uint.MaxValue;
        bus.AfterRead = _ =>
        {
            machine.Machine.Smmu.Reset();
            inside = machine.Machine.Read(RegisterOffset.CR0ACK);
            return true;
        };
        machine.Enable();
        Assert.Equal((0u, 0u), (inside, machine.Machine.Read(RegisterOffset.CR0ACK)));
    }

    [Fact]
    [Rule("RQ-30")]
    public void HostThatPublishesMoreWithEachFetchGetsItsThreadBack()
    {
        var bus = new HookedBus();
        using var machine = new CommandMachine(log2: 2, HookedBus.Base, bus);
        for (int slot = 0; slot < 4; slot++) machine.Store(slot, Command.CfgiAll());
        uint fetches = 0;
        bus.AfterRead = _ =>
        {
            fetches++;
            machine.Publish((fetches + 1) & 7);   // Never lets the queue run empty.
            return fetches < 100_000;
        };
        machine.Enable();

        machine.Publish(1);

        Assert.InRange(fetches, 1u, 1_000u);
        Assert.Equal(0u, machine.Errors);
    }
}
