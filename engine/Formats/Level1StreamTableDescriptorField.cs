using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>Fields of a Level 1 Stream Table Descriptor by name and place (IHI 0070, 5.1).</summary>
/// <remarks>A value reads [high:low]: <c>55_006</c> stands for bits 55 to 6 of the structure.</remarks>
public enum Level1StreamTableDescriptorField
{
    /// <summary>0 and 12 to 31: no second level; otherwise it holds 2^(Span - 1) entries.</summary>
    Span = 4_000,

    /// <summary>Physical address of the second-level array; bits below its size count as zero.</summary>
    L2Ptr = InPlace + 55_006,
}
