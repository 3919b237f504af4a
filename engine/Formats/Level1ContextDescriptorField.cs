using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>Fields of a Level 1 Context Descriptor by name and place (IHI 0070, 5.3).</summary>
/// <remarks>A value reads [high:low]: <c>55_012</c> stands for bits 55 to 12 of the structure.</remarks>
public enum Level1ContextDescriptorField
{
    /// <summary>L2Ptr is usable.</summary>
    V = 0_000,

    /// <summary>Address of the leaf table: an IPA when stage 2 is on, else physical.</summary>
    L2Ptr = InPlace + 55_012,
}
