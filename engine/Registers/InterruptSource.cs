using Smmu.Fast.Foundation;

namespace Smmu.Fast.Registers;

/// <summary>One interrupt source: its enable, its MSI registers, and its deliveries under way (IHI 0070, 3.18 and 6.3.21).</summary>
/// <remarks>
/// Changed behind the control gate only. The acknowledge of a cleared enable waits for deliveries that are under way
/// through the host (INT-12); the last of them gives it.
/// </remarks>
internal sealed class InterruptSource
{
    private readonly ulong addressMask;
    private readonly uint attributeMask;
    private readonly bool hasMsi;

    private ulong address;
    private uint data;
    private uint attributes;
    private int deliveries;
    private bool isEnabled;
    private bool isAcknowledged;

    /// <summary>Makes a source.</summary>
    /// <param name="hasMsi">IDR0.MSI; without it the registers are RES0.</param>
    /// <param name="outputBits">OAS; the address has no bits above it.</param>
    /// <param name="attributeMask">Bits of the CFG2 register.</param>
    public InterruptSource(bool hasMsi, int outputBits, uint attributeMask)
    {
        this.hasMsi = hasMsi;
        this.attributeMask = attributeMask;
        addressMask = BitField.Mask(Math.Min(55, outputBits - 1), 2);
    }

    /// <summary>The IRQEN bit.</summary>
    public bool IsEnabled
    {
        get => Volatile.Read(ref isEnabled);
        private set => Volatile.Write(ref isEnabled, value);
    }

    /// <summary>The IRQEN bit as IRQ_CTRLACK shows it.</summary>
    /// <remarks>Release and acquire: who reads the acknowledge without the gate finds the deliveries before it done.</remarks>
    public bool IsAcknowledged
    {
        get => Volatile.Read(ref isAcknowledged);
        private set => Volatile.Write(ref isAcknowledged, value);
    }

    /// <summary>IRQ_CFG0.</summary>
    public ulong AddressRegister => Volatile.Read(ref address);

    /// <summary>IRQ_CFG1.</summary>
    public uint DataRegister => Volatile.Read(ref data);

    /// <summary>IRQ_CFG2.</summary>
    public uint AttributeRegister => Volatile.Read(ref attributes);

    /// <summary>True while the registers take writes: enable and acknowledge are both 0.</summary>
    public bool IsWritable => !IsEnabled && !IsAcknowledged;

    /// <summary>Takes a write of the IRQEN bit.</summary>
    public void SetEnabled(bool value)
    {
        IsEnabled = value;
        if (value || deliveries == 0) IsAcknowledged = value;
    }

    /// <summary>Returns to the reset state; deliveries under way go on.</summary>
    public void Reset()
    {
        IsEnabled = false;
        IsAcknowledged = false;
        WriteAddress(0);
        WriteData(0);
        WriteAttributes(0);
    }

    /// <summary>Counts a delivery that leaves the gate.</summary>
    public void BeginDelivery() => deliveries++;

    /// <summary>Ends one.</summary>
    public void EndDelivery()
    {
        Invariant.Holds(deliveries > 0);
        deliveries--;
        if (deliveries == 0) IsAcknowledged = IsEnabled;
    }

    /// <summary>Takes a write of IRQ_CFG0, unless the source is enabled.</summary>
    public void WriteAddress(ulong value)
    {
        if (hasMsi && IsWritable) Volatile.Write(ref address, value & addressMask);
    }

    /// <summary>Takes a write of IRQ_CFG1, unless the source is enabled.</summary>
    public void WriteData(uint value)
    {
        if (hasMsi && IsWritable) Volatile.Write(ref data, value);
    }

    /// <summary>Takes a write of IRQ_CFG2, unless the source is enabled.</summary>
    public void WriteAttributes(uint value)
    {
        if (IsWritable) Volatile.Write(ref attributes, value & attributeMask);
    }
}
