namespace Smmu.Fast.Formats;

/// <summary>Byte offsets of the Realm registers from the base of Realm page 0 (IHI 0070, 6.2).</summary>
/// <remarks>Realm page 0 lies at 0x20000 + ROOT_IDR0.BA_REALM * 0x10000 from Page 0. Its layout is that of Page 0.</remarks>
public static class RealmRegisterOffset
{
    /// <summary>Realm: features.</summary>
    public const uint R_IDR0 = RegisterOffset.IDR0;

    /// <summary>Realm: sizes and presets.</summary>
    public const uint R_IDR1 = RegisterOffset.IDR1;

    /// <summary>Realm: place of the VATOS page.</summary>
    public const uint R_IDR2 = RegisterOffset.IDR2;

    /// <summary>Realm: more features.</summary>
    public const uint R_IDR3 = RegisterOffset.IDR3;

    /// <summary>Realm: implementation defined features.</summary>
    public const uint R_IDR4 = RegisterOffset.IDR4;

    /// <summary>Realm: architecture version.</summary>
    public const uint R_AIDR = RegisterOffset.AIDR;

    /// <summary>Realm: enables.</summary>
    public const uint R_CR0 = RegisterOffset.CR0;

    /// <summary>Realm: enables in effect.</summary>
    public const uint R_CR0ACK = RegisterOffset.CR0ACK;

    /// <summary>Realm: attributes of table and queue accesses.</summary>
    public const uint R_CR1 = RegisterOffset.CR1;

    /// <summary>Realm: modes.</summary>
    public const uint R_CR2 = RegisterOffset.CR2;

    /// <summary>Realm: stage 2 base permissions, 64 bits.</summary>
    public const uint R_S2PII = RegisterOffset.S2PII;

    /// <summary>Realm: attributes of bypassed accesses.</summary>
    public const uint R_GBPA = RegisterOffset.GBPA;

    /// <summary>Realm: implementation defined attributes of bypassed accesses.</summary>
    public const uint R_AGBPA = RegisterOffset.AGBPA;

    /// <summary>Realm: interrupt enables.</summary>
    public const uint R_IRQ_CTRL = RegisterOffset.IRQ_CTRL;

    /// <summary>Realm: interrupt enables in effect.</summary>
    public const uint R_IRQ_CTRLACK = RegisterOffset.IRQ_CTRLACK;

    /// <summary>Realm: global errors.</summary>
    public const uint R_GERROR = RegisterOffset.GERROR;

    /// <summary>Realm: global errors that software has acknowledged.</summary>
    public const uint R_GERRORN = RegisterOffset.GERRORN;

    /// <summary>Realm: address of the MSI for global errors, 64 bits.</summary>
    public const uint R_GERROR_IRQ_CFG0 = RegisterOffset.GERROR_IRQ_CFG0;

    /// <summary>Realm: data of the MSI for global errors.</summary>
    public const uint R_GERROR_IRQ_CFG1 = RegisterOffset.GERROR_IRQ_CFG1;

    /// <summary>Realm: attributes of the MSI for global errors.</summary>
    public const uint R_GERROR_IRQ_CFG2 = RegisterOffset.GERROR_IRQ_CFG2;

    /// <summary>Realm: base of the Stream table, 64 bits.</summary>
    public const uint R_STRTAB_BASE = RegisterOffset.STRTAB_BASE;

    /// <summary>Realm: format of the Stream table.</summary>
    public const uint R_STRTAB_BASE_CFG = RegisterOffset.STRTAB_BASE_CFG;

    /// <summary>Realm: base of the Command queue, 64 bits.</summary>
    public const uint R_CMDQ_BASE = RegisterOffset.CMDQ_BASE;

    /// <summary>Realm: producer index of the Command queue.</summary>
    public const uint R_CMDQ_PROD = RegisterOffset.CMDQ_PROD;

    /// <summary>Realm: consumer index and error of the Command queue.</summary>
    public const uint R_CMDQ_CONS = RegisterOffset.CMDQ_CONS;

    /// <summary>Realm: base of the Event queue, 64 bits.</summary>
    public const uint R_EVENTQ_BASE = RegisterOffset.EVENTQ_BASE;

    /// <summary>Realm: address of the MSI for events, 64 bits.</summary>
    public const uint R_EVENTQ_IRQ_CFG0 = RegisterOffset.EVENTQ_IRQ_CFG0;

    /// <summary>Realm: data of the MSI for events.</summary>
    public const uint R_EVENTQ_IRQ_CFG1 = RegisterOffset.EVENTQ_IRQ_CFG1;

    /// <summary>Realm: attributes of the MSI for events.</summary>
    public const uint R_EVENTQ_IRQ_CFG2 = RegisterOffset.EVENTQ_IRQ_CFG2;

    /// <summary>Realm: base of the PRI queue, 64 bits.</summary>
    public const uint R_PRIQ_BASE = RegisterOffset.PRIQ_BASE;

    /// <summary>Realm: address of the MSI for page requests, 64 bits.</summary>
    public const uint R_PRIQ_IRQ_CFG0 = RegisterOffset.PRIQ_IRQ_CFG0;

    /// <summary>Realm: data of the MSI for page requests.</summary>
    public const uint R_PRIQ_IRQ_CFG1 = RegisterOffset.PRIQ_IRQ_CFG1;

    /// <summary>Realm: attributes of the MSI for page requests, and when to send it.</summary>
    public const uint R_PRIQ_IRQ_CFG2 = RegisterOffset.PRIQ_IRQ_CFG2;

    /// <summary>Realm: sizes of PARTID and PMG.</summary>
    public const uint R_MPAMIDR = RegisterOffset.MPAMIDR;

    /// <summary>Realm: PARTID and PMG of the SMMU's own accesses.</summary>
    public const uint R_GMPAM = RegisterOffset.GMPAM;

    /// <summary>Realm: number of Enhanced Command queues.</summary>
    public const uint R_IDR6 = RegisterOffset.IDR6;

    /// <summary>Realm: base of the device permission table, 64 bits.</summary>
    public const uint R_DPT_BASE = RegisterOffset.DPT_BASE;

    /// <summary>Realm: format of the device permission table.</summary>
    public const uint R_DPT_BASE_CFG = RegisterOffset.DPT_BASE_CFG;

    /// <summary>Realm: first fault of the device permission table, 64 bits.</summary>
    public const uint R_DPT_CFG_FAR = RegisterOffset.DPT_CFG_FAR;

    /// <summary>Realm: width of a MECID.</summary>
    public const uint R_MECIDR = 0x0220;

    /// <summary>Realm: MECID of the SMMU's own accesses.</summary>
    public const uint R_GMECID = 0x0228;

    /// <summary>Realm: place of Enhanced Command queue page 0, 64 bits.</summary>
    public const uint R_CMDQ_CONTROL_PAGE_BASE = RegisterOffset.CMDQ_CONTROL_PAGE_BASE;

    /// <summary>Realm: enable of Enhanced Command queue page 0.</summary>
    public const uint R_CMDQ_CONTROL_PAGE_CFG = RegisterOffset.CMDQ_CONTROL_PAGE_CFG;

    /// <summary>Realm: enable in effect of Enhanced Command queue page 0.</summary>
    public const uint R_CMDQ_CONTROL_PAGE_STATUS = RegisterOffset.CMDQ_CONTROL_PAGE_STATUS;

    /// <summary>Realm: producer index of the Event queue; on Realm page 1.</summary>
    public const uint R_EVENTQ_PROD = RegisterOffset.EVENTQ_PROD;

    /// <summary>Realm: consumer index of the Event queue; on Realm page 1.</summary>
    public const uint R_EVENTQ_CONS = RegisterOffset.EVENTQ_CONS;

    /// <summary>Realm: producer index of the PRI queue; on Realm page 1.</summary>
    public const uint R_PRIQ_PROD = RegisterOffset.PRIQ_PROD;

    /// <summary>Realm: consumer index of the PRI queue; on Realm page 1.</summary>
    public const uint R_PRIQ_CONS = RegisterOffset.PRIQ_CONS;
}
