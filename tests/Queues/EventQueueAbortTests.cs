using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>Records that cannot be written stop the queue until software acknowledges it (IHI 0070, 7.2.1, 7.2.2).</summary>
public class EventQueueAbortTests
{
    private const ulong Queue = 0x8000_0000;

    [Fact]
    [Rule("GERR-12")]
    [Rule("EVT-31")]
    public void AbortActivatesTheErrorAndLeavesTheProducer()
    {
        using var machine = new FaultingMachine(log2: 3, Queue, interrupts: true);
        var lines = new List<InterruptLine>();
        machine.Smmu.InterruptRaised += lines.Add;

        machine.Fault(0x1000);
        machine.Fault(0x2000);

        Assert.Equal((0u, FaultingMachine.EventQueueAbort), (machine.Producer, machine.Errors));
        Assert.Equal([InterruptLine.GlobalError], lines);   // No interrupt of the queue, which stays empty.
    }

    [Theory]
    [InlineData(1)]
    [InlineData(32_768)]   // More than the RAM beside it.
    [Rule("GERR-12")]
    [Rule("EVT-31")]
    public void RecordsAreLostUntilTheErrorIsAcknowledged(ulong pages)
    {
        using var machine = new FaultingMachine(log2: 3, Queue);
        machine.Fault(0x1000);
        machine.Machine.Memory.AddOwned(Queue, pages * GuestMemory.PageBytes);

        machine.Fault(0x2000);
        Assert.Equal((0u, 0ul), (machine.Producer, machine.AddressIn(0)));

        machine.Acknowledge();
        machine.Fault(0x3000);
        Assert.Equal((1u, 0x3000ul, 0u), (machine.Producer, machine.AddressIn(0), machine.Errors));
    }

    [Fact]
    [Rule("GERR-12")]
    public void EveryAcknowledgedAbortShowsAnew()
    {
        using var machine = new FaultingMachine(log2: 3, Queue);

        for (int round = 0; round < 3; round++)
        {
            machine.Fault(0x1000);
            Assert.Equal(FaultingMachine.EventQueueAbort, machine.Errors);
            machine.Acknowledge();
            Assert.Equal(0u, machine.Errors);
        }
    }

    [Fact]
    [Rule("EVT-31")]
    public void DisablingAndEnablingDoesNotResumeAnAbortedQueue()
    {
        using var machine = new FaultingMachine(log2: 3, Queue);
        machine.Fault(0x1000);
        machine.Machine.Memory.AddOwned(Queue, GuestMemory.PageBytes);

        machine.Machine.Enable(ControlBits.Smmu);
        machine.Machine.Enable(ControlBits.Smmu | ControlBits.EventQueue);
        machine.Fault(0x2000);

        Assert.Equal((0u, FaultingMachine.EventQueueAbort), (machine.Producer, machine.Errors));
    }

    [Fact]
    [Rule("GERR-12")]
    public void RecordsBeforeTheAbortStayReadable()
    {
        using var machine = new FaultingMachine(log2: 3, Queue);
        var region = machine.Machine.Memory.AddOwned(Queue, GuestMemory.PageBytes);
        machine.Fault(0x1000, 0x2000);
        machine.Machine.Memory.MakeReadOnly(region);

        machine.Fault(0x3000);

        Assert.Equal((2u, FaultingMachine.EventQueueAbort), (machine.Producer, machine.Errors));
        Assert.Equal((0x1000ul, 0x2000ul, 0ul), (machine.AddressIn(0), machine.AddressIn(1), machine.AddressIn(2)));
    }

    [Fact]
    [Rule("EVT-31")]
    public void AbortIsNoOverflow()
    {
        using var machine = new FaultingMachine(log2: 0, Queue);

        machine.Fault(0x1000, 0x2000, 0x3000);

        Assert.Equal(0u, machine.Producer);
    }

    [Fact]
    [Rule("EVT-31")]
    public void ResetForgetsAnAbort()
    {
        using var machine = new FaultingMachine(log2: 3, Queue);
        machine.Fault(0x1000);
        ulong table = machine.Smmu.ReadRegister64(RegisterOffset.STRTAB_BASE);
        uint configuration = machine.Machine.Read(RegisterOffset.STRTAB_BASE_CFG);

        machine.Smmu.Reset();
        Assert.Equal((0u, 0u), (machine.Errors, machine.Machine.Read(RegisterOffset.CR0ACK)));
        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, table);
        machine.Machine.Write(RegisterOffset.STRTAB_BASE_CFG, configuration);
        machine.Machine.SetUpEventQueue(log2Entries: 3);
        machine.Machine.Enable(ControlBits.Smmu | ControlBits.EventQueue);
        machine.Fault(0x2000);

        Assert.Equal((1u, 0x2000ul), (machine.Producer, machine.AddressIn(0)));
    }
}
