namespace Smmu.Fast.Formats;

/// <summary>Byte offsets within one interface of an Enhanced Command queue page (IHI 0070, 6.2).</summary>
/// <remarks>The interfaces of a page lie evenly over its 64 KiB: one every 0x10000 / 2^LOG2NUMQ bytes.</remarks>
public static class EnhancedCommandQueueOffset
{
    /// <summary>Base of the queue, 64 bits.</summary>
    public const uint ECMDQ_BASE = 0x0000;

    /// <summary>Producer index, error acknowledge and enable.</summary>
    public const uint ECMDQ_PROD = 0x0008;

    /// <summary>Consumer index, error and enable in effect.</summary>
    public const uint ECMDQ_CONS = 0x000c;
}
