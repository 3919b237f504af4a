using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Queues;

/// <summary>What became of a page request, and what the device has to tell of it.</summary>
[Flags]
internal enum PageRequestWriteResult : byte
{
    /// <summary>Nothing to tell.</summary>
    None = 0,

    /// <summary>The request is in the queue, or will be as soon as the thread that writes those before it has come to it.</summary>
    Queued = 1 << 0,

    /// <summary>PROD took the queue from empty to non-empty.</summary>
    BecameNonEmpty = 1 << 1,

    /// <summary>PROD covers another request with Last = 1.</summary>
    LastWritten = 1 << 2,

    /// <summary>The request was discarded because the queue has overflowed.</summary>
    Overflowed = 1 << 3,

    /// <summary>
    /// A write aborted: requests were lost, which <see cref="PageRequestQueueWriter.TryTakeLost"/> hands out, and then
    /// PRIQ_ABT_ERR is due.
    /// </summary>
    Aborted = 1 << 4,

    /// <summary>The queue is off, or stopped by an abort that was not acknowledged.</summary>
    Refused = 1 << 5,
}

/// <summary>The SMMU's end of a PRI queue: many threads bring requests, which appear in the order they came (IHI 0070, 8).</summary>
/// <remarks>
/// One thread writes at a time. Queue memory that only the host can reach is written with the gate open; requests that come
/// meanwhile wait in a short list, and the thread that is out writes them too when it comes back. So nobody waits for the
/// host, and order is that of arrival. What one spell of writing takes on is bounded; beyond that the queue counts as full.
/// A reset does not end a spell: it takes its requests away, and what comes later waits until the old write has ended.
/// </remarks>
internal sealed unsafe class PageRequestQueueWriter
{
    private const int EntryLog2 = 4;
    private const int EntryWords = 2;
    private const uint IndexMask = 0xf_ffff;
    private const uint OverflowFlag = 1u << 31;
    private const int MostWaiting = 256;

    private readonly GuestMemory memory;
    private readonly int largestLog2;
    private readonly int outputBits;
    private readonly PageRequestEntry[] waiting = new PageRequestEntry[MostWaiting + 1];   // One more for what aborts.

    private SpinGate gate;
    private ulong baseRegister;
    private uint producer;
    private uint consumer;
    private QueueLayout layout;
    private bool enabled;
    private bool stopped;
    private bool isWriting;       // Some thread is out in host code with a request.
    private bool isAbortDue;      // From an abort until PRIQ_ABT_ERR shows it.
    private bool isOverflowDue;   // From an overflow until PROD covers what came before it.
    private int waitingFirst;
    private int waitingCount;     // Waiting are those from First up to Count; it grows until the spell ends.
    private ulong generation;     // Grows with each reset.

    public PageRequestQueueWriter(GuestMemory memory, int largestLog2, int outputBits)
    {
        this.memory = memory;
        this.largestLog2 = largestLog2;
        this.outputBits = outputBits;
        WriteBase(0);
    }

    /// <summary>PRIQ_BASE as written.</summary>
    public ulong BaseRegister => Volatile.Read(ref baseRegister);

    /// <summary>PRIQ_PROD: WR [19:0], OVFLG [31].</summary>
    public uint ProducerRegister => Volatile.Read(ref producer);

    /// <summary>PRIQ_CONS: RD [19:0], OVACKFLG [31].</summary>
    public uint ConsumerRegister => Volatile.Read(ref consumer);

    /// <summary>
    /// True while requests that were taken are not visible yet, or an abort does not show in GERROR: a disable is not
    /// acknowledged before (IHI 0070, 6.3.9.5).
    /// </summary>
    public bool IsBusy
    {
        get
        {
            gate.Enter();
            bool busy = isWriting || isAbortDue;
            gate.Exit();
            return busy;
        }
    }

    private bool IsOverflowing => isOverflowDue || ((producer ^ consumer) & OverflowFlag) != 0;

    private bool IsFull =>
        waitingCount == MostWaiting
        || layout.Count(producer, consumer) + (uint)(waitingCount - waitingFirst) + (isWriting ? 1u : 0) >= (uint)layout.Entries;

    /// <summary>Takes a write of PRIQ_BASE; the caller has judged the guard.</summary>
    public void WriteBase(ulong value)
    {
        gate.Enter();
        Volatile.Write(ref baseRegister, value);
        layout = new QueueLayout(value, largestLog2, EntryLog2, outputBits);
        SetProducer(producer);   // QUE-12.
        gate.Exit();
    }

    /// <summary>Takes a write of PRIQ_PROD; the caller has judged the guard.</summary>
    public void WriteProducer(uint value)
    {
        gate.Enter();
        SetProducer(value);
        gate.Exit();
    }

    /// <summary>Takes a write of PRIQ_CONS.</summary>
    public void WriteConsumer(uint value)
    {
        gate.Enter();   // A request that comes now was either seen by software or finds the queue empty.
        Volatile.Write(ref consumer, value & (OverflowFlag | IndexMask));
        gate.Exit();
    }

    /// <summary>Follows the enable in force: PRIQEN and SMMUEN together.</summary>
    public void SetEnabled(bool value)
    {
        gate.Enter();
        enabled = value;
        gate.Exit();
    }

    /// <summary>Takes note that PRIQ_ABT_ERR shows the abort that a write reported.</summary>
    public void AcceptAbortShown()
    {
        gate.Enter();
        isAbortDue = false;
        stopped = true;
        gate.Exit();
    }

    /// <summary>Goes on after PRIQ_ABT_ERR was acknowledged.</summary>
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
        isAbortDue = false;
        isOverflowDue = false;
        waitingFirst = 0;
        waitingCount = 0;
        gate.Exit();
        WriteBase(0);
        WriteProducer(0);
        WriteConsumer(0);
    }

    /// <summary>Brings a request; what the answer asks for is the device's to do, with no gate closed.</summary>
    public PageRequestWriteResult Write(in PageRequestEntry request)
    {
        gate.Enter();
        var result = WriteBehindGate(in request);
        gate.Exit();
        return result;
    }

    /// <summary>
    /// Hands out what an abort has lost, one by one, to the thread that was told of it. Nothing new is taken meanwhile: the
    /// queue is stopped.
    /// </summary>
    public bool TryTakeLost(out PageRequestEntry request)
    {
        gate.Enter();
        bool has = stopped && waitingFirst < waitingCount;
        request = has ? waiting[waitingFirst++] : default;
        if (!has && !isWriting) waitingFirst = waitingCount = 0;
        gate.Exit();
        return has;
    }

    private PageRequestWriteResult WriteBehindGate(in PageRequestEntry request)
    {
        if (!enabled || stopped) return PageRequestWriteResult.Refused;
        if (IsOverflowing) return PageRequestWriteResult.Overflowed;
        if (IsFull) return Overflow();
        if (isWriting)
        {
            waiting[waitingCount++] = request;
            return PageRequestWriteResult.Queued;
        }

        ulong* words = stackalloc ulong[EntryWords];
        (words[0], words[1]) = (request.Word0, request.Word1);
        var status = memory.TryWriteStructureDirect(layout.AddressOf(producer), words, EntryWords);
        if (status == MemoryStatus.NeedsHost) return WriteThroughHost(in request);
        return status == MemoryStatus.Done ? PageRequestWriteResult.Queued | Publish(in request) : Abort(in request);
    }

    // Opens the gate for each request.
    private PageRequestWriteResult WriteThroughHost(in PageRequestEntry first)
    {
        var result = PageRequestWriteResult.None;
        var asked = PageRequestWriteResult.Queued;   // What it means for the caller's own request that it is written.
        ulong* words = stackalloc ulong[EntryWords];
        var request = first;
        isWriting = true;
        while (true)
        {
            (words[0], words[1]) = (request.Word0, request.Word1);
            ulong began = generation;
            ulong address = layout.AddressOf(producer);
            bool isWhole = false;
            bool done = false;
            gate.Exit();
            try
            {
                done = memory.TryWriteStructure(address, words, EntryWords);
                isWhole = true;
            }
            finally
            {
                gate.Enter();
                if (!isWhole)
                {
                    EndSpell();   // The host's own exception leaves with the gate open, and the requests are lost.
                    gate.Exit();
                }
            }

            if (began != generation)
            {
                result |= asked == PageRequestWriteResult.Queued ? PageRequestWriteResult.Refused : asked;
            }
            else if (done)
            {
                result |= asked | Publish(in request);
            }
            else
            {
                result |= Abort(in request);
                break;
            }

            asked = PageRequestWriteResult.None;
            if (waitingFirst == waitingCount) break;
            request = waiting[waitingFirst++];
        }

        EndSpell();
        return result;
    }

    private void EndSpell()
    {
        isWriting = false;
        ShowOverflow();
        if (isAbortDue) return;   // What was lost stays in the list.
        waitingFirst = 0;
        waitingCount = 0;
    }

    private PageRequestWriteResult Publish(in PageRequestEntry request)
    {
        bool wasEmpty = layout.IsEmpty(producer, consumer);

        // Release; pairs with the driver's read of PRIQ_PROD: the request is in memory before the index covers it.
        Volatile.Write(ref producer, (producer & OverflowFlag) | layout.Next(producer & layout.UsedMask));
        return (wasEmpty ? PageRequestWriteResult.BecameNonEmpty : PageRequestWriteResult.None)
            | (request.Last ? PageRequestWriteResult.LastWritten : PageRequestWriteResult.None);
    }

    // The request is lost, and with it those that wait.
    private PageRequestWriteResult Abort(in PageRequestEntry request)
    {
        stopped = true;
        isAbortDue = true;
        waiting[waitingCount++] = request;
        return PageRequestWriteResult.Aborted;
    }

    // The flag never shows before PROD shows what filled the queue.
    private PageRequestWriteResult Overflow()
    {
        isOverflowDue = true;
        if (!isWriting) ShowOverflow();
        return PageRequestWriteResult.Overflowed;
    }

    private void ShowOverflow()
    {
        if (!isOverflowDue) return;
        isOverflowDue = false;
        Volatile.Write(ref producer, (producer & ~OverflowFlag) | (~consumer & OverflowFlag));
    }

    private void SetProducer(uint value) => Volatile.Write(ref producer, value & (OverflowFlag | layout.UsedMask));
}
