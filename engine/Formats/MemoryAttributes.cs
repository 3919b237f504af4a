namespace Smmu.Fast.Formats;

/// <summary>The memory type and shareability of a translated access (IHI 0070, 13.1).</summary>
/// <param name="Type">A MAIR-encoded byte: 0b0000dd00 Device, else outer [7:4] and inner [3:0] Normal.</param>
/// <param name="Shareability">0 Non-shareable, 2 Outer Shareable, 3 Inner Shareable.</param>
public readonly record struct MemoryAttributes(byte Type, byte Shareability)
{
    /// <summary>
    /// Attributes of a bus that carries none: Normal Write-Back with read and write allocation, Non-shareable (IHI 0070, 13.1.3).
    /// </summary>
    public static readonly MemoryAttributes Default = new(0xff, 0);

    /// <summary>True for the four Device types.</summary>
    public bool IsDevice => (Type & 0xf0) == 0;
}
