using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>
/// Devices make faulting accesses, numbered by their addresses. The driver finds each record whole, once, and those of one
/// device in order.
/// </summary>
internal static class EventsLitmus
{
    private const int Devices = 2;
    private const int MostOutstanding = 64;   // Of each device; the queue has room for all.
    private const int Words = 4;
    private const ulong Poison = ulong.MaxValue;

    public static void Run(LitmusRun run)
    {
        using var scene = new Scene(recordsFaults: true);
        var machine = scene.Machine;
        var ports = new DmaPort[Devices];
        for (int i = 0; i < Devices; i++) ports[i] = scene.OpenPort();
        var made = new long[Devices];
        var taken = new long[Devices];
        PoisonAll();
        run.Race(Drive, random => Fault(0), random => Fault(1));
        run.Summary = $"{taken.Sum()} records";
        foreach (var port in ports) port.Dispose();

        void Fault(int device)
        {
            while (!run.IsOver)
            {
                var spin = new SpinWait();
                while (made[device] - Volatile.Read(ref taken[device]) >= MostOutstanding && !run.IsOver) spin.SpinOnce();
                ports[device].Translate((ulong)++made[device] << 12, AccessKind.Read);
            }
        }

        void Drive(Random random)
        {
            uint used = (2u << machine.EventQueueLog2) - 1;
            uint consumer = 0;
            Span<ulong> words = stackalloc ulong[Words];
            while (!run.IsOver)
            {
                uint producer = machine.Read(RegisterOffset.EVENTQ_PROD);
                if (((producer ^ consumer) & used) == 0) Thread.SpinWait(random.Next(20));
                for (; ((producer ^ consumer) & used) != 0; consumer = (consumer + 1) & used)
                {
                    ulong address = machine.EventQueue + ((consumer & (used >> 1)) * Words * sizeof(ulong));
                    for (int i = 0; i < Words; i++) words[i] = machine.Read64(address + ((ulong)i * sizeof(ulong)));
                    Judge(new EventRecord(words[0], words[1], words[2], words[3]));
                    for (int i = 0; i < Words; i++) machine.Write64(address + ((ulong)i * sizeof(ulong)), Poison);
                }

                machine.Write(RegisterOffset.EVENTQ_CONS, consumer | (producer & (1u << 31)));
            }
        }

        void Judge(EventRecord record)
        {
            int device = Array.FindIndex(ports, port => port.Stream == record.StreamId);
            if (device < 0 || record.Type != EventType.Translation)
            {
                run.Fail($"EVENTQ_PROD covers what is not a record: type 0x{(int)record.Type:x}, stream {record.StreamId.Value}.");
                return;
            }

            long expected = taken[device] + 1;
            if (record.InputAddress >> 12 != (ulong)expected) run.Fail($"Record {expected} is missing or not whole.");
            Volatile.Write(ref taken[device], expected);
        }

        void PoisonAll()
        {
            for (ulong offset = 0; offset < (32UL << machine.EventQueueLog2); offset += sizeof(ulong))
            {
                machine.Write64(machine.EventQueue + offset, Poison);
            }
        }
    }
}
