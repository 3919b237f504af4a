namespace Smmu.Fast.Device;

/// <summary>The wired interrupts of an SMMU: pulses, without a level to hold (IHI 0070, 3.18.2).</summary>
public enum InterruptLine
{
    /// <summary>The Event queue became non-empty.</summary>
    EventQueue = 0,

    /// <summary>The PRI queue has a message.</summary>
    PageRequestQueue = 1,

    /// <summary>A CMD_SYNC with CS = SIG_IRQ completed.</summary>
    CommandSync = 2,

    /// <summary>A global error became active.</summary>
    GlobalError = 3,

    /// <summary>
    /// No wire: the event that ends a WFE of the PEs (IDR0.SEV). Sent by a CMD_SYNC with CS = SIG_SEV, and when a full
    /// Command queue has room again.
    /// </summary>
    WakeUpEvent = 4,
}
