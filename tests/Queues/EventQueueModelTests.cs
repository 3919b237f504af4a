using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>An Event queue against a plain list, through random faults, consumption, acknowledges and disables.</summary>
public class EventQueueModelTests
{
    private const ControlBits Off = ControlBits.Smmu | ControlBits.CommandQueue;

    [Theory]
    [Rule("EVT-31")]
    [Rule("QUE-02")]
    [Rule("QUE-03")]
    [Rule("QUE-22")]
    [InlineData(0, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 3)]
    [InlineData(5, 4)]
    public void QueueHoldsWhatAListWouldHold(int log2, int seed)
    {
        using var machine = new FaultingMachine(log2);
        var random = new Random(seed);
        var list = new Queue<ulong>();
        uint consumer = 0;
        bool enabled = true, overflow = false, acknowledge = false;
        uint used = (2u << log2) - 1;

        for (ulong step = 1; step <= 3_000; step++)
        {
            int choice = random.Next(10);
            if (choice < 6)
            {
                machine.Fault(step << 12);
                if (!enabled) continue;
                if (list.Count < 1 << log2) list.Enqueue(step << 12);
                else if (overflow == acknowledge) overflow = !overflow;
            }
            else if (choice < 9)
            {
                for (int count = random.Next(list.Count + 1); count > 0; count--)
                {
                    Assert.Equal(list.Dequeue(), machine.AddressIn((int)(consumer & (used >> 1))));
                    consumer = (consumer + 1) & used;
                }

                if (random.Next(2) == 0) acknowledge = overflow;
                machine.WriteConsumer(consumer | (acknowledge ? FaultingMachine.OverflowFlag : 0));
            }
            else
            {
                enabled = !enabled;
                machine.Machine.Enable(enabled ? Off | ControlBits.EventQueue : Off);
            }

            uint expected = (consumer + (uint)list.Count) & used;
            Assert.Equal(expected | (overflow ? FaultingMachine.OverflowFlag : 0), machine.Producer);
        }

        Assert.True(machine.Smmu.GetStatistics().EventsLost > 0);   // The run met a full or disabled queue.
    }
}
