using System.Runtime.CompilerServices;
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
    /// <summary>Answers out of the entries that the stream met last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAnswerQuickly(
        ref StreamState state, ulong iova, AccessKind access, ref PathStatistics statistics, out ulong payload)
    {
        // Whether the state is present is asked last, so that the entry is known to be of the context that it seems to be of.
        if (!state.CanBeCached(iova)
            || !state.Favoured.TryFind(iova, out payload)
            || (RequiredPermissions.BitsOf(access) & ~(uint)TranslationResult.PermissionsOf(payload)) != 0
            || !state.IsPresent(device))
        {
            payload = 0;
            return false;
        }

        statistics.DirectHits++;
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryAnswerDirectly(
        ref StreamState state, ulong iova, AccessKind access, ref PathStatistics statistics, out ulong payload)
    {
        payload = 0;
        if (!state.IsDirect || !state.CanBeCached(iova)) return false;
        var fillDates = new InvalidationDates(&state.Domain->Stamps, device);
        if (!state.IsPresent(device)) return false;

        uint required = RequiredPermissions.BitsOf(access);
        bool isFragment = false;
        if (TryFindIn(state.Own, state.OwnNumber, iova, out payload, ref isFragment)
            || (state.Global != null && TryFindIn(state.Global, state.GlobalNumber, iova, out payload, ref isFragment)))
        {
            // As in TryFindShared. What an entry denies a walk may grant.
            if ((required & ~(uint)TranslationResult.PermissionsOf(payload)) != 0
                || Volatile.Read(ref device->Any) != state.SeenDevice) return false;
            statistics.DirectHits++;
        }
        else if (TryReadLeaf(ref state, iova, required, in fillDates, out payload, out isFragment))
        {
            statistics.DirectWalks++;
        }
        else
        {
            return false;
        }

        if (state.Kept.Exists) state.Kept.Fill(iova, payload, isFragment);
        return true;
    }

    private bool TryReadLeaf(
        ref StreamState state, ulong iova, uint required, in InvalidationDates fillDates, out ulong payload, out bool isFragment)
    {
        const ulong AccessedPage = DescriptorLayout.AccessFlag | 0b11;
        ulong address = iova & Compared;
        ref var table = ref state.Table;
        payload = 0;
        isFragment = false;
        if (!IsOf(in table, address, in fillDates) && !TryFindTable(ref state, address, in fillDates)) return false;
        if (!table.IsPlain) return false;

        int granule = table.GranuleLog2;
        ulong slot = (address >> granule) & ((1UL << (table.CoverageLog2 - granule)) - 1);
        if (!memory.TryReadDirect64InScope(table.Address + (slot << 3), out ulong descriptor)) return false;
        if ((descriptor & AccessedPage) != AccessedPage) return false;
        if (granule == 16 && (descriptor & 0xf000) != 0) return false;   // [15:12] may be address bits.

        ref readonly var stage1 = ref state.Stream.Regime.Stage1;
        ulong inLeaf = (1UL << granule) - 1;
        ulong output = (descriptor & BitField.Mask(47, 12) & ~inLeaf) | (address & inLeaf);
        if (output >> stage1.OutputSizeBits != 0) return false;
        uint granted = (uint)DirectPermissions.OfStage1(descriptor, table.Restrictions, in stage1).Granted;
        if ((required & ~granted) != 0) return false;

        int index = (int)((descriptor >> 2) & 7) | (int)((descriptor >> 5) & 0x18);
        ulong attributes = state.Attributes[index];
        if (attributes == 0) attributes = LearnAttributes(ref state, index);

        int sizeLog2 = granule;
        if (state.Intermediate != null)
        {
            if (!TryApplyStage2(ref state, required, ref output, ref granted, ref attributes, ref sizeLog2)) return false;
            isFragment = sizeLog2 < granule;
            if (isFragment) return false;   // Seldom: the other way numbers fragments.
        }

        payload = granted | ((ulong)sizeLog2 << 6) | (output & TranslationResult.PageMask) | attributes;
        bool isGlobal = (descriptor & DescriptorLayout.NotGlobal) == 0 && state.Global != null;
        TlbContext* context = isGlobal ? state.Global : state.Own;
        uint number = isGlobal ? state.GlobalNumber : state.OwnNumber;
        TlbContext.Announce(ref context->Sizes, sizeLog2);
        tlb.Fill(number, sizeLog2, iova, payload, in fillDates);
        if (!state.Favoured.Are(tlb.KeyBitsOf(number, sizeLog2))) state.Favoured = tlb.Favour(number, sizeLog2);
        return true;
    }

    // The outputs of stage 1 have entries of their own.
    private bool TryApplyStage2(
        ref StreamState state, uint required, ref ulong output, ref uint granted, ref ulong attributes, ref int sizeLog2)
    {
        ulong sizes = Volatile.Read(ref state.Intermediate->Sizes);
        if (!tlb.TryFind(state.IntermediateNumber, sizes, output, out ulong stage2)) return false;
        granted &= (uint)TranslationResult.PermissionsOf(stage2);
        if ((required & ~granted) != 0 || Volatile.Read(ref device->Any) != state.SeenDevice) return false;

        output = (stage2 & TranslationResult.PageMask) | (output & 0xfff);
        sizeLog2 = Math.Min(sizeLog2, TranslationResult.LeafSizeLog2Of(stage2));
        ulong ofStage2 = stage2 & TranslationResult.AttributesMask;
        ulong both = attributes ^ (ofStage2 >> 32) ^ 1;   // Two fields that do not meet, and never 0.
        if (state.CombinedOf != both)
        {
            var combined = AttributeRules.Combine(
                TranslationResult.AttributesOf(attributes),
                TranslationResult.AttributesOf(stage2).Type,
                TranslationResult.AttributesOf(stage2).Shareability,
                state.Stream.Regime.Stage2.ForcedWriteBack);
            state.CombinedOf = both;
            state.Combined = TranslationResult.PayloadOf(TranslationOutcome.Translated, 0, 0, AccessPermissions.None, combined);
        }

        attributes = state.Combined;
        return true;
    }

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

    // Keeps what stage 2 made of the output of stage 1. In place of a memory type the entry has MemAttr of the leaf.
    private void FillIntermediate(ref StreamState state, in WalkResult walk, in InvalidationDates fillDates)
    {
        int sizeLog2 = SharedTlb.LargestSizeUpTo(walk.Stage2ReachLog2);
        if (sizeLog2 < walk.Stage2LeafSizeLog2) return;   // A piece of a leaf, which no search for the leaf would find.
        ulong payload = TranslationResult.PayloadOf(
            TranslationOutcome.Translated,
            walk.OutputAddress,
            walk.Stage2ReachLog2,
            walk.Stage2Permissions,
            new MemoryAttributes(walk.Stage2MemoryAttribute, walk.Stage2Shareability));
        TlbContext.Announce(ref state.Intermediate->Sizes, sizeLog2);
        tlb.Fill(state.IntermediateNumber, sizeLog2, walk.Ipa, payload, in fillDates);
    }
}
