using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison;

/// <summary>Chooses table shapes that are legal, and fills tables with leaves.</summary>
internal sealed class StageGenerator(Scene scene, Random random)
{
    private const ulong AccessFlag = 1UL << 10;
    private const ulong DirtyBitModifier = 1UL << 51;
    private const ulong Contiguous = 1UL << 52;
    private const int ShapeTries = 400;

    private SmmuFeatures Features => scene.Features;

    private CaseImage Image => scene.Image;

    /// <summary>Bits of an IPS or S2PS code.</summary>
    public int EffectiveBits(int code) =>
        Math.Min(code switch { 0 => 32, 1 => 36, 2 => 40, 3 => 42, 4 => 44, 5 => 48, _ => 52 }, Features.OutputAddressBits);

    /// <summary>A legal stage 2.</summary>
    /// <param name="leastInputBits">IPA bits that are needed.</param>
    public TableShape Stage2Shape(int leastInputBits)
    {
        for (int i = 0; i < ShapeTries; i++)
        {
            int granule = Granule();
            bool large = Features.DS && granule != 16 && Chance(2);
            int most = Features.STT ? (granule == 16 ? 47 : 48) : 39;
            int least = Math.Max(granule == 16 || large ? 12 : 16, 64 - Features.InputAddressBits);
            int sizeOffset = Chance(4) ? (Chance(2) ? least : most) : random.Next(least, most + 1);
            var shape = new TableShape(
                granule, 64 - sizeOffset, random.Next(large ? -1 : 0, 4), EffectiveBits(random.Next(8)), large,
                Features.OutputAddressBits >= 52, IsBigEndian(), IsStage2: true);
            if (sizeOffset >= least && shape.InputBits >= leastInputBits && IsStage2Level(shape)) return shape;
        }

        throw new InvalidOperationException($"No stage 2 fits {Features}.");
    }

    /// <summary>A legal half of stage 1.</summary>
    public TableShape Stage1Shape(int outputBits, bool large, bool isBigEndian)
    {
        int granule = Granule();
        bool isLarge = large && granule != 16;
        int most = Features.STT ? (granule == 16 ? 47 : 48) : 39;
        int least = Features.VAX != 0 && (granule == 16 || isLarge) ? 12 : 16;
        int sizeOffset = Chance(4) ? (Chance(2) ? least : most) : random.Next(least, most + 1);
        return new TableShape(
            granule, 64 - sizeOffset, TableShape.Stage1StartLevel(granule, 64 - sizeOffset), outputBits, isLarge,
            Features.OutputAddressBits >= 52, isBigEndian, IsStage2: false);
    }

    /// <summary>ENDI as the features allow it.</summary>
    public bool IsBigEndian() => Features.TTENDIAN switch { 2 => false, 3 => true, _ => Chance(3) };

    /// <summary>An empty space whose tables are in physical memory.</summary>
    public TableSpace? NewSpace(TableShape shape) =>
        NewSpace(shape, (bytes, alignment, bits) => Image.Allocate(random, bytes, alignment, bits, Chance(4)) is { } address
            ? new TableMemory(address, address) : null);

    /// <summary>An empty space; <paramref name="allocate"/> takes bytes, alignment and address bits.</summary>
    public TableSpace? NewSpace(TableShape shape, Func<ulong, ulong, int, TableMemory?> allocate)
    {
        int bits = Math.Min(shape.OutputBits, shape.DescriptorBits);
        return allocate(1UL << shape.RootLog2, RootAlignment(shape), bits) is { } root
            ? new TableSpace(Image, random, shape, root, size => allocate(size, size, bits)) : null;
    }

    /// <summary>The first table as TTB0, TTB1 or S2TTB name it: some have bits set that count as zero.</summary>
    public ulong TableBase(TableSpace space) =>
        Chance(3) ? space.Root | ((ulong)random.NextInt64() & (RootAlignment(space.Shape) - 1) & ~0xfUL) : space.Root;

    /// <summary>Maps leaves all over a stage 2 space.</summary>
    public void FillStage2(TableSpace space, bool forcedWriteBack)
    {
        for (int i = random.Next(2, 7); i > 0; i--)
        {
            int level = LeafLevel(space.Shape);
            space.TryMap(Input(space), level, Output(space.Shape, level), Stage2Attributes(space.Shape, forcedWriteBack, false));
        }
    }

    /// <summary>Maps leaves all over a stage 1 space, and finds addresses that its clients may like.</summary>
    /// <param name="space">The space.</param>
    /// <param name="stage2">Where stage 1 leads to, or null.</param>
    /// <param name="addresses">Takes input addresses, without sign.</param>
    public void FillStage1(TableSpace space, TableSpace? stage2, List<ulong> addresses)
    {
        for (int i = random.Next(3, 9); i > 0; i--)
        {
            int level = LeafLevel(space.Shape);
            ulong input = Input(space);
            ulong output = Output(space.Shape, level);
            bool isMapped = stage2 is not null && stage2.Leaves.Count != 0 && !Chance(10);
            if (isMapped)
            {
                var leaf = stage2!.Leaves[random.Next(stage2.Leaves.Count)];
                output = leaf.Output == CaseImage.Window.Base || Chance(2)
                    ? leaf.Input + (ulong)random.NextInt64(1L << leaf.SizeLog2)
                    : leaf.Input + (Chance(2) ? 0 : (1UL << leaf.SizeLog2) - 1);
            }

            if (!space.TryMap(input, level, output, Stage1Attributes(space.Shape))) continue;
            var mapped = space.Leaves[^1];
            if (isMapped) addresses.AddRange(Enumerable.Repeat(mapped.Input | (output & ((1UL << mapped.SizeLog2) - 1)), 4));
        }

        AddAddresses(space, addresses);
    }

    /// <summary>First, last and other bytes of leaves, and some beside them.</summary>
    public void AddAddresses(TableSpace space, List<ulong> addresses)
    {
        foreach (var leaf in space.Leaves)
        {
            ulong size = 1UL << leaf.SizeLog2;
            addresses.Add(leaf.Input);
            addresses.Add(leaf.Input + size - 1);
            addresses.Add(leaf.Input + (ulong)random.NextInt64((long)size));
            if (leaf.SizeLog2 > space.Shape.OutputBits) addresses.Add(leaf.Input + (ulong)random.NextInt64(1L << space.Shape.OutputBits));
            if (Chance(4)) addresses.Add(leaf.Input + (Chance(2) ? size : ulong.MaxValue));
        }

        if (Chance(2)) addresses.Add((1UL << space.Shape.InputBits) - (Chance(2) ? 1UL : 0));
        if (Chance(2)) addresses.Add(Input(space));
    }

    /// <summary>Attributes of a stage 2 leaf.</summary>
    public ulong Stage2Attributes(TableShape shape, bool forcedWriteBack, bool isForTables)
    {
        ulong normal = forcedWriteBack ? 0b0110UL : 0b1111UL;
        ulong attributes = (isForTables || !Chance(3) ? normal : (ulong)random.Next(16)) << 2;
        attributes |= (isForTables ? (Chance(10) ? 1UL : 3) : Chance(8) ? (ulong)random.Next(4) : 3) << 6;
        if (!Chance(isForTables ? 16 : 8)) attributes |= AccessFlag;
        if (Chance(3)) attributes |= DirtyBitModifier;
        if (Chance(5)) attributes |= (ulong)random.Next(4) << 53;
        return attributes | OtherBits(shape);
    }

    private ulong Stage1Attributes(TableShape shape)
    {
        ulong attributes = (ulong)random.Next(8) << 2;
        if (!Chance(10)) attributes |= 1UL << 6;
        if (Chance(6)) attributes |= 1UL << 7;
        if (!Chance(8)) attributes |= AccessFlag;
        if (Chance(2)) attributes |= 1UL << 11;
        if (Chance(3)) attributes |= DirtyBitModifier;
        if (Chance(10)) attributes |= 1UL << 53;
        if (Chance(10)) attributes |= 1UL << 54;
        return attributes | OtherBits(shape);
    }

    // Contiguous, shareability, and what software and hardware of others use.
    private ulong OtherBits(TableShape shape)
    {
        ulong bits = Chance(6) ? Contiguous : 0;
        if (!shape.LargeAddresses) bits |= (ulong)random.Next(4) << 8;
        if (Chance(4)) bits |= (ulong)random.Next(16) << 55;
        if (Chance(8)) bits |= (ulong)random.Next(32) << 59;
        return bits;
    }

    private static ulong RootAlignment(TableShape shape) => Math.Max(1UL << shape.RootLog2, shape.OutputBits == 52 ? 64UL : 16);

    private bool IsStage2Level(TableShape shape)
    {
        int oas = Features.OutputAddressBits;
        bool isOffered = (shape.GranuleLog2, shape.StartLevel) switch
        {
            (12, 0) => oas >= 44,
            (12, -1) => oas >= 52,
            (12, 3) => Features.STT,
            (14, 1) => oas >= 42,
            (14, 0) => oas >= 52 && shape.LargeAddresses,
            (14 or 16, -1) or (16, 0) => false,
            (16, 1) => oas >= 44,
            _ => true,
        };
        int resolved = shape.InputBits - shape.Shift(shape.StartLevel);
        return isOffered && resolved >= 1 && resolved <= shape.Stride + 4;
    }

    private int Granule()
    {
        while (true)
        {
            int granule = 12 + (2 * random.Next(3));
            if (granule switch { 12 => Features.GRAN4K, 14 => Features.GRAN16K, _ => Features.GRAN64K }) return granule;
        }
    }

    private int LeafLevel(TableShape shape)
    {
        int level = Chance(2) ? 3 : random.Next(shape.StartLevel, 4);
        return shape.HasLeaves(level) ? level : 3;
    }

    // Near a leaf that is there already, so that tables are shared; else anywhere.
    private ulong Input(TableSpace space)
    {
        ulong below = 1UL << space.Shape.InputBits;
        if (space.Leaves.Count != 0 && !Chance(3))
        {
            var near = space.Leaves[random.Next(space.Leaves.Count)];
            int level = random.Next(Math.Max(1, space.Shape.StartLevel), 4);
            int bits = Math.Min(space.Shape.Shift(level) + space.Shape.Stride, space.Shape.InputBits);
            return near.Input ^ (ulong)random.NextInt64(1L << bits);
        }

        return random.Next(5) switch
        {
            0 => 0,
            1 => below - 1,
            _ => (ulong)random.NextInt64((long)below),
        };
    }

    private ulong Output(TableShape shape, int level)
    {
        ulong below = 1UL << shape.OutputBits;
        return random.Next(20) switch
        {
            0 => below - 1,
            1 => 0,
            2 => below + (ulong)random.NextInt64((long)below),
            3 => CaseImage.Window.Base,
            _ => (ulong)random.NextInt64((long)below),
        } & ~((1UL << shape.Shift(level)) - 1);
    }

    private bool Chance(int one) => random.Next(one) == 0;
}
