using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>Sets of features to be hostile to: sane ones, and words that contradict each other.</summary>
internal static class Features
{
    private static readonly SmmuFeatures Many = SmmuFeatures.Wide
        .With(SmmuFeatureField.S2P, 1)
        .With(SmmuFeatureField.Hyp, 1)
        .With(SmmuFeatureField.VMID16, 1)
        .With(SmmuFeatureField.VMW, 1)
        .With(SmmuFeatureField.XNX, 1)
        .With(SmmuFeatureField.FWB, 1)
        .With(SmmuFeatureField.STT, 1)
        .With(SmmuFeatureField.DS, 1)
        .With(SmmuFeatureField.HTTU, 2)
        .With(SmmuFeatureField.SEV, 1)
        .With(SmmuFeatureField.ATS, 1)
        .With(SmmuFeatureField.PRI, 1)
        .With(SmmuFeatureField.PRIQS, 8)
        .With(SmmuFeatureField.SSIDSIZE, 20)
        .With(SmmuFeatureField.CD2L, 1);

    private static readonly SmmuFeatures All = SmmuFeatures.FromRaw(
        ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, aidr: 4, ~0u);

    /// <summary>Sets there are.</summary>
    public const int Count = 9;

    /// <summary>One set; some are made of random words.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <param name="random">Chooses.</param>
    /// <returns>What to call it, the features, and whether they contradict each other in no way that matters.</returns>
    public static (string Name, SmmuFeatures Features, bool IsSane) Of(int index, Random random) => index switch
    {
        0 => ("default", SmmuFeatures.Default, true),
        1 => ("everything", WithoutPresets(All), false),
        2 => ("a few stalls", Stalling(Many, 4), true),
        3 => ("random", random.Next(8) == 0 ? Random(random) : WithoutPresets(Random(random)), false),
        4 => ("many", Many, true),
        5 => ("changed", WithoutPresets(Changed(random)), false),
        6 => ("QEMU", SmmuFeatures.QemuVirt, true),
        7 => ("stalls", Stalling(Many, 100), true),
        _ => ("wide", SmmuFeatures.Wide, true),
    };

    private static SmmuFeatures Stalling(SmmuFeatures features, ulong most) => features
        .With(SmmuFeatureField.STALL_MODEL, 0)
        .With(SmmuFeatureField.STALL_MAX, most);

    private static SmmuFeatures Changed(Random random)
    {
        var features = Stalling(Many, 16);
        for (int i = random.Next(1, 8); i > 0; i--)
        {
            var field = SmmuFeatures.Fields[random.Next(SmmuFeatures.Fields.Count)];
            var name = Enum.Parse<SmmuFeatureField>(field.Name);
            features = features.With(name, (ulong)random.NextInt64() & (ulong.MaxValue >> (63 - field.High + field.Low)));
        }

        return features;
    }

    private static SmmuFeatures Random(Random random)
    {
        return SmmuFeatures.FromRaw(Word(), Word(), Word(), Word(), Word(), Word(), Word(), Word() & 0xf, Word());

        uint Word() => (uint)random.NextInt64();
    }

    // A driver cannot set up an SMMU whose tables or queues are preset, so most rounds do without.
    private static SmmuFeatures WithoutPresets(SmmuFeatures features) => features
        .With(SmmuFeatureField.TABLES_PRESET, 0)
        .With(SmmuFeatureField.QUEUES_PRESET, 0);
}
