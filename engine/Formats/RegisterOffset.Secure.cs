namespace Smmu.Fast.Formats;

/// <content>The Secure half of Page 0.</content>
public static partial class RegisterOffset
{
    /// <summary>Secure: features.</summary>
    public const uint S_IDR0 = SecureHalf + IDR0;

    /// <summary>Secure: sizes and presets.</summary>
    public const uint S_IDR1 = SecureHalf + IDR1;

    /// <summary>Secure: place of the VATOS page.</summary>
    public const uint S_IDR2 = SecureHalf + IDR2;

    /// <summary>Secure: more features.</summary>
    public const uint S_IDR3 = SecureHalf + IDR3;

    /// <summary>Secure: implementation defined features.</summary>
    public const uint S_IDR4 = SecureHalf + IDR4;

    /// <summary>Secure: enables.</summary>
    public const uint S_CR0 = SecureHalf + CR0;

    /// <summary>Secure: enables in effect.</summary>
    public const uint S_CR0ACK = SecureHalf + CR0ACK;

    /// <summary>Secure: attributes of table and queue accesses.</summary>
    public const uint S_CR1 = SecureHalf + CR1;

    /// <summary>Secure: modes.</summary>
    public const uint S_CR2 = SecureHalf + CR2;

    /// <summary>Secure: stage 2 base permissions, 64 bits.</summary>
    public const uint S_S2PII = SecureHalf + S2PII;

    /// <summary>Secure: invalidation of everything.</summary>
    public const uint S_INIT = SecureHalf + 0x003c;

    /// <summary>Secure: attributes of bypassed accesses.</summary>
    public const uint S_GBPA = SecureHalf + GBPA;

    /// <summary>Secure: implementation defined attributes of bypassed accesses.</summary>
    public const uint S_AGBPA = SecureHalf + AGBPA;

    /// <summary>Secure: interrupt enables.</summary>
    public const uint S_IRQ_CTRL = SecureHalf + IRQ_CTRL;

    /// <summary>Secure: interrupt enables in effect.</summary>
    public const uint S_IRQ_CTRLACK = SecureHalf + IRQ_CTRLACK;

    /// <summary>Secure: global errors.</summary>
    public const uint S_GERROR = SecureHalf + GERROR;

    /// <summary>Secure: global errors that software has acknowledged.</summary>
    public const uint S_GERRORN = SecureHalf + GERRORN;

    /// <summary>Secure: address of the MSI for global errors, 64 bits.</summary>
    public const uint S_GERROR_IRQ_CFG0 = SecureHalf + GERROR_IRQ_CFG0;

    /// <summary>Secure: data of the MSI for global errors.</summary>
    public const uint S_GERROR_IRQ_CFG1 = SecureHalf + GERROR_IRQ_CFG1;

    /// <summary>Secure: attributes of the MSI for global errors.</summary>
    public const uint S_GERROR_IRQ_CFG2 = SecureHalf + GERROR_IRQ_CFG2;

    /// <summary>Secure: base of the Stream table, 64 bits.</summary>
    public const uint S_STRTAB_BASE = SecureHalf + STRTAB_BASE;

    /// <summary>Secure: format of the Stream table.</summary>
    public const uint S_STRTAB_BASE_CFG = SecureHalf + STRTAB_BASE_CFG;

    /// <summary>Secure: base of the Command queue, 64 bits.</summary>
    public const uint S_CMDQ_BASE = SecureHalf + CMDQ_BASE;

    /// <summary>Secure: producer index of the Command queue.</summary>
    public const uint S_CMDQ_PROD = SecureHalf + CMDQ_PROD;

    /// <summary>Secure: consumer index and error of the Command queue.</summary>
    public const uint S_CMDQ_CONS = SecureHalf + CMDQ_CONS;

    /// <summary>Secure: base of the Event queue, 64 bits.</summary>
    public const uint S_EVENTQ_BASE = SecureHalf + EVENTQ_BASE;

    /// <summary>Secure: producer index of the Event queue.</summary>
    public const uint S_EVENTQ_PROD = SecureHalf + 0x00a8;

    /// <summary>Secure: consumer index of the Event queue.</summary>
    public const uint S_EVENTQ_CONS = SecureHalf + 0x00ac;

    /// <summary>Secure: address of the MSI for events, 64 bits.</summary>
    public const uint S_EVENTQ_IRQ_CFG0 = SecureHalf + EVENTQ_IRQ_CFG0;

    /// <summary>Secure: data of the MSI for events.</summary>
    public const uint S_EVENTQ_IRQ_CFG1 = SecureHalf + EVENTQ_IRQ_CFG1;

    /// <summary>Secure: attributes of the MSI for events.</summary>
    public const uint S_EVENTQ_IRQ_CFG2 = SecureHalf + EVENTQ_IRQ_CFG2;

    /// <summary>Secure: start of an address translation operation.</summary>
    public const uint S_GATOS_CTRL = SecureHalf + GATOS_CTRL;

    /// <summary>Secure: stream of an address translation operation, 64 bits.</summary>
    public const uint S_GATOS_SID = SecureHalf + GATOS_SID;

    /// <summary>Secure: address of an address translation operation, 64 bits.</summary>
    public const uint S_GATOS_ADDR = SecureHalf + GATOS_ADDR;

    /// <summary>Secure: result of an address translation operation, 64 bits.</summary>
    public const uint S_GATOS_PAR = SecureHalf + GATOS_PAR;

    /// <summary>Secure: sizes of PARTID and PMG.</summary>
    public const uint S_MPAMIDR = SecureHalf + MPAMIDR;

    /// <summary>Secure: PARTID and PMG of the SMMU's own accesses.</summary>
    public const uint S_GMPAM = SecureHalf + GMPAM;

    /// <summary>Secure: PARTID and PMG of bypassed accesses.</summary>
    public const uint S_GBPMPAM = SecureHalf + GBPMPAM;

    /// <summary>Secure: vMID that the VATOS page serves.</summary>
    public const uint S_VATOS_SEL = SecureHalf + VATOS_SEL;

    /// <summary>Secure: number of Enhanced Command queues.</summary>
    public const uint S_IDR6 = SecureHalf + IDR6;

    /// <summary>Secure: place of Enhanced Command queue page 0, 64 bits.</summary>
    public const uint S_CMDQ_CONTROL_PAGE_BASE = SecureHalf + CMDQ_CONTROL_PAGE_BASE;

    /// <summary>Secure: enable of Enhanced Command queue page 0.</summary>
    public const uint S_CMDQ_CONTROL_PAGE_CFG = SecureHalf + CMDQ_CONTROL_PAGE_CFG;

    /// <summary>Secure: enable in effect of Enhanced Command queue page 0.</summary>
    public const uint S_CMDQ_CONTROL_PAGE_STATUS = SecureHalf + CMDQ_CONTROL_PAGE_STATUS;
}
