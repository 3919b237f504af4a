using System.Runtime.CompilerServices;
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
    // Two words and no more, so that an answer travels in registers. The second has the layout of TLB payloads, so that a hit
    // hands it on as it is:
    // [5:0] permissions  [11:6] log2 of the leaf  [51:12] output page  [59:52] memory type  [61:60] shareability
    // [62] untranslated, and then [11:6] 1 for DeviceBypassed  [63] 0
    // An answer that is no success has bit 63, and: [31:0] stall token  [39:32] event  [42:40] outcome, 0 for Aborted
    private const int LeafSizeShift = 6;
    private const int TypeShift = 52;
    private const int ShareabilityShift = 60;
    private const ulong Untranslated = 1UL << 62;
    private const ulong OfDevice = 1UL << LeafSizeShift;
    private const ulong NoSuccess = 1UL << 63;
    private const int EventShift = 32;
    private const int FailureShift = 40;

    private readonly ulong address;
    private readonly ulong payload;

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
        payload = outcome <= TranslationOutcome.DeviceBypassed
            ? PayloadOf(outcome, address, leafSizeLog2, permissions, attributes)
            : NoSuccess | ((ulong)(outcome - TranslationOutcome.Aborted) << FailureShift) | ((ulong)(byte)eventType << EventShift) | stallToken;
    }

    /// <summary>A success, or an abort without a fault, that a TLB kept.</summary>
    /// <param name="address">The output address.</param>
    /// <param name="payload">The answer to another address of the same page: its <see cref="Payload"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal TranslationResult(ulong address, ulong payload)
    {
        this.address = address;
        this.payload = payload;
    }

    /// <summary>The answer for an address of the page that a payload is about.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TranslationResult OfKept(ulong payload, ulong address) =>
        new((payload & PageMask) | (address & 0xfff), payload);

    /// <summary>How the translation ended.</summary>
    public TranslationOutcome Outcome =>
        !IsSuccess ? TranslationOutcome.Aborted + (byte)((payload >> FailureShift) & 7)
        : (payload & Untranslated) == 0 ? TranslationOutcome.Translated
        : (payload & OfDevice) == 0 ? TranslationOutcome.StreamBypassed
        : TranslationOutcome.DeviceBypassed;

    /// <summary>True when the access may go on to <see cref="Address"/>.</summary>
    public bool IsSuccess => IsSuccessOf(payload);

    /// <summary>The output address of exactly the input address, offset included; 0 unless <see cref="IsSuccess"/>.</summary>
    public PhysicalAddress Address => new(IsSuccess ? address : 0);   // An abort that was kept has an offset.

    /// <summary><see cref="Address"/> of what is known to be a success.</summary>
    internal ulong KnownAddress => address;

    /// <summary>
    /// The bytes around the input address for which the answer holds: the smaller of the stage 1 and stage 2 leaf, a power
    /// of two; of a block larger than the output size, the part that has outputs. 0 for bypass, where the whole address
    /// space passes, and for faults.
    /// </summary>
    public ulong LeafSize => LeafSizeLog2 == 0 ? 0 : 1UL << LeafSizeLog2;

    internal byte LeafSizeLog2 => (payload & (NoSuccess | Untranslated)) == 0 ? (byte)LeafSizeLog2Of(payload) : (byte)0;

    /// <summary>What the translation permits, of all enabled stages together.</summary>
    public AccessPermissions Permissions => IsSuccess ? PermissionsOf(payload) : AccessPermissions.None;

    /// <summary>Memory type and shareability of the access as it leaves the SMMU; nothing of meaning without success.</summary>
    public MemoryAttributes Attributes => IsSuccess ? AttributesOf(payload) : default;

    /// <summary>The event a fault stands for, whether or not it was recorded; <see cref="EventType.None"/> otherwise.</summary>
    public EventType Event => IsSuccess ? EventType.None : (EventType)(byte)(payload >> EventShift);

    /// <summary>Names a stalled access; 0 when it is not <see cref="TranslationOutcome.Stalled"/>.</summary>
    public uint StallToken => IsSuccess ? 0 : (uint)payload;

    /// <summary>All of a success but the offset in its page, for TLBs to keep.</summary>
    internal ulong Payload => payload;

    /// <summary>Packs a success.</summary>
    internal static ulong PayloadOf(
        TranslationOutcome outcome, ulong address, byte leafSizeLog2, AccessPermissions permissions, MemoryAttributes attributes) =>
        (byte)permissions
        | ((ulong)leafSizeLog2 << LeafSizeShift)
        | (address & PageMask)
        | ((ulong)attributes.Type << TypeShift)
        | ((ulong)attributes.Shareability << ShareabilityShift)
        | outcome switch
        {
            TranslationOutcome.Translated => 0,
            TranslationOutcome.StreamBypassed => Untranslated,
            _ => Untranslated | OfDevice,
        };

    /// <summary>Bits of the output page in a payload: an address of more than 52 bits cannot be kept.</summary>
    internal const ulong PageMask = 0x000f_ffff_ffff_f000;

    /// <summary>True for the payload of a success.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool IsSuccessOf(ulong kept) => (long)kept >= 0;

    /// <summary>The permissions in a payload.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static AccessPermissions PermissionsOf(ulong payload) => (AccessPermissions)(payload & 0x3f);

    /// <summary>A payload with other permissions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong WithPermissions(ulong payload, AccessPermissions permissions) =>
        (payload & ~0x3fUL) | (byte)permissions;

    /// <summary>The log2 of the leaf in a payload.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int LeafSizeLog2Of(ulong payload) => (int)(payload >> LeafSizeShift) & 0x3f;

    /// <summary>Memory type and shareability in a payload.</summary>
    internal const ulong AttributesMask = 0x3ffUL << TypeShift;

    /// <summary>The attributes in a payload.</summary>
    internal static MemoryAttributes AttributesOf(ulong payload) =>
        new((byte)(payload >> TypeShift), (byte)((payload >> ShareabilityShift) & 3));
}
