using Smmu.Fast.Commands;
using Smmu.Fast.Foundation;
using Smmu.Fast.Queues;

namespace Smmu.Fast.VirtualQueues;

/// <summary>The registers of one queue.</summary>
/// <remarks>
/// Written behind the control gate, read from anywhere: each register is a word that is stored whole. A queue runs while the
/// block, its interface and itself are enabled and it is allocated. STATUS follows at once, but for a disable while a command
/// is being read through the host; until then BASE and CONS stay, too.
/// </remarks>
internal sealed class VirtualCommandQueue : IRefusalListener
{
    private const uint Enable = 1;
    private const uint Allocated = 1;
    private const uint CommandQueueError = 1;
    private const uint AllocationFields = (0x3fu << 15) | (0x7f << 1) | Allocated;

    private readonly VirtualQueueBlock block;
    private readonly CommandQueueReader reader;
    private readonly ulong baseMask;
    private uint allocation;
    private uint configuration;
    private uint errors;
    private uint acknowledged;
    private bool isPermitted;
    private bool isRunning;

    /// <summary>Makes a queue in its reset state.</summary>
    /// <param name="block">Its block.</param>
    /// <param name="reader">Its end in memory.</param>
    /// <param name="outputBits">OAS in bits.</param>
    public VirtualCommandQueue(VirtualQueueBlock block, CommandQueueReader reader, int outputBits)
    {
        this.block = block;
        this.reader = reader;
        baseMask = BitField.Mask(Math.Min(47, outputBits - 1), 0);
        Consumer = block.Smmu.NewConsumer(reader, this);
    }

    /// <summary>Runs its commands.</summary>
    public CommandConsumer Consumer { get; }

    /// <summary>CMDQ_ALLOC.</summary>
    public uint AllocationRegister => Volatile.Read(ref allocation);

    /// <summary>True while it belongs to <see cref="Interface"/>.</summary>
    public bool IsAllocated => (AllocationRegister & Allocated) != 0;

    /// <summary>Number of the interface.</summary>
    public int Interface => (int)BitField.Get(AllocationRegister, 20, 15);

    /// <summary>Its number there.</summary>
    public int LocalNumber => (int)BitField.Get(AllocationRegister, 7, 1);

    /// <summary>BASE.</summary>
    public ulong BaseRegister => reader.BaseRegister;

    /// <summary>PROD.</summary>
    public uint ProducerRegister => reader.ProducerRegister;

    /// <summary>CONS.</summary>
    public uint ConsumerRegister => reader.ConsumerRegister;

    /// <summary>CONFIG.</summary>
    public uint ConfigurationRegister => Volatile.Read(ref configuration);

    /// <summary>STATUS.</summary>
    public uint StatusRegister => IsActive ? Enable : 0;

    /// <summary>GERROR.</summary>
    public uint ErrorRegister => Volatile.Read(ref errors);

    /// <summary>GERRORN.</summary>
    public uint AcknowledgeRegister => Volatile.Read(ref acknowledged);

    /// <summary>True from an error until it is acknowledged.</summary>
    public bool HasError => ((ErrorRegister ^ AcknowledgeRegister) & CommandQueueError) != 0;

    /// <summary>True while it runs, or the host still reads a command of it.</summary>
    public bool IsActive => Volatile.Read(ref isRunning) || Consumer.IsFetching;

    /// <summary>Takes a write of CMDQ_ALLOC; the block does what follows from it.</summary>
    public void WriteAllocation(uint value) => Volatile.Write(ref allocation, value & AllocationFields);

    /// <summary>Takes a write of BASE; without effect while the queue is active.</summary>
    public void WriteBase(ulong value)
    {
        if (!IsActive) reader.WriteBase(value & baseMask);
    }

    /// <summary>Takes a write of PROD.</summary>
    /// <param name="value">The value.</param>
    /// <param name="atOnce">True when no queue has anything to do: commands that need nobody else are consumed here.</param>
    /// <returns>True when something is left to do.</returns>
    public bool WriteProducer(uint value, bool atOnce)
    {
        reader.WriteProducer(value);
        if (atOnce) Consumer.ConsumeAtOnce();
        Consumer.Reconsider();
        return Consumer.HasWork;
    }

    /// <summary>Takes a write of CONS; without effect while the queue is active.</summary>
    public void WriteConsumer(uint value)
    {
        if (!IsActive) reader.WriteConsumer(value);
    }

    /// <summary>Takes a write of CONFIG.</summary>
    public void WriteConfiguration(uint value)
    {
        Volatile.Write(ref configuration, value & Enable);
        FollowEnable();
    }

    /// <summary>Takes a write of GERRORN. Without an error, a bit that differs stops the queue as an error does.</summary>
    public void WriteAcknowledge(uint value)
    {
        Volatile.Write(ref acknowledged, value & CommandQueueError);
        FollowError();
    }

    /// <summary>Follows the enables of block and interface, and who the commands are from.</summary>
    public void SetPermitted(bool value, GuestCommandFilter? filter)
    {
        isPermitted = value;
        Consumer.Filter = filter;
        FollowEnable();
    }

    /// <summary>Sets GERROR, which nobody writes, to what it was.</summary>
    public void RestoreError(uint value)
    {
        Volatile.Write(ref errors, value & CommandQueueError);
        FollowError();
    }

    /// <summary>Returns to the reset state, unallocated.</summary>
    public void Reset()
    {
        Consumer.EndFetch();
        Volatile.Write(ref allocation, 0);
        WriteConfiguration(0);
        SetPermitted(false, filter: null);
        reader.Reset();
        Volatile.Write(ref errors, 0);
        WriteAcknowledge(0);
    }

    /// <inheritdoc/>
    public void NoteRefusal()
    {
        if (!HasError) Volatile.Write(ref errors, errors ^ CommandQueueError);
    }

    /// <inheritdoc/>
    public void TellOfRefusal() => block.TellOfError(Interface);

    private void FollowEnable()
    {
        bool runs = isPermitted && (configuration & Enable) != 0;
        Volatile.Write(ref isRunning, runs);
        Consumer.SetEnabled(runs);
    }

    private void FollowError()
    {
        if (HasError != Consumer.IsStopped) Consumer.SetStopped(HasError);
    }
}
