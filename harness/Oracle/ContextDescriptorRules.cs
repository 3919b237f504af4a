namespace Smmu.Fast.Oracle;

/// <summary>CdIllegal of 5.4.2 for a CD that a Non-secure STE leads to, in its order.</summary>
internal static class ContextDescriptorRules
{
    /// <summary>The fields because of which the CD gives C_BAD_CD; null when it is legal.</summary>
    public static string? FlawOf(ContextDescriptor cd, StreamTableEntry ste, OracleFeatures features)
    {
        var lower = cd.Lower;
        var upper = cd.Upper;
        if (!cd.V) return "V";
        if (ste.S1STALLD && cd.S) return "S, S1STALLD";
        if (features.TerminatesWithAbortAlone && !cd.A) return "A";
        if (features.StallModel == 0b01 && cd.S) return "S";
        if (features.StallModel == 0b10 && !cd.S) return "S";
        if (!lower.IsDisabled || !upper.IsDisabled)
        {
            if (features.TableEndianness == 0b10 && cd.ENDI) return "ENDI";
            if (features.TableEndianness == 0b11 && !cd.ENDI) return "ENDI";
        }

        if (!cd.AA64) return "AA64";   // VMSAv8-32 tables are never announced.
        if ((cd.HA || cd.HD) && features.HardwareUpdate == 0b00) return "HA, HD";
        if (cd.HD && features.HardwareUpdate == 0b01) return "HD";
        if (!cd.IsEL2 && !features.Asid16 && cd.ASID > 0xFF) return "ASID";
        return RangeFlawOf(lower, cd, features) ?? RangeFlawOf(upper, cd, features);
    }

    // 5.4.1.1: nothing of a disabled range is checked.
    private static string? RangeFlawOf(ContextTableRange range, ContextDescriptor cd, OracleFeatures features)
    {
        if (range.IsDisabled) return null;
        if (!features.Supports(range.Granule)) return "TGx";

        bool is64KB = range.Granule == Granule.Size64KB;
        int most = !features.SmallTables ? 39 : is64KB ? 47 : 48;
        int least = features.WideVirtualAddresses && (is64KB || range.DS) ? 12 : 16;
        if (range.TxSZ < least || range.TxSZ > most) return "TxSZ";

        bool narrow = !is64KB && !range.DS;
        return Bits.Exceeds(range.TTB, narrow ? Math.Min(48, cd.OutputBits) : cd.OutputBits) ? "TTBx" : null;
    }
}
