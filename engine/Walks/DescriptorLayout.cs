using System.Runtime.CompilerServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Walks;

/// <summary>Where a 64-bit descriptor keeps its address, and which levels have blocks (Arm ARM, D8.3.1).</summary>
/// <remarks>
/// Ordinary: output bits [47:g] in place. DS with 4KB and 16KB: [49:g] in place and [51:50] in bits [9:8]. 64KB: [47:16] in
/// place and [51:48] in bits [15:12]. The last holds whatever the output size is, so that a size below 52 bits turns stray
/// bits there into an address size fault, which the architecture prefers to ignoring them.
/// </remarks>
internal readonly struct DescriptorLayout
{
    /// <summary>Bit 10 of a leaf: AF.</summary>
    public const ulong AccessFlag = 1UL << 10;

    /// <summary>Bits [1:0] of a page, all of them 1.</summary>
    public const ulong PageBits = 0b11;

    /// <summary>A page that has been accessed.</summary>
    public const ulong AccessedPage = AccessFlag | PageBits;

    /// <summary>Bit 11 of a stage 1 leaf: nG.</summary>
    public const ulong NotGlobal = 1UL << 11;

    /// <summary>Bit 7 of a leaf: AP[2] at stage 1, where 1 is read-only; S2AP[1] at stage 2, where 1 is writable.</summary>
    public const ulong WriteControl = 1UL << 7;

    /// <summary>Bit 51 of a leaf: DBM.</summary>
    public const ulong DirtyBitModifier = 1UL << 51;

    /// <summary>Bit 52 of a leaf: Contiguous.</summary>
    public const ulong Contiguous = 1UL << 52;

    /// <summary>Lowest of the bits [63:59] of a table: NSTable, APTable, UXNTable, PXNTable.</summary>
    public const int HierarchyShift = 59;

    private readonly ulong lowMask;
    private readonly ulong highMask;
    private readonly int highShift;

    /// <summary>Lays out descriptors of a granule.</summary>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="largeAddresses">DS or S2DS; of no effect with 64KB.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public DescriptorLayout(int granuleLog2, bool largeAddresses)
    {
        lowMask = BitField.Mask(47, 0) & (ulong.MaxValue << granuleLog2);
        highMask = 0;
        highShift = 0;
        if (granuleLog2 == 16)
        {
            highMask = BitField.Mask(15, 12);
            highShift = 48 - 12;
        }
        else if (largeAddresses)
        {
            lowMask |= BitField.Mask(49, 48);
            highMask = BitField.Mask(9, 8);
            highShift = 50 - 8;
        }
    }

    /// <summary>The address in a table descriptor or page; of a block too, with the bits below its size still in it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong AddressOf(ulong descriptor) => (descriptor & lowMask) | ((descriptor & highMask) << highShift);

    /// <summary>True where bits [9:8] of a leaf are its shareability, and not address bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool KeepsShareability(int granuleLog2, bool largeAddresses) => !largeAddresses || granuleLog2 == 16;

    /// <summary>True for a leaf encoding that exists at the level. The caller has ruled out table descriptors.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="level">-1 to 3.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="largeAddresses">DS or S2DS.</param>
    /// <param name="physicalSizeBits">OAS.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsLeaf(ulong descriptor, int level, int granuleLog2, bool largeAddresses, int physicalSizeBits) =>
        level == 3 ? (descriptor & 0b11) == 0b11
        : (descriptor & 1) != 0 && level >= FirstBlockLevel(granuleLog2, largeAddresses, physicalSizeBits);

    /// <summary>What a descriptor is that is not a table, for those who watch.</summary>
    public static DescriptorMeaning MeaningOf(ulong descriptor, int level, bool isLeaf) =>
        (descriptor & 1) == 0 ? DescriptorMeaning.Invalid
        : !isLeaf ? DescriptorMeaning.Reserved
        : level == 3 ? DescriptorMeaning.Page
        : DescriptorMeaning.Block;

    /// <summary>The lowest level number at which bits [1:0] = 0b01 are a block.</summary>
    private static int FirstBlockLevel(int granuleLog2, bool largeAddresses, int physicalSizeBits) => granuleLog2 switch
    {
        12 => largeAddresses ? 0 : 1,
        14 => largeAddresses ? 1 : 2,
        _ => physicalSizeBits >= 52 ? 1 : 2,
    };

    /// <summary>The level of the first table of an unconcatenated walk (Arm ARM, D8.2).</summary>
    /// <param name="inputSizeBits">64 - TxSZ.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int StartLevel(int inputSizeBits, int granuleLog2)
    {
        int resolved = inputSizeBits - 1 - granuleLog2;

        // Divisions by constants, which compile to multiplications.
        return 3 - (granuleLog2 == 12 ? resolved / 9 : granuleLog2 == 14 ? resolved / 11 : resolved / 13);
    }

    /// <summary>Size of the contiguous run a leaf belongs to, log2; 0 when the leaf has to stand for itself.</summary>
    /// <remarks>
    /// A run counts only where it lies in the input range, where none of it can exceed the output size, and where this leaf
    /// sits in its output run as it does in its input run: all else is misprogrammed and better answered leaf by leaf.
    /// </remarks>
    /// <param name="descriptor">The leaf.</param>
    /// <param name="leafAddress">Its output address.</param>
    /// <param name="input">An input address that it translates, within its range.</param>
    /// <param name="level">Its level.</param>
    /// <param name="leafSizeLog2">Its size.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="inputSizeBits">64 - TxSZ.</param>
    /// <param name="outputSizeBits">Effective IPS or S2PS.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static byte RunSizeLog2(
        ulong descriptor,
        ulong leafAddress,
        ulong input,
        int level,
        int leafSizeLog2,
        int granuleLog2,
        int inputSizeBits,
        int outputSizeBits)
    {
        int members = granuleLog2 switch
        {
            12 => level >= 1 ? 4 : 0,
            14 => level == 3 ? 7 : level == 2 ? 5 : 0,
            _ => level >= 2 ? 5 : 0,
        };
        int run = leafSizeLog2 + members;
        bool inStep = ((leafAddress ^ input) >> leafSizeLog2 & ((1UL << members) - 1)) == 0;
        bool counts = (descriptor & Contiguous) != 0 && members != 0 && inStep && run <= inputSizeBits && run <= outputSizeBits;
        return counts ? (byte)run : (byte)0;
    }
}
