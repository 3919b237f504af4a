namespace Smmu.Fast.Qemu;

/// <summary>One leaf of a generated address space.</summary>
/// <param name="Iova">The first address.</param>
/// <param name="Level">Of the descriptor.</param>
/// <param name="SizeLog2">log2 of the bytes it maps.</param>
/// <param name="Slot">Where its descriptor is.</param>
/// <param name="Descriptor">As it was made, before anything was broken.</param>
/// <param name="IsContiguous">True for one of a run, which changes only as a whole.</param>
internal sealed record GeneratedLeaf(
    ulong Iova, int Level, int SizeLog2, ulong Slot, ulong Descriptor, bool IsContiguous);

/// <summary>One range (TTB0 or TTB1) of a generated address space, and its tables as words.</summary>
internal sealed class TableBuilder
{
    public const ulong AddressMask = 0x0000_ffff_ffff_f000;
    private const ulong Table = 0b11;

    private readonly Dictionary<ulong, ulong> words;
    private readonly TableSpace space;

    /// <summary>Makes an empty range.</summary>
    /// <param name="words">Takes the words.</param>
    /// <param name="space">Where tables may lie.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="sizeOffset">TxSZ, 16 to 39.</param>
    /// <param name="isUpper">True for TTB1.</param>
    public TableBuilder(Dictionary<ulong, ulong> words, TableSpace space, int granuleLog2, int sizeOffset, bool isUpper)
    {
        this.words = words;
        this.space = space;
        GranuleLog2 = granuleLog2;
        SizeOffset = sizeOffset;
        IsUpper = isUpper;
        StartLevel = 3 - ((64 - sizeOffset - 1 - granuleLog2) / (granuleLog2 - 3));
        Root = space.TryTake(granuleLog2) ?? MachineMap.Hole;
    }

    public int GranuleLog2 { get; }

    public int SizeOffset { get; }

    public bool IsUpper { get; }

    public int StartLevel { get; }

    public ulong Root { get; }

    public List<GeneratedLeaf> Leaves { get; } = [];

    /// <summary>True when a descriptor was replaced by something that may lead anywhere.</summary>
    public bool IsBroken { get; set; }

    /// <summary>The lowest address of the range.</summary>
    public ulong First => IsUpper ? ulong.MaxValue << (64 - SizeOffset) : 0;

    /// <summary>log2 of what a descriptor of a level covers.</summary>
    public int SizeLog2(int level) => GranuleLog2 + ((3 - level) * (GranuleLog2 - 3));

    /// <summary>Writes a leaf, and tables on the way; false when a leaf is in the way or no space is left.</summary>
    public bool TryMap(ulong iova, int level, ulong descriptor, ulong tableAttributes, bool isContiguous = false)
    {
        ulong table = Root;
        for (int at = StartLevel; ; at++)
        {
            ulong slot = table + (Index(iova, at) * sizeof(ulong));
            bool isUsed = words.TryGetValue(slot, out ulong present);
            if (at == level)
            {
                if (isUsed) return false;
                words[slot] = descriptor;
                ulong size = 1UL << SizeLog2(level);
                Leaves.Add(new GeneratedLeaf(iova & ~(size - 1), level, SizeLog2(level), slot, descriptor, isContiguous));
                return true;
            }

            if (isUsed && (present & 3) != 3) return false;
            if (!isUsed)
            {
                if (space.TryTake(GranuleLog2) is not { } fresh) return false;
                present = fresh | Table | tableAttributes;
                words[slot] = present;
            }

            table = present & AddressMask & ~((1UL << GranuleLog2) - 1);
        }
    }

    /// <summary>Where the descriptor of a level lies that an address uses, as the range was built.</summary>
    public ulong SlotOf(ulong iova, int level)
    {
        ulong table = Root;
        for (int at = StartLevel; at < level; at++)
        {
            ulong slot = table + (Index(iova, at) * sizeof(ulong));
            table = words[slot] & AddressMask & ~((1UL << GranuleLog2) - 1);
        }

        return table + (Index(iova, level) * sizeof(ulong));
    }

    private ulong Index(ulong iova, int level)
    {
        ulong offset = iova & ((1UL << (64 - SizeOffset)) - 1);
        return (offset >> SizeLog2(level)) & ((1UL << (GranuleLog2 - 3)) - 1);
    }
}

/// <summary>Hands out room for tables.</summary>
internal sealed class TableSpace
{
    private ulong next = MachineMap.Tables;

    /// <summary>Takes a table of one granule, or null when all is used.</summary>
    public ulong? TryTake(int granuleLog2)
    {
        ulong size = 1UL << granuleLog2;
        ulong address = (next + size - 1) & ~(size - 1);
        if (address + size > MachineMap.TablesEnd) return null;
        next = address + size;
        return address;
    }
}
