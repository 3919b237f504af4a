using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison;

/// <summary>Makes features that the engine models, the Oracle models, and the architecture allows together.</summary>
internal static class FeatureGenerator
{
    private const int Tries = 200;

    public static SmmuFeatures Next(Random random)
    {
        for (int i = 0; i < Tries; i++)
        {
            var features = random.Next(5) == 0 ? Rich(random) : Any(random);
            bool hasGranule = features.GRAN4K || features.GRAN16K || features.GRAN64K;
            if (hasGranule && features.FindContradictions().Count == 0) return features;
        }

        return SmmuFeatures.Default;
    }

    /// <summary>The same for the Oracle.</summary>
    public static OracleFeatures ForOracle(SmmuFeatures features) => new(
        features.Idr0, features.Idr1, features.Idr2, features.Idr3, features.Idr4, features.Idr5, features.Aidr);

    // Everything at once, as much of it as there is.
    private static SmmuFeatures Rich(Random random) => Nested(SmmuFeatures.Wide, true)
        .With(SmmuFeatureField.DS, 1)
        .With(SmmuFeatureField.SSIDSIZE, 20)
        .With(SmmuFeatureField.CD2L, 1)
        .With(SmmuFeatureField.VMID16, 1)
        .With(SmmuFeatureField.HTTU, 2)
        .With(SmmuFeatureField.STT, 1)
        .With(SmmuFeatureField.ATS, Bit(random))
        .With(SmmuFeatureField.STALL_MODEL, 0);

    private static SmmuFeatures Any(Random random)
    {
        var features = random.Next(8) switch
        {
            0 or 1 => SmmuFeatures.Default,
            2 => Nested(SmmuFeatures.Default, false).With(SmmuFeatureField.S1P, 0).With(SmmuFeatureField.HAD, 0),
            _ => Nested(SmmuFeatures.Default, true),
        };
        bool wide = random.Next(3) == 0;
        bool is32 = random.Next(2) == 0;
        features = features
            .With(SmmuFeatureField.ArchMinorRev, (ulong)random.Next(1, 3))
            .With(SmmuFeatureField.HTTU, (ulong)random.Next(3))
            .With(SmmuFeatureField.ASID16, Bit(random))
            .With(SmmuFeatureField.VMID16, Bit(random))
            .With(SmmuFeatureField.STALL_MODEL, (ulong)random.Next(3))
            .With(SmmuFeatureField.TERM_MODEL, random.Next(4) == 0 ? 1UL : 0)
            .With(SmmuFeatureField.TTENDIAN, random.Next(4) switch { 0 => 2UL, 1 => 3UL, _ => 0UL })
            .With(SmmuFeatureField.SSIDSIZE, (ulong)Pick(random, 0, 1, 5, 8, 20))
            .With(SmmuFeatureField.CD2L, Bit(random))
            .With(SmmuFeatureField.ATTR_PERMS_OVR, random.Next(4) == 0 ? 0UL : 1)
            .With(SmmuFeatureField.ATTR_TYPES_OVR, random.Next(4) == 0 ? 0UL : 1)
            .With(SmmuFeatureField.STT, Bit(random))
            .With(SmmuFeatureField.ATS, random.Next(4) == 0 ? 1UL : 0)
            .With(SmmuFeatureField.GRAN4K, random.Next(8) == 0 ? 0UL : 1)
            .With(SmmuFeatureField.GRAN16K, random.Next(4) == 0 ? 0UL : 1)
            .With(SmmuFeatureField.GRAN64K, random.Next(4) == 0 ? 0UL : 1)
            .With(SmmuFeatureField.OAS, wide ? 6UL : (ulong)Pick(random, 0, 1, 2, 3, 4, 5, 5, 5))
            .With(SmmuFeatureField.VAX, wide ? 1UL : Bit(random))
            .With(SmmuFeatureField.DS, wide ? Bit(random) : random.Next(6) == 0 ? 1UL : 0);
        if (is32) return features.With(SmmuFeatureField.ST_LEVEL, 1).With(SmmuFeatureField.SIDSIZE, (ulong)Pick(random, 8, 16, 32));
        return features.With(SmmuFeatureField.ST_LEVEL, 0).With(SmmuFeatureField.SIDSIZE, (ulong)random.Next(2, 7));
    }

    private static SmmuFeatures Nested(SmmuFeatures features, bool hasEl2) => features
        .With(SmmuFeatureField.S2P, 1)
        .With(SmmuFeatureField.Hyp, hasEl2 ? 1UL : 0)
        .With(SmmuFeatureField.XNX, 1)
        .With(SmmuFeatureField.FWB, 1);

    private static ulong Bit(Random random) => (ulong)random.Next(2);

    private static int Pick(Random random, params ReadOnlySpan<int> choices) => choices[random.Next(choices.Length)];
}
