using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Queues;

/// <summary>The SMMU's end of a Command queue: its registers, and the entry that is next.</summary>
/// <remarks>
/// All of it changes behind the device's control gate only. Registers are read without it, so each is one word that is
/// stored whole.
/// </remarks>
internal sealed unsafe class CommandQueueReader
{
    private const int EntryLog2 = 4;
    private const int EntryWords = 2;
    private const uint IndexMask = 0xf_ffff;
    private const uint ErrorMask = 0x7f00_0000;
    private const int ErrorShift = 24;

    private readonly GuestMemory memory;
    private readonly int largestLog2;
    private readonly int outputBits;

    private ulong baseRegister;
    private uint producer;
    private uint consumer;
    private QueueLayout layout;

    public CommandQueueReader(GuestMemory memory, int largestLog2, int outputBits)
    {
        this.memory = memory;
        this.largestLog2 = largestLog2;
        this.outputBits = outputBits;
        WriteBase(0);
    }

    /// <summary>CMDQ_BASE as written.</summary>
    public ulong BaseRegister => Volatile.Read(ref baseRegister);

    /// <summary>CMDQ_PROD as written.</summary>
    public uint ProducerRegister => Volatile.Read(ref producer);

    /// <summary>CMDQ_CONS: RD [19:0], ERR [30:24].</summary>
    public uint ConsumerRegister => Volatile.Read(ref consumer);

    /// <summary>Where the queue lies.</summary>
    public QueueLayout Layout => layout;

    /// <summary>True when there is something to consume: no command, or indexes without sense, are nothing (QUE-13).</summary>
    public bool HasWork => !layout.IsEmpty(producer, consumer) && !layout.IsInconsistent(producer, consumer);

    /// <summary>True when software has no room for another command.</summary>
    public bool IsFull => layout.IsFull(producer, consumer);

    /// <summary>Physical address of the command at CONS.</summary>
    public ulong CurrentAddress => layout.AddressOf(consumer);

    /// <summary>Takes a write of CMDQ_BASE; the caller has judged the guard.</summary>
    public void WriteBase(ulong value)
    {
        Volatile.Write(ref baseRegister, value);
        layout = new QueueLayout(value, largestLog2, EntryLog2, outputBits);
        Volatile.Write(ref consumer, consumer & (ErrorMask | layout.UsedMask));   // QUE-12.
    }

    /// <summary>Takes a write of CMDQ_PROD.</summary>
    public void WriteProducer(uint value) => Volatile.Write(ref producer, value & IndexMask);

    /// <summary>Takes a write of CMDQ_CONS; the caller has judged the guard.</summary>
    public void WriteConsumer(uint value) => Volatile.Write(ref consumer, value & (ErrorMask | layout.UsedMask));

    /// <summary>Reads the command at CONS without running host code.</summary>
    public MemoryStatus TryReadDirect(ulong* words) => memory.TryReadStructureDirect(CurrentAddress, words, EntryWords);

    /// <summary>Reads a command through the host; not to be called behind a gate.</summary>
    public bool TryRead(ulong address, ulong* words) => memory.TryReadStructure(address, words, EntryWords);

    /// <summary>Returns to the reset state.</summary>
    public void Reset()
    {
        WriteBase(0);
        WriteProducer(0);
        WriteConsumer(0);
    }

    /// <summary>Moves CONS past the command it stands on.</summary>
    public void Advance() => Volatile.Write(ref consumer, (consumer & ErrorMask) | layout.Next(consumer & layout.UsedMask));

    /// <summary>Notes why the command at CONS was refused.</summary>
    public void SetError(uint code)
    {
        Invariant.Holds(code is > 0 and < 0x80);
        Volatile.Write(ref consumer, (consumer & ~ErrorMask) | (code << ErrorShift));
    }
}
