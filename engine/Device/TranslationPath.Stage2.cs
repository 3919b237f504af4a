using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Tlbs;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <content>The quick ways through stage 2, below a leaf of stage 1: an entry of the TLB, or a page descriptor.</content>
internal sealed unsafe partial class TranslationPath
{
    private const int LastLevel = 3;

    // The outputs of stage 1 have entries of their own.
    private bool TryApplyStage2(
        ref StreamState state,
        uint required,
        in InvalidationDates fillDates,
        ref PathStatistics statistics,
        ref ulong output,
        ref uint granted,
        ref ulong attributes,
        ref int sizeLog2)
    {
        ulong sizes = Volatile.Read(ref state.Intermediate->Sizes);
        if (!tlb.TryFind(state.IntermediateNumber, sizes, output, out ulong stage2, out _)
            && !TryReadStage2(ref state, output, in fillDates, ref statistics, out stage2)) return false;
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

    // Reads the page descriptor of an IPA. Blocks, flags to set, tables out of the common layout and faults are for the walker.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryReadStage2(
        ref StreamState state, ulong ipa, in InvalidationDates fillDates, ref PathStatistics statistics, out ulong payload)
    {
        payload = 0;
        ref readonly var stage2 = ref state.Stream.Regime.Stage2;
        int granule = stage2.GranuleLog2;
        if (!TryFindStage2Table(ref state, ipa, in fillDates, ref statistics)) return false;
        ulong slot = (ipa >> granule << 3) & ((1UL << granule) - 1);
        if (!memory.TryReadDirect64InScope(state.Stage2Table.Address + slot, out ulong descriptor)) return false;
        statistics.DescriptorReads++;
        if (((descriptor ^ DescriptorLayout.AccessedPage) & (DescriptorLayout.AccessedPage | BitsBeyondOutput(in stage2))) != 0) return false;

        ulong inLeaf = (1UL << granule) - 1;
        payload = TranslationResult.PayloadOf(
            TranslationOutcome.Translated,
            (descriptor & BitField.Mask(47, granule)) | (ipa & inLeaf),
            (byte)granule,
            DirectPermissions.OfStage2(descriptor, in stage2).Granted,
            new MemoryAttributes((byte)((descriptor >> 2) & 0xf), (byte)((descriptor >> 8) & 3)));
        TlbContext.Announce(ref state.Intermediate->Sizes, granule);
        tlb.Fill(state.IntermediateNumber, granule, ipa, payload, in fillDates);
        return true;
    }

    // The last-level table of an IPA: the latest one, one of the walk cache, or what the tables above lead to.
    private bool TryFindStage2Table(ref StreamState state, ulong ipa, in InvalidationDates fillDates, ref PathStatistics statistics)
    {
        ref readonly var stage2 = ref state.Stream.Regime.Stage2;
        ref var known = ref state.Stage2Table;
        int coverage = (2 * stage2.GranuleLog2) - 3;
        ulong prefix = ipa >> coverage;
        if (BitField.Exceeds(ipa, 64 - stage2.SizeOffset)) return false;   // Each time: a table may cover more than the range.
        if (known.CoverageLog2 != 0 && known.Prefix == prefix && known.Stamp == fillDates.DomainTables) return true;
        if (stage2.BigEndian || stage2.LargeAddresses) return false;

        // The meaning of the number is judged after the look-up that this is part of.
        const byte NoHierarchy = 0;
        if (!caches.Walks.TryFindLike(
            state.IntermediateNumber, prefix, (byte)coverage, LastLevel, NoHierarchy, fillDates.DomainTables, out ulong table, out _))
        {
            if (!TryWalkToStage2Table(in stage2, ipa, ref statistics, out table)) return false;
            var entry = new WalkCacheEntry
            {
                Level = LastLevel,
                CoverageLog2 = (byte)coverage,
                Hierarchy = NoHierarchy,
                Prefix = prefix,
                Number = state.IntermediateNumber,
                Table = table,
                Stamp = fillDates.DomainTables,
            };
            caches.Walks.Fill(in entry, in fillDates);
        }

        known = new Stage2LeafTable { Prefix = prefix, Address = table, Stamp = fillDates.DomainTables, CoverageLog2 = (byte)coverage };
        return true;
    }

    // At most four steps. Concatenated first tables lie behind one another, so the first index may have more bits than others.
    private bool TryWalkToStage2Table(in Stage2Configuration stage2, ulong ipa, ref PathStatistics statistics, out ulong table)
    {
        int granule = stage2.GranuleLog2;
        int stride = granule - 3;
        int level = stage2.StartLevel;
        int shift = granule + (stride * (LastLevel - level));
        ulong slotMask = ulong.MaxValue << 3;
        table = stage2.TableBase;
        for (; level < LastLevel; level++)
        {
            if (!memory.TryReadDirect64InScope(table + ((ipa >> (shift - 3)) & slotMask), out ulong descriptor)) return false;
            statistics.DescriptorReads++;
            if ((descriptor & 0b11) != 0b11 || (descriptor & BitsBeyondOutput(in stage2)) != 0) return false;
            table = descriptor & BitField.Mask(47, granule);
            slotMask = ((1UL << stride) - 1) << 3;
            shift -= stride;
        }

        if (stage2.StartLevel == LastLevel) table += ipa >> (granule + stride) << granule;
        return true;
    }

    // Address bits above the output size; those of the 64KB granule above 48 are for another way.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong BitsBeyondOutput(in Stage2Configuration stage2) =>
        (BitField.Mask(47, 0) & (ulong.MaxValue << stage2.OutputSizeBits)) | (stage2.GranuleLog2 == 16 ? BitField.Mask(15, 12) : 0);
}
