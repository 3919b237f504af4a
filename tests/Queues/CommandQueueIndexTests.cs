using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>
/// CMDQ_PROD and CMDQ_CONS: fields, guards, empty, full, wrap, and indexes without sense (IHI 0070, 3.5.1, 6.3.27, 6.3.28).
/// </summary>
public class CommandQueueIndexTests
{
    [Theory]
    [Rule("RQ-25")]
    [Rule("RQ-28")]
    [Rule("QUE-09")]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(7)]
    public void ProducerBitsAboveTheWrapFlagDoNothing(int log2)
    {
        using var machine = new CommandMachine(log2);
        machine.StoreMarks(1);
        machine.Enable();
        uint above = 0xf_ffff & ~((2u << log2) - 1);

        machine.Publish(above);
        Assert.Equal((0u, 0u), (machine.Consumer, machine.Errors));

        machine.Publish(above | 1);
        Assert.Equal((1u, 0u), (machine.Consumer, machine.Errors));
        Assert.Equal(1u, machine.MarkIn(0));
    }

    [Theory]
    [Rule("RQ-27")]
    [Rule("RQ-28")]
    [Rule("QUE-09")]
    [InlineData(0, 0x7f00_0001)]
    [InlineData(3, 0x7f00_000f)]
    [InlineData(19, 0x7f0f_ffff)]
    public void ConsumerHoldsIndexAndErrorAndNothingElse(int log2, uint expected)
    {
        using var machine = new CommandMachine(log2, GuestMachine.RamBase);

        machine.Machine.Write(0x9c, uint.MaxValue);

        Assert.Equal(expected, machine.Consumer);
    }

    [Fact]
    [Rule("RQ-25")]
    public void ProducerHoldsTwentyBits()
    {
        using var machine = new CommandMachine(19, GuestMachine.RamBase);

        machine.Publish(uint.MaxValue);

        Assert.Equal(0xf_ffffu, machine.Machine.Read(0x98));
    }

    [Fact]
    [Rule("RQ-27")]
    [Rule("QUE-10")]
    public void ConsumerIsFixedWhileTheQueueIsEnabled()
    {
        using var machine = new CommandMachine();
        machine.Publish(5);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 5);

        machine.Enable();
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 3);
        Assert.Equal((5u, 0u), (machine.Consumer, machine.Errors));

        machine.Enable(false);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 3);
        Assert.Equal(3u, machine.Consumer);
    }

    [Fact]
    [Rule("RQ-33")]
    public void ErrorCodeThatSoftwareWritesIsStored()
    {
        using var machine = new CommandMachine();

        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 0x5500_0002);

        Assert.Equal(0x5500_0002u, machine.Consumer);
        Assert.Equal(0u, machine.Errors);
    }

    [Fact]
    [Rule("RQ-26")]
    [Rule("QUE-11")]
    public void ProducerTakesWritesAtAnyTime()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(2);

        machine.Publish(1);
        Assert.Equal((1u, 0u), (machine.Machine.Read(RegisterOffset.CMDQ_PROD), machine.Consumer));

        machine.Enable();
        machine.Publish(3);   // The third entry is zero.
        Assert.Equal(CommandMachine.CommandError, machine.Errors);
        Assert.Equal(2u, machine.ReadIndex);

        machine.Publish(2);
        Assert.Equal((2u, 2u), (machine.Machine.Read(RegisterOffset.CMDQ_PROD), machine.ReadIndex));
    }

    [Fact]
    [Rule("RQ-29")]
    [Rule("QUE-02")]
    public void QueueIsEmptyWhenIndexAndWrapFlagAgree()
    {
        using var machine = new CommandMachine(log2: 3);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 0xb);
        machine.Publish(0xb);

        machine.Enable();

        Assert.Equal((0xbu, 0u), (machine.Consumer, machine.Errors));
    }

    [Fact]
    [Rule("RQ-29")]
    [Rule("QUE-02")]
    public void FullQueueIsConsumedWhole()
    {
        using var machine = new CommandMachine(log2: 3);
        machine.StoreMarks(8);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 0x3);
        machine.Publish(0xb);

        machine.Enable();

        Assert.Equal((0xbu, 0u), (machine.Consumer, machine.Errors));
        Assert.Equal(0xffu, machine.MarksOf(8));
    }

    [Fact]
    [Rule("QUE-03")]
    public void StepPastTheLastEntryInvertsTheWrapFlag()
    {
        using var machine = new CommandMachine(log2: 1);
        machine.StoreMarks(2);
        machine.Enable();
        var seen = new List<uint>();

        foreach (uint producer in (uint[])[1, 2, 3, 0, 1])
        {
            machine.Publish(producer);
            seen.Add(machine.Consumer);
        }

        Assert.Equal([1, 2, 3, 0, 1], seen);
        Assert.Equal(0u, machine.Errors);
    }

    [Fact]
    [Rule("RQ-35")]
    [Rule("QUE-04")]
    public void QueueOfOneEntryHasItsWrapFlagInBitZero()
    {
        using var machine = new CommandMachine(log2: 0);
        machine.Enable();

        for (uint round = 1; round <= 5; round++)
        {
            machine.Store(0, machine.Mark(0, round));
            machine.Publish(round & 1);
            Assert.Equal((round & 1, round, 0u), (machine.Consumer, machine.MarkIn(0), machine.Errors));
        }
    }

    [Theory]
    [Rule("RQ-30")]
    [Rule("QUE-13")]
    [InlineData(0x3, 0xd)]   // Ahead, with the other wrap flag.
    [InlineData(0x5, 0x3)]   // Behind, with the same.
    [InlineData(0xf, 0x8)]
    public void IndexesWithoutSenseMoveNothingUntilTheyMakeSense(uint consumer, uint producer)
    {
        using var machine = new CommandMachine(log2: 3);
        machine.StoreMarks(8);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, consumer);
        machine.Publish(producer);

        machine.Enable();
        Assert.Equal((consumer, 0u, 0u), (machine.Consumer, machine.MarksOf(8), machine.Errors));

        machine.Publish((consumer + 1) & 0xf);
        Assert.Equal(((consumer + 1) & 0xf, 1u << (int)(consumer & 7)), (machine.Consumer, machine.MarksOf(8)));
    }

    [Fact]
    [Rule("RQ-36")]
    public void SmallerQueueSetUpInOrderForgetsTheUpperIndexBits()
    {
        using var machine = new CommandMachine(log2: 8, GuestMachine.RamBase + 0x10_0000);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 0x1a5);
        machine.Publish(0x1a5);
        machine.Enable();
        machine.Enable(false);

        machine.Machine.Smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, machine.Machine.CommandQueue | 2);
        machine.Enable();   // 0x1a5 and 0x5 are the same index now.
        Assert.Equal((5u, 0u), (machine.Consumer, machine.Errors));
        machine.Enable(false);

        machine.StoreMarks(4);
        machine.Publish(2);
        machine.Machine.Write(RegisterOffset.CMDQ_CONS, 0);
        machine.Enable();

        Assert.Equal((2u, 0u, 0b11u), (machine.Consumer, machine.Errors, machine.MarksOf(4)));
    }

    [Fact]
    [Rule("QUE-20")]
    public void ProducerMovedBackOverWaitingCommandsTakesThemBack()
    {
        using var machine = new CommandMachine();
        machine.StoreMarks(2);
        machine.Enable();
        using var port = machine.Machine.Smmu.OpenPort(new StreamId(1));

        using (port.Enter())
        {
            machine.Publish(2);   // Waits for the scope.
            machine.Publish(0);
        }

        machine.Machine.Smmu.RunPending();
        Assert.Equal((0u, 0u), (machine.Consumer, machine.MarksOf(2)));

        machine.Publish(1);
        Assert.Equal((1u, 1u), (machine.Consumer, machine.MarksOf(2)));
    }
}
