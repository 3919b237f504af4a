namespace Smmu.Fast.Oracle;

/// <summary>SteIllegal of 5.2.2 for a Non-secure STE, in its order.</summary>
internal static class StreamTableEntryRules
{
    /// <summary>True when the STE gives C_BAD_STE.</summary>
    public static bool IsIllegal(StreamTableEntry ste, OracleFeatures features, OracleChoices choices)
    {
        if (!ste.V) return true;
        if (ste.Config < 0b100) return false;
        if (ste.Stage1Enabled && !features.Stage1) return true;
        if (ste.Stage2Enabled && !features.Stage2) return true;
        if (IsAtsIllegal(ste, features)) return true;
        if (!ste.IgnoresSTRW && (ste.STRW & 0b01) != 0) return true;
        if (ste.Stage1Enabled && IsStage1Illegal(ste, features, choices)) return true;
        if (ste.Stage2Enabled && IsStage2Illegal(ste, features)) return true;
        return !IgnoresS2VMID(ste, features) && !features.Vmid16 && ste.S2VMID > 0xFF;
    }

    private static bool IsAtsIllegal(StreamTableEntry ste, OracleFeatures features)
    {
        if (!features.Ats || ste.Config == 0b100) return false;
        switch (ste.EATS)
        {
            case 0b01:
                return ste.S2S && ste.Stage2Enabled;
            case 0b10:
                return ste.Config != 0b111 || ste.S2S || features.NoSplitStageAts;
            case 0b11:
                // Without DPT the code acts as 0b00. The S2S condition is in the field text alone.
                if (!features.DevicePermissionTable) return false;
                return (!ste.IgnoresSTRW && ste.STRW != 0b00) || (ste.S2S && ste.Stage2Enabled);
            default:
                return false;
        }
    }

    private static bool IsStage1Illegal(StreamTableEntry ste, OracleFeatures features, OracleChoices choices)
    {
        if (ste.S1STALLD && features.StallModel != 0b00) return true;
        if (features.SubstreamIdBits != 0)
        {
            if (ste.S1CDMax > features.SubstreamIdBits) return true;
            if (ste.S1CDMax != 0 && !features.TwoLevelContextTable && ste.S1Fmt is 0b01 or 0b10) return true;
        }

        // 3.4.3: a PA has to lie within the OAS. For an IPA the stage 2 translation tells, or this check.
        if (ste.Config == 0b101) return Bits.Exceeds(ste.S1ContextPtr, features.OutputBits);
        return choices.ContextPointerBeyondIntermediateSizeIsIllegal && Bits.Exceeds(ste.S1ContextPtr, features.IntermediateBits);
    }

    private static bool IsStage2Illegal(StreamTableEntry ste, OracleFeatures features)
    {
        if (ste.S2S && features.StallModel == 0b01) return true;
        if (!ste.S2S && features.StallModel == 0b10) return true;
        if (!ste.S2AA64) return true;   // VMSAv8-32 tables are never announced.
        if ((ste.S2HA || ste.S2HD) && features.HardwareUpdate == 0b00) return true;
        if (ste.S2HD && features.HardwareUpdate == 0b01) return true;
        if (!features.Supports(ste.Stage2Granule)) return true;
        if (Bits.Exceeds(ste.S2TTB, TableBaseBits(ste))) return true;
        if (IsS2T0SZIllegal(ste, features)) return true;
        if (ste.Stage2StartLevel is not int level) return true;
        if (!TableGeometry.IsConsistent(ste.Stage2Granule, level, ste.Stage2InputBits)) return true;
        if (features.TableEndianness == 0b10 && ste.S2ENDI) return true;
        return features.TableEndianness == 0b11 && !ste.S2ENDI;
    }

    // S2TTB has to fit the effective S2PS, and 48 bits unless the descriptors hold 52-bit addresses.
    private static int TableBaseBits(StreamTableEntry ste)
    {
        bool narrow = ste.Stage2Granule != Granule.Size64KB && !ste.EffectiveS2DS;
        return narrow ? Math.Min(48, ste.Stage2OutputBits) : ste.Stage2OutputBits;
    }

    private static bool IsS2T0SZIllegal(StreamTableEntry ste, OracleFeatures features)
    {
        bool is64KB = ste.Stage2Granule == Granule.Size64KB;
        int most = !features.SmallTables ? 39 : is64KB ? 47 : 48;
        int least = Math.Max(is64KB || ste.EffectiveS2DS ? 12 : 16, 64 - features.IntermediateBits);
        return ste.S2T0SZ < least || ste.S2T0SZ > most;
    }

    // IgnoreSTES2VMID of 5.2.2.
    private static bool IgnoresS2VMID(StreamTableEntry ste, OracleFeatures features) =>
        !features.Stage2 || ste.Config == 0b100 || (ste.STRW != 0b00 && !ste.IgnoresSTRW);
}
