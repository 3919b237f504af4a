namespace Smmu.Fast.Formats;

/// <summary>EVENTQ_PROD, EVENTQ_CONS, PRIQ_PROD and PRIQ_CONS (IHI 0070, 6.3.95 to 6.3.98).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct OutputQueueIndex(uint Value)
{
    private const int PointerRange = 19_000;
    private const int OverflowFlagRange = 31_031;

    /// <summary>WR or RD: index and wrap flag.</summary>
    public uint Pointer
    {
        get => (uint)BitRange.Get(Value, PointerRange);
        init => Value = (uint)BitRange.With(Value, PointerRange, value);
    }

    /// <summary>OVFLG of a PROD, OVACKFLG of a CONS: unequal while an overflow is not acknowledged.</summary>
    public bool OverflowFlag
    {
        get => BitRange.Get(Value, OverflowFlagRange) != 0;
        init => Value = (uint)BitRange.With(Value, OverflowFlagRange, value ? 1UL : 0);
    }
}
