namespace Smmu.Fast.Formats;

/// <summary>x</summary>
public static class RegisterOffset
{
    /// <summary>x</summary>
    public const uint IDR0 = 0x0;
    /// <summary>x</summary>
    public const uint IDR1 = 0x4;
    /// <summary>x</summary>
    public const uint IDR2 = 0x8;
    /// <summary>x</summary>
    public const uint IDR3 = 0xc;
    /// <summary>x</summary>
    public const uint IDR4 = 0x10;
    /// <summary>x</summary>
    public const uint IDR5 = 0x14;
    /// <summary>x</summary>
    public const uint IIDR = 0x18;
    /// <summary>x</summary>
    public const uint AIDR = 0x1c;
    /// <summary>x</summary>
    public const uint CR0 = 0x20;
    /// <summary>x</summary>
    public const uint CR0ACK = 0x24;
    /// <summary>x</summary>
    public const uint CR1 = 0x28;
    /// <summary>x</summary>
    public const uint CR2 = 0x2c;
    /// <summary>x</summary>
    public const uint GBPA = 0x44;
    /// <summary>x</summary>
    public const uint IRQ_CTRL = 0x50;
    /// <summary>x</summary>
    public const uint IRQ_CTRLACK = 0x54;
    /// <summary>x</summary>
    public const uint GERROR = 0x60;
    /// <summary>x</summary>
    public const uint GERRORN = 0x64;
    /// <summary>x</summary>
    public const uint GERROR_IRQ_CFG0 = 0x68;
    /// <summary>x</summary>
    public const uint GERROR_IRQ_CFG1 = 0x70;
    /// <summary>x</summary>
    public const uint GERROR_IRQ_CFG2 = 0x74;
    /// <summary>x</summary>
    public const uint STRTAB_BASE = 0x80;
    /// <summary>x</summary>
    public const uint STRTAB_BASE_CFG = 0x88;
    /// <summary>x</summary>
    public const uint CMDQ_BASE = 0x90;
    /// <summary>x</summary>
    public const uint CMDQ_PROD = 0x98;
    /// <summary>x</summary>
    public const uint CMDQ_CONS = 0x9c;
    /// <summary>x</summary>
    public const uint EVENTQ_BASE = 0xa0;
    /// <summary>x</summary>
    public const uint EVENTQ_PROD_ALIAS = 0xa8;
    /// <summary>x</summary>
    public const uint EVENTQ_CONS_ALIAS = 0xac;
    /// <summary>x</summary>
    public const uint EVENTQ_IRQ_CFG0 = 0xb0;
    /// <summary>x</summary>
    public const uint EVENTQ_IRQ_CFG1 = 0xb8;
    /// <summary>x</summary>
    public const uint EVENTQ_IRQ_CFG2 = 0xbc;
    /// <summary>x</summary>
    public const uint PRIQ_BASE = 0xc0;
    /// <summary>x</summary>
    public const uint PRIQ_PROD_ALIAS = 0xc8;
    /// <summary>x</summary>
    public const uint PRIQ_CONS_ALIAS = 0xcc;
    /// <summary>x</summary>
    public const uint PRIQ_IRQ_CFG0 = 0xd0;
    /// <summary>x</summary>
    public const uint PRIQ_IRQ_CFG1 = 0xd8;
    /// <summary>x</summary>
    public const uint PRIQ_IRQ_CFG2 = 0xdc;
    /// <summary>x</summary>
    public const uint EVENTQ_PROD = 0x100a8;
    /// <summary>x</summary>
    public const uint EVENTQ_CONS = 0x100ac;
    /// <summary>x</summary>
    public const uint PRIQ_PROD = 0x100c8;
    /// <summary>x</summary>
    public const uint PRIQ_CONS = 0x100cc;
}
