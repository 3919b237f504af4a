namespace Smmu.Fast.Formats;

/// <summary>Byte offsets within a Performance Monitor Counter Group (IHI 0070, 10.5), which has a base of its own.</summary>
/// <remarks>Registers marked with a star move to Page 1 of the group with CFGR.RELOC_CTRS.</remarks>
public static class PerformanceMonitorRegisterOffset
{
    /// <summary>Counter 0*; the next follow every 4 bytes, or every 8 with counters above 32 bits.</summary>
    public const uint EVCNTR0 = 0x0000;

    /// <summary>Event of counter 0; the next follow every 4 bytes.</summary>
    public const uint EVTYPER0 = 0x0400;

    /// <summary>Captured counter 0*; the next follow as counters do.</summary>
    public const uint SVR0 = 0x0600;

    /// <summary>StreamID filter of counter 0; the next follow every 4 bytes.</summary>
    public const uint SMR0 = 0x0a00;

    /// <summary>Counter enables, set by writing 1, 64 bits.</summary>
    public const uint CNTENSET0 = 0x0c00;

    /// <summary>Counter enables, cleared by writing 1, 64 bits.</summary>
    public const uint CNTENCLR0 = 0x0c20;

    /// <summary>Interrupt enables, set by writing 1, 64 bits.</summary>
    public const uint INTENSET0 = 0x0c40;

    /// <summary>Interrupt enables, cleared by writing 1, 64 bits.</summary>
    public const uint INTENCLR0 = 0x0c60;

    /// <summary>Overflow status*, cleared by writing 1, 64 bits.</summary>
    public const uint OVSCLR0 = 0x0c80;

    /// <summary>Overflow status*, set by writing 1, 64 bits.</summary>
    public const uint OVSSET0 = 0x0cc0;

    /// <summary>Capture of all counters*.</summary>
    public const uint CAPR = 0x0d88;

    /// <summary>Secure control.</summary>
    public const uint SCR = 0x0df8;

    /// <summary>Features and sizes.</summary>
    public const uint CFGR = 0x0e00;

    /// <summary>Enable.</summary>
    public const uint CR = 0x0e04;

    /// <summary>Implementer and product.</summary>
    public const uint IIDR = 0x0e08;

    /// <summary>Events 0 to 63 that can be counted, 64 bits.</summary>
    public const uint CEID0 = 0x0e20;

    /// <summary>Events 64 to 127 that can be counted, 64 bits.</summary>
    public const uint CEID1 = 0x0e28;

    /// <summary>Alias of SCR where ROOTCR exists.</summary>
    public const uint SCR_ALIAS = 0x0e40;

    /// <summary>Root control.</summary>
    public const uint ROOTCR = 0x0e48;

    /// <summary>Interrupt enable.</summary>
    public const uint IRQ_CTRL = 0x0e50;

    /// <summary>Interrupt enable in effect.</summary>
    public const uint IRQ_CTRLACK = 0x0e54;

    /// <summary>Address of the MSI, 64 bits.</summary>
    public const uint IRQ_CFG0 = 0x0e58;

    /// <summary>Data of the MSI.</summary>
    public const uint IRQ_CFG1 = 0x0e60;

    /// <summary>Attributes of the MSI.</summary>
    public const uint IRQ_CFG2 = 0x0e64;

    /// <summary>MSI abort status.</summary>
    public const uint IRQ_STATUS = 0x0e68;

    /// <summary>PARTID and PMG of the MSI.</summary>
    public const uint GMPAM = 0x0e6c;

    /// <summary>Architecture version.</summary>
    public const uint AIDR = 0x0e70;

    /// <summary>Sizes of PARTID and PMG.</summary>
    public const uint MPAMIDR = 0x0e74;

    /// <summary>Secure sizes of PARTID and PMG.</summary>
    public const uint S_MPAMIDR = 0x0e78;

    /// <summary>CoreSight architecture.</summary>
    public const uint PMDEVARCH = 0x0fbc;

    /// <summary>CoreSight device type.</summary>
    public const uint PMDEVTYPE = 0x0fcc;

    /// <summary>Peripheral identification 4.</summary>
    public const uint PIDR4 = 0x0fd0;

    /// <summary>Peripheral identification 0.</summary>
    public const uint PIDR0 = 0x0fe0;

    /// <summary>Peripheral identification 1.</summary>
    public const uint PIDR1 = 0x0fe4;

    /// <summary>Peripheral identification 2.</summary>
    public const uint PIDR2 = 0x0fe8;

    /// <summary>Peripheral identification 3.</summary>
    public const uint PIDR3 = 0x0fec;

    /// <summary>Component identification 0.</summary>
    public const uint CIDR0 = 0x0ff0;

    /// <summary>Component identification 1.</summary>
    public const uint CIDR1 = 0x0ff4;

    /// <summary>Component identification 2.</summary>
    public const uint CIDR2 = 0x0ff8;

    /// <summary>Component identification 3.</summary>
    public const uint CIDR3 = 0x0ffc;
}
