namespace Smmu.Fast.Formats;

/// <summary>Byte offsets of the registers from the base of Page 0 (IHI 0070, 6.2).</summary>
/// <remarks>A register has 32 bits unless it says otherwise.</remarks>
public static partial class RegisterOffset
{
    /// <summary>Bytes of a register page.</summary>
    public const uint PageSize = 0x1_0000;

    /// <summary>Page 1, which has the indexes of the Event and PRI queues.</summary>
    public const uint Page1 = 0x1_0000;

    /// <summary>The VATOS page with IDR2.BA_VATOS 0; each step of BA_VATOS is a page further on.</summary>
    public const uint FirstOptionalPage = 0x2_0000;

    /// <summary>The Secure half of Page 0: its registers mirror those of the Non-secure half.</summary>
    public const uint SecureHalf = 0x8000;

    /// <summary>Bytes between the registers of one Enhanced Command queue page and the next.</summary>
    public const uint CMDQ_CONTROL_PAGE_STRIDE = 32;

    /// <summary>The most Enhanced Command queue pages.</summary>
    public const uint CMDQ_CONTROL_PAGE_COUNT = 256;

    /// <summary>Features.</summary>
    public const uint IDR0 = 0x0000;

    /// <summary>Sizes and presets.</summary>
    public const uint IDR1 = 0x0004;

    /// <summary>Place of the VATOS page.</summary>
    public const uint IDR2 = 0x0008;

    /// <summary>More features.</summary>
    public const uint IDR3 = 0x000c;

    /// <summary>Implementation defined features.</summary>
    public const uint IDR4 = 0x0010;

    /// <summary>Address sizes and granules.</summary>
    public const uint IDR5 = 0x0014;

    /// <summary>Implementer and product.</summary>
    public const uint IIDR = 0x0018;

    /// <summary>Architecture version.</summary>
    public const uint AIDR = 0x001c;

    /// <summary>Enables.</summary>
    public const uint CR0 = 0x0020;

    /// <summary>Enables in effect.</summary>
    public const uint CR0ACK = 0x0024;

    /// <summary>Attributes of table and queue accesses.</summary>
    public const uint CR1 = 0x0028;

    /// <summary>Modes.</summary>
    public const uint CR2 = 0x002c;

    /// <summary>Stage 2 base permissions, 64 bits.</summary>
    public const uint S2PII = 0x0030;

    /// <summary>Dormant hint.</summary>
    public const uint STATUSR = 0x0040;

    /// <summary>Attributes of bypassed accesses.</summary>
    public const uint GBPA = 0x0044;

    /// <summary>Implementation defined attributes of bypassed accesses.</summary>
    public const uint AGBPA = 0x0048;

    /// <summary>Interrupt enables.</summary>
    public const uint IRQ_CTRL = 0x0050;

    /// <summary>Interrupt enables in effect.</summary>
    public const uint IRQ_CTRLACK = 0x0054;

    /// <summary>Global errors.</summary>
    public const uint GERROR = 0x0060;

    /// <summary>Global errors that software has acknowledged.</summary>
    public const uint GERRORN = 0x0064;

    /// <summary>Address of the MSI for global errors, 64 bits.</summary>
    public const uint GERROR_IRQ_CFG0 = 0x0068;

    /// <summary>Data of the MSI for global errors.</summary>
    public const uint GERROR_IRQ_CFG1 = 0x0070;

    /// <summary>Attributes of the MSI for global errors.</summary>
    public const uint GERROR_IRQ_CFG2 = 0x0074;

    /// <summary>Base of the Stream table, 64 bits.</summary>
    public const uint STRTAB_BASE = 0x0080;

    /// <summary>Format of the Stream table.</summary>
    public const uint STRTAB_BASE_CFG = 0x0088;

    /// <summary>Base of the Command queue, 64 bits.</summary>
    public const uint CMDQ_BASE = 0x0090;

    /// <summary>Producer index of the Command queue.</summary>
    public const uint CMDQ_PROD = 0x0098;

    /// <summary>Consumer index and error of the Command queue.</summary>
    public const uint CMDQ_CONS = 0x009c;

    /// <summary>Base of the Event queue, 64 bits.</summary>
    public const uint EVENTQ_BASE = 0x00a0;

    /// <summary>Alias of EVENTQ_PROD on Page 0, or reserved: the choice of an implementation.</summary>
    public const uint EVENTQ_PROD_ALIAS = 0x00a8;

    /// <summary>Alias of EVENTQ_CONS on Page 0, or reserved: the choice of an implementation.</summary>
    public const uint EVENTQ_CONS_ALIAS = 0x00ac;

    /// <summary>Address of the MSI for events, 64 bits.</summary>
    public const uint EVENTQ_IRQ_CFG0 = 0x00b0;

    /// <summary>Data of the MSI for events.</summary>
    public const uint EVENTQ_IRQ_CFG1 = 0x00b8;

    /// <summary>Attributes of the MSI for events.</summary>
    public const uint EVENTQ_IRQ_CFG2 = 0x00bc;

    /// <summary>Base of the PRI queue, 64 bits.</summary>
    public const uint PRIQ_BASE = 0x00c0;

    /// <summary>Alias of PRIQ_PROD on Page 0, or reserved: the choice of an implementation.</summary>
    public const uint PRIQ_PROD_ALIAS = 0x00c8;

    /// <summary>Alias of PRIQ_CONS on Page 0, or reserved: the choice of an implementation.</summary>
    public const uint PRIQ_CONS_ALIAS = 0x00cc;

    /// <summary>Address of the MSI for page requests, 64 bits.</summary>
    public const uint PRIQ_IRQ_CFG0 = 0x00d0;

    /// <summary>Data of the MSI for page requests.</summary>
    public const uint PRIQ_IRQ_CFG1 = 0x00d8;

    /// <summary>Attributes of the MSI for page requests, and when to send it.</summary>
    public const uint PRIQ_IRQ_CFG2 = 0x00dc;

    /// <summary>Start of an address translation operation.</summary>
    public const uint GATOS_CTRL = 0x0100;

    /// <summary>Stream of an address translation operation, 64 bits.</summary>
    public const uint GATOS_SID = 0x0108;

    /// <summary>Address of an address translation operation, 64 bits.</summary>
    public const uint GATOS_ADDR = 0x0110;

    /// <summary>Result of an address translation operation, 64 bits.</summary>
    public const uint GATOS_PAR = 0x0118;

    /// <summary>Sizes of PARTID and PMG.</summary>
    public const uint MPAMIDR = 0x0130;

    /// <summary>PARTID and PMG of the SMMU's own accesses.</summary>
    public const uint GMPAM = 0x0138;

    /// <summary>PARTID and PMG of bypassed accesses.</summary>
    public const uint GBPMPAM = 0x013c;

    /// <summary>VMID that the VATOS page serves.</summary>
    public const uint VATOS_SEL = 0x0180;

    /// <summary>Number of Enhanced Command queues.</summary>
    public const uint IDR6 = 0x0190;

    /// <summary>Base of the device permission table, 64 bits.</summary>
    public const uint DPT_BASE = 0x0200;

    /// <summary>Format of the device permission table.</summary>
    public const uint DPT_BASE_CFG = 0x0208;

    /// <summary>First fault of the device permission table, 64 bits.</summary>
    public const uint DPT_CFG_FAR = 0x0210;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR4 = 0x0fd0;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR5 = 0x0fd4;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR6 = 0x0fd8;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR7 = 0x0fdc;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR0 = 0x0fe0;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR1 = 0x0fe4;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR2 = 0x0fe8;

    /// <summary>Peripheral identification, CoreSight.</summary>
    public const uint PIDR3 = 0x0fec;

    /// <summary>Component identification, CoreSight.</summary>
    public const uint CIDR0 = 0x0ff0;

    /// <summary>Component identification, CoreSight.</summary>
    public const uint CIDR1 = 0x0ff4;

    /// <summary>Component identification, CoreSight.</summary>
    public const uint CIDR2 = 0x0ff8;

    /// <summary>Component identification, CoreSight.</summary>
    public const uint CIDR3 = 0x0ffc;

    /// <summary>Place of Enhanced Command queue page 0, 64 bits; the next page follows after CMDQ_CONTROL_PAGE_STRIDE.</summary>
    public const uint CMDQ_CONTROL_PAGE_BASE = 0x4000;

    /// <summary>Enable of Enhanced Command queue page 0.</summary>
    public const uint CMDQ_CONTROL_PAGE_CFG = 0x4008;

    /// <summary>Enable in effect of Enhanced Command queue page 0.</summary>
    public const uint CMDQ_CONTROL_PAGE_STATUS = 0x400c;

    /// <summary>Producer index of the Event queue.</summary>
    public const uint EVENTQ_PROD = Page1 + 0x00a8;

    /// <summary>Consumer index of the Event queue.</summary>
    public const uint EVENTQ_CONS = Page1 + 0x00ac;

    /// <summary>Producer index of the PRI queue.</summary>
    public const uint PRIQ_PROD = Page1 + 0x00c8;

    /// <summary>Consumer index of the PRI queue.</summary>
    public const uint PRIQ_CONS = Page1 + 0x00cc;
}
