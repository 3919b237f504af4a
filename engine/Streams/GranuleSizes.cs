using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Streams;

/// <summary>Granule codes of STEs and CDs, and the table geometry that follows from them (IHI 0070, 5.2 and 5.4; D8.2).</summary>
internal static class GranuleSizes
{
    /// <summary>Address bits of S2TG's granule; 0 when reserved.</summary>
    public static int OfStage2(uint code) => code switch { 0 => 12, 1 => 16, 2 => 14, _ => 0 };

    /// <summary>Address bits of TG0's granule; 0 when reserved.</summary>
    public static int OfRange0(uint code) => OfStage2(code);

    /// <summary>Address bits of TG1's granule; 0 when reserved.</summary>
    public static int OfRange1(uint code) => code switch { 1 => 14, 2 => 12, 3 => 16, _ => 0 };

    /// <summary>True when IDR5 offers the granule.</summary>
    public static bool IsOffered(int granuleLog2, SmmuFeatures features) => granuleLog2 switch
    {
        12 => features.GRAN4K,
        14 => features.GRAN16K,
        16 => features.GRAN64K,
        _ => false,
    };

    /// <summary>S2DS in effect: it is RES0 for 64KB granules and without IDR5.DS.</summary>
    public static bool Stage2IsLarge(in StreamTableEntry entry, int granuleLog2, SmmuFeatures features) =>
        entry.S2DS && features.DS && granuleLog2 != 16;

    /// <summary>The level of the first stage 2 table by {S2SL0_2, S2SL0} (W2-02); false for a code without meaning.</summary>
    public static bool TryStage2StartLevel(in StreamTableEntry entry, int granuleLog2, bool large, out int level)
    {
        uint code = entry.S2SL0 | (granuleLog2 == 12 && large && entry.S2SL0_2 ? 4u : 0);
        level = (granuleLog2, code) switch
        {
            (12, 0) => 2,
            (12, 1) => 1,
            (12, 2) => 0,
            (12, 3) => 3,
            (12, 4) => -1,
            (14 or 16, 0) => 3,
            (14 or 16, 1) => 2,
            (14 or 16, 2) => 1,
            (14, 3) => 0,
            _ => int.MinValue,
        };
        return level != int.MinValue;
    }

    /// <summary>The level of the first stage 1 table (W1-10).</summary>
    public static int Stage1StartLevel(int granuleLog2, int sizeOffset) =>
        3 - ((64 - sizeOffset - 1 - granuleLog2) / (granuleLog2 - 3));

    /// <summary>log2 of the bytes of a first table, to which its base is aligned (W1-17, W2-04).</summary>
    /// <param name="granuleLog2">Address bits of the granule.</param>
    /// <param name="sizeOffset">TxSZ.</param>
    /// <param name="startLevel">Level of the table.</param>
    /// <param name="outputBits">Effective IPS or S2PS; with 52 bits a table is aligned to at least 64 bytes, whatever the granule.</param>
    public static int FirstTableAlignmentLog2(int granuleLog2, int sizeOffset, int startLevel, int outputBits)
    {
        int resolvedBelow = granuleLog2 + ((3 - startLevel) * (granuleLog2 - 3));
        int tableLog2 = 64 - sizeOffset - resolvedBelow + 3;
        return Math.Max(tableLog2, outputBits >= 52 ? 6 : 4);
    }
}

/// <summary>Output size codes: IPS and S2PS (CD-09, CD-10, STE-52, STE-53); table bases.</summary>
internal static class AddressSizes
{
    /// <summary>TTB0, TTB1 or S2TTB: bits [51:4] of the field, [47:4] in v3.0; the rest is RES0 without VMSAv9-128.</summary>
    public static ulong TableBase(ulong field, SmmuFeatures features) => field & BitField.Mask(features.Version == 0 ? 47 : 51, 4);

    /// <summary>The effective size in bits: reserved codes by the version of the architecture, and never above OAS.</summary>
    public static int Effective(uint code, SmmuFeatures features)
    {
        if (features.Version == 0 && code > 5) code = 5;
        if (features.Version < 4 && code > 6) code = 6;
        int bits = code switch { 0 => 32, 1 => 36, 2 => 40, 3 => 42, 4 => 44, 5 => 48, 6 => 52, _ => 56 };
        return Math.Min(bits, features.OutputAddressBits);
    }
}
