using Smmu.Fast.Foundation;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Queues;

/// <summary>What became of a record, and what the device has to tell of it.</summary>
[Flags]
internal enum EventWriteResult : byte
{
    /// <summary>Nothing: the queue is off, or stopped by an abort that was not acknowledged.</summary>
    Discarded = 0,

    /// <summary>At least one record is in the queue.</summary>
    Written = 1 << 0,

    /// <summary>A record took the queue from empty to non-empty: its interrupt is due.</summary>
    BecameNonEmpty = 1 << 1,

    /// <summary>A record was lost because the queue was full.</summary>
    Lost = 1 << 2,

    /// <summary>The write of a record aborted: EVENTQ_ABT_ERR is due.</summary>
    Aborted = 1 << 3,

    /// <summary>Another thread is on its way to the queue and takes the record along.</summary>
    Deferred = 1 << 4,
}

/// <summary>The SMMU's end of an Event queue: many threads bring records, which appear one by one (IHI 0070, 7.2 and 7.4).</summary>
/// <remarks>
/// A gate orders the writers. Queue memory that only the host's bus can reach is written with the gate open: one thread
/// goes, and records that come meanwhile wait in a short list that it empties before it is done.
/// </remarks>
internal sealed unsafe class EventQueueWriter
{
    private const int EntryLog2 = 5;
    private const int EntryWords = 4;
    private const uint IndexMask = 0xf_ffff;
    private const uint OverflowFlag = 1u << 31;
    private const int PendingCapacity = 64;

    private readonly GuestMemory memory;
    private readonly int largestLog2;
    private readonly int outputBits;
    private readonly EventRecord[] pending = new EventRecord[PendingCapacity];

    private SpinGate gate;
    private ulong baseRegister;
    private uint producer;
    private uint consumer;
    private QueueLayout layout;
    private bool enabled;
    private bool stopped;
    private bool hostWriteInProgress;
    private int pendingCount;

    public EventQueueWriter(GuestMemory memory, int largestLog2, int outputBits)
    {
        this.memory = memory;
        this.largestLog2 = largestLog2;
        this.outputBits = outputBits;
        WriteBase(0);
    }

    /// <summary>EVENTQ_BASE as written.</summary>
    public ulong BaseRegister => Volatile.Read(ref baseRegister);

    /// <summary>EVENTQ_PROD: WR [19:0], OVFLG [31].</summary>
    public uint ProducerRegister => Volatile.Read(ref producer);

    /// <summary>EVENTQ_CONS: RD [19:0], OVACKFLG [31].</summary>
    public uint ConsumerRegister => Volatile.Read(ref consumer);

    /// <summary>
    /// True while records that were brought may not be visible yet, because a thread is out in host code with one. That
    /// thread is inside a scope.
    /// </summary>
    public bool HasWritesUnderWay => Volatile.Read(ref hostWriteInProgress);

    /// <summary>Takes a write of EVENTQ_BASE; the caller has judged the guard.</summary>
    public void WriteBase(ulong value)
    {
        gate.Enter();
        Volatile.Write(ref baseRegister, value);
        layout = new QueueLayout(value, largestLog2, EntryLog2, outputBits);
        Volatile.Write(ref producer, producer & (OverflowFlag | layout.UsedMask));
        gate.Exit();
    }

    /// <summary>Takes a write of EVENTQ_PROD; the caller has judged the guard.</summary>
    public void WriteProducer(uint value)
    {
        gate.Enter();
        Volatile.Write(ref producer, value & (OverflowFlag | layout.UsedMask));
        gate.Exit();
    }

    /// <summary>Takes a write of EVENTQ_CONS.</summary>
    public void WriteConsumer(uint value)
    {
        gate.Enter();   // A record that arrives now either was seen by software or finds the queue empty (INT-08).
        Volatile.Write(ref consumer, value & (OverflowFlag | IndexMask));
        gate.Exit();
    }

    /// <summary>Follows EVENTQEN. When it returns with false, nothing is written any more.</summary>
    public void SetEnabled(bool value)
    {
        gate.Enter();
        enabled = value;
        if (!value) pendingCount = 0;   // Records that are not committed are lost with the queue (EVT-32).
        gate.Exit();
    }

    /// <summary>Goes on after EVENTQ_ABT_ERR was acknowledged.</summary>
    public void ResumeAfterAbort()
    {
        gate.Enter();
        stopped = false;
        gate.Exit();
    }

    /// <summary>Returns to the reset state.</summary>
    public void Reset()
    {
        SetEnabled(false);
        ResumeAfterAbort();
        WriteBase(0);
        WriteProducer(0);
        WriteConsumer(0);
    }

    /// <summary>Brings a record; what the answer asks for is the device's to do, with no gate closed.</summary>
    public EventWriteResult Write(in EventRecord record)
    {
        gate.Enter();
        if (hostWriteInProgress)
        {
            bool room = pendingCount < PendingCapacity && enabled;
            if (room) pending[pendingCount++] = record;
            gate.Exit();
            return room ? EventWriteResult.Deferred : EventWriteResult.Lost;
        }

        var result = WriteBehindGate(record);
        for (int next = 0; next < pendingCount; next++) result |= WriteBehindGate(pending[next]);
        pendingCount = 0;
        Volatile.Write(ref hostWriteInProgress, false);   // Only now: records that waited are visible or lost.
        gate.Exit();
        return result;
    }

    // Enters and leaves with the gate closed.
    private EventWriteResult WriteBehindGate(EventRecord record)
    {
        if (!enabled || stopped) return EventWriteResult.Discarded;
        if (layout.IsFull(producer, consumer)) return Overflow();

        ulong* words = stackalloc ulong[EntryWords];
        (words[0], words[1], words[2], words[3]) = (record.Word0, record.Word1, record.Word2, record.Word3);
        ulong address = layout.AddressOf(producer);
        var status = memory.TryWriteStructureDirect(address, words, EntryWords);
        if (status == MemoryStatus.NeedsHost) status = WriteThroughHost(address, words);
        if (status == MemoryStatus.Aborted)
        {
            stopped = true;
            return EventWriteResult.Aborted;
        }

        // The queue may have been switched off, and set up anew, while the host was asked.
        if (!enabled || layout.AddressOf(producer) != address) return EventWriteResult.Discarded;
        bool wasEmpty = layout.IsEmpty(producer, consumer);
        uint next = (producer & OverflowFlag) | layout.Next(producer & layout.UsedMask);

        // Release; pairs with the driver's read of EVENTQ_PROD: the record is in memory before the index covers it (RQ-46).
        Volatile.Write(ref producer, next);
        return EventWriteResult.Written | (wasEmpty ? EventWriteResult.BecameNonEmpty : 0);
    }

    private MemoryStatus WriteThroughHost(ulong address, ulong* words)
    {
        hostWriteInProgress = true;
        gate.Exit();
        bool done;
        try
        {
            done = memory.TryWriteStructure(address, words, EntryWords);
        }
        catch
        {
            gate.Enter();
            hostWriteInProgress = false;
            pendingCount = 0;
            gate.Exit();   // The host's own exception leaves with the gate open.
            throw;
        }

        gate.Enter();
        return done ? MemoryStatus.Done : MemoryStatus.Aborted;
    }

    private EventWriteResult Overflow()
    {
        if (((producer ^ consumer) & OverflowFlag) == 0) Volatile.Write(ref producer, producer ^ OverflowFlag);
        return EventWriteResult.Lost;
    }
}
