using System.Buffers.Binary;

namespace Smmu.Fast.Comparison;

/// <summary>How the tables of one address range are made.</summary>
/// <param name="GranuleLog2">12, 14 or 16.</param>
/// <param name="InputBits">64 - TxSZ.</param>
/// <param name="StartLevel">-1 to 3.</param>
/// <param name="OutputBits">Effective IPS or S2PS.</param>
/// <param name="LargeAddresses">DS, for granules below 64KB.</param>
/// <param name="Wide">True when the OAS is 52 bits.</param>
/// <param name="IsBigEndian">ENDI or S2ENDI.</param>
/// <param name="IsStage2">True for stage 2.</param>
internal sealed record TableShape(
    int GranuleLog2,
    int InputBits,
    int StartLevel,
    int OutputBits,
    bool LargeAddresses,
    bool Wide,
    bool IsBigEndian,
    bool IsStage2)
{
    public int Stride => GranuleLog2 - 3;

    /// <summary>Bits of the addresses that descriptors can hold.</summary>
    public int DescriptorBits => GranuleLog2 == 16 ? (Wide ? 52 : 48) : LargeAddresses ? 52 : 48;

    /// <summary>The bytes of the first table, log2.</summary>
    public int RootLog2 => InputBits - Shift(StartLevel) + 3;

    public static int Stage1StartLevel(int granuleLog2, int inputBits) => 3 - ((inputBits - 1 - granuleLog2) / (granuleLog2 - 3));

    /// <summary>Input bits below those that a level resolves.</summary>
    public int Shift(int level) => GranuleLog2 + ((3 - level) * Stride);

    /// <summary>True where leaves are allowed.</summary>
    public bool HasLeaves(int level) => level == 3 || (GranuleLog2 switch
    {
        12 => level is 1 or 2 || (level == 0 && LargeAddresses),
        14 => level == 2 || (level == 1 && LargeAddresses),
        _ => level == 2 || (level == 1 && Wide),
    });

    public override string ToString() =>
        $"{1 << (GranuleLog2 - 10)}KB, {InputBits} bits in, {OutputBits} bits out, from level {StartLevel}"
        + $"{(LargeAddresses ? ", DS" : "")}{(IsBigEndian ? ", big-endian" : "")}";
}

/// <summary>A leaf that was mapped.</summary>
internal readonly record struct MappedLeaf(ulong Input, int Level, ulong Output, int SizeLog2, ulong Descriptor);

/// <summary>Memory for a table: its address as the tables name it, and the physical one.</summary>
internal readonly record struct TableMemory(ulong Named, ulong Physical);

/// <summary>Translation tables as a driver builds them, descriptor by descriptor.</summary>
internal sealed class TableSpace
{
    private readonly CaseImage image;
    private readonly Random random;
    private readonly Func<ulong, TableMemory?> allocate;
    private readonly Dictionary<ulong, TableMemory?> slots = [];   // By physical address; null for a leaf.
    private readonly TableMemory root;

    /// <summary>Makes an empty space.</summary>
    /// <param name="image">Takes the descriptors.</param>
    /// <param name="random">Chooses ignored bits.</param>
    /// <param name="shape">How it is made.</param>
    /// <param name="root">The first table, zeroed.</param>
    /// <param name="allocate">Gives memory for a table of so many bytes, aligned to them.</param>
    public TableSpace(CaseImage image, Random random, TableShape shape, TableMemory root, Func<ulong, TableMemory?> allocate)
    {
        (this.image, this.random, Shape, this.root, this.allocate) = (image, random, shape, root, allocate);
    }

    public TableShape Shape { get; }

    /// <summary>Address of the first table as the CD or STE names it.</summary>
    public ulong Root => root.Named;

    public List<MappedLeaf> Leaves { get; } = [];

    /// <summary>Maps a leaf, and makes tables on the way.</summary>
    /// <param name="input">An input address below the leaf.</param>
    /// <param name="level">Level of the leaf.</param>
    /// <param name="output">Its output address; bits beyond the descriptor's are lost.</param>
    /// <param name="attributes">All other bits but the type.</param>
    /// <returns>False when something is in the way, or memory has run out.</returns>
    public bool TryMap(ulong input, int level, ulong output, ulong attributes)
    {
        var table = root;
        for (int at = Shape.StartLevel; ; at++)
        {
            int shift = Shape.Shift(at);
            int top = at == Shape.StartLevel ? Shape.InputBits : shift + Shape.Stride;
            ulong place = table.Physical + (((input & ((1UL << top) - 1)) >> shift) * sizeof(ulong));
            bool isTaken = slots.TryGetValue(place, out var next);
            if (at == level)
            {
                if (isTaken) return false;
                slots[place] = null;
                ulong aligned = output & ~((1UL << shift) - 1);
                Store(place, attributes | AddressBits(aligned) | (level == 3 ? 0b11UL : 0b01UL), at, isTable: false);
                Leaves.Add(new MappedLeaf(input & ~((1UL << shift) - 1), level, aligned, shift, place));
                return true;
            }

            if (!isTaken)
            {
                next = allocate(1UL << Shape.GranuleLog2);
                if (next is null) return false;
                slots[place] = next;
                Store(place, AddressBits(next.Value.Named) | TableAttributes() | 0b11, at, isTable: true);
            }

            if (next is null) return false;
            table = next.Value;
        }
    }

    /// <summary>An address in the place where descriptors hold it.</summary>
    public ulong AddressBits(ulong address)
    {
        const ulong Ordinary = (1UL << 48) - 1;
        ulong granule = ~((1UL << Shape.GranuleLog2) - 1);
        if (Shape.GranuleLog2 == 16) return (address & Ordinary & granule) | ((address >> 48 & 0xf) << 12);
        ulong low = address & granule & (Shape.LargeAddresses ? (1UL << 50) - 1 : Ordinary);
        return Shape.LargeAddresses ? low | ((address >> 50 & 3) << 8) : low;
    }

    // NSTable, APTable, UXNTable and PXNTable are rare, as a tree under them has few accesses that succeed.
    private ulong TableAttributes()
    {
        if (Shape.IsStage2 || random.Next(16) != 0) return (ulong)random.Next(16) << 55;
        return (ulong)random.Next(32) << 59;
    }

    private void Store(ulong place, ulong descriptor, int level, bool isTable)
    {
        image.Set(place, Shape.IsBigEndian ? BinaryPrimitives.ReverseEndianness(descriptor) : descriptor);
        var kind = Shape.IsStage2 ? PlaceKind.Stage2Descriptor : PlaceKind.Stage1Descriptor;
        image.Places.Add(new Place(kind, place, Shape.IsBigEndian, level, isTable));
    }
}
