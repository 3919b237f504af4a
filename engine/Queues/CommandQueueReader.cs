using System.Runtime.CompilerServices;
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
    private const int ErrorShift = 24;
    private const uint ErrorField = 0x7f << ErrorShift;

    // What an Enhanced Command queue has beside: enable and error acknowledge in PROD, an error flag below a shorter reason.
    private const uint EnhancedControls = (1u << 31) | (1 << 23);
    private const uint EnhancedErrorFlag = 1 << 23;
    private const uint EnhancedErrorField = (7 << ErrorShift) | EnhancedErrorFlag;

    private readonly GuestMemory memory;
    private readonly int largestLog2;
    private readonly int outputBits;
    private readonly uint producerMask;
    private readonly uint errorMask;
    private readonly uint errorFlag;

    private ulong baseRegister;
    private uint producer;
    private uint consumer;
    private QueueLayout layout;
    private uint usedMask;
    private uint entries;

    /// <summary>Makes a queue in its reset state.</summary>
    /// <param name="memory">Where it lies.</param>
    /// <param name="largestLog2">CMDQS.</param>
    /// <param name="outputBits">OAS in bits.</param>
    /// <param name="isEnhanced">True for the registers of an Enhanced Command queue (IHI 0070, 6.3.107 to 6.3.109).</param>
    public CommandQueueReader(GuestMemory memory, int largestLog2, int outputBits, bool isEnhanced = false)
    {
        this.memory = memory;
        this.largestLog2 = largestLog2;
        this.outputBits = outputBits;
        IsEnhanced = isEnhanced;
        producerMask = isEnhanced ? IndexMask | EnhancedControls : IndexMask;
        errorMask = isEnhanced ? EnhancedErrorField : ErrorField;
        errorFlag = isEnhanced ? EnhancedErrorFlag : 0;
        WriteBase(0);
    }

    /// <summary>True for an Enhanced Command queue.</summary>
    public bool IsEnhanced { get; }

    /// <summary>CMDQ_BASE as written.</summary>
    public ulong BaseRegister => Volatile.Read(ref baseRegister);

    /// <summary>CMDQ_PROD as written; with ERRACK [23] and EN [31] in an Enhanced Command queue.</summary>
    public uint ProducerRegister => Volatile.Read(ref producer);

    /// <summary>
    /// CMDQ_CONS: RD [19:0], ERR [30:24]; in an Enhanced Command queue ERR [23], ERR_REASON [26:24], and no ENACK.
    /// </summary>
    public uint ConsumerRegister => Volatile.Read(ref consumer);

    /// <summary>Where the queue lies.</summary>
    public QueueLayout Layout => layout;

    /// <summary>How many commands there are; more than there can be when the indexes make no sense (QUE-13).</summary>
    public uint Count => (producer - consumer) & usedMask;

    /// <summary>True when there is something to consume: no command, or indexes without sense, are nothing (QUE-13).</summary>
    public bool HasWork => Count - 1 < entries;

    /// <summary>Commands that fit.</summary>
    public uint Entries => entries;

    /// <summary>True when software has no room for another command.</summary>
    public bool IsFull => layout.IsFull(producer, consumer);

    /// <summary>Physical address of the command at CONS.</summary>
    public ulong CurrentAddress => layout.AddressOf(consumer);

    /// <summary>Takes a write of CMDQ_BASE; the caller has judged the guard.</summary>
    public void WriteBase(ulong value)
    {
        Volatile.Write(ref baseRegister, value);
        layout = new QueueLayout(value, largestLog2, EntryLog2, outputBits);
        usedMask = layout.UsedMask;
        entries = (uint)layout.Entries;
        Volatile.Write(ref consumer, consumer & (errorMask | usedMask));   // QUE-12.
    }

    /// <summary>Takes a write of CMDQ_PROD.</summary>
    public void WriteProducer(uint value) => Volatile.Write(ref producer, value & producerMask);

    /// <summary>Takes a write of CMDQ_CONS; the caller has judged the guard.</summary>
    public void WriteConsumer(uint value) => Volatile.Write(ref consumer, value & (errorMask | usedMask));

    /// <summary>Reads the command at CONS without running host code.</summary>
    public MemoryStatus TryReadDirect(ulong* words) => memory.TryReadStructureDirect(CurrentAddress, words, EntryWords);

    /// <summary>Finds commands from CONS on where they lie, as far as that is in one piece.</summary>
    /// <param name="count">How many there are.</param>
    /// <param name="run">How many of them lie before the end of the ring.</param>
    /// <returns>The first word, which stays there while the gate is closed; null when they cannot be read in place.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong* FindRun(uint count, out uint run)
    {
        uint index = consumer & (entries - 1);
        run = Math.Min(count, entries - index);
        return memory.FindBehindGate(layout.Base + ((ulong)index << EntryLog2), run << EntryLog2);
    }

    /// <summary>Where a completion message can be stored in place; null when it takes another way. Likewise.</summary>
    public uint* FindMessage(ulong address) => (uint*)memory.FindPlain(address, sizeof(uint));

    /// <summary>Reads a command through the host; not to be called behind a gate.</summary>
    public bool TryRead(ulong address, ulong* words) => memory.TryReadStructure(address, words, EntryWords);

    /// <summary>Returns to the reset state.</summary>
    public void Reset()
    {
        WriteBase(0);
        WriteProducer(0);
        WriteConsumer(0);
    }

    /// <summary>Moves CONS past commands, with the wrap flag inverted past the last entry (QUE-03).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Advance(uint count = 1) => Volatile.Write(ref consumer, (consumer & errorMask) | ((consumer + count) & usedMask));

    /// <summary>Notes why the command at CONS was refused. An error flag inverts in the same store as the reason.</summary>
    public void SetError(uint code)
    {
        Invariant.Holds(code is > 0 and < 8);
        Volatile.Write(ref consumer, (consumer & ~errorMask) | (~consumer & errorFlag) | (code << ErrorShift));
    }
}
