using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>The driver of an SMMU's Enhanced Command queues: one for each thread, or one for each VM (IHI 0070, 3.5.6).</summary>
/// <remarks>
/// A VM that has a queue to itself cannot fill that of another, and an error stops nobody else. Threads share queues when
/// there are more of them than queues, which is as safe as it is in any <see cref="CommandSubmitter"/>.
/// </remarks>
public sealed class EnhancedQueueDriver : IDisposable
{
    private const uint Enable = 1u << 31;
    private const int EntryLog2 = 4;

    private readonly Lock gate = new();
    private readonly SmmuDevice smmu;
    private readonly SubmissionOptions? options;
    private readonly ulong address;
    private readonly int log2Entries;
    private readonly int queuesOfPageLog2;
    private readonly Queue[] queues;
    private readonly ThreadLocal<CommandSubmitter> ofThreads;
    private bool isDisposed;

    /// <summary>Takes over all queues of an SMMU, none of which may be enabled; each is switched on when it is wanted.</summary>
    /// <param name="smmu">The SMMU.</param>
    /// <param name="address">
    /// Physical address of memory for the queues, <see cref="BytesFor"/> bytes in one writable region that nobody watches,
    /// aligned to the size of one queue or 32 bytes.
    /// </param>
    /// <param name="log2Entries">log2 of the entries of each queue: 1 to IDR1.CMDQS.</param>
    /// <param name="options">How commands are submitted; the defaults if null.</param>
    /// <exception cref="ArgumentException">The SMMU has no Enhanced Command queues, or the address is not aligned.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is none that the SMMU has.</exception>
    /// <exception cref="InvalidOperationException">A queue is enabled.</exception>
    public EnhancedQueueDriver(SmmuDevice smmu, ulong address, int log2Entries, SubmissionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(smmu);
        int count = smmu.Features.EnhancedCommandQueues;
        if (count == 0) throw new ArgumentException("This SMMU has no Enhanced Command queues (IDR1.ECMDQ).", nameof(smmu));
        ArgumentOutOfRangeException.ThrowIfLessThan(log2Entries, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(log2Entries, smmu.Features.CommandQueueLog2);
        ulong queueBytes = 1UL << (log2Entries + EntryLog2);
        if ((address & (queueBytes - 1)) != 0) throw new ArgumentException(
            $"The memory must be aligned to the {queueBytes} bytes of a queue.", nameof(address));

        this.smmu = smmu;
        this.options = options;
        this.address = address;
        this.log2Entries = log2Entries;
        queuesOfPageLog2 = (int)((smmu.ReadRegister32(RegisterOffset.IDR6) >> 16) & 0xf);
        queues = new Queue[count];
        for (int i = 0; i < count; i++)
        {
            queues[i] = new Queue(RegistersOf(i));
            if (((Producer(queues[i]) | Consumer(queues[i])) & Enable) != 0) throw new InvalidOperationException(
                $"Enhanced Command queue {i} is enabled: disable it before its driver takes over.");
        }

        ofThreads = new ThreadLocal<CommandSubmitter>(Share);
    }

    /// <summary>Queues of the SMMU.</summary>
    public int Count => queues.Length;

    /// <summary>Memory that the queues of an SMMU need.</summary>
    /// <param name="smmu">The SMMU.</param>
    /// <param name="log2Entries">log2 of the entries of each queue.</param>
    public static ulong BytesFor(SmmuDevice smmu, int log2Entries)
    {
        ArgumentNullException.ThrowIfNull(smmu);
        return (ulong)smmu.Features.EnhancedCommandQueues << (log2Entries + EntryLog2);
    }

    /// <summary>Takes a queue that nobody else submits to, for a VM; null when all are in use.</summary>
    /// <exception cref="ObjectDisposedException">The driver is disposed.</exception>
    public CommandSubmitter? TryTake()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
            foreach (var queue in queues)
            {
                if (queue.Submitter is null) return Open(queue);
            }

            return null;
        }
    }

    /// <summary>Gives a queue back, and switches it off; no call of it may be under way.</summary>
    /// <param name="submitter">What <see cref="TryTake"/> returned.</param>
    /// <exception cref="ArgumentException">It is none of this driver's, or was given back, or threads share it.</exception>
    /// <exception cref="ObjectDisposedException">The driver is disposed.</exception>
    public void Return(CommandSubmitter submitter)
    {
        ArgumentNullException.ThrowIfNull(submitter);
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
            var queue = Array.Find(queues, queue => queue.Submitter == submitter && queue.Sharers == 0) ?? throw new ArgumentException(
                $"Nobody has that queue: give back what {nameof(TryTake)} returned, once.", nameof(submitter));
            Close(queue);
        }
    }

    /// <summary>
    /// Submits commands to the queue of the calling thread, which it gets with its first call: one of its own while there are
    /// some, and later the one that the fewest share.
    /// </summary>
    /// <inheritdoc cref="CommandSubmitter.Submit"/>
    /// <exception cref="InvalidOperationException">
    /// <see cref="TryTake"/> has given all queues away; or the thread is inside a callback of the SMMU that runs commands of its
    /// queue.
    /// </exception>
    public CommandResult Submit(ReadOnlySpan<Command> commands, bool sync = true) => ofThreads.Value!.Submit(commands, sync);

    /// <summary>Switches all queues off. No call may be under way.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (isDisposed) return;
            isDisposed = true;
            foreach (var queue in queues)
            {
                if (queue.Submitter is not null) Close(queue);
            }

            ofThreads.Dispose();
        }
    }

    private CommandSubmitter Share()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
            Queue? best = null;
            foreach (var queue in queues)
            {
                bool isTaken = queue.Submitter is not null && queue.Sharers == 0;
                if (!isTaken && (best is null || queue.Sharers < best.Sharers)) best = queue;
            }

            if (best is null) throw new InvalidOperationException(
                $"All {queues.Length} Enhanced Command queues are taken: leave one to threads, or give the SMMU more (IDR6).");
            var submitter = best.Submitter ?? Open(best);
            best.Sharers++;
            return submitter;
        }
    }

    private CommandSubmitter Open(Queue queue)
    {
        ulong memory = address + ((ulong)Array.IndexOf(queues, queue) << (log2Entries + EntryLog2));
        smmu.WriteRegister64(queue.Registers + EnhancedCommandQueueOffset.ECMDQ_BASE, memory | (uint)log2Entries);
        smmu.WriteRegister32(queue.Registers + EnhancedCommandQueueOffset.ECMDQ_PROD, 0);
        smmu.WriteRegister32(queue.Registers + EnhancedCommandQueueOffset.ECMDQ_CONS, 0);
        smmu.WriteRegister32(queue.Registers + EnhancedCommandQueueOffset.ECMDQ_PROD, Enable);
        queue.Submitter = CommandSubmitter.OfEnhancedQueue(smmu, queue.Registers, options);
        return queue.Submitter;
    }

    // The SMMU acknowledges once it has stopped; the memory stays ours all the while.
    private void Close(Queue queue)
    {
        smmu.WriteRegister32(queue.Registers + EnhancedCommandQueueOffset.ECMDQ_PROD, Producer(queue) & ~Enable);
        var spin = new SpinWait();
        while ((Consumer(queue) & Enable) != 0) spin.SpinOnce();
        queue.Submitter!.Dispose();
        queue.Submitter = null;
        queue.Sharers = 0;
    }

    private uint Producer(Queue queue) => smmu.ReadRegister32(queue.Registers + EnhancedCommandQueueOffset.ECMDQ_PROD);

    private uint Consumer(Queue queue) => smmu.ReadRegister32(queue.Registers + EnhancedCommandQueueOffset.ECMDQ_CONS);

    private uint RegistersOf(int number)
    {
        const ulong Address = 0xff_ffff_ffff_0000;
        uint page = (uint)number >> queuesOfPageLog2;
        uint place = (uint)number & ((1u << queuesOfPageLog2) - 1);
        ulong control = smmu.ReadRegister64(
            RegisterOffset.CMDQ_CONTROL_PAGE_BASE + (page * RegisterOffset.CMDQ_CONTROL_PAGE_STRIDE));
        return (uint)(control & Address) + (place * (RegisterOffset.PageSize >> queuesOfPageLog2));
    }

    private sealed class Queue(uint registers)
    {
        public uint Registers { get; } = registers;

        public CommandSubmitter? Submitter { get; set; }

        public int Sharers { get; set; }   // Threads; 0 for a queue that one taker has for itself.
    }
}
