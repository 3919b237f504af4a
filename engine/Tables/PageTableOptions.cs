namespace Smmu.Fast.Tables;

/// <summary>A stage of translation.</summary>
public enum PageTableStage : byte
{
    /// <summary>Stage 1: the tables of a Context Descriptor.</summary>
    Stage1 = 1,

    /// <summary>Stage 2: the tables of a Stream Table Entry.</summary>
    Stage2 = 2,
}

/// <summary>The shape of a <see cref="PageTable"/> (Arm ARM, D8.2 and D8.3).</summary>
public sealed record PageTableOptions
{
    /// <summary>The stage that it is for.</summary>
    public PageTableStage Stage { get; init; } = PageTableStage.Stage1;

    /// <summary>Address bits of the granule: 12, 14 or 16.</summary>
    public int GranuleLog2 { get; init; } = 12;

    /// <summary>64 - TxSZ, or 64 - S2T0SZ: 16 to 48, and to 52 with 64 KiB or <see cref="LargeAddresses"/>.</summary>
    public int InputBits { get; init; } = 48;

    /// <summary>IPS or S2PS in bits: 32, 36, 40, 42, 44, 48, and 52 with 64 KiB or <see cref="LargeAddresses"/>.</summary>
    public int OutputBits { get; init; } = 48;

    /// <summary>CD.DS or STE.S2DS: 52-bit sizes with 4 KiB and 16 KiB. Leaves then have no shareability of their own.</summary>
    public bool LargeAddresses { get; init; }

    /// <summary>Stage 1: it is for TTB1, the range whose addresses end at 2^64.</summary>
    public bool UpperRange { get; init; }

    /// <summary>
    /// Sizes that leaves and contiguous runs may have, bit n for 2^n bytes; sizes that the granule lacks do not count. The
    /// smallest one is the granularity of all operations. Between two blocks no block size may be missing, since larger ones
    /// are split into smaller ones, and a run larger than the smallest size needs its block size.
    /// </summary>
    public ulong PageSizes { get; init; } = ulong.MaxValue;
}
