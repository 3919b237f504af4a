using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Invalidation;

/// <summary>The addresses and ranges by which a command can name a leaf (IHI 0070, 4.4.1.1).</summary>
internal static class RangeForms
{
    /// <summary>TG of a granule.</summary>
    public static byte CodeOf(int granuleLog2) => granuleLog2 switch { 12 => (byte)1, 14 => 2, _ => 3 };

    /// <summary>All forms, as many for each leaf of a level.</summary>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="leafLevel">Level of the leaf.</param>
    /// <param name="first">First address of the leaf.</param>
    public static IEnumerable<(ulong Address, InvalidationRange Range)> Of(int granuleLog2, int leafLevel, ulong first)
    {
        int sizeLog2 = PlainTables.EntryLog2(granuleLog2, leafLevel);
        int log2Granules = sizeLog2 - granuleLog2;
        ulong size = 1UL << sizeLog2;
        byte code = CodeOf(granuleLog2);
        byte level = (byte)leafLevel;

        // One address: at the start, in the middle, at the end.
        yield return (first, default);
        yield return (first + (size / 2 & ~0xfffUL), default);
        yield return (first + size - 0x1000, default);

        // One granule, its level named; the whole leaf in one step and in steps of NUM.
        yield return (first, new InvalidationRange(code, NUM: 0, SCALE: 0, level));
        if (log2Granules > 0) yield return (first, new InvalidationRange(code, NUM: 0, (byte)log2Granules, TTL: 0));
        if (log2Granules > 4) yield return (first, new InvalidationRange(code, NUM: 15, (byte)(log2Granules - 4), level));

        // Neighbours and the leaf; the end of the range just inside of it, and its beginning.
        ulong step = 1UL << granuleLog2;
        yield return (first + size - step, new InvalidationRange(code, NUM: 31, SCALE: 0, TTL: 0));
        if ((first << 16) == 0) yield break;   // There is nothing below.
        yield return (first - (2 * step), new InvalidationRange(code, NUM: 4, (byte)log2Granules, TTL: 0));
        yield return (first - (3 * step), new InvalidationRange(code, NUM: 3, SCALE: 0, TTL: 0));
    }
}
