namespace Smmu.Fast.Formats;

/// <summary>CR0 and CR0ACK: what is on (IHI 0070, 6.3.9 and 6.3.10).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct ControlRegister0(uint Value)
{
    private const int SMMUENRange = 0_000;
    private const int PRIQENRange = 1_001;
    private const int EVENTQENRange = 2_002;
    private const int CMDQENRange = 3_003;
    private const int ATSCHKRange = 4_004;
    private const int SIFRange = 5_005;
    private const int VMWRange = 8_006;
    private const int NSSTALLDRange = 9_009;
    private const int DPT_WALK_ENRange = 10_010;

    /// <summary>Transactions are translated.</summary>
    public bool SMMUEN
    {
        get => BitRange.Get(Value, SMMUENRange) != 0;
        init => Value = (uint)BitRange.With(Value, SMMUENRange, value ? 1UL : 0);
    }

    /// <summary>Page requests are queued, provided that SMMUEN is 1.</summary>
    public bool PRIQEN
    {
        get => BitRange.Get(Value, PRIQENRange) != 0;
        init => Value = (uint)BitRange.With(Value, PRIQENRange, value ? 1UL : 0);
    }

    /// <summary>Events are queued.</summary>
    public bool EVENTQEN
    {
        get => BitRange.Get(Value, EVENTQENRange) != 0;
        init => Value = (uint)BitRange.With(Value, EVENTQENRange, value ? 1UL : 0);
    }

    /// <summary>Commands are consumed.</summary>
    public bool CMDQEN
    {
        get => BitRange.Get(Value, CMDQENRange) != 0;
        init => Value = (uint)BitRange.With(Value, CMDQENRange, value ? 1UL : 0);
    }

    /// <summary>Translated transactions are checked against the STE.</summary>
    public bool ATSCHK
    {
        get => BitRange.Get(Value, ATSCHKRange) != 0;
        init => Value = (uint)BitRange.With(Value, ATSCHKRange, value ? 1UL : 0);
    }

    /// <summary>S_CR0 alone: Secure instruction fetches from Non-secure memory fault.</summary>
    public bool SIF
    {
        get => BitRange.Get(Value, SIFRange) != 0;
        init => Value = (uint)BitRange.With(Value, SIFRange, value ? 1UL : 0);
    }

    /// <summary>Low bits of the VMID that invalidations ignore: 0 to 4; 5 to 7 act as 0.</summary>
    public byte VMW
    {
        get => (byte)BitRange.Get(Value, VMWRange);
        init => Value = (uint)BitRange.With(Value, VMWRange, value);
    }

    /// <summary>S_CR0 alone: Non-secure streams cannot stall.</summary>
    public bool NSSTALLD
    {
        get => BitRange.Get(Value, NSSTALLDRange) != 0;
        init => Value = (uint)BitRange.With(Value, NSSTALLDRange, value ? 1UL : 0);
    }

    /// <summary>The device permission table is walked.</summary>
    public bool DPT_WALK_EN
    {
        get => BitRange.Get(Value, DPT_WALK_ENRange) != 0;
        init => Value = (uint)BitRange.With(Value, DPT_WALK_ENRange, value ? 1UL : 0);
    }
}
