using System.Runtime.CompilerServices;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Registers;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <summary>Translates what a port's own table could not answer: configuration, shared TLB, walk, fault.</summary>
/// <remarks>Called inside a scope, from any number of threads, each with a state of its own. Commands invalidate the caches.</remarks>
[SkipLocalsInit]
internal sealed unsafe partial class TranslationPath
{
    private readonly SmmuFeatures features;
    private readonly GuestMemory memory;
    private readonly ControlGate gate;
    private readonly RegisterFile registers;
    private readonly FaultReporter faults;
    private readonly TranslationCaches caches;
    private readonly SharedTlb tlb;
    private readonly InvalidationStamps* device;
    private readonly ConfigurationCache configuration;
    private readonly ConfigurationDates dates;
    private readonly bool cachesEnabled;

    public TranslationPath(
        SmmuOptions options,
        ControlGate gate,
        RegisterFile registers,
        FaultReporter faults,
        TranslationCaches caches,
        ConfigurationCache configuration,
        ConfigurationDates dates)
    {
        features = options.Features;
        memory = options.Memory;
        cachesEnabled = options.CachesEnabled;
        this.gate = gate;
        this.registers = registers;
        this.faults = faults;
        this.caches = caches;
        this.configuration = configuration;
        this.dates = dates;
        tlb = caches.Tlb;
        device = caches.Device;
    }

    /// <summary>Stamps of the device.</summary>
    public InvalidationStamps* Stamps => device;

    /// <summary>A state for a stream that knows nothing.</summary>
    public StreamState NewState(StreamId stream, SubstreamId? substream, bool isOfTranslated = false) =>
        new(stream, substream, device, caches.Domains.None, isOfTranslated);

    /// <summary>Translates one access.</summary>
    /// <param name="state">What is known of the stream.</param>
    /// <param name="iova">All 64 bits of the address.</param>
    /// <param name="access">The access as the client marked it.</param>
    /// <param name="client">The client, if it can wait for the end of a stall.</param>
    /// <param name="statistics">Counters of the calling thread.</param>
    /// <exception cref="ArgumentOutOfRangeException">The access neither reads nor writes.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TranslationResult Translate(
        ref StreamState state, ulong iova, AccessKind access, StallClient? client, ref PathStatistics statistics)
    {
        return TryFindFavoured(
            ref state, iova, access, ref statistics, out ulong payload, out TlbSet* set, out ulong key, out long version)
            ? TranslationResult.OfKept(payload, iova)
            : TranslateFurther(ref state, iova, access, set, key, version, client, ref statistics);
    }

    /// <summary><see cref="Translate"/> after <see cref="TryFindFavoured"/> has found nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TranslationResult TranslateFurther(
        ref StreamState state,
        ulong iova,
        AccessKind access,
        TlbSet* set,
        ulong key,
        long version,
        StallClient? client,
        ref PathStatistics statistics)
    {
        return (set != null && TryAddFavoured(ref state, iova, access, set, key, version, ref statistics, out ulong payload))
            || TryAnswerBehind(ref state, iova, access, ref statistics, out payload)
            || TryAnswerDirectly(ref state, iova, access, ref statistics, out payload)
            ? TranslationResult.OfKept(payload, iova)
            : TranslateAnyhow(ref state, iova, access, client, ref statistics);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult TranslateAnyhow(
        ref StreamState state, ulong iova, AccessKind access, StallClient? client, ref PathStatistics statistics)
    {
        if (!RequiredPermissions.IsAccess(access)) ThrowNoAccess(access);
        var fillDates = new InvalidationDates(&state.Domain->Stamps, device);
        if (!state.IsBusy)
        {
            bool isReady = state.Mode != StreamMode.Translate || state.HasContexts;
            if (isReady && state.IsPresent())
            {
                return IsUnmapped(ref state, iova, in fillDates)
                    ? ReportUnmapped(ref state, iova, access, client, ref statistics)
                    : Answer(ref state, iova, access, in fillDates, client, ref statistics);
            }

            if (Refresh(ref state, ref statistics, out fillDates))
            {
                // The quick ways were closed until now.
                return TryAnswerQuickly(ref state, iova, access, ref statistics, out ulong payload)
                    || TryAnswerDirectly(ref state, iova, access, ref statistics, out payload)
                    ? TranslationResult.OfKept(payload, iova)
                    : Answer(ref state, iova, access, in fillDates, client, ref statistics);
            }
        }

        var once = ConfigureOnce(in state, ref statistics);
        return Answer(ref once, iova, access, in fillDates, client, ref statistics);
    }

    /// <summary>An abort without a fault. Its payload has no address, so that it can be kept.</summary>
    internal static TranslationResult SilentAbort => new(TranslationOutcome.Aborted, 0, 0, AccessPermissions.None, default);

    /// <summary>A stream that passes untranslated.</summary>
    internal static TranslationResult BypassStream(in ResolvedStream resolved, ulong iova) => new(
        TranslationOutcome.StreamBypassed,
        iova,
        leafSizeLog2: 0,
        AccessPermissions.All,
        AttributeRules.OfInput(in resolved.Regime.Overrides));

    /// <summary>A stream that a walk translated.</summary>
    internal static TranslationResult Success(in TranslationRegime regime, in WalkResult walk) => new(
        TranslationOutcome.Translated,
        walk.OutputAddress,
        walk.LeafSizeLog2,
        RequiredPermissions.AsSeenByClient(walk.Permissions, in regime.Overrides),
        walk.Attributes);

    // SMMUEN = 0: nothing is read, a SubstreamID means nothing, and no event is recorded (CTL-19 to CTL-22).
    internal TranslationResult BypassDevice(uint globalBypass, ulong iova)
    {
        const int AbortBit = 20;
        if (BitField.Test(globalBypass, AbortBit) || BitField.Exceeds(iova, features.OutputAddressBits))
        {
            return SilentAbort;
        }

        var overrides = new AttributeOverrides
        {
            ReplaceMemoryType = features.ATTR_TYPES_OVR && BitField.Test(globalBypass, 4),
            MemoryType = (byte)BitField.Get(globalBypass, 3, 0),
            AllocationHints = features.ATTR_TYPES_OVR ? (byte)BitField.Get(globalBypass, 11, 8) : (byte)0,
            Shareability = features.ATTR_TYPES_OVR ? (byte)BitField.Get(globalBypass, 13, 12) : (byte)1,
        };
        return new TranslationResult(
            TranslationOutcome.DeviceBypassed, iova, 0, AccessPermissions.All, AttributeRules.OfInput(in overrides));
    }

    private TranslationResult Answer(
        ref StreamState state,
        ulong iova,
        AccessKind access,
        in InvalidationDates fillDates,
        StallClient? client,
        ref PathStatistics statistics)
    {
        if (state.Mode == StreamMode.Translate) return TranslateBy(ref state, iova, access, in fillDates, client, ref statistics);
        if (state.Mode == StreamMode.DeviceOff) return Keep(ref state, iova, BypassDevice((uint)state.Control, iova));

        statistics.ConfigurationLookups++;
        if (state.Mode == StreamMode.Abort) return Keep(ref state, iova, SilentAbort);
        var request = new FaultRequest(state.Id, state.Substream, iova, access);
        if (state.Mode == StreamMode.Bypass)
        {
            return BitField.Exceeds(iova, features.OutputAddressBits)
                ? faults.Report(FaultRecords.OfBypassSize(in request, in state.Stream), client)
                : Keep(ref state, iova, BypassStream(in state.Stream, iova));
        }

        return state.Stream.Disposition == StreamDisposition.Abort
            ? SilentAbort
            : faults.Report(FaultRecords.OfConfiguration(in request, in state.Stream), client);
    }

    // What passes untranslated, or aborts without a record, is kept page by page like any other answer.
    private static TranslationResult Keep(ref StreamState state, ulong iova, TranslationResult result)
    {
        if (!state.Kept.Exists) return result;
        if (!result.IsSuccess) state.Kept.FillForAll(iova, result.Payload);
        else if (!BitField.Exceeds(iova, 52)) state.Kept.Fill(iova, result.Payload, isFragment: false);
        return result;
    }

    private TranslationResult TranslateBy(
        ref StreamState state,
        ulong iova,
        AccessKind access,
        in InvalidationDates fillDates,
        StallClient? client,
        ref PathStatistics statistics)
    {
        var judged = state.Stream.Regime.Overrides.Apply(access);   // Writes are data, also without overrides.
        statistics.ConfigurationLookups++;
        return state.HasContexts
            && TryFindShared(ref state, iova, RequiredPermissions.Of(judged), ref statistics, out ulong payload, out bool isFragment)
            ? KeepTranslation(ref state, iova, payload, isFragment)
            : Walk(ref state, iova, access, judged, in fillDates, client, ref statistics);
    }

    private bool TryFindShared(
        ref StreamState state,
        ulong iova,
        AccessPermissions required,
        ref PathStatistics statistics,
        out ulong payload,
        out bool isFragment)
    {
        statistics.TlbLookups++;
        isFragment = false;
        if (!state.CanBeCached(iova))
        {
            payload = 0;
            return false;
        }

        if (!TryFindIn(state.Own, state.OwnNumber, 0, iova, out payload, out _, ref isFragment)
            && (state.Global == null
                || !TryFindIn(state.Global, state.GlobalNumber, 0, iova, out payload, out _, ref isFragment))) return false;

        // An entry under a number that has another meaning by now came after the device's stamp was raised.
        if ((required & ~TranslationResult.PermissionsOf(payload)) != 0 || Volatile.Read(ref device->Any) != state.SeenDevice)
        {
            return false;
        }

        statistics.TlbHits++;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryFindIn(
        TlbContext* context, uint number, ulong exceptSize, ulong iova, out ulong payload, out int sizeLog2, ref bool isFragment)
    {
        if (tlb.TryFind(number, Volatile.Read(ref context->Sizes) & ~exceptSize, iova, out payload, out sizeLog2)) return true;
        uint fragments = Volatile.Read(ref context->FragmentNumber);
        if (fragments == 0
            || !tlb.TryFind(fragments, Volatile.Read(ref context->FragmentSizes), iova, out payload, out sizeLog2)) return false;
        isFragment = true;
        return true;
    }

    private static TranslationResult KeepTranslation(ref StreamState state, ulong iova, ulong payload, bool isFragment)
    {
        bool mayKeep = state.Kept.Exists;
        if (state.HasPermissionOverrides)
        {
            var permissions = TranslationResult.PermissionsOf(payload);
            ref readonly var overrides = ref state.Stream.Regime.Overrides;
            permissions = RequiredPermissions.AsSeenByClient(permissions, in overrides);
            mayKeep &= !RequiredPermissions.HideAtomics(permissions, in overrides);
            payload = TranslationResult.WithPermissions(payload, permissions);
        }

        if (mayKeep) state.Kept.Fill(iova, payload, isFragment);
        return TranslationResult.OfKept(payload, iova);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult Walk(
        ref StreamState state,
        ulong iova,
        AccessKind access,
        AccessKind judged,
        in InvalidationDates fillDates,
        StallClient? client,
        ref PathStatistics statistics)
    {
        WalkAndFill(ref state, iova, judged, in fillDates, ref statistics, out var walk, out bool isFragment);
        if (!walk.IsSuccess)
        {
            var request = new FaultRequest(state.Id, state.Substream, iova, access);
            return faults.Report(FaultRecords.OfWalk(in request, in state.Stream.Regime, judged, in walk), client);
        }

        if (!state.HasContexts) return Success(in state.Stream.Regime, in walk);
        if (ControlBuild.Breaks(Breakage.StampReadLate)) SeeLate(ref state);
        return KeepTranslation(ref state, iova, PayloadOf(in walk), isFragment);
    }

    // For the control build: as if the stamps were read after what they date.
    private void SeeLate(ref StreamState state)
    {
        ControlBuild.Linger();
        state.SeenDomain = Volatile.Read(ref state.Domain->Stamps.Any);
        state.SeenDevice = Volatile.Read(ref device->Any);
    }

    private void WalkAndFill(
        ref StreamState state,
        ulong iova,
        AccessKind judged,
        in InvalidationDates fillDates,
        ref PathStatistics statistics,
        out WalkResult walk,
        out bool isFragment)
    {
        ref readonly var regime = ref state.Stream.Regime;
        var start = state.HasContexts && regime.Stage1Enabled && state.CanBeCached(iova)
            ? FindStart(ref state, iova, in fillDates, ref statistics)
            : default;
        var trace = default(NoTrace);
        state.IsBusy = true;
        try
        {
            Walker.Walk(memory, in regime, iova, judged, in start, ref trace, out walk);
        }
        finally
        {
            state.IsBusy = false;
        }

        statistics.Walks++;
        statistics.DescriptorReads += walk.DescriptorReads;
        isFragment = false;
        if (!state.HasContexts || !walk.IsSuccess) return;
        isFragment = Fill(ref state, iova, in walk, in fillDates);
        if (state.Intermediate != null) FillIntermediate(ref state, in walk, in fillDates);
        KeepTable(ref state, iova, in walk, in start, in fillDates);
    }

    private static ulong PayloadOf(in WalkResult walk) => TranslationResult.PayloadOf(
        TranslationOutcome.Translated, walk.OutputAddress, walk.LeafSizeLog2, walk.Permissions, walk.Attributes);

    // True for a piece of a larger leaf than the entry is.
    private bool Fill(ref StreamState state, ulong iova, in WalkResult walk, in InvalidationDates fillDates)
    {
        ref readonly var regime = ref state.Stream.Regime;
        bool isGlobal = walk.IsGlobal && state.Global != null;
        TlbContext* context = isGlobal ? state.Global : state.Own;
        uint number = isGlobal ? state.GlobalNumber : state.OwnNumber;
        int sizeLog2 = SharedTlb.LargestSizeUpTo(walk.LeafSizeLog2);
        bool isFragment = (regime.Stage1Enabled ? walk.Stage1LeafSizeLog2 : walk.Stage2LeafSizeLog2) > sizeLog2;
        if (isFragment)
        {
            number = Volatile.Read(ref context->FragmentNumber);
            if (number == 0) number = NumberFragments(context, isGlobal ? state.GlobalNumber : state.OwnNumber);
            if (number == 0) return true;
            TlbContext.Announce(ref context->FragmentSizes, sizeLog2);
        }
        else
        {
            TlbContext.Announce(ref context->Sizes, sizeLog2);
        }

        tlb.Fill(number, sizeLog2, iova, PayloadOf(in walk), in fillDates);
        return isFragment;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private uint NumberFragments(TlbContext* context, uint number)
    {
        gate.Enter();
        caches.NumberFragments(context, number);
        uint fragments = context->FragmentNumber;
        gate.Exit();
        return fragments;
    }

    private static void ThrowNoAccess(AccessKind access) => throw new ArgumentOutOfRangeException(
        nameof(access), access, "An access reads, writes or does both, with known marks: use AccessKind.Read or AccessKind.Write.");
}
