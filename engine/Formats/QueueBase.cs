using Smmu.Fast.Foundation;
using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>CMDQ_BASE, EVENTQ_BASE and PRIQ_BASE: where a queue is and how large (IHI 0070, 6.3.26, 6.3.29 and 6.3.33).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct QueueBase(ulong Value)
{
    private const int LOG2SIZERange = 4_000;
    private const int ADDRRange = InPlace + 55_005;
    private const int AllocateHintRange = 62_062;

    /// <summary>Log2 of the number of entries, as written.</summary>
    public byte LOG2SIZE
    {
        get => (byte)BitRange.Get(Value, LOG2SIZERange);
        init => Value = BitRange.With(Value, LOG2SIZERange, value);
    }

    /// <summary>Physical address of the queue as written.</summary>
    public ulong ADDR
    {
        get => BitRange.Get(Value, ADDRRange);
        init => Value = BitRange.With(Value, ADDRRange, value);
    }

    /// <summary>RA of CMDQ_BASE, WA of the others: allocate in caches.</summary>
    public bool AllocateHint
    {
        get => BitRange.Get(Value, AllocateHintRange) != 0;
        init => Value = BitRange.With(Value, AllocateHintRange, value ? 1UL : 0);
    }

    /// <summary>LOG2SIZE in effect: at most the limit of the ID register, such as IDR1.CMDQS.</summary>
    public int EffectiveLog2(int limit) => Math.Min((int)LOG2SIZE, limit);

    /// <summary>The address as the SMMU takes it: aligned to the size of the queue, at least to 32 bytes.</summary>
    /// <param name="limit">Log2 of the most entries, from the ID register.</param>
    /// <param name="entrySizeLog2">Log2 of the bytes of an entry: 4, or 5 for events.</param>
    public ulong AlignedAddress(int limit, int entrySizeLog2) =>
        BitField.AlignDown(ADDR, Math.Max(5, EffectiveLog2(limit) + entrySizeLog2));
}
