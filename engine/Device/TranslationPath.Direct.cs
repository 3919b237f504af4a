using System.Runtime.CompilerServices;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Tlbs;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <content>
/// The quick ways of a stream that is present: an entry of the TLB, or one page descriptor in a table that is known. They run
/// no host code, write no record and update no descriptor; whatever is out of the ordinary they leave to the other ways.
/// </content>
internal sealed unsafe partial class TranslationPath
{
    /// <summary>Answers out of the entries that the stream met last, or makes another one of the same kind.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAnswerQuickly(
        ref StreamState state, ulong iova, AccessKind access, ref PathStatistics statistics, out ulong payload) =>
        TryFindFavoured(ref state, iova, access, ref statistics, out payload, out TlbSet* set, out ulong key, out long version)
        || (set != null && TryAddFavoured(ref state, iova, access, set, key, version, ref statistics, out payload))
        || TryAnswerBehind(ref state, iova, access, ref statistics, out payload);

    /// <summary>Answers out of the entries that the stream met last.</summary>
    /// <remarks>
    /// What is found is believed only if nothing was invalidated up to now: else it may have gone, or stand under a number that
    /// has another meaning.
    /// </remarks>
    /// <param name="state">What is known of the stream.</param>
    /// <param name="iova">All 64 bits of the address.</param>
    /// <param name="access">The access as the client marked it.</param>
    /// <param name="statistics">Counters of the calling thread.</param>
    /// <param name="payload">The answer.</param>
    /// <param name="set">Where there is none, the set that it could be added to; else null.</param>
    /// <param name="key">Its key there.</param>
    /// <param name="version">The version of the set.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFindFavoured(
        ref StreamState state,
        ulong iova,
        AccessKind access,
        ref PathStatistics statistics,
        out ulong payload,
        out TlbSet* set,
        out ulong key,
        out long version)
    {
        set = null;
        key = 0;
        version = 0;
        payload = 0;
        if (!state.Favoured.Exist) return false;
        set = state.Favoured.Locate(iova, out key);
        if (!set->TryRead(key, out payload, out version)) return false;

        payload = state.Favoured.PayloadAt(payload, iova);
        if ((RequiredPermissions.BitsOf(access) & ~(uint)TranslationResult.PermissionsOf(payload)) != 0
            || !state.CanBeCached(iova)
            || !state.IsPresent())
        {
            set = null;
            return false;
        }

        statistics.DirectHits++;
        if (state.Kept.Exists) state.Kept.Fill(iova, payload, isFragment: false);
        return true;
    }

    // A page of the known table, for the place where its entry was looked for.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryAddFavoured(
        ref StreamState state,
        ulong iova,
        AccessKind access,
        TlbSet* set,
        ulong key,
        long version,
        ref PathStatistics statistics,
        out ulong payload)
    {
        payload = 0;
        var fillDates = new InvalidationDates(&state.Domain->Stamps, device);
        if (!state.IsPresent() || !state.CanBeCached(iova)) return false;
        if (!TryReadPage(ref state, iova, RequiredPermissions.BitsOf(access), in fillDates, out payload)) return false;

        set->Add(key, payload, version, in fillDates);
        statistics.DirectWalks++;
        if (ControlBuild.Breaks(Breakage.StampReadLate)) SeeLate(ref state);
        if (state.Kept.Exists) state.Kept.Fill(iova, payload, isFragment: false);
        return true;
    }

    // After something was invalidated: as a rule that was something else, and what was known is known again.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryAnswerBehind(
        ref StreamState state, ulong iova, AccessKind access, ref PathStatistics statistics, out ulong payload)
    {
        payload = 0;
        if (state.IsPresent() || !TryCatchUp(ref state)) return false;
        return (state.Kept.Exists
                && state.Kept.TryFind(iova, RequiredPermissions.BitsOf(access), out payload)
                && state.IsPresent())
            || TryFindFavoured(ref state, iova, access, ref statistics, out payload, out TlbSet* set, out ulong key, out long version)
            || (set != null && TryAddFavoured(ref state, iova, access, set, key, version, ref statistics, out payload));
    }

    // Reads a page descriptor of the table that the latest walk ended in, if it gives an entry like the favoured ones.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryReadPage(
        ref StreamState state, ulong iova, uint required, in InvalidationDates fillDates, out ulong payload)
    {
        ulong address = iova & Compared;
        ref var table = ref state.Table;
        ref var leaf = ref state.Leaf;
        payload = 0;
        if (!table.IsPlain
            || state.Intermediate != null
            || (!IsOf(in table, address, in fillDates) && !TryMoveToTable(ref state, address, in fillDates))) return false;

        ulong slot = (address >> table.GranuleLog2 << 3) & table.SlotMask;
        if (!memory.TryReadDirect64InScope(table.Address + slot, out ulong descriptor)) return false;
        if (((descriptor ^ leaf.Descriptor) & leaf.Mask) != 0 && !TryLearnLeaf(ref state, descriptor)) return false;
        payload = leaf.Payload | (descriptor & table.OutputBits) | (address & leaf.InLeaf);
        return (required & ~(uint)TranslationResult.PermissionsOf(payload)) == 0;
    }

    // What is known of a kind of leaf holds for the table, for what it restricts, and for the favoured entries.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool TryLearnLeaf(ref StreamState state, ulong descriptor)
    {
        ref var table = ref state.Table;
        if (((descriptor ^ DescriptorLayout.AccessedPage) & table.DecidedBits) != 0) return false;
        uint granted = state.Permissions[PermissionIndex(descriptor)];
        ulong attributes = state.Attributes[AttributeIndex(descriptor)];
        ulong favoured = (descriptor & DescriptorLayout.NotGlobal) == 0 ? state.FavouredGlobalSize : state.FavouredOwnSize;
        if (attributes == 0 || favoured == 0 || state.Favoured.SizeLog2 != table.GranuleLog2) return false;
        state.Leaf = new LeafKind
        {
            Descriptor = descriptor,
            Mask = ~table.OutputBits | table.DecidedBits,
            Payload = granted | ((ulong)(uint)table.GranuleLog2 << 6) | attributes,
            InLeaf = ((1UL << table.GranuleLog2) - 1) & TranslationResult.PageMask,
        };
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryAnswerDirectly(
        ref StreamState state, ulong iova, AccessKind access, ref PathStatistics statistics, out ulong payload)
    {
        payload = 0;
        if (!state.IsDirect || !state.CanBeCached(iova)) return false;
        var fillDates = new InvalidationDates(&state.Domain->Stamps, device);
        if (!state.IsPresent()) return false;

        // The favoured entries have been asked.
        uint required = RequiredPermissions.BitsOf(access);
        bool isFragment = false;
        bool isOwn = TryFindIn(state.Own, state.OwnNumber, state.FavouredOwnSize, iova, out payload, out int sizeLog2, ref isFragment);
        if (isOwn
            || (state.Global != null
                && TryFindIn(state.Global, state.GlobalNumber, state.FavouredGlobalSize, iova, out payload, out sizeLog2, ref isFragment)))
        {
            // As in TryFindShared. What an entry denies a walk may grant.
            if ((required & ~(uint)TranslationResult.PermissionsOf(payload)) != 0
                || Volatile.Read(ref device->Any) != state.SeenDevice) return false;
            statistics.DirectHits++;
            if (!isFragment) Favour(ref state, !isOwn, sizeLog2);
        }
        else if (TryReadLeaf(ref state, iova, required, in fillDates, ref statistics, out payload, out isFragment))
        {
            statistics.DirectWalks++;
            if (ControlBuild.Breaks(Breakage.StampReadLate)) SeeLate(ref state);
        }
        else
        {
            return false;
        }

        if (state.Kept.Exists) state.Kept.Fill(iova, payload, isFragment);
        return true;
    }

    // True for a page that the table in which the latest walk ended does not map, as a walk from there would find.
    private bool IsUnmapped(ref StreamState state, ulong iova, in InvalidationDates fillDates)
    {
        ulong address = iova & Compared;
        ref var table = ref state.Table;
        if (!state.IsDirect || !table.IsPlain || state.Intermediate != null) return false;
        if (!state.CanBeCached(iova) || !IsOf(in table, address, in fillDates)) return false;
        ulong slot = (address >> table.GranuleLog2 << 3) & table.SlotMask;
        return memory.TryReadDirect64InScope(table.Address + slot, out ulong descriptor)
            && (descriptor & DescriptorLayout.PageBits) != DescriptorLayout.PageBits;
    }

    // Direct streams override nothing, so the record shows the access as it is.
    private TranslationResult ReportUnmapped(
        ref StreamState state, ulong iova, AccessKind access, StallClient? client, ref PathStatistics statistics)
    {
        ref readonly var regime = ref state.Stream.Regime;
        statistics.DirectWalks++;
        var request = new FaultRequest(state.Id, state.Substream, iova, access);
        var decision = FaultPolicy.Decide(EventType.Translation, stage2: false, in regime);
        return decision.Outcome == TranslationOutcome.Stalled
            ? faults.Report(FaultRecords.OfUnmapped(in request, in regime), client)
            : faults.ReportUnmapped(in request, decision);
    }

    private bool TryReadLeaf(
        ref StreamState state,
        ulong iova,
        uint required,
        in InvalidationDates fillDates,
        ref PathStatistics statistics,
        out ulong payload,
        out bool isFragment)
    {
        ulong address = iova & Compared;
        ref var table = ref state.Table;
        payload = 0;
        isFragment = false;
        if (!IsOf(in table, address, in fillDates) && !TryFindTable(ref state, address, in fillDates)) return false;
        if (!table.IsPlain) return false;

        int granule = table.GranuleLog2;
        ulong slot = (address >> granule << 3) & table.SlotMask;
        if (!memory.TryReadDirect64InScope(table.Address + slot, out ulong descriptor)) return false;
        if (((descriptor ^ DescriptorLayout.AccessedPage) & table.DecidedBits) != 0) return false;
        ulong inLeaf = (1UL << granule) - 1;
        ulong output = (descriptor & table.OutputBits) | (address & inLeaf);
        uint granted = state.Permissions[PermissionIndex(descriptor)];
        if ((required & ~granted) != 0) return false;

        int index = AttributeIndex(descriptor);
        ulong attributes = state.Attributes[index];
        if (attributes == 0) attributes = LearnAttributes(ref state, index);

        int sizeLog2 = granule;
        if (state.Intermediate != null)
        {
            if (!TryApplyStage2(
                ref state, required, in fillDates, ref statistics, ref output, ref granted, ref attributes, ref sizeLog2)) return false;
            isFragment = sizeLog2 < granule;
            if (isFragment) return false;   // Seldom: the other way numbers fragments.
        }

        payload = granted | ((ulong)sizeLog2 << 6) | (output & TranslationResult.PageMask) | attributes;
        bool isGlobal = (descriptor & DescriptorLayout.NotGlobal) == 0 && state.Global != null;
        TlbContext* context = isGlobal ? state.Global : state.Own;
        uint number = isGlobal ? state.GlobalNumber : state.OwnNumber;
        TlbContext.Announce(ref context->Sizes, sizeLog2);
        tlb.Fill(number, sizeLog2, iova, payload, in fillDates);
        if (((isGlobal ? state.FavouredGlobalSize : state.FavouredOwnSize) & (1UL << sizeLog2)) == 0) Favour(ref state, isGlobal, sizeLog2);

        return true;
    }

    private void Favour(ref StreamState state, bool isGlobal, int sizeLog2)
    {
        state.Leaf = LeafKind.None;
        state.Favoured = tlb.Favour(isGlobal ? state.GlobalNumber : state.OwnNumber, sizeLog2);
        state.FavouredOwnSize = isGlobal ? 0 : 1UL << sizeLog2;
        state.FavouredGlobalSize = isGlobal ? 1UL << sizeLog2 : 0;
    }

    // AttrIndx [2:0], SH [4:3].
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int AttributeIndex(ulong descriptor) => (int)((descriptor >> 2) & 7) | (int)((descriptor >> 5) & 0x18);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong LearnAttributes(ref StreamState state, int index)
    {
        ref readonly var regime = ref state.Stream.Regime;
        byte type = (byte)(regime.Stage1.MemoryAttributes >> ((index & 7) << 3));
        var attributes = AttributeRules.OfStage1(type, index >> 3, in regime.Overrides);
        ulong bits = TranslationResult.PayloadOf(TranslationOutcome.Translated, 0, 0, AccessPermissions.None, attributes);
        state.Attributes[index] = bits;
        return bits;
    }
}
