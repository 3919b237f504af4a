namespace Smmu.Fast.Oracle;

/// <summary>Interrupts of an SMMU: pulses on wires, with or without a message (IHI 0070, 3.18.2).</summary>
public enum OracleInterrupt
{
    /// <summary>The Event queue became non-empty.</summary>
    EventQueue,

    /// <summary>The PRI queue has a message.</summary>
    PageRequestQueue,

    /// <summary>A CMD_SYNC that asks for an interrupt completed.</summary>
    CommandSync,

    /// <summary>A global error became active.</summary>
    GlobalError,

    /// <summary>The event that ends a WFE (4.1.2, 4.7.3).</summary>
    WakeUpEvent,
}
