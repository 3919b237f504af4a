using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Streams;

/// <summary>Decides whether a CD is ILLEGAL for the STE that led to it: C_BAD_CD (IHI 0070, 5.4.2).</summary>
/// <remarks>VMSAv8-64 tables only: a CD with AA64 = 0 is illegal, as on an SMMU without 32-bit tables.</remarks>
internal static class ContextDescriptorRules
{
    private const int TerminateOnly = 1;
    private const int StallForced = 2;

    /// <summary>True when the CD may be used.</summary>
    public static bool IsLegal(in ContextDescriptor descriptor, in StreamTableEntry entry, SmmuFeatures features, StreamWorld world)
    {
        if (!descriptor.IsValid) return false;
        if (descriptor.S && (entry.S1STALLD || features.STALL_MODEL == TerminateOnly)) return false;
        if (!descriptor.S && features.STALL_MODEL == StallForced) return false;
        if (!descriptor.A && features.TERM_MODEL) return false;
        if (!descriptor.AA64 || (features.TTF & 2) == 0) return false;
        if ((descriptor.HA || descriptor.HD) && features.HTTU == 0) return false;
        if (descriptor.HD && features.HTTU == 1) return false;
        if (descriptor.HAFT && !descriptor.HA && features.HTTU == 3) return false;

        bool twoRanges = world is StreamWorld.NonSecureEl1 or StreamWorld.NonSecureEl2E2h;
        if (twoRanges && !features.ASID16 && descriptor.ASID.Value > 0xff) return false;

        bool uses0 = !(twoRanges && descriptor.EPD0);
        bool uses1 = twoRanges && !descriptor.EPD1;
        if ((uses0 || uses1) && (descriptor.ENDI ? features.TTENDIAN == 2 : features.TTENDIAN == 3)) return false;

        int outputBits = AddressSizes.Effective(descriptor.IPS, features);
        bool large = descriptor.DS && features.DS;
        if (uses0 && !RangeIsLegal(
            GranuleSizes.OfRange0(descriptor.TG0), (int)descriptor.T0SZ, descriptor.TTB0, outputBits, large, features)) return false;
        return !uses1 || RangeIsLegal(
            GranuleSizes.OfRange1(descriptor.TG1), (int)descriptor.T1SZ, descriptor.TTB1, outputBits, large, features);
    }

    private static bool RangeIsLegal(
        int granule, int size, ulong tableBase, int outputBits, bool large, SmmuFeatures features)
    {
        if (!GranuleSizes.IsOffered(granule, features)) return false;
        int largest = !features.STT ? 39 : granule == 16 ? 47 : 48;
        int smallest = features.VAX != 0 && (granule == 16 || large) ? 12 : 16;
        if (size > largest || size < smallest) return false;
        tableBase = AddressSizes.TableBase(tableBase, features);
        if (BitField.Exceeds(tableBase, outputBits)) return false;
        return granule == 16 || large || !BitField.Exceeds(tableBase, 48);
    }
}
