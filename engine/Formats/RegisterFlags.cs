namespace Smmu.Fast.Formats;

/// <summary>Interrupt sources: IRQ_CTRL and IRQ_CTRLACK (IHI 0070, 6.3.16 and 6.3.18).</summary>
[Flags]
public enum InterruptEnables : uint
{
    /// <summary>None is on.</summary>
    None = 0,

    /// <summary>GERROR_IRQEN: global errors.</summary>
    GERROR_IRQEN = 1 << 0,

    /// <summary>PRIQ_IRQEN: page requests.</summary>
    PRIQ_IRQEN = 1 << 1,

    /// <summary>EVENTQ_IRQEN: events.</summary>
    EVENTQ_IRQEN = 1 << 2,
}

/// <summary>Global errors: GERROR and GERRORN, where a difference is an active error (IHI 0070, 6.3.19 and 6.3.20).</summary>
[Flags]
public enum GlobalErrors : uint
{
    /// <summary>No bit.</summary>
    None = 0,

    /// <summary>The Command queue stopped; CMDQ_CONS.ERR tells why.</summary>
    CMDQ_ERR = 1 << 0,

    /// <summary>A write to the Event queue aborted.</summary>
    EVENTQ_ABT_ERR = 1 << 2,

    /// <summary>A write to the PRI queue aborted.</summary>
    PRIQ_ABT_ERR = 1 << 3,

    /// <summary>The MSI of a CMD_SYNC aborted.</summary>
    MSI_CMDQ_ABT_ERR = 1 << 4,

    /// <summary>An MSI for events aborted.</summary>
    MSI_EVENTQ_ABT_ERR = 1 << 5,

    /// <summary>An MSI for page requests aborted.</summary>
    MSI_PRIQ_ABT_ERR = 1 << 6,

    /// <summary>An MSI for global errors aborted; alone in raising no interrupt.</summary>
    MSI_GERROR_ABT_ERR = 1 << 7,

    /// <summary>Service failure mode.</summary>
    SFM_ERR = 1 << 8,

    /// <summary>An Enhanced Command queue stopped.</summary>
    CMDQP_ERR = 1 << 9,

    /// <summary>A device permission table fault; DPT_CFG_FAR tells which.</summary>
    DPT_ERR = 1 << 10,
}

/// <summary>Why a Command queue stopped: CMDQ_CONS.ERR (IHI 0070, 7.1).</summary>
public enum CommandError : byte
{
    /// <summary>CERROR_NONE.</summary>
    None = 0,

    /// <summary>CERROR_ILL: the command is illegal.</summary>
    Illegal = 1,

    /// <summary>CERROR_ABT: the read of the command aborted.</summary>
    Abort = 2,

    /// <summary>CERROR_ATC_INV_SYNC: an ATC invalidation before the CMD_SYNC timed out.</summary>
    AtcInvalidationSync = 3,
}
