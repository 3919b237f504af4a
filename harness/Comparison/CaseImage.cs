namespace Smmu.Fast.Comparison;

/// <summary>What a place in memory holds.</summary>
internal enum PlaceKind
{
    StreamTableEntry,
    ContextDescriptor,
    Level1StreamTableDescriptor,
    Level1ContextDescriptor,
    Stage1Descriptor,
    Stage2Descriptor,
}

/// <summary>A structure in memory that a case may change.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Address">Physical address.</param>
/// <param name="IsBigEndian">True for a descriptor whose bytes are swapped.</param>
/// <param name="Level">Level of a descriptor.</param>
/// <param name="IsTable">True for a table descriptor.</param>
internal readonly record struct Place(PlaceKind Kind, ulong Address, bool IsBigEndian = false, int Level = 0, bool IsTable = false);

/// <summary>The memory of a case as its driver laid it out: the words that are not zero, and what they are.</summary>
internal sealed class CaseImage
{
    /// <summary>Command queue of both SMMUs.</summary>
    public const ulong CommandQueue = 0x4000_0000;

    /// <summary>log2 of its commands.</summary>
    public const int CommandQueueLog2 = 6;

    /// <summary>Event queue of both SMMUs.</summary>
    public const ulong EventQueue = 0x4000_1000;

    /// <summary>log2 of its records: more than a case has accesses.</summary>
    public const int EventQueueLog2 = 7;

    /// <summary>Its bytes.</summary>
    public const ulong EventQueueBytes = 32UL << EventQueueLog2;

    /// <summary>An address below 2^32 where no memory is.</summary>
    public const ulong Nowhere = 0x2000_0000;

    private const ulong ReservedBytes = 0x2000;
    private const int Low = 0;
    private const int Middle = 1;
    private const int High = 2;
    private const int ReadOnly = 3;

    private readonly HashSet<ulong> descriptors = [];
    private readonly ulong[] used = new ulong[TwinMemory.Stretches.Count];

    public CaseImage() => used[Low] = ReservedBytes;

    /// <summary>Words by address.</summary>
    public Dictionary<ulong, ulong> Words { get; } = [];

    /// <summary>Structures, in the order in which they were made.</summary>
    public List<Place> Places { get; } = [];

    /// <summary>Bytes of each stretch that hold something.</summary>
    public ReadOnlySpan<ulong> Used => used;

    /// <summary>Physical address of the window that stage 2 maps: all of the low memory.</summary>
    public static Stretch Window => TwinMemory.Stretches[Low];

    /// <summary>Takes unused memory anywhere below 2^addressBits.</summary>
    /// <param name="random">Chooses the stretch.</param>
    /// <param name="bytes">How much.</param>
    /// <param name="alignment">A power of two, 8 at least.</param>
    /// <param name="addressBits">Bits that whoever points to it can express.</param>
    /// <param name="writable">False when read-only memory will do.</param>
    /// <returns>The address, or null when all is used.</returns>
    public ulong? Allocate(Random random, ulong bytes, ulong alignment, int addressBits, bool writable = true)
    {
        int stretch = random.Next(12) switch
        {
            0 when addressBits >= 44 => Middle,
            1 or 2 when addressBits >= 52 => High,
            3 when !writable => ReadOnly,
            _ => Low,
        };
        return AllocateIn(stretch, bytes, alignment) ?? AllocateIn(Low, bytes, alignment);
    }

    /// <summary>Takes unused memory that the window of stage 2 covers.</summary>
    public ulong? AllocateInWindow(ulong bytes, ulong alignment) => AllocateIn(Low, bytes, alignment);

    /// <summary>Stores a word.</summary>
    public void Set(ulong address, ulong value) => Words[address] = value;

    /// <summary>True for the word of a translation table descriptor.</summary>
    public bool IsDescriptor(ulong address)
    {
        if (descriptors.Count == 0)
        {
            descriptors.UnionWith(Places.Where(place => place.Kind >= PlaceKind.Stage1Descriptor).Select(place => place.Address));
        }

        return descriptors.Contains(address);
    }

    /// <summary>Loads a word.</summary>
    public ulong Get(ulong address) => Words.GetValueOrDefault(address);

    /// <summary>Stores words one after the other.</summary>
    public void Set(ulong address, ReadOnlySpan<ulong> values)
    {
        for (int i = 0; i < values.Length; i++) Set(address + ((ulong)i * sizeof(ulong)), values[i]);
    }

    private ulong? AllocateIn(int stretch, ulong bytes, ulong alignment)
    {
        ulong first = (TwinMemory.Stretches[stretch].Base + used[stretch] + alignment - 1) & ~(alignment - 1);
        ulong end = first + bytes - TwinMemory.Stretches[stretch].Base;
        if (end > TwinMemory.Stretches[stretch].Size) return null;
        used[stretch] = (end + sizeof(ulong) - 1) & ~(ulong)(sizeof(ulong) - 1);
        return first;
    }
}
