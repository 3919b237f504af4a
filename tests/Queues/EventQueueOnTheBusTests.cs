using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>
/// An Event queue in memory that only the host serves. Its code runs while a record is written, and may cause faults and
/// write registers: the record under way has its slot, and is not covered yet.
/// </summary>
public class EventQueueOnTheBusTests
{
    private const int RecordBytes = EventRecord.SizeBytes;
    private const ControlBits AllOn = ControlBits.Smmu | ControlBits.CommandQueue | ControlBits.EventQueue;
    private const ControlBits QueueOff = ControlBits.Smmu | ControlBits.CommandQueue;

    [Fact]
    [Rule("RQ-46")]
    [Rule("QUE-14")]
    public void ProducerDoesNotCoverARecordBeforeTheHostHasIt()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 2, HookedBus.Base, bus);
        var writes = new List<(int Place, uint Producer)>();
        bus.BeforeWrite = place =>
        {
            writes.Add((place, machine.Producer));
            return true;
        };

        machine.Fault(0x1000, 0x2000, 0x3000);

        Assert.Equal([(0, 0u), (RecordBytes, 1u), (2 * RecordBytes, 2u)], writes);
        Assert.Equal((3u, 0x3000ul), (machine.Producer, machine.AddressIn(2)));
    }

    [Fact]
    [Rule("RQ-46")]
    public void RecordThatIsReadyEarlyWaitsForTheOnesBeforeIt()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 2, HookedBus.Base, bus, interrupts: true);
        var interrupts = new List<(InterruptLine, uint)>();
        machine.Smmu.InterruptRaised += line => interrupts.Add((line, machine.Producer));
        uint producerInside = 99;
        bus.BeforeWrite = place =>
        {
            if (place != 0) return true;
            machine.Fault(0x2000);   // Takes the second slot and is written at once.
            producerInside = machine.Producer;
            return true;
        };

        machine.Fault(0x1000);

        Assert.Equal((0u, 2u), (producerInside, machine.Producer));
        Assert.Equal((0x1000ul, 0x2000ul), (machine.AddressIn(0), machine.AddressIn(1)));
        Assert.Equal([(InterruptLine.EventQueue, 2u)], interrupts);
    }

    [Fact]
    [Rule("RQ-46")]
    public void ARecordInPlainMemoryDoesNotOvertakeOneThatTheHostIsWriting()
    {
        const int OfPage = 4096 / RecordBytes;
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 8, HookedBus.Base, bus);
        machine.Machine.Memory.AddOwned(HookedBus.Base + 4096, 128 << 20);   // The other half of the queue, in the largest region.
        for (int i = 1; i < OfPage; i++) machine.Fault(0x1000);
        uint producerInside = 0;
        bus.BeforeWrite = _ =>
        {
            machine.Fault(0x2000);   // The first of the other half.
            producerInside = machine.Producer;
            return true;
        };
        machine.Fault(0x3000);

        Assert.Equal(OfPage - 1u, producerInside);
        Assert.Equal(OfPage + 1u, machine.Producer);
        Assert.Equal((0x3000ul, 0x2000ul), (machine.AddressIn(OfPage - 1), machine.AddressIn(OfPage)));
        machine.Fault(0x4000);
        Assert.Equal((OfPage + 2u, 0x4000ul), (machine.Producer, machine.AddressIn(OfPage + 1)));
    }

    [Fact]
    [Rule("QUE-26")]
    [Rule("QUE-22")]
    [Rule("RQ-40")]
    public void OverflowDoesNotShowBeforeTheProducerShowsTheQueueAsFull()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 0, HookedBus.Base, bus);
        uint producerInside = 99;
        bus.BeforeWrite = _ =>
        {
            machine.Fault(0x2000);   // No slot is left.
            producerInside = machine.Producer;
            return true;
        };

        machine.Fault(0x1000);

        Assert.Equal(0u, producerInside);
        Assert.Equal((FaultingMachine.OverflowFlag | 1, 0x1000ul), (machine.Producer, machine.AddressIn(0)));
    }

    [Fact]
    [Rule("RQ-40")]
    public void OverflowBehindARecordUnderWayLeavesAFlagThatIsNotAcknowledged()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 0, HookedBus.Base, bus);
        machine.Fault(0x1000, 0x2000);
        machine.WriteConsumer(1);   // Makes room, and leaves OVACKFLG at 0.
        bus.BeforeWrite = _ =>
        {
            machine.Fault(0x4000);   // No slot is left.
            return true;
        };

        machine.Fault(0x3000);

        Assert.Equal((FaultingMachine.OverflowFlag, 0x3000ul), (machine.Producer, machine.AddressIn(0)));
    }

    [Fact]
    [Rule("GERR-12")]
    public void AbortGivesUpTheRecordsBehindItAndKeepsThoseBeforeIt()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus);
        uint errorsInside = 99;
        bus.BeforeWrite = place =>
        {
            switch (place / RecordBytes)
            {
                case 0:
                    machine.Fault(0x2000);
                    errorsInside = machine.Errors;
                    return true;

                case 1:
                    machine.Fault(0x3000);   // Written well, but behind the abort.
                    return false;

                default:
                    return true;
            }
        };

        machine.Fault(0x1000);

        Assert.Equal(0u, errorsInside);   // Shows when all writes have ended.
        Assert.Equal((1u, FaultingMachine.EventQueueAbort), (machine.Producer, machine.Errors));

        bus.BeforeWrite = null;
        machine.Acknowledge();
        machine.Fault(0x4000);
        Assert.Equal((2u, 0x4000ul), (machine.Producer, machine.AddressIn(1)));
    }

    [Fact]
    [Rule("EVT-31")]
    public void NoRecordTakesASlotWhileWritesBehindAnAbortAreUnderWay()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus);
        int writes = 0;
        bus.BeforeWrite = place =>
        {
            writes++;
            if (place != 0) return false;
            machine.Fault(0x2000);   // Aborts.
            machine.Machine.Write(RegisterOffset.GERRORN, FaultingMachine.EventQueueAbort);   // Too early: nothing shows yet.
            machine.Machine.Write(RegisterOffset.GERRORN, 0);
            machine.Fault(0x3000);   // Would take the slot of the one before.
            return true;
        };

        machine.Fault(0x1000);

        Assert.Equal((2, 1u), (writes, machine.Producer));
        Assert.Equal(FaultingMachine.EventQueueAbort, machine.Errors);
    }

    [Fact]
    [Rule("EVT-32")]
    [Rule("RQ-19")]
    [Rule("RQ-38")]
    public void DisablingIsAcknowledgedWhenTheRecordUnderWayIsVisible()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus);
        ulong baseRegister = machine.Smmu.ReadRegister64(RegisterOffset.EVENTQ_BASE);
        uint acknowledgeInside = 0;
        bus.BeforeWrite = _ =>
        {
            machine.Machine.Enable(QueueOff);
            acknowledgeInside = machine.Machine.Read(RegisterOffset.CR0ACK);
            machine.Smmu.WriteRegister64(RegisterOffset.EVENTQ_BASE, 0x4000_0000);
            machine.Machine.Write(RegisterOffset.EVENTQ_PROD, 5);
            return true;
        };

        machine.Fault(0x1000);

        Assert.Equal((uint)AllOn, acknowledgeInside);
        Assert.Equal((uint)QueueOff, machine.Machine.Read(RegisterOffset.CR0ACK));
        Assert.Equal(baseRegister, machine.Smmu.ReadRegister64(RegisterOffset.EVENTQ_BASE));
        Assert.Equal((1u, 0x1000ul), (machine.Producer, machine.AddressIn(0)));

        machine.Machine.Write(RegisterOffset.EVENTQ_PROD, 5);
        Assert.Equal(5u, machine.Producer);
    }

    [Fact]
    [Rule("GERR-17")]
    public void DisablingIsAcknowledgedWhenTheAbortOfAWriteUnderWayShows()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus, interrupts: true);
        uint acknowledgeInside = 0, acknowledgeInHandler = 0;
        machine.Smmu.InterruptRaised += _ => acknowledgeInHandler = machine.Machine.Read(RegisterOffset.CR0ACK);
        bus.BeforeWrite = _ =>
        {
            machine.Machine.Enable(QueueOff);
            acknowledgeInside = machine.Machine.Read(RegisterOffset.CR0ACK);
            return false;
        };

        machine.Fault(0x1000);

        Assert.Equal(((uint)AllOn, (uint)QueueOff), (acknowledgeInside, acknowledgeInHandler));
        Assert.Equal(FaultingMachine.EventQueueAbort, machine.Errors);
    }

    [Fact]
    [Rule("EVT-32")]
    public void EnablingBeforeTheDisableIsAcknowledgedLosesNothing()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus);
        bus.BeforeWrite = place =>
        {
            if (place != 0) return true;
            machine.Machine.Enable(QueueOff);
            machine.Fault(0x2000);   // Lost: the queue is off.
            machine.Machine.Enable(AllOn);
            machine.Fault(0x3000);
            return true;
        };

        machine.Fault(0x1000);

        Assert.Equal((2u, 0x1000ul, 0x3000ul), (machine.Producer, machine.AddressIn(0), machine.AddressIn(1)));
    }

    [Fact]
    public void RecordThatAResetOvertakesLeavesNoTraceInTheRegisters()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus);
        bus.BeforeWrite = _ =>
        {
            machine.Smmu.Reset();
            return true;
        };

        machine.Fault(0x1000);

        Assert.Equal((0u, 0u, 0u), (machine.Producer, machine.Errors, machine.Machine.Read(RegisterOffset.CR0ACK)));
    }

    [Fact]
    [Rule("GERR-12")]
    public void QueueAimedAtADeviceThatFaultsWithEachRecordMeetsAnAbort()
    {
        var bus = new HookedBus(1 << 16);
        using var machine = new FaultingMachine(log2: 11, HookedBus.Base, bus);
        int writes = 0;
        bus.BeforeWrite = _ =>
        {
            if (++writes < 50) machine.Fault(0x2000);   // A guest would go on until the stack ends.
            return true;
        };

        machine.Fault(0x1000);

        Assert.InRange(writes, 1, 10);
        Assert.Equal(((uint)writes, FaultingMachine.EventQueueAbort), (machine.Producer, machine.Errors));
    }

    [Fact]
    public void ExceptionOfTheHostLeavesTheQueueInOrder()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus);
        machine.Fault(0x1000);
        bus.BeforeWrite = _ => throw new TimeoutException();
        Assert.Throws<TimeoutException>(() => machine.Fault(0x2000));

        bus.BeforeWrite = null;
        machine.Fault(0x3000);

        Assert.Equal((2u, 0x3000ul, 0u), (machine.Producer, machine.AddressIn(1), machine.Errors));
        machine.Machine.Enable(QueueOff);
        Assert.Equal((uint)QueueOff, machine.Machine.Read(RegisterOffset.CR0ACK));
    }
}
