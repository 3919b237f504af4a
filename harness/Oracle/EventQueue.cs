namespace Smmu.Fast.Oracle;

/// <summary>Delivery of event records to the Event queue in memory (IHI 0070, 3.5, 7.2 and 7.4).</summary>
internal sealed class EventQueue(
    IOracleMemory memory, RegisterFile registers, InterruptSender interrupts, OracleChoices choices)
{
    private const int EntryLog2 = 5;   // 32 bytes.

    // Records of stalled transactions are never lost: they wait for room (7.2.1).
    private readonly List<OracleEvent> waiting = [];

    /// <summary>Delivers a record, keeps it if its transaction stalls, or loses it.</summary>
    /// <returns>True when it is delivered.</returns>
    public bool Record(in OracleEvent record)
    {
        Flush();
        if (waiting.Count == 0 && TryWrite(record)) return true;
        if (record.IsStall)
        {
            if (!choices.RetriesUnrecordedStalls) waiting.Add(record);
            return false;
        }

        bool isOverflow = registers.IsEventQueueEnabled && !registers.IsStopped(RegisterFile.EventQueueAbort) && IsFull();
        if (isOverflow && !registers.IsEventOverflowPresent) registers.EventProducer ^= 0x8000_0000;
        return false;
    }

    /// <summary>What would become of a record.</summary>
    public OracleDelivery Preview(in OracleEvent record)
    {
        if (!registers.IsEventQueueEnabled || registers.IsStopped(RegisterFile.EventQueueAbort)) return OracleDelivery.Lost;
        if (!IsFull() && memory.CanWrite(NextEntry())) return OracleDelivery.Recorded;
        if (!IsFull()) return registers.IsActive(RegisterFile.EventQueueAbort) ? OracleDelivery.Lost : OracleDelivery.Aborted;
        return record.IsStall || registers.IsEventOverflowPresent ? OracleDelivery.Lost : OracleDelivery.Overflowed;
    }

    /// <summary>Records that the queue would take now.</summary>
    public int Room => !registers.IsEventQueueEnabled || registers.IsStopped(RegisterFile.EventQueueAbort) || IsFull()
        ? 0 : (1 << registers.EventQueueLog2) - (int)Used();

    /// <summary>Delivers the records that wait, as far as there is room.</summary>
    public void Flush()
    {
        while (waiting.Count != 0 && TryWrite(waiting[0])) waiting.RemoveAt(0);
    }

    /// <summary>Drops the records that wait: of one stream, or all of them with null (4.7.2, 6.3.9.6).</summary>
    public void Drop(uint? streamId) => waiting.RemoveAll(record => streamId is null || record.StreamId == streamId);

    private bool TryWrite(in OracleEvent record)
    {
        if (!registers.IsEventQueueEnabled || IsFull() || registers.IsStopped(RegisterFile.EventQueueAbort)) return false;

        uint producer = registers.EventProducer & RegisterFile.IndexMask(registers.EventQueueLog2);
        ulong entry = NextEntry();
        if (!memory.TryWrite(entry, record.Word0) || !memory.TryWrite(entry + 8, record.Word1)
            || !memory.TryWrite(entry + 16, record.Word2) || !memory.TryWrite(entry + 24, record.Word3))
        {
            // 7.2.2, the synchronous form: PROD does not pass the entry.
            interrupts.Raise(RegisterFile.EventQueueAbort);
            return false;
        }

        uint flags = registers.EventProducer & 0x8000_0000;
        bool wasEmpty = Used() == 0;
        registers.EventProducer = flags | ((producer + 1) & RegisterFile.IndexMask(registers.EventQueueLog2));
        if (wasEmpty) interrupts.Send(OracleInterrupt.EventQueue);
        return true;
    }

    private ulong NextEntry()
    {
        ulong index = registers.EventProducer & Bits.Below(registers.EventQueueLog2);
        return registers.EventQueueBase + (index << EntryLog2);
    }

    // Indexes that do not fit together count as a full queue.
    private bool IsFull() => Used() >= 1U << registers.EventQueueLog2;

    private uint Used() => (registers.EventProducer - registers.EventConsumer) & RegisterFile.IndexMask(registers.EventQueueLog2);
}
