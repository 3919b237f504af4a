using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison;

/// <summary>Somebody who makes accesses: a stream, perhaps with a substream, and addresses that mean something to it.</summary>
internal sealed record SceneClient(uint Stream, uint? Substream, IReadOnlyList<ulong> Addresses);

/// <summary>A leaf of the first stream's tables.</summary>
/// <param name="Input">The first address that it maps, with its sign: a VA, or an IPA.</param>
/// <param name="SizeLog2">Log2 of the bytes that it maps.</param>
/// <param name="Descriptor">Where its descriptor lies.</param>
/// <param name="IsStage2">True for a leaf of stage 2.</param>
internal readonly record struct SceneLeaf(ulong Input, int SizeLog2, ulong Descriptor, bool IsStage2);

/// <summary>A register and what the driver writes to it.</summary>
internal readonly record struct RegisterValue(uint Offset, ulong Value);

/// <summary>What a driver has set up, all of it legal: features, registers, memory, clients.</summary>
internal sealed class Scene(SmmuFeatures features)
{
    public SmmuFeatures Features { get; } = features;

    public CaseImage Image { get; } = new();

    /// <summary>Registers in the order of their writes, while everything is disabled.</summary>
    public List<RegisterValue> Registers { get; } = [];

    /// <summary>CR0.SMMUEN.</summary>
    public bool IsEnabled { get; set; } = true;

    /// <summary>Those of the first stream come first.</summary>
    public List<SceneClient> Clients { get; } = [];

    /// <summary>Leaves that clients of the first stream may reach.</summary>
    public List<SceneLeaf> Leaves { get; } = [];

    /// <summary>Where the STEs are.</summary>
    public Dictionary<uint, ulong> StreamEntries { get; } = [];

    /// <summary>Shapes of the first stream's tables.</summary>
    public List<TableShape> Shapes { get; } = [];

    /// <summary>What a reader of a failure wants to know.</summary>
    public List<string> Notes { get; } = [];
}
