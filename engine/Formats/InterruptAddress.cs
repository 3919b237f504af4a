using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>x_IRQ_CFG0: where an MSI goes (IHI 0070, 6.3.21).</summary>
/// <param name="Value">The register as a word.</param>
public readonly record struct InterruptAddress(ulong Value)
{
    private const int ADDRRange = InPlace + 55_002;

    /// <summary>Physical address; 0 sends no MSI.</summary>
    public ulong ADDR
    {
        get => BitRange.Get(Value, ADDRRange);
        init => Value = BitRange.With(Value, ADDRRange, value);
    }
}
