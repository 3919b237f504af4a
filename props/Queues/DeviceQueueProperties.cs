using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Props.Queues;

/// <summary>
/// The Command queue runs what the driver put in, in its order and once; the Event queue gives records out in the order of
/// their faults, and loses those that find it full. For every LOG2SIZE, from just before the wrap on.
/// </summary>
public sealed class DeviceQueueProperties
{
    private const int Rounds = 40;
    private const int MostAtOnce = 48;
    private const uint FlagBit = 1u << 31;

    public static TheoryData<int> Sizes => [.. Enumerable.Range(0, QueuePointer.MaxLog2 + 1)];

    [Theory]
    [MemberData(nameof(Sizes))]
    [Rule("QUE-08")]
    [Rule("QUE-16")]
    public void CommandsRunOnceInTheirOrder(int log2)
    {
        using var machine = new GuestMachine();
        machine.SetUpStreamTable();
        machine.SetUpCommandQueue(log2);
        uint begin = (1u << log2) - Math.Min(1u << log2, 20u);
        machine.Write(RegisterOffset.CMDQ_PROD, begin);
        machine.Write(RegisterOffset.CMDQ_CONS, begin);
        machine.Start();

        // Each command tells its number; a handler sees them one by one.
        ulong mailbox = machine.Allocate(4096);
        uint seen = 0;
        machine.Smmu.InterruptRaised += line =>
        {
            if (line == InterruptLine.CommandSync) Assert.Equal(++seen, machine.Read32(mailbox));
        };

        var random = Cases.RandomOf(log2);
        uint number = 0;
        for (int round = 0; round < TestScale.Of(Rounds); round++)
        {
            int count = random.Next(Math.Min(MostAtOnce, 1 << log2) + 1);
            machine.Submit([.. Enumerable.Range(0, count).Select(_ => Command.SyncWithMsi(new PhysicalAddress(mailbox), ++number))]);

            Assert.Equal(number, seen);
            Assert.Equal(QueuePointer.Advance(begin, number, log2), machine.Read(RegisterOffset.CMDQ_CONS));
        }

        Assert.Equal((ulong)number, machine.Smmu.GetStatistics().CommandsConsumed);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    [Rule("QUE-22")]
    [Rule("QUE-23")]
    [Rule("QUE-25")]
    public void EventsComeOutInTheOrderOfTheFaultsAndTheRestIsLost(int log2)
    {
        using var machine = new GuestMachine();
        var space = new Stage1Space(machine, asid: 1);
        machine.SetUpStreamTable();
        machine.AttachStage1(1, space);
        machine.SetUpEventQueue(log2);

        // A large queue holds some old records already, so that it gets full.
        int entries = 1 << log2;
        int old = entries <= MostAtOnce ? 0 : entries - MostAtOnce;
        uint producer = (uint)entries - (uint)Math.Min(entries, 20);
        uint consumer = QueuePointer.Advance(producer, (uint)((2 * entries) - old), log2);
        machine.Write(RegisterOffset.EVENTQ_PROD, producer);
        machine.Write(RegisterOffset.EVENTQ_CONS, consumer);
        machine.Start();

        var expected = new Queue<ulong>(Enumerable.Repeat(0UL, old));
        bool overflow = false, acknowledged = false;
        int losses = 0;
        ulong next = 1;
        var random = Cases.RandomOf(log2);
        for (int round = 0; round < TestScale.Of(Rounds); round++)
        {
            for (int i = round == 0 ? MostAtOnce + 1 : random.Next(MostAtOnce); i > 0; i--, next++)
            {
                machine.Smmu.Translate(new StreamId(1), null, next << 12, AccessKind.Read);
                if (expected.Count < entries)
                {
                    expected.Enqueue(next << 12);
                }
                else
                {
                    losses++;
                    if (overflow == acknowledged) overflow = !overflow;
                }
            }

            Assert.Equal(overflow, (machine.Read(RegisterOffset.EVENTQ_PROD) & FlagBit) != 0);
            Assert.Equal((uint)expected.Count, QueuePointer.Count(
                machine.Read(RegisterOffset.EVENTQ_PROD), machine.Read(RegisterOffset.EVENTQ_CONS), log2));
            for (int i = random.Next(MostAtOnce); i > 0; i--)
            {
                bool taken = machine.TryTakeEvent(out var record);
                Assert.Equal(expected.Count > 0, taken);
                if (!taken) break;
                acknowledged = overflow;   // GuestMachine acknowledges with each record.
                Assert.Equal(expected.Dequeue(), record.InputAddress);
            }
        }

        Assert.True(losses > 0, "The queue never was full.");
    }
}
