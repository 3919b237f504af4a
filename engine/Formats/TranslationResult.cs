using System.Runtime.InteropServices;

namespace Smmu.Fast.Formats;

/// <summary>How a translation ended.</summary>
public enum TranslationOutcome : byte
{
    /// <summary>The address was translated by stage 1, stage 2 or both.</summary>
    Translated = 0,

    /// <summary>The STE lets the stream pass untranslated (Config = 0b100, or S1DSS = 0b01 without stage 2).</summary>
    StreamBypassed = 1,

    /// <summary>SMMUEN is 0 and GBPA lets the access pass (IHI 0070, 6.3.9.6).</summary>
    DeviceBypassed = 2,

    /// <summary>Aborted without a fault: STE.Config = 0b0xx, or SMMUEN = 0 with GBPA.ABORT = 1 or an address above OAS.</summary>
    Aborted = 3,

    /// <summary>A fault; the client sees an abort.</summary>
    Faulted = 4,

    /// <summary>A fault with CD.A = 0: reads return zero, writes are dropped, and the client sees no error.</summary>
    FaultedReadZeroWriteIgnored = 5,

    /// <summary>A fault that waits for CMD_RESUME: <see cref="TranslationResult.StallToken"/> names it.</summary>
    Stalled = 6,
}

/// <summary>The answer to one translation.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct TranslationResult
{
    private readonly ulong address;
    private readonly uint stallToken;
    private readonly MemoryAttributes attributes;
    private readonly TranslationOutcome outcome;
    private readonly EventType eventType;
    private readonly byte leafSizeLog2;
    private readonly AccessPermissions permissions;

    internal TranslationResult(
        TranslationOutcome outcome,
        ulong address,
        byte leafSizeLog2,
        AccessPermissions permissions,
        MemoryAttributes attributes,
        EventType eventType = EventType.None,
        uint stallToken = 0)
    {
        this.outcome = outcome;
        this.address = address;
        this.leafSizeLog2 = leafSizeLog2;
        this.permissions = permissions;
        this.attributes = attributes;
        this.eventType = eventType;
        this.stallToken = stallToken;
    }

    /// <summary>How the translation ended.</summary>
    public TranslationOutcome Outcome => outcome;

    /// <summary>True when the access may go on to <see cref="Address"/>.</summary>
    public bool IsSuccess => outcome <= TranslationOutcome.DeviceBypassed;

    /// <summary>The output address of exactly the input address, offset included; 0 unless <see cref="IsSuccess"/>.</summary>
    public PhysicalAddress Address => new(address);

    /// <summary>
    /// The bytes around the input address for which the answer holds: the smaller of the stage 1 and stage 2 leaf, a power
    /// of two. 0 for bypass, where the whole address space passes, and for faults.
    /// </summary>
    public ulong LeafSize => leafSizeLog2 == 0 ? 0 : 1UL << leafSizeLog2;

    internal byte LeafSizeLog2 => leafSizeLog2;

    /// <summary>What the translation permits, of all enabled stages together.</summary>
    public AccessPermissions Permissions => permissions;

    /// <summary>Memory type and shareability of the access as it leaves the SMMU.</summary>
    public MemoryAttributes Attributes => attributes;

    /// <summary>The event a fault stands for, whether or not it was recorded; <see cref="EventType.None"/> otherwise.</summary>
    public EventType Event => eventType;

    /// <summary>Names a stalled access; 0 when it is not <see cref="TranslationOutcome.Stalled"/>.</summary>
    public uint StallToken => stallToken;
}
