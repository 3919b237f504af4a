using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Queues;

/// <summary>What became of a record, and what the device has to tell of it.</summary>
[Flags]
internal enum EventWriteResult : byte
{
    /// <summary>Nothing: the queue is off, or stopped by an abort that was not acknowledged.</summary>
    Discarded = 0,

    /// <summary>The record is in the queue; PROD covers it as soon as it covers those before it.</summary>
    Written = 1 << 0,

    /// <summary>PROD took the queue from empty to non-empty: its interrupt is due.</summary>
    BecameNonEmpty = 1 << 1,

    /// <summary>The record was lost because the queue was full.</summary>
    Lost = 1 << 2,

    /// <summary>The write of this or another record aborted: EVENTQ_ABT_ERR is due.</summary>
    Aborted = 1 << 3,
}

/// <summary>The SMMU's end of an Event queue: many threads bring records, which appear one by one (IHI 0070, 7.2, 7.4).</summary>
/// <remarks>
/// A record takes its slot behind a gate. Queue memory that only the host can reach is then written with the gate open, by
/// several threads at once; nobody waits for them. PROD covers a slot once it and all slots before it are written. After an
/// abort the slots from the aborted one on are given up, and no slot is taken before the last write under way has ended, so
/// that no late write lands on a newer record. For the same reason the queue counts as active, which guards its registers,
/// as long as a write is under way.
/// </remarks>
internal sealed unsafe class EventQueueWriter
{
    private const int EntryLog2 = 5;
    private const int EntryWords = 4;
    private const uint IndexMask = 0xf_ffff;
    private const uint OverflowFlag = 1u << 31;

    // Host code that is entered to write a record may cause another one, whose write enters it again. A guest can arrange
    // that by aiming the queue at the doorbell of a device; the record beyond this depth meets an abort.
    private const int DeepestNesting = 4;

    [ThreadStatic]
    private static int hostWritesOfThread;

    private readonly GuestMemory memory;
    private readonly int largestLog2;
    private readonly int outputBits;
    private readonly ulong[] writtenSlots;   // A bit for each slot between PROD and "reserved"; others are of no meaning.

    private SpinGate gate;
    private ulong baseRegister;
    private uint producer;
    private uint reserved;   // Index of the next slot to take: PROD, or ahead of it by the writes under way.
    private uint consumer;
    private QueueLayout layout;
    private bool enabled;
    private bool stopped;
    private bool isDraining;
    private bool isAbortDue;
    private bool isOverflowDue;
    private int writesUnderWay;
    private ulong generation;   // Grows with each reset; writes that a reset overtakes leave no trace.
    private ulong recorded;
    private ulong lost;

    public EventQueueWriter(GuestMemory memory, int largestLog2, int outputBits)
    {
        this.memory = memory;
        this.largestLog2 = largestLog2;
        this.outputBits = outputBits;
        writtenSlots = new ulong[Math.Max(1, (1 << largestLog2) / 64)];
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
    public bool HasWritesUnderWay => Volatile.Read(ref writesUnderWay) != 0;

    /// <summary>
    /// CR0ACK.EVENTQEN: stays set after EVENTQEN was cleared until records that have their slot are visible, and aborts show
    /// in GERROR (IHI 0070, 6.3.9.4).
    /// </summary>
    public bool IsActive
    {
        get
        {
            gate.Enter();
            bool active = enabled || writesUnderWay != 0 || isAbortDue;
            gate.Exit();
            return active;
        }
    }

    /// <summary>Records that the queue would take now: none while it is off, full or stopped by an abort.</summary>
    public int Room
    {
        get
        {
            gate.Enter();
            bool writable = enabled && !stopped && !isDraining && !layout.IsFull(reserved, consumer);
            int room = writable ? layout.Entries - (int)layout.Count(reserved, consumer) : 0;
            gate.Exit();
            return room;
        }
    }

    /// <summary>Takes a write of EVENTQ_BASE; the caller has judged the guard.</summary>
    public void WriteBase(ulong value)
    {
        gate.Enter();
        Volatile.Write(ref baseRegister, value);
        layout = new QueueLayout(value, largestLog2, EntryLog2, outputBits);
        SetProducer(producer);
        gate.Exit();
    }

    /// <summary>Takes a write of EVENTQ_PROD; the caller has judged the guard.</summary>
    public void WriteProducer(uint value)
    {
        gate.Enter();
        SetProducer(value);
        gate.Exit();
    }

    /// <summary>Takes a write of EVENTQ_CONS.</summary>
    public void WriteConsumer(uint value)
    {
        gate.Enter();   // A record that arrives now either was seen by software or finds the queue empty (INT-08).
        Volatile.Write(ref consumer, value & (OverflowFlag | IndexMask));
        gate.Exit();
    }

    /// <summary>Follows EVENTQEN. Once it is clear no record takes a slot; <see cref="IsActive"/> tells of others.</summary>
    public void SetEnabled(bool value)
    {
        gate.Enter();
        enabled = value;
        gate.Exit();
    }

    /// <summary>Takes note that EVENTQ_ABT_ERR shows the abort that a write reported.</summary>
    public void AcceptAbortShown()
    {
        gate.Enter();
        isAbortDue = false;
        stopped = true;
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
        gate.Enter();
        generation++;
        enabled = false;
        stopped = false;
        isDraining = false;
        isAbortDue = false;
        isOverflowDue = false;
        writesUnderWay = 0;
        gate.Exit();
        WriteBase(0);
        WriteProducer(0);
        WriteConsumer(0);
    }

    /// <summary>Records written since the beginning.</summary>
    public ulong Recorded => Volatile.Read(ref recorded);

    /// <summary>Records lost since the beginning, those of stalls left out: their accesses are retried.</summary>
    public ulong Lost => Volatile.Read(ref lost);

    /// <summary>Brings a record; what the answer asks for is the device's to do, with no gate closed.</summary>
    /// <remarks>The caller is inside of a scope.</remarks>
    public EventWriteResult Write(in EventRecord record)
    {
        gate.Enter();
        var result = TryWriteAtOnce(in record, out bool wasEmpty)
            ? wasEmpty ? EventWriteResult.Written | EventWriteResult.BecameNonEmpty : EventWriteResult.Written
            : WriteBehindGate(in record, overflows: true);
        if ((result & EventWriteResult.Written) != 0) Volatile.Write(ref recorded, recorded + 1);
        else Volatile.Write(ref lost, lost + 1);
        gate.Exit();
        return result;
    }

    /// <summary>Brings the record of a stalled access, which is not lost when the queue has no room (QUE-24).</summary>
    public EventWriteResult WriteOfStall(in EventRecord record)
    {
        gate.Enter();
        var result = WriteBehindGate(in record, overflows: false);
        if ((result & EventWriteResult.Written) != 0) Volatile.Write(ref recorded, recorded + 1);
        gate.Exit();
        return result;
    }

    // The common case: there is room in plain memory, and nobody is out with a record.
    private bool TryWriteAtOnce(in EventRecord record, out bool wasEmpty)
    {
        wasEmpty = false;
        uint index = reserved;
        bool isPlain = enabled && !stopped && writesUnderWay == 0 && !layout.IsFull(index, consumer);
        if (!isPlain || ControlBuild.Breaks(Breakage.ProducerFirst)) return false;
        ulong* words = (ulong*)memory.FindPlain(layout.AddressOf(index), EntryWords * sizeof(ulong));
        if (words == null) return false;

        // Releases, the index last: as in Publish.
        Volatile.Write(ref words[0], record.Word0);
        Volatile.Write(ref words[1], record.Word1);
        Volatile.Write(ref words[2], record.Word2);
        Volatile.Write(ref words[3], record.Word3);
        reserved = layout.Next(index);
        wasEmpty = layout.IsEmpty(producer, consumer);
        Volatile.Write(ref producer, (producer & OverflowFlag) | reserved);
        return true;
    }

    private EventWriteResult WriteBehindGate(in EventRecord record, bool overflows)
    {
        if (!enabled || stopped || isDraining) return EventWriteResult.Discarded;
        if (layout.IsFull(reserved, consumer)) return overflows ? Overflow() : EventWriteResult.Discarded;

        uint index = reserved;
        ulong began = generation;
        SetWritten(index, false);
        reserved = layout.Next(index);
        writesUnderWay++;

        ulong* words = stackalloc ulong[EntryWords];
        (words[0], words[1], words[2], words[3]) = (record.Word0, record.Word1, record.Word2, record.Word3);
        if (ControlBuild.Breaks(Breakage.ProducerFirst))
        {
            Volatile.Write(ref producer, (producer & OverflowFlag) | reserved);
            ControlBuild.Linger();
        }

        var status = memory.TryWriteStructureDirect(layout.AddressOf(index), words, EntryWords);
        if (status == MemoryStatus.NeedsHost) status = WriteThroughHost(index, words);
        return began == generation ? Complete(index, status) : EventWriteResult.Discarded;
    }

    // Opens the gate meanwhile.
    private MemoryStatus WriteThroughHost(uint index, ulong* words)
    {
        if (hostWritesOfThread == DeepestNesting) return MemoryStatus.Aborted;
        ulong began = generation;
        ulong address = layout.AddressOf(index);
        bool done;
        hostWritesOfThread++;
        gate.Exit();
        try
        {
            done = memory.TryWriteStructure(address, words, EntryWords);
        }
        catch
        {
            gate.Enter();
            if (began == generation) GiveUp(index);
            gate.Exit();   // The host's own exception leaves with the gate open.
            throw;
        }
        finally
        {
            hostWritesOfThread--;
        }

        gate.Enter();
        return done ? MemoryStatus.Done : MemoryStatus.Aborted;
    }

    private EventWriteResult Complete(uint index, MemoryStatus status)
    {
        var result = EventWriteResult.Discarded;
        if (status == MemoryStatus.Aborted)
        {
            stopped = true;
            isAbortDue = true;
            GiveUp(index);
        }
        else
        {
            if (IsReserved(index)) result = EventWriteResult.Written | Publish(index);
            EndWrite();
        }

        return isAbortDue && writesUnderWay == 0 ? result | EventWriteResult.Aborted : result;
    }

    // The slot stays empty, so PROD cannot pass it, and what lies behind it is lost (IHI 0070, 7.2.2).
    private void GiveUp(uint index)
    {
        if (IsReserved(index)) reserved = index;
        isDraining = true;
        isOverflowDue = false;
        EndWrite();
    }

    private void EndWrite()
    {
        Invariant.Holds(writesUnderWay > 0);
        Volatile.Write(ref writesUnderWay, writesUnderWay - 1);   // After PROD; pairs with HasWritesUnderWay.
        if (writesUnderWay == 0) isDraining = false;
    }

    private EventWriteResult Publish(uint index)
    {
        SetWritten(index, true);
        uint first = producer & layout.UsedMask;
        uint next = first;
        while (next != reserved && IsWritten(next)) next = layout.Next(next);
        if (next == first) return EventWriteResult.Discarded;

        uint flag = producer & OverflowFlag;
        if (isOverflowDue && next == reserved)
        {
            isOverflowDue = false;
            flag = ~consumer & OverflowFlag;
        }

        bool wasEmpty = layout.IsEmpty(producer, consumer);

        // Release; pairs with the driver's read of EVENTQ_PROD: the record is in memory before the index covers it (RQ-46).
        Volatile.Write(ref producer, flag | next);
        return wasEmpty ? EventWriteResult.BecameNonEmpty : EventWriteResult.Discarded;
    }

    // The flag never shows before PROD shows the queue as full (IHI 0070, 7.4).
    private EventWriteResult Overflow()
    {
        if (reserved != (producer & layout.UsedMask)) isOverflowDue = true;
        else Volatile.Write(ref producer, (producer & ~OverflowFlag) | (~consumer & OverflowFlag));
        return EventWriteResult.Lost;
    }

    private void SetProducer(uint value)
    {
        reserved = value & layout.UsedMask;
        Volatile.Write(ref producer, value & (OverflowFlag | layout.UsedMask));
    }

    private bool IsReserved(uint index) => layout.Count(index, producer) < layout.Count(reserved, producer);

    private bool IsWritten(uint index) => BitField.Test(writtenSlots[SlotOf(index) / 64], SlotOf(index) % 64);

    private void SetWritten(uint index, bool value)
    {
        int slot = SlotOf(index);
        writtenSlots[slot / 64] = BitField.Set(writtenSlots[slot / 64], slot % 64, slot % 64, value ? 1UL : 0);
    }

    private int SlotOf(uint index) => (int)index & (layout.Entries - 1);
}
