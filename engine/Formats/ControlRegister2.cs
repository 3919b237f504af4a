namespace Smmu.Fast.Formats;

/// <summary>CR2: modes (IHI 0070, 6.3.12).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct ControlRegister2(uint Value)
{
    private const int E2HRange = 0_000;
    private const int RECINVSIDRange = 1_001;
    private const int PTMRange = 2_002;
    private const int REC_CFG_ATSRange = 3_003;

    /// <summary>STRW 2 means EL2-E2H; otherwise EL2.</summary>
    public bool E2H
    {
        get => BitRange.Get(Value, E2HRange) != 0;
        init => Value = (uint)BitRange.With(Value, E2HRange, value ? 1UL : 0);
    }

    /// <summary>A StreamID outside of the Stream table is recorded.</summary>
    public bool RECINVSID
    {
        get => BitRange.Get(Value, RECINVSIDRange) != 0;
        init => Value = (uint)BitRange.With(Value, RECINVSIDRange, value ? 1UL : 0);
    }

    /// <summary>Broadcast TLB invalidation is ignored.</summary>
    public bool PTM
    {
        get => BitRange.Get(Value, PTMRange) != 0;
        init => Value = (uint)BitRange.With(Value, PTMRange, value ? 1UL : 0);
    }

    /// <summary>Configuration errors of ATS Translation Requests are recorded.</summary>
    public bool REC_CFG_ATS
    {
        get => BitRange.Get(Value, REC_CFG_ATSRange) != 0;
        init => Value = (uint)BitRange.With(Value, REC_CFG_ATSRange, value ? 1UL : 0);
    }
}
