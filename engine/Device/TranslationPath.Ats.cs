using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <content>PCIe ATS: Translation Requests and Translated transactions (IHI 0070, 3.9.1, 13.6 and 13.7).</content>
internal sealed unsafe partial class TranslationPath
{
    // The STU of the endpoints: the smallest granule of the SMMU (ATS-12).
    private byte SmallestUnitLog2 => features.GRAN4K ? (byte)12 : features.GRAN16K ? (byte)14 : (byte)16;

    /// <summary>Answers a Translation Request. It may set flags and fill caches; it never stalls or records a page fault.</summary>
    /// <param name="state">What is known of the endpoint and its PASID.</param>
    /// <param name="iova">All 64 bits of the address.</param>
    /// <param name="wanted">What is wanted beside reads: a write is NW = 0.</param>
    /// <param name="statistics">Counters of the calling thread.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are unknown marks.</exception>
    public AtsCompletion RequestTranslation(
        ref StreamState state, ulong iova, AccessKind wanted, ref PathStatistics statistics)
    {
        wanted |= AccessKind.Read;
        if (!RequiredPermissions.IsAccess(wanted)) ThrowNoAccess(wanted);
        if (!features.ATS) return UnsupportedRequest;
        if (state.Substream is null) wanted &= AccessKind.Atomic;   // Without a PASID a request is unprivileged data.

        var fillDates = new InvalidationDates(&state.Domain->Stamps, device);
        if (!state.IsBusy && (state.IsPresent() || Refresh(ref state, ref statistics, out fillDates)))
        {
            return AnswerRequest(ref state, iova, wanted, in fillDates, ref statistics);
        }

        var once = ConfigureOnce(in state, ref statistics);
        return AnswerRequest(ref once, iova, wanted, in fillDates, ref statistics);
    }

    private AtsCompletion AnswerRequest(
        ref StreamState state, ulong iova, AccessKind wanted, in InvalidationDates fillDates, ref PathStatistics statistics)
    {
        var request = new FaultRequest(state.Id, state.Substream, iova, wanted);
        if (state.Mode == StreamMode.DeviceOff) return RefuseRequest(in request);

        statistics.ConfigurationLookups++;
        ref readonly var resolved = ref state.Stream;
        if (resolved.Ats == AtsMode.Unknown)
        {
            return resolved.Event == EventType.None ? UnsupportedRequest : AbortRequest(in request, in resolved);
        }

        if (!IsAtsOn(resolved.Ats)) return RefuseRequest(in request);
        switch (resolved.Disposition)
        {
            case StreamDisposition.Translate:
                return Grant(ref state, in request, in fillDates, ref statistics);

            case StreamDisposition.Bypass:   // S1DSS skips the only stage.
                return BitField.Exceeds(iova, features.OutputAddressBits)
                    ? NoAccess(in request)
                    : Completion(
                        in resolved.Regime, in request, iova, (byte)features.OutputAddressBits,
                        AccessPermissions.UnprivilegedRead | AccessPermissions.UnprivilegedWrite
                            | AccessPermissions.PrivilegedRead | AccessPermissions.PrivilegedWrite);

            default:
                bool isOfTables = resolved.HasStageTwoFault && resolved.Event != EventType.WalkExternalAbort;
                return isOfTables ? NoAccess(in request) : AbortRequest(in request, in resolved);
        }
    }

    /// <summary>Judges a Translated transaction: one whose address an endpoint got by a Translation Request.</summary>
    /// <remarks>It counts as one without PASID, unprivileged and data (IDR3.PASIDTT = 0).</remarks>
    /// <param name="state">What is known of the endpoint's Translated transactions.</param>
    /// <param name="address">The translated address.</param>
    /// <param name="access">What is done there; other marks do not count.</param>
    /// <param name="statistics">Counters of the calling thread.</param>
    /// <exception cref="ArgumentOutOfRangeException">The access neither reads nor writes.</exception>
    public TranslationResult TranslateTranslated(
        ref StreamState state, ulong address, AccessKind access, ref PathStatistics statistics)
    {
        if (!RequiredPermissions.IsAccess(access)) ThrowNoAccess(access);
        if (!features.ATS) return SilentAbort;

        var request = new FaultRequest(state.Id, null, address, access & AccessKind.Atomic);
        if (registers.TranslationControl >> 32 == 0) return faults.Report(AtsFaultRecords.OfForbidden(in request));
        if (!registers.AreTranslatedChecked) return PassTranslated(address);

        var fillDates = new InvalidationDates(&state.Domain->Stamps, device);
        if (!state.IsBusy && (state.IsPresent() || Refresh(ref state, ref statistics, out fillDates)))
        {
            return AnswerTranslated(ref state, in request, in fillDates, ref statistics);
        }

        var once = ConfigureOnce(in state, ref statistics);
        return AnswerTranslated(ref once, in request, in fillDates, ref statistics);
    }

    private TranslationResult AnswerTranslated(
        ref StreamState state, in FaultRequest request, in InvalidationDates fillDates, ref PathStatistics statistics)
    {
        if (state.Mode == StreamMode.DeviceOff) return faults.Report(AtsFaultRecords.OfForbidden(in request));
        statistics.ConfigurationLookups++;
        ref readonly var resolved = ref state.Stream;
        if (resolved.Ats == AtsMode.Unknown)
        {
            return resolved.Event == EventType.None ? SilentAbort : AbortTranslated(in request, in resolved);
        }

        if (resolved.Ats == AtsMode.Disabled) return faults.Report(AtsFaultRecords.OfForbidden(in request));
        if (resolved.Disposition == StreamDisposition.Fault) return AbortTranslated(in request, in resolved);
        return resolved.Ats == AtsMode.Full
            ? PassTranslated(request.InputAddress)
            : TranslateBy(ref state, request.InputAddress, request.Access, in fillDates, null, ref statistics);   // It cannot wait.
    }

    /// <summary>
    /// Finds out how an automatic PRG Response to a request with a PASID looks where STE.PPAR decides (IHI 0070, 8.1).
    /// </summary>
    /// <param name="stream">The endpoint.</param>
    /// <param name="keepsSubstream">STE.PPAR: the response carries the PASID.</param>
    /// <returns>False when there is no valid STE.</returns>
    public bool TryReadResponseRule(StreamId stream, out bool keepsSubstream)
    {
        keepsSubstream = false;
        if (registers.TranslationControl >> 32 == 0) return false;
        var controls = registers.StreamControls;
        var trace = default(NoStreamTrace);
        StreamResolver.TryResolveEntry(memory, controls, features, stream, ref trace, out _, out var resolved);
        keepsSubstream = resolved.ResponsesKeepSubstream;
        if (resolved.HasEntry) return true;
        if (IsRecordedOfAts(controls, in resolved))
        {
            faults.Report(FaultRecords.OfConfiguration(new FaultRequest(stream, null, 0, AccessKind.Read), in resolved));
        }

        return false;
    }

    private static AtsCompletion UnsupportedRequest => new(AtsStatus.UnsupportedRequest, 0, 0, AtsGrants.None);

    private static AtsGrants Privilege(in FaultRequest request) =>
        (request.Access & AccessKind.Privileged) != 0 ? AtsGrants.Privileged : AtsGrants.None;

    private static bool IsRecordedOfAts(StreamControls controls, in ResolvedStream resolved) =>
        controls.RecordAtsErrors && (controls.RecordInvalidStreams || resolved.Event != EventType.BadStreamId);

    private static AtsCompletion Completion(
        in TranslationRegime regime, in FaultRequest request, ulong address, byte sizeLog2, AccessPermissions permissions)
    {
        const int PrivilegedShift = 3;
        var grants = Privilege(in request);
        int seen = (int)RequiredPermissions.AsSeenByClient(permissions, in regime.Overrides)
            >> (grants != AtsGrants.None ? PrivilegedShift : 0);
        bool readable = (seen & (int)AccessPermissions.UnprivilegedRead) != 0;
        bool executable = readable && (seen & (int)AccessPermissions.UnprivilegedExecute) != 0;
        if (readable) grants |= AtsGrants.Read;
        if ((seen & (int)AccessPermissions.UnprivilegedWrite) != 0) grants |= AtsGrants.Write;
        if (executable && (request.Access & AccessKind.Instruction) != 0) grants |= AtsGrants.Execute;
        return new AtsCompletion(AtsStatus.Success, address, sizeLog2, grants);
    }

    // EATS = 0b10 means nothing while ATSCHK is 0. Configuration caches might keep ATSCHK; these do not.
    private bool IsAtsOn(AtsMode mode) =>
        mode == AtsMode.Full || (mode == AtsMode.SplitStage && registers.AreTranslatedChecked);

    private AtsCompletion NoAccess(in FaultRequest request) =>
        new(AtsStatus.Success, 0, SmallestUnitLog2, Privilege(in request));

    private AtsCompletion RefuseRequest(in FaultRequest request)
    {
        faults.Report(AtsFaultRecords.OfBadRequest(in request));
        return UnsupportedRequest;
    }

    private AtsCompletion AbortRequest(in FaultRequest request, in ResolvedStream resolved)
    {
        if (IsRecordedOfAts(registers.StreamControls, in resolved))
        {
            faults.Report(FaultRecords.OfConfiguration(AsRead(in request), in resolved));
        }

        return new AtsCompletion(AtsStatus.CompleterAbort, 0, 0, AtsGrants.None);
    }

    private TranslationResult AbortTranslated(in FaultRequest request, in ResolvedStream resolved)
    {
        var report = FaultRecords.OfConfiguration(in request, in resolved);
        return registers.StreamControls.RecordAtsErrors ? faults.Report(in report) : report.Result;
    }

    private TranslationResult PassTranslated(ulong address) => BitField.Exceeds(address, features.OutputAddressBits)
        ? SilentAbort
        : new TranslationResult(
            TranslationOutcome.StreamBypassed, address, 0, AccessPermissions.All, MemoryAttributes.Default);

    // RnW of a record of a Translation Request is UNKNOWN: here it is a read (ATS-08).
    private static FaultRequest AsRead(in FaultRequest request) =>
        request with { Access = request.Access & ~AccessKind.Write };

    // Asks for the write first, as it is the one that may need an update; only where it is denied for the read alone. So
    // that a page is made dirty exactly when the write is granted, and both stages see one access each time.
    private AtsCompletion Grant(
        ref StreamState state, in FaultRequest request, in InvalidationDates fillDates, ref PathStatistics statistics)
    {
        ref readonly var regime = ref state.Stream.Regime;
        bool isSplit = state.Stream.Ats == AtsMode.SplitStage;
        bool wantsWrite = (request.Access & AccessKind.Write) != 0;
        var privilege = request.Access & AccessKind.Privileged;
        var read = regime.Overrides.Apply(AccessKind.Read | privilege);
        var write = regime.Overrides.Apply(AccessKind.Write | privilege);

        // What an entry denies may be granted by an update; so only an entry that grants all that is wanted is an answer. The
        // TLB keeps no intermediate addresses, which Split-stage ATS answers with.
        var needed = RequiredPermissions.Of(read) | (wantsWrite ? RequiredPermissions.Of(write) : AccessPermissions.None);
        if (state.HasContexts && !isSplit
            && TryFindShared(ref state, request.InputAddress, needed, ref statistics, out ulong payload, out _))
        {
            ulong address = (payload & TranslationResult.PageMask) | (request.InputAddress & 0xfff);
            return Completion(
                in regime, in request, address, (byte)TranslationResult.LeafSizeLog2Of(payload),
                TranslationResult.PermissionsOf(payload));
        }

        var status = WalkStatus.Denied;
        WalkResult walk = default;
        if (wantsWrite) status = WalkForRequest(ref state, in request, write, in fillDates, ref statistics, out walk);
        if (status == WalkStatus.Denied)
        {
            status = WalkForRequest(ref state, in request, read, in fillDates, ref statistics, out walk);
        }

        return status switch
        {
            WalkStatus.Done => Completion(
                in regime, in request, isSplit ? walk.Ipa : walk.OutputAddress, walk.LeafSizeLog2, walk.Permissions),
            WalkStatus.Broken => AbortRequest(in request, in regime, in walk),
            _ => NoAccess(in request),
        };
    }

    private WalkStatus WalkForRequest(
        ref StreamState state,
        in FaultRequest request,
        AccessKind access,
        in InvalidationDates fillDates,
        ref PathStatistics statistics,
        out WalkResult walk)
    {
        WalkAndFill(ref state, request.InputAddress, access, in fillDates, ref statistics, out walk, out _);
        bool isOfPage = !walk.Stage2 || walk.FaultClass == FaultClass.Input;
        return walk.Event switch
        {
            EventType.None => WalkStatus.Done,
            EventType.WalkExternalAbort => WalkStatus.Broken,
            EventType.Permission when isOfPage => WalkStatus.Denied,
            _ => WalkStatus.Nothing,
        };
    }

    private AtsCompletion AbortRequest(in FaultRequest request, in TranslationRegime regime, in WalkResult walk)
    {
        if (registers.StreamControls.RecordAtsErrors)
        {
            var asked = AsRead(in request);
            faults.Report(FaultRecords.OfWalk(in asked, in regime, regime.Overrides.Apply(asked.Access), in walk));
        }

        return new AtsCompletion(AtsStatus.CompleterAbort, 0, 0, AtsGrants.None);
    }

    /// <summary>How a walk for a Translation Request ended.</summary>
    private enum WalkStatus : byte
    {
        /// <summary>With a translation.</summary>
        Done,

        /// <summary>With a page that does not permit what was asked.</summary>
        Denied,

        /// <summary>With no page to ask: no access at all.</summary>
        Nothing,

        /// <summary>With memory that refused an access.</summary>
        Broken,
    }
}
