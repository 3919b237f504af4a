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
/// <remarks>Called inside a scope, from any number of threads. It owns the caches; commands invalidate them.</remarks>
internal sealed unsafe partial class TranslationPath
{
    private readonly SmmuFeatures features;
    private readonly GuestMemory memory;
    private readonly RegisterFile registers;
    private readonly FaultReporter faults;
    private readonly SharedTlb tlb;
    private readonly WalkCache walkCache;
    private readonly ConfigurationCache configuration;
    private readonly bool cachesEnabled;

    public TranslationPath(
        SmmuOptions options,
        RegisterFile registers,
        FaultReporter faults,
        InvalidationStamps* stamps,
        SharedTlb tlb,
        WalkCache walkCache,
        ConfigurationCache configuration)
    {
        features = options.Features;
        memory = options.Memory;
        cachesEnabled = options.CachesEnabled;
        this.registers = registers;
        this.faults = faults;
        this.tlb = tlb;
        this.walkCache = walkCache;
        this.configuration = configuration;
        Stamps = stamps;
    }

    /// <summary>Dates of what is cached.</summary>
    public InvalidationStamps* Stamps { get; }

    /// <summary>Translates one access.</summary>
    /// <param name="stream">Whose access.</param>
    /// <param name="substream">Its substream, or none.</param>
    /// <param name="iova">All 64 bits of the address.</param>
    /// <param name="access">The access as the client marked it.</param>
    /// <param name="client">The client, if it can wait for the end of a stall.</param>
    /// <param name="statistics">Counters of the calling thread.</param>
    /// <param name="stamp">Date of the answer, for the port to keep it by; 0 when it must not be kept.</param>
    /// <exception cref="ArgumentOutOfRangeException">The access neither reads nor writes.</exception>
    public TranslationResult Translate(
        StreamId stream,
        SubstreamId? substream,
        ulong iova,
        AccessKind access,
        StallClient? client,
        ref PathStatistics statistics,
        out ulong stamp)
    {
        if (!RequiredPermissions.IsAccess(access)) ThrowNoAccess(access);

        stamp = cachesEnabled ? Volatile.Read(ref Stamps->Any) : 0;
        ulong control = registers.TranslationControl;
        if (control >> 32 == 0) return BypassDevice((uint)control, iova);

        // Read before anything is looked up, the configuration included: a walk that follows an old TTB must not be filled in
        // under the date of the invalidation that came with the new one.
        var dates = new CacheDates(Volatile.Read(ref Stamps->Translations), Volatile.Read(ref Stamps->Tables));
        Resolve(stream, substream, ref statistics, out var resolved);
        var request = new FaultRequest(stream, substream, iova, access);
        switch (resolved.Disposition)
        {
            case StreamDisposition.Translate:
                var result = TranslateBy(in resolved.Regime, in request, client, dates, ref statistics);
                if (HidesAtomics(in resolved.Regime, result.Permissions)) stamp = 0;
                return result;

            case StreamDisposition.Bypass:
                if (!BitField.Exceeds(iova, features.OutputAddressBits)) return BypassStream(in resolved, iova);
                return faults.Report(FaultRecords.OfBypassSize(in request, in resolved), client);

            case StreamDisposition.Fault:
                return faults.Report(FaultRecords.OfConfiguration(in request, in resolved), client);

            default:
                return SilentAbort;
        }
    }

    /// <summary>An abort without a fault.</summary>
    internal static TranslationResult SilentAbort => new(TranslationOutcome.Aborted, 0, 0, AccessPermissions.None, default);

    /// <summary>A stream that passes untranslated.</summary>
    internal static TranslationResult BypassStream(in ResolvedStream resolved, ulong iova) => new(
        TranslationOutcome.StreamBypassed,
        iova,
        leafSizeLog2: 0,
        AccessPermissions.All,
        AttributeRules.OfInput(in resolved.Regime.Overrides));

    /// <summary>A stream that a walk translated.</summary>
    internal static TranslationResult Success(in TranslationRegime regime, in WalkResult walk) =>
        Success(in regime, walk.OutputAddress, walk.LeafSizeLog2, walk.Permissions, walk.Attributes);

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

    private void Resolve(StreamId stream, SubstreamId? substream, ref PathStatistics statistics, out ResolvedStream resolved)
    {
        ulong stamp = Volatile.Read(ref Stamps->Configuration);
        statistics.ConfigurationLookups++;
        if (cachesEnabled && configuration.TryFind(stream, substream, stamp, out resolved))
        {
            statistics.ConfigurationHits++;
            return;
        }

        var trace = default(NoStreamTrace);
        StreamResolver.Resolve(memory, registers.StreamControls, features, stream, substream, ref trace, out resolved);
        if (cachesEnabled) configuration.Fill(stream, substream, stamp, in resolved);
    }

    private TranslationResult TranslateBy(
        in TranslationRegime regime,
        in FaultRequest request,
        StallClient? client,
        CacheDates dates,
        ref PathStatistics statistics)
    {
        var access = regime.Overrides.Apply(request.Access);
        if (!cachesEnabled) return Walk(in regime, in request, access, client, default, ref statistics);

        ulong tag = TlbTag.Of(in regime);
        ulong address = SharedTlb.LookupAddress(in regime, request.InputAddress);

        statistics.TlbLookups++;
        if (tlb.TryFind(tag, TlbTag.OfGlobal(in regime), address, out var entry)
            && (RequiredPermissions.Of(access) & ~entry.Permissions) == 0)
        {
            statistics.TlbHits++;
            ulong offset = request.InputAddress & ((1UL << entry.SizeLog2) - 1);
            return Success(in regime, entry.Output | offset, entry.SizeLog2, entry.Permissions, entry.Attributes);
        }

        return Walk(in regime, in request, access, client, new Lookup(dates, tag, address), ref statistics);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TranslationResult Walk(
        in TranslationRegime regime,
        in FaultRequest request,
        AccessKind access,
        StallClient? client,
        Lookup lookup,
        ref PathStatistics statistics)
    {
        WalkAndKeep(in regime, request.InputAddress, access, lookup, ref statistics, out var walk);
        return walk.IsSuccess
            ? Success(in regime, in walk)
            : faults.Report(FaultRecords.OfWalk(in request, in regime, access, in walk), client);
    }

    private void WalkAndKeep(
        in TranslationRegime regime,
        ulong iova,
        AccessKind access,
        Lookup lookup,
        ref PathStatistics statistics,
        out WalkResult walk)
    {
        var start = default(WalkStart);
        if (cachesEnabled && regime.Stage1Enabled) start = FindStart(in regime, lookup, ref statistics);

        var trace = default(NoTrace);
        Walker.Walk(memory, in regime, iova, access, in start, ref trace, out walk);
        statistics.Walks++;
        statistics.DescriptorReads += walk.DescriptorReads;
        if (cachesEnabled && walk.IsSuccess) Keep(in regime, in walk, in start, lookup);
    }

    private WalkStart FindStart(in TranslationRegime regime, Lookup lookup, ref PathStatistics statistics)
    {
        statistics.WalkCacheLookups++;
        if (!walkCache.TryFind(lookup.Tag, lookup.Address, lookup.Dates.Tables, out var table)) return default;
        statistics.WalkCacheHits++;
        return new WalkStart(table.Table, table.TableIpa, table.Hierarchy, table.Level);
    }

    private void Keep(in TranslationRegime regime, in WalkResult walk, in WalkStart start, Lookup lookup)
    {
        bool global = walk.IsGlobal && regime.Stage1Enabled && regime.HasAsid;
        var entry = new TlbEntry
        {
            Page = lookup.Address >> walk.LeafSizeLog2,
            Tag = global ? TlbTag.OfGlobal(in regime) : lookup.Tag,
            Output = BitField.AlignDown(walk.OutputAddress, walk.LeafSizeLog2),
            SizeLog2 = walk.LeafSizeLog2,
            Stage1SizeLog2 = walk.Stage1LeafSizeLog2,
            Stage2SizeLog2 = walk.Stage2LeafSizeLog2,
            Permissions = walk.Permissions,
            Attributes = walk.Attributes,
        };
        tlb.Fill(in entry, ref *Stamps, lookup.Dates.Translations);

        ref readonly var last = ref walk.LastTable;
        if (!last.IsSet) return;
        if (start.IsSet && start.Level == last.Level && start.Table == last.Table) return;   // It came from the walk cache.
        int coverage = CoverageLog2(in regime, lookup.Address, last.Level);
        walkCache.Fill(new WalkCacheEntry
        {
            Level = last.Level,
            CoverageLog2 = (byte)coverage,
            Hierarchy = last.Hierarchy,
            Prefix = lookup.Address >> coverage,
            Tag = lookup.Tag,
            Table = last.Table,
            TableIpa = last.TableIpa,
            Stamp = lookup.Dates.Tables,
        });
    }

    // Bytes of address space below one table of the level, no more than the whole range.
    private static int CoverageLog2(in TranslationRegime regime, ulong address, int level)
    {
        bool high = regime.HasTwoRanges && BitField.Test(address, 55);
        ref readonly var range = ref high ? ref regime.Stage1.Range1 : ref regime.Stage1.Range0;
        int stride = range.GranuleLog2 - 3;
        return Math.Min(range.GranuleLog2 + ((4 - level) * stride), 64 - range.SizeOffset);
    }

    private static TranslationResult Success(
        in TranslationRegime regime, ulong address, byte sizeLog2, AccessPermissions permissions, MemoryAttributes attributes) =>
        new(
            TranslationOutcome.Translated,
            address,
            sizeLog2,
            RequiredPermissions.AsSeenByClient(permissions, in regime.Overrides),
            attributes);

    // Where reads count as instructions, an atomic still needs to read data, and what a client may do does not tell (13.1.2).
    private static bool HidesAtomics(in TranslationRegime regime, AccessPermissions permissions)
    {
        const AccessPermissions Unprivileged = AccessPermissions.UnprivilegedRead | AccessPermissions.UnprivilegedWrite;
        const AccessPermissions Privileged = AccessPermissions.PrivilegedRead | AccessPermissions.PrivilegedWrite;
        return regime.Overrides.Instruction == 3
            && ((permissions & Unprivileged) == Unprivileged || (permissions & Privileged) == Privileged);
    }

    private static void ThrowNoAccess(AccessKind access) => throw new ArgumentOutOfRangeException(
        nameof(access), access, "An access reads, writes or does both, with known marks: use AccessKind.Read or AccessKind.Write.");

    /// <summary>Stamps as they were before the first look-up.</summary>
    private readonly record struct CacheDates(ulong Translations, ulong Tables);

    /// <summary>What was looked up in the TLB, and when.</summary>
    private readonly record struct Lookup(CacheDates Dates, ulong Tag, ulong Address);
}
