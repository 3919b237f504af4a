namespace Smmu.Fast.Formats;

/// <summary>STRTAB_BASE_CFG: the shape of the Stream table (IHI 0070, 6.3.25).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct StreamTableBaseConfiguration(uint Value)
{
    private const int LOG2SIZERange = 5_000;
    private const int SPLITRange = 10_006;
    private const int FMTRange = 17_016;

    /// <summary>Log2 of the number of StreamIDs, as written.</summary>
    public byte LOG2SIZE
    {
        get => (byte)BitRange.Get(Value, LOG2SIZERange);
        init => Value = (uint)BitRange.With(Value, LOG2SIZERange, value);
    }

    /// <summary>Bits of the StreamID that the second level resolves, as written.</summary>
    public byte SPLIT
    {
        get => (byte)BitRange.Get(Value, SPLITRange);
        init => Value = (uint)BitRange.With(Value, SPLITRange, value);
    }

    /// <summary>0 linear, 1 two levels; 2 and 3 act as 0.</summary>
    public byte FMT
    {
        get => (byte)BitRange.Get(Value, FMTRange);
        init => Value = (uint)BitRange.With(Value, FMTRange, value);
    }

    /// <summary>The table has two levels.</summary>
    public bool IsTwoLevel => FMT == 1;

    /// <summary>SPLIT in effect: 6, 8 or 10; any other value acts as 6.</summary>
    public int SplitBits => SPLIT is 8 or 10 ? SPLIT : 6;

    /// <summary>Bits of a StreamID that the table covers, given the width IDR1.SIDSIZE.</summary>
    public int StreamIdBits(int sidSize) => Math.Min((int)LOG2SIZE, sidSize);
}
