namespace Smmu.Fast.Formats;

/// <summary>GBPA: what becomes of transactions while SMMUEN is 0 (IHI 0070, 6.3.14). Codes are those of the STE.</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct GlobalBypassAttributes(uint Value)
{
    private const int MemAttrRange = 3_000;
    private const int MTCFGRange = 4_004;
    private const int ALLOCCFGRange = 11_008;
    private const int SHCFGRange = 13_012;
    private const int NSCFGRange = 15_014;
    private const int PRIVCFGRange = 17_016;
    private const int INSTCFGRange = 19_018;
    private const int ABORTRange = 20_020;
    private const int UpdateRange = 31_031;

    /// <summary>Memory type that replaces the incoming one when MTCFG is set.</summary>
    public byte MemAttr
    {
        get => (byte)BitRange.Get(Value, MemAttrRange);
        init => Value = (uint)BitRange.With(Value, MemAttrRange, value);
    }

    /// <summary>Replace the incoming memory type.</summary>
    public bool MTCFG
    {
        get => BitRange.Get(Value, MTCFGRange) != 0;
        init => Value = (uint)BitRange.With(Value, MTCFGRange, value ? 1UL : 0);
    }

    /// <summary>Allocation hints: 0xxx incoming, 1RWT use R, W and T.</summary>
    public byte ALLOCCFG
    {
        get => (byte)BitRange.Get(Value, ALLOCCFGRange);
        init => Value = (uint)BitRange.With(Value, ALLOCCFGRange, value);
    }

    /// <summary>Shareability: 0 NSH, 1 incoming, 2 OSH, 3 ISH.</summary>
    public byte SHCFG
    {
        get => (byte)BitRange.Get(Value, SHCFGRange);
        init => Value = (uint)BitRange.With(Value, SHCFGRange, value);
    }

    /// <summary>S_GBPA alone: NS attribute: 0 and 1 incoming, 2 Secure, 3 Non-secure.</summary>
    public byte NSCFG
    {
        get => (byte)BitRange.Get(Value, NSCFGRange);
        init => Value = (uint)BitRange.With(Value, NSCFGRange, value);
    }

    /// <summary>Privilege: 0 and 1 incoming, 2 unprivileged, 3 privileged.</summary>
    public byte PRIVCFG
    {
        get => (byte)BitRange.Get(Value, PRIVCFGRange);
        init => Value = (uint)BitRange.With(Value, PRIVCFGRange, value);
    }

    /// <summary>Instruction attribute of reads: 0 and 1 incoming, 2 data, 3 instruction.</summary>
    public byte INSTCFG
    {
        get => (byte)BitRange.Get(Value, INSTCFGRange);
        init => Value = (uint)BitRange.With(Value, INSTCFGRange, value);
    }

    /// <summary>Transactions abort.</summary>
    public bool ABORT
    {
        get => BitRange.Get(Value, ABORTRange) != 0;
        init => Value = (uint)BitRange.With(Value, ABORTRange, value ? 1UL : 0);
    }

    /// <summary>Written 1: take the value. Read 1: it is being taken.</summary>
    public bool Update
    {
        get => BitRange.Get(Value, UpdateRange) != 0;
        init => Value = (uint)BitRange.With(Value, UpdateRange, value ? 1UL : 0);
    }
}
