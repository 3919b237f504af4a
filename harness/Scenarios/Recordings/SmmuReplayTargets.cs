using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>Makes replay targets of the engine.</summary>
public sealed class SmmuReplayTargets : IReplayTargetSource
{
    /// <inheritdoc/>
    public IReadOnlyList<string> FeatureSets { get; } = ["default", "wide", "stage1-only", "qemu-virt"];

    /// <inheritdoc/>
    public IReplayTarget Open(ReplayTargetOptions options) => new SmmuReplayTarget(options);

    /// <inheritdoc/>
    public IdentificationRegisters FeaturesOf(string name)
    {
        var features = name switch
        {
            "default" => SmmuFeatures.Default,
            "wide" => SmmuFeatures.Wide,
            "stage1-only" => SmmuFeatures.Stage1Only,
            "qemu-virt" => SmmuFeatures.QemuVirt,
            _ => throw new ArgumentException($"There is no feature set '{name}'. Use one of FeatureSets.", nameof(name)),
        };
        return new IdentificationRegisters(
            features.Idr0, features.Idr1, features.Idr2, features.Idr3, features.Idr4, features.Idr5,
            features.Iidr, features.Aidr);
    }
}
