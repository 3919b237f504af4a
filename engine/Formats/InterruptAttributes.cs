namespace Smmu.Fast.Formats;

/// <summary>x_IRQ_CFG2: how an MSI is written (IHI 0070, 6.3.23 and 6.3.36).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct InterruptAttributes(uint Value)
{
    private const int MemAttrRange = 3_000;
    private const int SHRange = 5_004;
    private const int LORange = 31_031;

    /// <summary>Memory type, coded as STE.MemAttr.</summary>
    public byte MemAttr
    {
        get => (byte)BitRange.Get(Value, MemAttrRange);
        init => Value = (uint)BitRange.With(Value, MemAttrRange, value);
    }

    /// <summary>Shareability: 0 NSH, 2 OSH, 3 ISH; 1 acts as 0.</summary>
    public byte SH
    {
        get => (byte)BitRange.Get(Value, SHRange);
        init => Value = (uint)BitRange.With(Value, SHRange, value);
    }

    /// <summary>PRIQ_IRQ_CFG2 alone: interrupt on the last request of a group, not when the queue stops being empty.</summary>
    public bool LO
    {
        get => BitRange.Get(Value, LORange) != 0;
        init => Value = (uint)BitRange.With(Value, LORange, value ? 1UL : 0);
    }
}
