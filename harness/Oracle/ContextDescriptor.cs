namespace Smmu.Fast.Oracle;

/// <summary>The fields of a Context Descriptor (IHI 0070, 5.4), as a StreamWorld sees them.</summary>
internal sealed class ContextDescriptor(Structure words, OracleFeatures features, bool isEL2)
{
    public bool V => words.Bit(31);

    public bool ENDI => words.Bit(15);

    public bool AFFD => words.Bit(35);

    public bool WXN => words.Bit(36);

    public bool AA64 => words.Bit(41);

    public bool HD => words.Bit(42);

    public bool HA => words.Bit(43);

    public bool S => words.Bit(44);

    public bool R => words.Bit(45);

    public bool A => words.Bit(46);

    public int ASID => words.Number(63, 48);

    /// <summary>StreamWorld EL2 without E2H: one TTB, no ASID, every access privileged.</summary>
    public bool IsEL2 => isEL2;

    /// <summary>IPS in bits, capped to the OAS.</summary>
    public int OutputBits => features.EffectiveSize(words.Number(34, 32));

    /// <summary>PAN, which EL2 ignores.</summary>
    public bool EffectivePAN => words.Bit(40) && !isEL2;

    public bool EffectiveEPAN => words.Bit(123) && features.EnhancedPrivilegedAccessNever && !isEL2;

    public bool EffectiveHA => HA && features.HardwareUpdate >= 1;

    public bool EffectiveHD => EffectiveHA && HD && features.HardwareUpdate >= 2;

    /// <summary>MAIR byte of an AttrIndx.</summary>
    public int Attr(int index) => words.Number(192 + 8 * index + 7, 192 + 8 * index);

    /// <summary>What the CD says of the table that TTB0 points to.</summary>
    public ContextTableRange Lower => new()
    {
        IsDisabled = words.Bit(14) && !isEL2,
        TxSZ = words.Number(5, 0),
        Granule = TableGeometry.FromTG0(words.Number(7, 6)),
        SH = words.Number(13, 12),
        TBI = words.Bit(38),
        HAD = words.Bit(65) && features.HierarchicalDisable,
        E0PD = words.Bit(66) && features.UnprivilegedPrevention && !isEL2,
        TTB = words.Field(115, 68) << 4,
        DS = IsWide(TableGeometry.FromTG0(words.Number(7, 6))),
    };

    /// <summary>What the CD says of the table that TTB1 points to, which EL2 does not have.</summary>
    public ContextTableRange Upper => new()
    {
        IsDisabled = words.Bit(30) || isEL2,
        TxSZ = words.Number(21, 16),
        Granule = TableGeometry.FromTG1(words.Number(23, 22)),
        SH = words.Number(29, 28),
        TBI = words.Bit(39),
        HAD = words.Bit(129) && features.HierarchicalDisable,
        E0PD = words.Bit(130) && features.UnprivilegedPrevention && !isEL2,
        TTB = words.Field(179, 132) << 4,
        DS = IsWide(TableGeometry.FromTG1(words.Number(23, 22))),
    };

    private bool IsWide(Granule granule) => words.Bit(186) && features.WideSmallGranules && granule != Granule.Size64KB;
}

/// <summary>One half of the VA space as a CD configures it (5.4).</summary>
internal sealed record ContextTableRange
{
    /// <summary>The effective EPDx; also true for the TTB1 half of EL2, whose fields count for nothing.</summary>
    public required bool IsDisabled { get; init; }

    public required int TxSZ { get; init; }

    public required Granule Granule { get; init; }

    public required int SH { get; init; }

    public required bool TBI { get; init; }

    /// <summary>HADx, where it is implemented.</summary>
    public required bool HAD { get; init; }

    /// <summary>E0PDx, where it is implemented and the StreamWorld has unprivileged accesses.</summary>
    public required bool E0PD { get; init; }

    /// <summary>TTBx as programmed: address bits [51:4] up to SMMUv3.3.</summary>
    public required ulong TTB { get; init; }

    /// <summary>The effective DS of this half: 64KB tables have none.</summary>
    public required bool DS { get; init; }
}
