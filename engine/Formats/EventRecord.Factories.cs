namespace Smmu.Fast.Formats;

/// <summary>Why a permission check failed, as F_PERMISSION tells it (IHI 0070, 7.3.16).</summary>
[Flags]
public enum PermissionFaultCause : byte
{
    /// <summary>The permissions of the leaf.</summary>
    None = 0,

    /// <summary>DirtyBit: hardware management of the dirty state would have let the access pass.</summary>
    DirtyBit = 1 << 0,

    /// <summary>AssuredOnly: that check alone failed.</summary>
    AssuredOnly = 1 << 1,

    /// <summary>Overlay: an overlay permission of stage 2 refused the access.</summary>
    Overlay = 1 << 2,
}

/// <content>
/// Makes records. Each has the fields of its event and no others. Addresses are given as they are: the fields take the bits
/// that they have, and the caller keeps physical addresses and IPAs below 2^OAS. Access kinds are those after the overrides
/// of the STE; an atomic counts as a write, so pass <see cref="AccessKind.Read"/> for one that may write but not read.
/// </content>
public readonly partial record struct EventRecord
{
    /// <summary>F_UUT; the access kind is the incoming one.</summary>
    public static EventRecord UnsupportedUpstreamTransaction(
        StreamId stream, SubstreamId? substream, ulong input, AccessKind access, ushort reason = 0) =>
        Of(EventType.UnsupportedUpstreamTransaction, stream, substream) with
        {
            Word1 = BitRange.Place(EventFields.Reason, reason) | Attributes(access),
            Word2 = input,
        };

    /// <summary>C_BAD_STREAMID.</summary>
    public static EventRecord BadStreamId(StreamId stream, SubstreamId? substream) =>
        Of(EventType.BadStreamId, stream, substream);

    /// <summary>F_STE_FETCH for the STE or L1STD at <paramref name="fetch"/>.</summary>
    public static EventRecord StreamTableEntryFetch(
        StreamId stream, SubstreamId? substream, PhysicalAddress fetch, ushort reason = 0, bool granuleProtection = false) =>
        FetchFault(EventType.StreamTableEntryFetch, stream, substream, fetch, reason, granuleProtection);

    /// <summary>C_BAD_STE.</summary>
    public static EventRecord BadStreamTableEntry(StreamId stream, SubstreamId? substream) =>
        Of(EventType.BadStreamTableEntry, stream, substream);

    /// <summary>F_BAD_ATS_TREQ.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="substream">The substream; none without PASID.</param>
    /// <param name="input">The address; its low 12 bits are not recorded.</param>
    /// <param name="span">Smallest translation units asked for, 4 bits.</param>
    /// <param name="access">
    /// What was asked for, before overrides: read is always asked for; write stands for NW = 0, instruction for execute.
    /// </param>
    public static EventRecord BadAtsTranslationRequest(
        StreamId stream, SubstreamId? substream, ulong input, byte span, AccessKind access) =>
        Of(EventType.BadAtsTranslationRequest, stream, substream) with
        {
            Word1 = BitRange.Place(EventFields.RequestSpan, span) | BitRange.Place(EventFields.RequestR, 1)
                | Flag(EventFields.RequestP, (access & AccessKind.Privileged) != 0)
                | Flag(EventFields.RequestX, (access & AccessKind.Instruction) != 0)
                | Flag(EventFields.RequestW, (access & AccessKind.Write) != 0),
            Word2 = BitRange.Place(EventFields.InputPage, input),
        };

    /// <summary>F_STREAM_DISABLED, which has no substream.</summary>
    public static EventRecord StreamDisabled(StreamId stream) => Of(EventType.StreamDisabled, stream, null);

    /// <summary>F_TRANSL_FORBIDDEN, which has no substream.</summary>
    public static EventRecord TranslationForbidden(StreamId stream, ulong input, AccessKind access) =>
        Of(EventType.TranslationForbidden, stream, null) with
        {
            Word1 = Flag(EventFields.RnW, (access & AccessKind.Write) == 0),
            Word2 = input,
        };

    /// <summary>C_BAD_SUBSTREAMID, which has no SSV: the substream always counts.</summary>
    public static EventRecord BadSubstreamId(StreamId stream, SubstreamId substream)
    {
        EventRecord record = Of(EventType.BadSubstreamId, stream, null);
        return record with { Word0 = record.Word0 | BitRange.Place(EventFields.SubstreamID, substream.Value) };
    }

    /// <summary>F_CD_FETCH for the CD or L1CD at <paramref name="fetch"/>.</summary>
    public static EventRecord ContextDescriptorFetch(
        StreamId stream, SubstreamId? substream, PhysicalAddress fetch, ushort reason = 0, bool granuleProtection = false) =>
        FetchFault(EventType.ContextDescriptorFetch, stream, substream, fetch, reason, granuleProtection);

    /// <summary>C_BAD_CD.</summary>
    public static EventRecord BadContextDescriptor(StreamId stream, SubstreamId? substream) =>
        Of(EventType.BadContextDescriptor, stream, substream);

    /// <summary>F_WALK_EABT for the descriptor at <paramref name="fetch"/>.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="substream">The substream; none without SubstreamID.</param>
    /// <param name="input">The address of the access.</param>
    /// <param name="access">The kind of the access.</param>
    /// <param name="stage2">The descriptor is one of stage 2.</param>
    /// <param name="faultClass">What was being translated; <see cref="FaultClass.TranslationTable"/> at stage 1.</param>
    /// <param name="fetch">Physical address of the descriptor.</param>
    /// <param name="reason">Implementation defined cause.</param>
    /// <param name="granuleProtection">A granule protection check failed.</param>
    /// <param name="nonSecureIpa">NSIPA.</param>
    public static EventRecord WalkExternalAbort(
        StreamId stream,
        SubstreamId? substream,
        ulong input,
        AccessKind access,
        bool stage2,
        FaultClass faultClass,
        PhysicalAddress fetch,
        ushort reason = 0,
        bool granuleProtection = false,
        bool nonSecureIpa = false) =>
        Of(EventType.WalkExternalAbort, stream, substream) with
        {
            Word1 = BitRange.Place(EventFields.Reason, reason) | Flag(EventFields.GPCF, granuleProtection)
                | Attributes(access) | Stage(stage2, faultClass, nonSecureIpa),
            Word2 = input,
            Word3 = BitRange.Place(EventFields.FetchAddr, fetch.Value),
        };

    /// <summary>The record with a stall: Stall = 1 and STAG.</summary>
    internal EventRecord WithStallTag(ushort tag) => this with { Word1 = Word1 | Stalled(tag) };

    /// <summary>F_TRANSLATION, F_ADDR_SIZE, F_ACCESS or F_PERMISSION at stage 1.</summary>
    /// <param name="type">Which of the four.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="substream">The substream; none without SubstreamID.</param>
    /// <param name="input">The address of the access.</param>
    /// <param name="access">The kind of the access.</param>
    /// <param name="stallTag">Names the transaction when it stalls.</param>
    /// <param name="cause">More on an F_PERMISSION.</param>
    public static EventRecord Stage1Fault(
        EventType type,
        StreamId stream,
        SubstreamId? substream,
        ulong input,
        AccessKind access,
        ushort? stallTag = null,
        PermissionFaultCause cause = PermissionFaultCause.None) =>
        new(
            Head(type, stream, substream),
            Stalled(stallTag) | Attributes(access) | Stage(false, FaultClass.Input, false) | Cause(type, cause),
            input,
            0);

    /// <summary>F_TRANSLATION, F_ADDR_SIZE, F_ACCESS or F_PERMISSION at stage 2.</summary>
    /// <param name="type">Which of the four.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="substream">The substream; none without SubstreamID.</param>
    /// <param name="input">The address of the access.</param>
    /// <param name="access">The kind of the access, even when an access of the SMMU for its sake failed.</param>
    /// <param name="faultClass">What was being translated.</param>
    /// <param name="ipa">Address of the CD, of the stage 1 descriptor or of the access, by class; its page is recorded.</param>
    /// <param name="stallTag">Names the transaction when it stalls.</param>
    /// <param name="tableRead">F_PERMISSION of a stage 1 table: its read was refused; otherwise its update.</param>
    /// <param name="cause">More on an F_PERMISSION.</param>
    /// <param name="nonSecureIpa">NSIPA.</param>
    public static EventRecord Stage2Fault(
        EventType type,
        StreamId stream,
        SubstreamId? substream,
        ulong input,
        AccessKind access,
        FaultClass faultClass,
        ulong ipa,
        ushort? stallTag = null,
        bool tableRead = false,
        PermissionFaultCause cause = PermissionFaultCause.None,
        bool nonSecureIpa = false)
    {
        bool tellsTableAccess = type == EventType.Permission && faultClass == FaultClass.TranslationTable;
        return Of(type, stream, substream) with
        {
            Word1 = Stalled(stallTag) | Attributes(access) | Stage(true, faultClass, nonSecureIpa) | Cause(type, cause)
                | Flag(EventFields.TTRnW, tellsTableAccess && tableRead),
            Word2 = input,
            Word3 = BitRange.Place(EventFields.IPA, ipa),
        };
    }

    /// <summary>F_TLB_CONFLICT.</summary>
    public static EventRecord TlbConflict(
        StreamId stream, SubstreamId? substream, ulong input, AccessKind access, bool stage2, ulong ipa, uint reason = 0) =>
        Of(EventType.TlbConflict, stream, substream) with
        {
            Word1 = BitRange.Place(EventFields.ConflictReason, reason) | Attributes(access) | Flag(EventFields.S2, stage2),
            Word2 = input,
            Word3 = BitRange.Place(EventFields.IPA, ipa),
        };

    /// <summary>F_CFG_CONFLICT.</summary>
    public static EventRecord ConfigurationConflict(StreamId stream, SubstreamId? substream, uint reason = 0) =>
        Of(EventType.ConfigurationConflict, stream, substream) with
        {
            Word1 = BitRange.Place(EventFields.ConflictReason, reason),
        };

    /// <summary>E_PAGE_REQUEST for <paramref name="span"/> pages of 4 KiB.</summary>
    public static EventRecord PageRequest(
        StreamId stream, SubstreamId? substream, ulong input, byte span, AccessPermissions permissions) =>
        Of(EventType.PageRequest, stream, substream) with
        {
            Word1 = BitRange.Place(EventFields.HintSpan, span)
                | Flag(EventFields.HintUR, (permissions & AccessPermissions.UnprivilegedRead) != 0)
                | Flag(EventFields.HintUW, (permissions & AccessPermissions.UnprivilegedWrite) != 0)
                | Flag(EventFields.HintUX, (permissions & AccessPermissions.UnprivilegedExecute) != 0)
                | Flag(EventFields.HintPR, (permissions & AccessPermissions.PrivilegedRead) != 0)
                | Flag(EventFields.HintPW, (permissions & AccessPermissions.PrivilegedWrite) != 0)
                | Flag(EventFields.HintPX, (permissions & AccessPermissions.PrivilegedExecute) != 0),
            Word2 = BitRange.Place(EventFields.InputPage, input),
        };

    /// <summary>F_VMS_FETCH for the VMS at <paramref name="fetch"/>.</summary>
    public static EventRecord VirtualMachineStructureFetch(
        StreamId stream, SubstreamId? substream, PhysicalAddress fetch, ushort reason = 0, bool granuleProtection = false) =>
        FetchFault(EventType.VirtualMachineStructureFetch, stream, substream, fetch, reason, granuleProtection);

    private static EventRecord Of(EventType type, StreamId stream, SubstreamId? substream) =>
        new(Head(type, stream, substream), 0, 0, 0);

    private static ulong Head(EventType type, StreamId stream, SubstreamId? substream)
    {
        ulong word = (ulong)type | BitRange.Place(EventFields.StreamID, stream.Value);
        if (substream is { } given)
            word |= BitRange.Place(EventFields.SSV, 1) | BitRange.Place(EventFields.SubstreamID, given.Value);
        return word;
    }

    private static EventRecord FetchFault(
        EventType type, StreamId stream, SubstreamId? substream, PhysicalAddress fetch, ushort reason, bool granuleProtection) =>
        Of(type, stream, substream) with
        {
            Word1 = BitRange.Place(EventFields.Reason, reason) | Flag(EventFields.GPCF, granuleProtection),
            Word3 = BitRange.Place(EventFields.FetchAddr, fetch.Value),
        };

    // Writes are data whatever they are marked.
    private static ulong Attributes(AccessKind access)
    {
        bool read = (access & AccessKind.Write) == 0;
        return Flag(EventFields.RnW, read)
            | Flag(EventFields.InD, read && (access & AccessKind.Instruction) != 0)
            | Flag(EventFields.PnU, (access & AccessKind.Privileged) != 0);
    }

    private static ulong Stage(bool stage2, FaultClass faultClass, bool nonSecureIpa) =>
        Flag(EventFields.S2, stage2) | BitRange.Place(EventFields.CLASS, (ulong)faultClass)
        | Flag(EventFields.NSIPA, nonSecureIpa && stage2);

    private static ulong Stalled(ushort? stallTag) => stallTag is { } tag
        ? BitRange.Place(EventFields.STAG, tag) | BitRange.Place(EventFields.Stall, 1)
        : 0;

    private static ulong Cause(EventType type, PermissionFaultCause cause) => type != EventType.Permission ? 0
        : Flag(EventFields.DirtyBit, (cause & PermissionFaultCause.DirtyBit) != 0)
        | Flag(EventFields.AssuredOnly, (cause & PermissionFaultCause.AssuredOnly) != 0)
        | Flag(EventFields.Overlay, (cause & PermissionFaultCause.Overlay) != 0);

    private static ulong Flag(int range, bool value) => value ? BitRange.Place(range, 1) : 0;
}
