using Smmu.Fast.Foundation;
using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>STRTAB_BASE: where the Stream table is (IHI 0070, 6.3.24).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct StreamTableBase(ulong Value)
{
    private const int ADDRRange = InPlace + 55_006;
    private const int RARange = 62_062;

    /// <summary>Physical address of the table as written.</summary>
    public ulong ADDR
    {
        get => BitRange.Get(Value, ADDRRange);
        init => Value = BitRange.With(Value, ADDRRange, value);
    }

    /// <summary>Hint: allocate in caches on reads.</summary>
    public bool RA
    {
        get => BitRange.Get(Value, RARange) != 0;
        init => Value = BitRange.With(Value, RARange, value ? 1UL : 0);
    }

    /// <summary>The address as the SMMU takes it: aligned to the size of the (level 1) table.</summary>
    /// <remarks>LOG2SIZE counts as written here, even above IDR1.SIDSIZE.</remarks>
    public ulong AlignedAddress(StreamTableBaseConfiguration configuration)
    {
        int log2 = configuration.LOG2SIZE;
        return BitField.AlignDown(
            ADDR, configuration.IsTwoLevel ? Math.Max(6, log2 - configuration.SplitBits + 3) : log2 + 6);
    }
}
