namespace Smmu.Fast.Oracle;

/// <summary>Translation granules; the value is the number of address bits inside of one.</summary>
internal enum Granule
{
    /// <summary>A reserved TG code.</summary>
    Reserved = 0,

    /// <summary>4KB.</summary>
    Size4KB = 12,

    /// <summary>16KB.</summary>
    Size16KB = 14,

    /// <summary>64KB.</summary>
    Size64KB = 16,
}

/// <summary>Sizes and levels of VMSAv8-64 tables (Arm ARM, D8.2).</summary>
internal static class TableGeometry
{
    /// <summary>The level that holds pages.</summary>
    public const int LastLevel = 3;

    /// <summary>TG0 and S2TG (5.2, 5.4).</summary>
    public static Granule FromTG0(int code) => code switch
    {
        0b00 => Granule.Size4KB,
        0b01 => Granule.Size64KB,
        0b10 => Granule.Size16KB,
        _ => Granule.Reserved,
    };

    /// <summary>TG1 (5.4), whose codes differ from those of TG0.</summary>
    public static Granule FromTG1(int code) => code switch
    {
        0b01 => Granule.Size16KB,
        0b10 => Granule.Size4KB,
        0b11 => Granule.Size64KB,
        _ => Granule.Reserved,
    };

    /// <summary>Address bits that one full table resolves: 9, 11 or 13.</summary>
    public static int Stride(Granule granule) => (int)granule - 3;

    /// <summary>Address bits below those that a level resolves; the size of its leaves.</summary>
    public static int Shift(Granule granule, int level) => (int)granule + (LastLevel - level) * Stride(granule);

    /// <summary>The stage 1 start level (D8.2.8.1, D8.2.9.1, D8.2.10.1).</summary>
    public static int StageOneStartLevel(Granule granule, int inputBits) =>
        LastLevel - (inputBits - 1 - (int)granule) / Stride(granule);

    /// <summary>True where a level may hold Block descriptors (D8.3.1.2, tables D8-17, D8-27 and D8-36).</summary>
    public static bool HasBlocks(Granule granule, int level, bool wideSmallGranules, bool wide64KB) => granule switch
    {
        Granule.Size4KB => level is 1 or 2 || (level == 0 && wideSmallGranules),
        Granule.Size16KB => level == 2 || (level == 1 && wideSmallGranules),
        _ => level == 2 || (level == 1 && wide64KB),
    };

    /// <summary>The table base with the bits cleared that the alignment of the start table takes as zero (5.2, 5.4): the size of
    /// the table, and 64 bytes at least when the output size is 52 bits.</summary>
    public static ulong AlignedBase(ulong tableBase, Granule granule, int startLevel, int inputBits, int outputBits)
    {
        int sizeLog2 = inputBits - Shift(granule, startLevel) + 3;
        return Bits.AlignDown(tableBase, outputBits == 52 ? Math.Max(sizeLog2, 6) : sizeLog2);
    }

    /// <summary>The start level that {S2SL0_2, S2SL0} asks for, or null for a reserved code or one that the output size does not
    /// permit (D8.2.8.2, D8.2.9.2, D8.2.10.2; AArch64.S2InvalidSL).</summary>
    public static int? StageTwoStartLevel(Granule granule, int code, bool wideSmallGranules, OracleFeatures features) => granule switch
    {
        Granule.Size4KB => code switch
        {
            0b000 => 2,
            0b001 => 1,
            0b010 => features.OutputBits < 44 ? null : 0,
            0b011 => features.SmallTables ? 3 : null,
            0b100 => features.OutputBits < 52 ? null : -1,
            _ => null,
        },
        Granule.Size16KB => (code & 0b11) switch
        {
            0b00 => 3,
            0b01 => 2,
            0b10 => features.OutputBits < 42 ? null : 1,
            _ => wideSmallGranules && features.OutputBits >= 52 ? 0 : null,
        },
        _ => (code & 0b11) switch
        {
            0b00 => 3,
            0b01 => 2,
            0b10 => features.OutputBits < 44 ? null : 1,
            _ => null,
        },
    };

    /// <summary>True when a stage 2 input size suits a start level: the start table resolves 1 bit at least and, with up to 16
    /// concatenated tables, 4 bits more than a full one at most (D8.2.2; AArch64.S2InconsistentSL).</summary>
    public static bool IsConsistent(Granule granule, int startLevel, int inputBits)
    {
        int resolved = inputBits - Shift(granule, startLevel);
        return resolved >= 1 && resolved <= Stride(granule) + 4;
    }
}
