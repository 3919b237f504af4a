namespace Smmu.Fast.Oracle;

/// <summary>CdIllegal of 5.4.2 for a CD that a Non-secure STE leads to, in its order.</summary>
internal static class ContextDescriptorRules
{
    /// <summary>True when the CD gives C_BAD_CD.</summary>
    public static bool IsIllegal(ContextDescriptor cd, StreamTableEntry ste, OracleFeatures features)
    {
        var lower = cd.Lower;
        var upper = cd.Upper;
        if (!cd.V) return true;
        if (ste.S1STALLD && cd.S) return true;
        if (features.TerminatesWithAbortAlone && !cd.A) return true;
        if (features.StallModel == 0b01 && cd.S) return true;
        if (features.StallModel == 0b10 && !cd.S) return true;
        if (!lower.IsDisabled || !upper.IsDisabled)
        {
            if (features.TableEndianness == 0b10 && cd.ENDI) return true;
            if (features.TableEndianness == 0b11 && !cd.ENDI) return true;
        }

        if (!cd.AA64) return true;   // VMSAv8-32 tables are never announced.
        if ((cd.HA || cd.HD) && features.HardwareUpdate == 0b00) return true;
        if (cd.HD && features.HardwareUpdate == 0b01) return true;
        if (!cd.IsEL2 && !features.Asid16 && cd.ASID > 0xFF) return true;
        return IsRangeIllegal(lower, cd, features) || IsRangeIllegal(upper, cd, features);
    }

    // 5.4.1.1: nothing of a disabled range is checked.
    private static bool IsRangeIllegal(ContextTableRange range, ContextDescriptor cd, OracleFeatures features)
    {
        if (range.IsDisabled) return false;
        if (!features.Supports(range.Granule)) return true;

        bool is64KB = range.Granule == Granule.Size64KB;
        int most = !features.SmallTables ? 39 : is64KB ? 47 : 48;
        int least = features.WideVirtualAddresses && (is64KB || range.DS) ? 12 : 16;
        if (range.TxSZ < least || range.TxSZ > most) return true;

        bool narrow = !is64KB && !range.DS;
        return Bits.Exceeds(range.TTB, narrow ? Math.Min(48, cd.OutputBits) : cd.OutputBits);
    }
}
