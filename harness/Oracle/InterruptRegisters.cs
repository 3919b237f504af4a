namespace Smmu.Fast.Oracle;

/// <summary>IRQ_CFG0 to IRQ_CFG2 of one interrupt (IHI 0070, 6.3.21 to 6.3.23); the guard is the register file's.</summary>
/// <param name="features">OAS and MSI.</param>
/// <param name="hasAddress">True where a message has an address and data.</param>
/// <param name="hasLastOnly">True for PRIQ_IRQ_CFG2, which has LO in bit [31].</param>
internal sealed class InterruptRegisters(OracleFeatures features, bool hasAddress, bool hasLastOnly)
{
    private ulong attributes;

    /// <summary>Where the message goes; 0 for none.</summary>
    public ulong Address { get; private set; }

    /// <summary>What it says.</summary>
    public uint Data { get; private set; }

    /// <summary>Reads by the offset from IRQ_CFG0.</summary>
    public ulong Read(uint offset) => offset switch { 0 => Address, 8 => Data, _ => attributes };

    /// <summary>Writes by the offset from IRQ_CFG0.</summary>
    public void Write(uint offset, ulong value)
    {
        switch (offset)
        {
            case 0 when hasAddress:
                Address = value & Bits.AlignDown(Bits.Below(Math.Min(56, features.OutputBits)), 2);
                break;
            case 8 when hasAddress:
                Data = (uint)value;
                break;
            case 12:
                attributes = value & ((hasAddress ? 0x3FU : 0) | (hasLastOnly ? 1U << 31 : 0));
                break;
            default:
                break;
        }
    }
}
