using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>
/// Several clients fault at the same time. Each thread numbers its accesses, so that the driver sees what is lost, doubled
/// or out of order; it poisons the entries it has read, so that an entry that PROD covers too early shows.
/// </summary>
public class EventQueueThreadTests
{
    private const int Threads = 4;
    private const ulong Poison = 0xdead_dead_dead_dead;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly int FaultsOfAThread = TestScale.Of(2_000);

    [Theory]
    [Rule("RQ-46")]
    [Rule("QUE-14")]
    [InlineData(false)]
    [InlineData(true)]
    public void NoRecordIsLostDoubledTornOrOutOfOrder(bool onTheBus)
    {
        int log2 = 0;
        while (1 << log2 < Threads * FaultsOfAThread) log2++;
        var bus = onTheBus ? new HookedBus(EventRecord.SizeBytes << log2) : null;
        using var machine = new FaultingMachine(log2, onTheBus ? HookedBus.Base : null, bus);
        if (bus is not null) bus.BeforeWrite = YieldNowAndThen;

        var (numbers, _) = Run(machine, log2);

        Assert.All(numbers, ofThread => Assert.Equal(Enumerable.Range(1, FaultsOfAThread).Select(n => (ulong)n), ofThread));
        Assert.Equal((uint)(Threads * FaultsOfAThread), machine.Producer);
        Assert.Equal(0u, machine.Errors);
    }

    [Theory]
    [Rule("QUE-22")]
    [Rule("QUE-26")]
    [InlineData(false)]
    [InlineData(true)]
    public void QueueThatOverflowsLosesNothingElse(bool onTheBus)
    {
        const int Log2 = 2;
        var bus = onTheBus ? new HookedBus() : null;
        using var machine = new FaultingMachine(Log2, onTheBus ? HookedBus.Base : null, bus);
        if (bus is not null) bus.BeforeWrite = YieldNowAndThen;

        var (numbers, overflows) = Run(machine, Log2);

        Assert.All(numbers, ofThread => Assert.Equal(ofThread.Order().Distinct(), ofThread));
        int received = numbers.Sum(ofThread => ofThread.Count);
        var statistics = machine.Smmu.GetStatistics();
        Assert.Equal((ulong)received, statistics.EventsRecorded);
        Assert.Equal((ulong)(Threads * FaultsOfAThread), statistics.EventsRecorded + statistics.EventsLost);
        Assert.Equal(statistics.EventsLost > 0, overflows > 0);
    }

    [Fact]
    [Rule("RQ-46")]
    public void RecordOfAnotherThreadWaitsForTheSlotBeforeIt()
    {
        var bus = new HookedBus();
        using var machine = new FaultingMachine(log2: 3, HookedBus.Base, bus);
        using var isInside = new ManualResetEventSlim();
        using var mayGoOn = new ManualResetEventSlim();
        bus.BeforeWrite = place =>
        {
            if (place != 0) return true;
            isInside.Set();
            return mayGoOn.Wait(Patience);
        };
        var first = new Thread(() => machine.Smmu.Translate(new StreamId(1), null, 0x1000, AccessKind.Read));
        first.Start();
        Assert.True(isInside.Wait(Patience));

        for (ulong i = 2; i <= 6; i++) machine.Fault(i << 12);   // Nobody waits for the host.
        Assert.Equal(0u, machine.Producer);
        mayGoOn.Set();
        Assert.True(first.Join(Patience));

        Assert.Equal(6u, machine.Producer);
        Assert.Equal(Enumerable.Range(1, 6).Select(i => (ulong)i << 12), Enumerable.Range(0, 6).Select(machine.AddressIn));
    }

    // Faults on all threads while this one is the driver. The queue is read once more when they are done.
    private static (List<ulong>[] Numbers, int Overflows) Run(FaultingMachine machine, int log2)
    {
        var numbers = Enumerable.Range(0, Threads).Select(_ => new List<ulong>()).ToArray();
        Poisoned(machine, 0, 1 << log2);
        using var start = new Barrier(Threads + 1);
        var threads = Enumerable.Range(0, Threads).Select(id => new Thread(() => FaultAll(machine, id, start))).ToArray();
        foreach (var thread in threads) thread.Start();
        start.SignalAndWait();

        int overflows = 0;
        uint consumer = 0;
        bool isDone;
        do
        {
            isDone = threads.All(thread => !thread.IsAlive);
            uint producer = machine.Producer;
            uint flag = producer & FaultingMachine.OverflowFlag;
            uint used = (2u << log2) - 1;
            if (flag != (consumer & FaultingMachine.OverflowFlag)) overflows++;
            for (; ((consumer ^ producer) & used) != 0; consumer = flag | ((consumer + 1) & used))
            {
                int slot = (int)(consumer & (used >> 1));
                Take(machine.RecordIn(slot), numbers);
                Poisoned(machine, slot, 1);
            }

            consumer = flag | (consumer & used);
            machine.WriteConsumer(consumer);
        }
        while (!isDone);

        foreach (var thread in threads) Assert.True(thread.Join(Patience));
        return (numbers, overflows);
    }

    private static void FaultAll(FaultingMachine machine, int id, Barrier start)
    {
        using var port = machine.Smmu.OpenPort(new StreamId((uint)id + 1));
        start.SignalAndWait();
        for (int number = 1; number <= FaultsOfAThread; number++) port.Translate((ulong)number << 12, AccessKind.Write);
    }

    private static void Take(EventRecord record, List<ulong>[] numbers)
    {
        Assert.Equal((EventType.Translation, false, 0ul), (record.Type, record.RnW, record.Word3));
        Assert.InRange(record.StreamId.Value, 1u, (uint)Threads);
        numbers[record.StreamId.Value - 1].Add(record.InputAddress >> 12);
    }

    private static void Poisoned(FaultingMachine machine, int slot, int count)
    {
        Span<ulong> poison = [Poison, Poison, Poison, Poison];
        for (int i = slot; i < slot + count; i++)
        {
            machine.Machine.Write64(machine.Machine.EventQueue + ((ulong)i * EventRecord.SizeBytes), poison);
        }
    }

    // Every so often the host takes its time, so that records become ready out of order.
    private static bool YieldNowAndThen(int place)
    {
        if (place / EventRecord.SizeBytes % 16 == 3) Thread.Yield();
        return true;
    }
}
