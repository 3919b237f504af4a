using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Queues;

/// <summary>Where a queue lies and how its indexes count: what a queue base register says (IHI 0070, 3.5.1 and 6.3.26).</summary>
internal readonly struct QueueLayout
{
    /// <summary>Judges a base register.</summary>
    /// <param name="baseRegister">The register as written: LOG2SIZE [4:0], ADDR [55:5].</param>
    /// <param name="largestLog2">CMDQS, EVENTQS or PRIQS: LOG2SIZE beyond it acts as it (QUE-05).</param>
    /// <param name="entryLog2">log2 of the bytes of an entry.</param>
    /// <param name="outputBits">OAS in bits; the address is cut to it (QUE-07).</param>
    public QueueLayout(ulong baseRegister, int largestLog2, int entryLog2, int outputBits)
    {
        Log2Size = Math.Min((int)BitField.Get(baseRegister, 4, 0), Math.Min(largestLog2, QueuePointer.MaxLog2));
        EntryLog2 = entryLog2;
        ulong address = baseRegister & BitField.Mask(Math.Min(55, outputBits - 1), 5);
        Base = BitField.AlignDown(address, Math.Max(5, Log2Size + entryLog2));
    }

    /// <summary>Physical address of entry 0, rounded down to the size of the queue.</summary>
    public ulong Base { get; }

    /// <summary>log2 of the number of entries: 0 to 19.</summary>
    public int Log2Size { get; }

    /// <summary>log2 of the bytes of an entry: 4 or 5.</summary>
    public int EntryLog2 { get; }

    /// <summary>The number of entries.</summary>
    public int Entries => 1 << Log2Size;

    /// <summary>The bits of an index register that count: the index and the wrap flag above it.</summary>
    public uint UsedMask => QueuePointer.UsedMask(Log2Size);

    /// <summary>Address of the entry that an index names.</summary>
    public ulong AddressOf(uint index) => Base + ((ulong)QueuePointer.IndexOf(index, Log2Size) << EntryLog2);

    /// <summary>The index one entry on; past the last one it is 0 with the wrap flag inverted (QUE-03).</summary>
    public uint Next(uint index) => QueuePointer.Next(index, Log2Size);

    /// <summary>True when index and wrap flag agree (QUE-02).</summary>
    public bool IsEmpty(uint producer, uint consumer) => QueuePointer.IsEmpty(producer, consumer, Log2Size);

    /// <summary>How many entries lie between; more than <see cref="Entries"/> when the indexes are inconsistent (QUE-13).</summary>
    public uint Count(uint producer, uint consumer) => QueuePointer.Count(producer, consumer, Log2Size);

    /// <summary>True when there is no room: full, or inconsistent, which acts as full (QUE-13).</summary>
    public bool IsFull(uint producer, uint consumer) => Count(producer, consumer) >= 1u << Log2Size;
}
