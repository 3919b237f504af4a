using System.Numerics;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tables;

/// <summary>What follows from <see cref="PageTableOptions"/>: levels, sizes, and where a descriptor has its address.</summary>
internal readonly struct PageTableGeometry
{
    private const int LowestLevel = -1;
    private const int MostConcatenatedLog2 = 4;   // 16 tables (Arm ARM, D8.2.2).

    private readonly uint leafLevels;   // Bit level + 1: leaves of the level may be used.
    private readonly uint runs;         // Four bits a level: log2 of the descriptors of a run that may be used, or 0.
    private readonly ulong inPlace;     // Address bits that a descriptor has where the address has them.
    private readonly ulong moved;       // Bits of a descriptor that are address bits from elsewhere,
    private readonly int movedBy;       // and how far above.

    /// <summary>Judges the options.</summary>
    /// <exception cref="ArgumentException">They contradict each other or the architecture.</exception>
    public PageTableGeometry(PageTableOptions options)
    {
        ThrowIfBad(options);
        GranuleLog2 = options.GranuleLog2;
        InputBits = options.InputBits;
        OutputBits = options.OutputBits;
        Form = TranslationTableDescriptor.AddressForm(GranuleLog2, options.LargeAddresses, OutputBits);
        (moved, int addressBit) = Form switch
        {
            DescriptorAddressForm.LargeGranule => (BitRange.Place(DescriptorFields.LargeGranule51To48, ulong.MaxValue), 48),
            DescriptorAddressForm.LargeAddresses => (BitRange.Place(DescriptorFields.LargeAddresses51To50, ulong.MaxValue), 50),
            _ => (0UL, 0),
        };
        if (moved != 0) movedBy = addressBit - BitOperations.TrailingZeroCount(moved);
        inPlace = BitField.Mask(Form == DescriptorAddressForm.LargeAddresses ? 49 : 47, GranuleLog2);
        StartLevel = 3 - ((InputBits - 1 - GranuleLog2) / (GranuleLog2 - 3));
        int topBits = InputBits - Shift(StartLevel);
        if (options.Stage == PageTableStage.Stage2 && topBits <= MostConcatenatedLog2 && StartLevel < 3) StartLevel++;

        ulong sizes = options.PageSizes & SizesOf();
        if (sizes == 0) throw new ArgumentException(
            $"PageSizes 0x{options.PageSizes:X} names none of the sizes that fit, 0x{SizesOf():X}: name one of them.", nameof(options));
        SmallestLog2 = BitOperations.TrailingZeroCount(sizes);
        for (int level = StartLevel; level <= 3; level++)
        {
            int shift = Shift(level);
            int run = TranslationTableDescriptor.ContiguousRunLog2(level, GranuleLog2);
            if ((sizes >> shift & 1) != 0) leafLevels |= Bit(level);
            if (run != 0 && shift + run < 64 && (sizes >> (shift + run) & 1) != 0) runs |= (uint)run << ((level - LowestLevel) * 4);
        }

        ThrowIfGap(options.PageSizes);
    }

    /// <summary>Address bits of the granule.</summary>
    public int GranuleLog2 { get; }

    /// <summary>Bits of an input address.</summary>
    public int InputBits { get; }

    /// <summary>Bits of an output address.</summary>
    public int OutputBits { get; }

    /// <summary>Level of the first table.</summary>
    public int StartLevel { get; }

    /// <summary>Where descriptors have the address bits above 47.</summary>
    public DescriptorAddressForm Form { get; }

    /// <summary>log2 of the smallest size of a mapping.</summary>
    public int SmallestLog2 { get; }

    /// <summary>log2 of the descriptors of the first table, all concatenated ones together.</summary>
    public int RootEntriesLog2 => InputBits - Shift(StartLevel);

    /// <summary>log2 of the descriptors of any other table.</summary>
    public int Stride => GranuleLog2 - 3;

    /// <summary>log2 of the bytes that a descriptor of a level covers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Shift(int level) => GranuleLog2 + ((3 - level) * (GranuleLog2 - 3));

    /// <summary>log2 of the descriptors of a contiguous run of a level, 0 when there are to be none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int RunLog2(int level) => (int)(runs >> ((level - LowestLevel) * 4)) & 0xf;

    /// <summary>log2 of the bytes that leaves of a level come in: a leaf, or a run where single leaves are not allowed; or 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int UnitLog2(int level)
    {
        if ((leafLevels & Bit(level)) != 0) return Shift(level);
        int run = RunLog2(level);
        return run == 0 ? 0 : Shift(level) + run;
    }

    /// <summary>Index of the descriptor for an offset in its table.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int IndexOf(ulong offset, int level)
    {
        ulong index = offset >> Shift(level);
        return (int)(level == StartLevel ? index : index & ((1UL << Stride) - 1));
    }

    /// <summary>An address as descriptors have it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Encode(ulong address) => (address & inPlace) | ((address >> movedBy) & moved);

    /// <summary>The address in the descriptor of a table or a leaf.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong AddressOf(ulong descriptor) => (descriptor & inPlace) | ((descriptor & moved) << movedBy);

    /// <summary>True when adding to the first one's descriptor counts through all of a run of addresses.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool CountsInPlace(ulong first, ulong last) => ((first ^ last) >> movedBy & moved) == 0;

    private static uint Bit(int level) => 1u << (level - LowestLevel);

    // Every size that the levels from the first one on offer within the input and output range.
    private ulong SizesOf()
    {
        const ulong BlockDescriptor = 0b01;
        ulong sizes = 0;
        int largest = Math.Min(InputBits, OutputBits);
        for (int level = StartLevel; level <= 3; level++)
        {
            var kind = new TranslationTableDescriptor(BlockDescriptor).Classify(level, GranuleLog2, Form);
            if (level != 3 && kind != DescriptorKind.Block) continue;
            int run = Shift(level) + TranslationTableDescriptor.ContiguousRunLog2(level, GranuleLog2);
            if (Shift(level) <= largest) sizes |= 1UL << Shift(level);
            if (run <= largest) sizes |= 1UL << run;
        }

        return sizes;
    }

    private void ThrowIfGap(ulong pageSizes)
    {
        bool begun = false;
        bool complete = true;   // Larger leaves can be split down to the smallest.
        for (int level = 3; level >= StartLevel; level--)
        {
            bool leaf = (leafLevels & Bit(level)) != 0;
            bool any = UnitLog2(level) != 0;
            if (any && (!complete || (begun && !leaf))) throw new ArgumentException(
                $"PageSizes 0x{pageSizes:X} lacks a block size between others, so that the larger ones could not be split: "
                + "add it, or leave the larger ones out.");
            begun |= any;
            complete = !begun || any;
        }
    }

    private static void ThrowIfBad(PageTableOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.GranuleLog2 is not (12 or 14 or 16)) throw new ArgumentException(
            $"GranuleLog2 is {options.GranuleLog2}: pass 12, 14 or 16.", nameof(options));
        if (options.Stage is not (PageTableStage.Stage1 or PageTableStage.Stage2)) throw new ArgumentException(
            $"Stage is {options.Stage}: pass Stage1 or Stage2.", nameof(options));
        if (options.LargeAddresses && options.GranuleLog2 == 16) throw new ArgumentException(
            "64 KiB tables reach 52 bits by themselves: leave LargeAddresses out.", nameof(options));
        if (options.UpperRange && options.Stage == PageTableStage.Stage2) throw new ArgumentException(
            "Stage 2 has one range: leave UpperRange out.", nameof(options));
        int most = options.LargeAddresses || options.GranuleLog2 == 16 ? 52 : 48;
        int least = Math.Max(16, options.GranuleLog2 + 1);
        if (options.InputBits < least || options.InputBits > most) throw new ArgumentException(
            $"InputBits is {options.InputBits}: pass {least} to {most}.", nameof(options));
        if (options.OutputBits is not (32 or 36 or 40 or 42 or 44 or 48 or 52) || options.OutputBits > most) throw new ArgumentException(
            $"OutputBits is {options.OutputBits}: pass a size that IPS and S2PS have a code for, up to {most}.", nameof(options));
    }
}
