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
    // Two words and no more, so that an answer travels in registers.
    // Traits: [7:0] outcome  [15:8] event  [23:16] log2 of the leaf  [31:24] permissions
    // [39:32] memory type  [47:40] shareability; a stalled access has none of the two: [63:32] stall token
    private const int EventShift = 8;
    private const int LeafSizeShift = 16;
    private const int PermissionsShift = 24;
    private const int TypeShift = 32;
    private const int ShareabilityShift = 40;
    private const int StallTokenShift = 32;

    private readonly ulong address;
    private readonly ulong traits;

    internal TranslationResult(
        TranslationOutcome outcome,
        ulong address,
        byte leafSizeLog2,
        AccessPermissions permissions,
        MemoryAttributes attributes,
        EventType eventType = EventType.None,
        uint stallToken = 0)
    {
        this.address = address;
        traits = (byte)outcome
            | ((ulong)(byte)eventType << EventShift)
            | ((ulong)leafSizeLog2 << LeafSizeShift)
            | ((ulong)(byte)permissions << PermissionsShift)
            | (outcome == TranslationOutcome.Stalled
                ? (ulong)stallToken << StallTokenShift
                : ((ulong)attributes.Type << TypeShift) | ((ulong)attributes.Shareability << ShareabilityShift));
    }

    /// <summary>An answer with the traits of another one.</summary>
    internal TranslationResult(ulong address, ulong traits)
    {
        this.address = address;
        this.traits = traits;
    }

    /// <summary>How the translation ended.</summary>
    public TranslationOutcome Outcome => (TranslationOutcome)(byte)traits;

    /// <summary>True when the access may go on to <see cref="Address"/>.</summary>
    public bool IsSuccess => Outcome <= TranslationOutcome.DeviceBypassed;

    /// <summary>The output address of exactly the input address, offset included; 0 unless <see cref="IsSuccess"/>.</summary>
    public PhysicalAddress Address => new(address);

    /// <summary>
    /// The bytes around the input address for which the answer holds: the smaller of the stage 1 and stage 2 leaf, a power
    /// of two; of a block larger than the output size, the part that has outputs. 0 for bypass, where the whole address
    /// space passes, and for faults.
    /// </summary>
    public ulong LeafSize => LeafSizeLog2 == 0 ? 0 : 1UL << LeafSizeLog2;

    internal byte LeafSizeLog2 => (byte)(traits >> LeafSizeShift);

    /// <summary>What the translation permits, of all enabled stages together.</summary>
    public AccessPermissions Permissions => PermissionsOf(traits);

    /// <summary>Memory type and shareability of the access as it leaves the SMMU; nothing of meaning for a stalled one.</summary>
    public MemoryAttributes Attributes => Outcome == TranslationOutcome.Stalled
        ? default
        : new MemoryAttributes((byte)(traits >> TypeShift), (byte)(traits >> ShareabilityShift));

    /// <summary>The event a fault stands for, whether or not it was recorded; <see cref="EventType.None"/> otherwise.</summary>
    public EventType Event => (EventType)(byte)(traits >> EventShift);

    /// <summary>Names a stalled access; 0 when it is not <see cref="TranslationOutcome.Stalled"/>.</summary>
    public uint StallToken => Outcome == TranslationOutcome.Stalled ? (uint)(traits >> StallTokenShift) : 0;

    /// <summary>All but the address, for caches to keep.</summary>
    internal ulong Traits => traits;

    /// <summary>The permissions among kept traits.</summary>
    internal static AccessPermissions PermissionsOf(ulong traits) => (AccessPermissions)(byte)(traits >> PermissionsShift);
}
