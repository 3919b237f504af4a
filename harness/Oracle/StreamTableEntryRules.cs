namespace Smmu.Fast.Oracle;

/// <summary>SteIllegal of 5.2.2 for a Non-secure STE, in its order.</summary>
internal static class StreamTableEntryRules
{
    /// <summary>The fields because of which the STE gives C_BAD_STE; null when it is legal.</summary>
    public static string? FlawOf(StreamTableEntry ste, OracleFeatures features, OracleChoices choices)
    {
        if (!ste.V) return "V";
        if (ste.Config < 0b100) return null;
        if (ste.Stage1Enabled && !features.Stage1) return "Config, S1P";
        if (ste.Stage2Enabled && !features.Stage2) return "Config, S2P";
        if (IsAtsIllegal(ste, features)) return "EATS";
        if (!ste.IgnoresSTRW && (ste.STRW & 0b01) != 0) return "STRW";
        string? flaw = ste.Stage1Enabled ? Stage1FlawOf(ste, features, choices) : null;
        if (flaw is null && ste.Stage2Enabled) flaw = Stage2FlawOf(ste, features);
        if (flaw is not null) return flaw;
        return !IgnoresS2VMID(ste, features) && !features.Vmid16 && ste.S2VMID > 0xFF ? "S2VMID" : null;
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

    private static string? Stage1FlawOf(StreamTableEntry ste, OracleFeatures features, OracleChoices choices)
    {
        if (ste.S1STALLD && features.StallModel != 0b00) return "S1STALLD";
        if (features.SubstreamIdBits != 0)
        {
            if (ste.S1CDMax > features.SubstreamIdBits) return "S1CDMax";
            if (ste.S1CDMax != 0 && !features.TwoLevelContextTable && ste.S1Fmt is 0b01 or 0b10) return "S1Fmt";
        }

        // 3.4.3: a PA has to lie within the OAS. For an IPA the stage 2 translation tells, or this check.
        bool isOut = ste.Config == 0b101
            ? Bits.Exceeds(ste.S1ContextPtr, features.OutputBits)
            : choices.ContextPointerBeyondIntermediateSizeIsIllegal && Bits.Exceeds(ste.S1ContextPtr, features.IntermediateBits);
        return isOut ? "S1ContextPtr" : null;
    }

    private static string? Stage2FlawOf(StreamTableEntry ste, OracleFeatures features)
    {
        if (ste.S2S && features.StallModel == 0b01) return "S2S";
        if (!ste.S2S && features.StallModel == 0b10) return "S2S";
        if (!ste.S2AA64) return "S2AA64";   // VMSAv8-32 tables are never announced.
        if ((ste.S2HA || ste.S2HD) && features.HardwareUpdate == 0b00) return "S2HA, S2HD";
        if (ste.S2HD && features.HardwareUpdate == 0b01) return "S2HD";
        if (!features.Supports(ste.Stage2Granule)) return "S2TG";
        if (Bits.Exceeds(ste.S2TTB, TableBaseBits(ste))) return "S2TTB";
        if (IsS2T0SZIllegal(ste, features)) return "S2T0SZ";
        if (ste.Stage2StartLevel is not int level) return "S2SL0";
        if (!TableGeometry.IsConsistent(ste.Stage2Granule, level, ste.Stage2InputBits)) return "S2SL0, S2T0SZ";
        bool isWrongEndian = features.TableEndianness == 0b10 ? ste.S2ENDI : features.TableEndianness == 0b11 && !ste.S2ENDI;
        return isWrongEndian ? "S2ENDI" : null;
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
