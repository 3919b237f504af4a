using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Streams;

/// <summary>Decides whether an STE is ILLEGAL: C_BAD_STE (IHI 0070, 5.2.2). Config 0b0xx never comes here.</summary>
/// <remarks>
/// Non-secure streams, VMSAv8-64 tables. 32-bit LPAE and VMSAv9-128 tables are not modelled: an STE that asks for them is
/// illegal, as on an SMMU without them.
/// </remarks>
internal static class StreamTableEntryRules
{
    private const int TerminateOnly = 1;
    private const int StallForced = 2;

    /// <summary>True when the STE may be used.</summary>
    public static bool IsLegal(in StreamTableEntry entry, SmmuFeatures features, StreamWorld world)
    {
        uint config = (uint)entry.Config;
        bool stage1 = (config & 1) != 0;
        bool stage2 = (config & 2) != 0;
        if (stage1 && !features.S1P) return false;
        if (stage2 && !features.S2P) return false;
        if (stage1 && !stage2 && features.Hyp && features.S1P && (entry.STRW & 1) != 0) return false;
        if (!AtsIsLegal(in entry, features, config, stage2)) return false;
        if (stage1 && !Stage1IsLegal(in entry, features, stage2)) return false;
        if (stage2 && !Stage2IsLegal(in entry, features)) return false;
        return VmidIsLegal(in entry, features, config, world);
    }

    private static bool AtsIsLegal(in StreamTableEntry entry, SmmuFeatures features, uint config, bool stage2)
    {
        const uint Bypass = 0b100;
        const uint Nested = 0b111;
        if (!features.ATS || config == Bypass) return true;
        if (entry.EATS == 2 && (config != Nested || entry.S2S || features.NS1ATS)) return false;
        bool full = entry.EATS == 1 || (entry.EATS == 3 && features.DPT);
        return !(full && entry.S2S && stage2);
    }

    private static bool Stage1IsLegal(in StreamTableEntry entry, SmmuFeatures features, bool stage2)
    {
        if (entry.S1STALLD && features.STALL_MODEL is TerminateOnly or StallForced) return false;
        if (features.SubstreamIdBits != 0)
        {
            if (entry.S1CDMax > features.SubstreamIdBits) return false;
            if (entry.S1CDMax != 0 && entry.S1Fmt is 1 or 2 && !features.CD2L) return false;
        }

        // Nested, an IPA beyond the input size meets a stage 2 F_TRANSLATION when the CD is fetched (ADS-20).
        return stage2 || features.Version == 0 || !BitField.Exceeds(entry.S1ContextPtr, features.OutputAddressBits);
    }

    private static bool Stage2IsLegal(in StreamTableEntry entry, SmmuFeatures features)
    {
        if (entry.S2S && features.STALL_MODEL == TerminateOnly) return false;
        if (!entry.S2S && features.STALL_MODEL == StallForced) return false;
        if (!entry.S2AA64 || (features.TTF & 2) == 0) return false;
        if ((entry.S2HA || entry.S2HD) && features.HTTU == 0) return false;
        if (entry.S2HD && features.HTTU == 1) return false;
        if (entry.S2HAFT && !entry.S2HA && features.HTTU == 3) return false;
        if (entry.S2ENDI ? features.TTENDIAN == 2 : features.TTENDIAN == 3) return false;

        int granule = GranuleSizes.OfStage2(entry.S2TG);
        if (!GranuleSizes.IsOffered(granule, features)) return false;
        bool large = GranuleSizes.Stage2IsLarge(in entry, granule, features);
        int outputBits = AddressSizes.Effective(entry.S2PS, features);
        ulong tableBase = AddressSizes.TableBase(entry.S2TTB, features);
        if (BitField.Exceeds(tableBase, outputBits)) return false;
        if (!large && granule != 16 && BitField.Exceeds(tableBase, 48)) return false;

        int size = entry.S2T0SZ;
        int largest = !features.STT ? 39 : granule == 16 ? 47 : 48;
        int smallest = Math.Max(granule == 16 || large ? 12 : 16, 64 - features.InputAddressBits);
        if (size > largest || size < smallest) return false;
        return StartLevelIsLegal(in entry, features, granule, large, size);
    }

    private static bool StartLevelIsLegal(
        in StreamTableEntry entry, SmmuFeatures features, int granule, bool large, int size)
    {
        if (!GranuleSizes.TryStage2StartLevel(in entry, granule, large, out int level)) return false;
        int oas = features.OutputAddressBits;
        bool offered = (granule, level) switch
        {
            (12, 0) => oas >= 44,
            (12, -1) => oas >= 52 && large,
            (12, 3) => features.STT,
            (14, 1) => oas >= 42,
            (14, 0) => oas >= 52 && large,
            (16, 1) => oas >= 44,
            _ => true,
        };
        if (!offered) return false;

        // The first level resolves what the levels below leave over: one bit at least, 16 concatenated tables at most.
        int stride = granule - 3;
        int resolvedBelow = granule + ((3 - level) * stride);
        int bits = 64 - size - resolvedBelow;
        return bits >= 1 && bits <= stride + 4;
    }

    private static bool VmidIsLegal(in StreamTableEntry entry, SmmuFeatures features, uint config, StreamWorld world)
    {
        bool counts = features.S2P && config != 0b100 && world == StreamWorld.NonSecureEl1;
        return !counts || features.VMID16 || entry.S2VMID.Value <= 0xff;
    }
}
