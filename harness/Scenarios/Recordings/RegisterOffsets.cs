namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>Offsets of the registers a replay looks at, from the base of page 0 (IHI 0070, 6.2).</summary>
internal static class RegisterOffsets
{
    public const uint Control0 = 0x20;
    public const uint Control0Acknowledge = 0x24;
    public const uint Control1 = 0x28;
    public const uint Control2 = 0x2c;
    public const uint GlobalBypassAttribute = 0x44;
    public const uint InterruptControl = 0x50;
    public const uint GlobalError = 0x60;
    public const uint GlobalErrorAcknowledge = 0x64;
    public const uint GlobalErrorInterruptConfiguration = 0x68;
    public const uint StreamTableBase = 0x80;
    public const uint StreamTableBaseConfiguration = 0x88;
    public const uint CommandQueueBase = 0x90;
    public const uint CommandQueueProducer = 0x98;
    public const uint CommandQueueConsumer = 0x9c;
    public const uint EventQueueBase = 0xa0;
    public const uint EventQueueInterruptConfiguration = 0xb0;
    public const uint PageRequestQueueBase = 0xc0;
    public const uint PageRequestQueueInterruptConfiguration = 0xd0;
    public const uint EventQueueProducer = 0x100a8;
    public const uint EventQueueConsumer = 0x100ac;

    /// <summary>Where page 0 may show the Event queue's index registers a second time (IHI 0070, 6.2).</summary>
    public const uint Page1 = 0x10000;

    /// <summary>The first offset behind both register pages.</summary>
    public const uint End = 0x20000;
}
