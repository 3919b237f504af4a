using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Takes records out of the Event queue and brings each to whom it concerns.</summary>
internal sealed unsafe class EventService(SmmuDriver driver, ulong* records, int log2Entries, Action<EventRecord>? hostEvent)
{
    private const int WordsOfRecord = 4;

    private readonly Lock gate = new();
    private readonly SmmuDevice smmu = driver.Smmu;
    private readonly uint pointerMask = (2u << log2Entries) - 1;

    private long overflows;
    private bool isServing;   // By the thread that has the gate.

    /// <summary>Times that the queue was full and records were lost.</summary>
    public long Overflows => Volatile.Read(ref overflows);

    /// <summary>Takes what is there, at most one queue's worth of records; returns how many.</summary>
    public int Service()
    {
        lock (gate)
        {
            if (isServing) return 0;   // What a callback does may come back here.
            isServing = true;
            try
            {
                return ServiceLocked();
            }
            finally
            {
                isServing = false;
            }
        }
    }

    private int ServiceLocked()
    {
        int taken = 0;
        var consumer = new OutputQueueIndex(smmu.ReadRegister32(RegisterOffset.EVENTQ_CONS));
        while (taken < 1 << log2Entries)
        {
            var producer = new OutputQueueIndex(smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD));
            bool isLost = producer.OverflowFlag != consumer.OverflowFlag;
            bool isEmpty = ((producer.Value ^ consumer.Value) & pointerMask) == 0;
            if (isLost) Interlocked.Increment(ref overflows);
            if (isEmpty && !isLost) break;
            EventRecord record = default;
            uint next = consumer.Value & pointerMask;
            if (!isEmpty)
            {
                ulong* words = records + ((next & (pointerMask >> 1)) * WordsOfRecord);
                record = new EventRecord(
                    Volatile.Read(ref words[0]), Volatile.Read(ref words[1]), Volatile.Read(ref words[2]), Volatile.Read(ref words[3]));
                next = (next + 1) & pointerMask;
            }

            consumer = new OutputQueueIndex { Pointer = next, OverflowFlag = producer.OverflowFlag };
            smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, consumer.Value);
            if (isEmpty) break;
            taken++;
            Dispatch(in record);
        }

        return taken;
    }

    private void Dispatch(in EventRecord record)
    {
        bool isKnown = driver.TryFindEndpoint(record.StreamId, out SmmuEndpoint? endpoint);
        bool isTaken = isKnown && (record.Stall
            ? endpoint!.TryReportStall(in record)
            : endpoint!.Viommu is { } viommu && viommu.TryReport(endpoint, in record));
        if (!isTaken) hostEvent?.Invoke(record);
    }
}
