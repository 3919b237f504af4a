using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>EVENTQ_PROD and EVENTQ_CONS, delivery and overflow, driven by faults (IHI 0070, 3.5, 6.3.95, 6.3.96, 7.4).</summary>
public class EventQueueTests
{
    private const uint OverflowFlag = FaultingMachine.OverflowFlag;

    [Fact]
    [Rule("RQ-37")]
    public void IndexRegistersAreOnPageOne()
    {
        using var machine = new FaultingMachine();
        machine.Fault(0x1000, 0x2000);

        machine.Machine.Write(0x100ac, 1);

        Assert.Equal((2u, 1u), (machine.Machine.Read(0x100a8), machine.Machine.Read(0x100ac)));
    }

    [Theory]
    [Rule("RQ-38")]
    [Rule("RQ-28")]
    [Rule("QUE-09")]
    [InlineData(0, 0x8000_0001)]
    [InlineData(3, 0x8000_000f)]
    [InlineData(19, 0x800f_ffff)]
    public void ProducerHoldsIndexAndOverflowFlagAndNothingElse(int log2, uint expected)
    {
        using var machine = new GuestMachine();
        machine.SetUpEventQueue(log2, GuestMachine.RamBase);

        machine.Write(RegisterOffset.EVENTQ_PROD, uint.MaxValue);

        Assert.Equal(expected, machine.Read(RegisterOffset.EVENTQ_PROD));
    }

    [Fact]
    [Rule("RQ-38")]
    [Rule("QUE-11")]
    public void ProducerIsFixedWhileTheQueueIsEnabled()
    {
        using var machine = new FaultingMachine();
        machine.Fault(0x1000);

        machine.Machine.Write(RegisterOffset.EVENTQ_PROD, 3);
        Assert.Equal(1u, machine.Producer);

        machine.Machine.Enable(ControlBits.Smmu | ControlBits.CommandQueue);
        machine.Machine.Write(RegisterOffset.EVENTQ_PROD, OverflowFlag | 3);
        Assert.Equal(OverflowFlag | 3, machine.Producer);
    }

    [Fact]
    [Rule("RQ-39")]
    [Rule("QUE-11")]
    public void ConsumerTakesWritesAtAnyTime()
    {
        using var machine = new FaultingMachine();

        machine.WriteConsumer(uint.MaxValue);
        Assert.Equal(0x800f_ffffu, machine.Machine.Read(RegisterOffset.EVENTQ_CONS));

        machine.Machine.Enable(ControlBits.None);
        machine.WriteConsumer(5);
        Assert.Equal(5u, machine.Machine.Read(RegisterOffset.EVENTQ_CONS));
    }

    [Fact]
    [Rule("RQ-28")]
    [Rule("QUE-09")]
    public void ConsumerBitsAboveTheWrapFlagDoNothing()
    {
        using var machine = new FaultingMachine(log2: 1);
        machine.Fault(0x1000, 0x2000);

        machine.WriteConsumer(0xf_fffc | 1);
        machine.Fault(0x3000);
        Assert.Equal((3u, 0x3000ul), (machine.Producer, machine.AddressIn(0)));

        machine.Fault(0x4000);   // Full again, whatever the upper bits say.
        Assert.Equal(OverflowFlag | 3, machine.Producer);
    }

    [Fact]
    [Rule("QUE-01")]
    [Rule("QUE-02")]
    [Rule("QUE-03")]
    public void RecordsGoRoundTheQueueAndAllEntriesCanBeOutstanding()
    {
        using var machine = new FaultingMachine(log2: 2);
        machine.Fault(0x1000, 0x2000, 0x3000, 0x4000);
        Assert.Equal(0b100u, machine.Producer);
        Assert.Equal([0x1000ul, 0x2000ul, 0x3000ul, 0x4000ul], Addresses(machine, 4));

        machine.WriteConsumer(0b100);
        machine.Fault(0x5000, 0x6000, 0x7000, 0x8000);
        Assert.Equal(0b000u, machine.Producer);
        Assert.Equal([0x5000ul, 0x6000ul, 0x7000ul, 0x8000ul], Addresses(machine, 4));
    }

    [Fact]
    [Rule("RQ-35")]
    [Rule("QUE-04")]
    public void QueueOfOneEntryHasItsWrapFlagInBitZero()
    {
        using var machine = new FaultingMachine(log2: 0);

        for (uint round = 1; round <= 5; round++)
        {
            machine.Fault(round << 12);
            Assert.Equal((round & 1, (ulong)round << 12), (machine.Producer, machine.AddressIn(0)));
            machine.WriteConsumer(round & 1);
        }
    }

    [Fact]
    [Rule("RQ-40")]
    [Rule("QUE-22")]
    public void RecordThatFindsTheQueueFullIsDroppedAndSetsTheFlagOnce()
    {
        using var machine = new FaultingMachine(log2: 1);
        machine.Fault(0x1000, 0x2000);
        Assert.Equal(2u, machine.Producer);

        machine.Fault(0x3000);
        Assert.Equal(OverflowFlag | 2, machine.Producer);

        machine.Fault(0x4000);
        Assert.Equal(OverflowFlag | 2, machine.Producer);
        Assert.Equal([0x1000ul, 0x2000ul], Addresses(machine, 2));
    }

    [Fact]
    [Rule("RQ-40")]
    [Rule("QUE-22")]
    public void OverflowClearsTheFlagWhenTheAcknowledgeIsSet()
    {
        using var machine = new FaultingMachine(log2: 0);
        machine.Machine.Enable(ControlBits.Smmu);
        machine.Machine.Write(RegisterOffset.EVENTQ_PROD, OverflowFlag);
        machine.WriteConsumer(OverflowFlag);
        machine.Machine.Enable(ControlBits.Smmu | ControlBits.EventQueue);

        machine.Fault(0x1000, 0x2000);

        Assert.Equal(1u, machine.Producer);
    }

    [Fact]
    [Rule("RQ-41")]
    [Rule("QUE-25")]
    public void OneStoreFreesRoomAndAcknowledgesTheOverflow()
    {
        using var machine = new FaultingMachine(log2: 1);
        machine.Fault(0x1000, 0x2000, 0x3000);

        machine.WriteConsumer(OverflowFlag | 2);
        machine.Fault(0x4000, 0x5000);
        Assert.Equal(OverflowFlag | 0, machine.Producer);
        Assert.Equal([0x4000ul, 0x5000ul], Addresses(machine, 2));

        machine.Fault(0x6000);   // The next loss shows again.
        Assert.Equal(0u, machine.Producer);
    }

    [Fact]
    [Rule("QUE-23")]
    public void UnacknowledgedOverflowDoesNotBlockDelivery()
    {
        using var machine = new FaultingMachine(log2: 1);
        machine.Fault(0x1000, 0x2000, 0x3000);

        machine.WriteConsumer(1);
        machine.Fault(0x4000);

        Assert.Equal((OverflowFlag | 3, 0x4000ul), (machine.Producer, machine.AddressIn(0)));
    }

    [Fact]
    [Rule("RQ-42")]
    [Rule("QUE-24")]
    [Rule("EVT-31")]
    public void DisabledQueueLosesRecordsWithoutAFlag()
    {
        using var machine = new FaultingMachine(log2: 0);
        machine.Fault(0x1000);
        machine.Machine.Enable(ControlBits.Smmu | ControlBits.CommandQueue);

        machine.Fault(0x2000, 0x3000);   // Full as well.
        Assert.Equal((1u, 0x1000ul), (machine.Producer, machine.AddressIn(0)));

        machine.WriteConsumer(1);
        machine.Fault(0x4000);
        machine.Machine.Enable(ControlBits.Smmu | ControlBits.CommandQueue | ControlBits.EventQueue);
        Assert.Equal((1u, 0x1000ul), (machine.Producer, machine.AddressIn(0)));

        machine.Fault(0x5000);
        Assert.Equal((0u, 0x5000ul), (machine.Producer, machine.AddressIn(0)));
    }

    [Theory]
    [Rule("QUE-13")]
    [InlineData(0x0, 0x3)]   // CONS is ahead.
    [InlineData(0xb, 0x0)]   // More than a whole queue lies between.
    public void IndexesWithoutSenseActAsFullUntilTheyMakeSense(uint producer, uint consumer)
    {
        using var machine = new FaultingMachine(log2: 3);
        machine.Machine.Enable(ControlBits.Smmu);
        machine.Machine.Write(RegisterOffset.EVENTQ_PROD, producer);
        machine.WriteConsumer(consumer);
        machine.Machine.Enable(ControlBits.Smmu | ControlBits.EventQueue);

        machine.Fault(0x1000);
        Assert.Equal(producer, machine.WriteIndex);
        Assert.All(Addresses(machine, 8), address => Assert.Equal(0ul, address));

        machine.WriteConsumer(producer);
        machine.Fault(0x2000);
        Assert.Equal(((producer + 1) & 0xf, 0x2000ul), (machine.WriteIndex, machine.AddressIn((int)producer & 7)));
    }

    [Fact]
    [Rule("RQ-46")]
    [Rule("QUE-14")]
    public void InterruptFindsTheProducerAndTheRecord()
    {
        using var machine = new FaultingMachine(interrupts: true);
        var found = new List<(InterruptLine, uint, ulong)>();
        machine.Smmu.InterruptRaised += line => found.Add((line, machine.Producer, machine.AddressIn(0)));

        machine.Fault(0x1000);
        machine.Fault(0x2000);   // Not empty any more: no interrupt.

        Assert.Equal([(InterruptLine.EventQueue, 1u, 0x1000ul)], found);
    }

    [Fact]
    [Rule("RQ-46")]
    [Rule("QUE-14")]
    public void ProducerDoesNotCoverARecordWhileItIsStored()
    {
        const ulong Queue = 0x8000_0000;
        using var machine = new FaultingMachine(log2: 3, Queue);
        var region = machine.Machine.Memory.AddOwned(Queue, GuestMemory.PageBytes);
        var producers = new List<uint>();
        machine.Machine.Memory.Watch(region, stored: (_, _) => producers.Add(machine.Producer));

        machine.Fault(0x1000, 0x2000, 0x3000);

        Assert.Equal([0u, 1u, 2u], producers);
        Assert.Equal(3u, machine.Producer);
    }

    [Theory]
    [Rule("EVT-30")]
    [InlineData(true)]
    [InlineData(false)]
    public void AccessOfAClientThatFaultsLeavesOneRecord(bool isRead)
    {
        using var machine = new FaultingMachine();
        using var port = machine.Smmu.OpenPort(new StreamId(2));
        byte[] bytes = new byte[16_384];   // Four pages: the first ends the access.

        bool done = isRead ? port.Read(0x5678, bytes) : port.Write(0x5678, bytes);

        Assert.False(done);
        Assert.Equal(1u, machine.Producer);
        var record = machine.RecordIn(0);
        Assert.Equal((EventType.Translation, new StreamId(2)), (record.Type, record.StreamId));
        Assert.Equal((0x5678ul, isRead), (record.InputAddress, record.RnW));
    }

    [Fact]
    [Rule("EVT-30")]
    public void EachFaultOfABatchLeavesItsRecordInOrder()
    {
        using var machine = new FaultingMachine();
        using var port = machine.Smmu.OpenPort(new StreamId(2));
        var results = new TranslationResult[3];

        port.TranslateBatch([0x1000, 0x2000, 0x3000], results, AccessKind.Write);

        Assert.Equal(3u, machine.Producer);
        Assert.Equal([0x1000ul, 0x2000ul, 0x3000ul], Addresses(machine, 3));
    }

    private static IEnumerable<ulong> Addresses(FaultingMachine machine, int count) =>
        Enumerable.Range(0, count).Select(machine.AddressIn);
}
