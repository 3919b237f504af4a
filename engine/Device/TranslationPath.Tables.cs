using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Tlbs;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

/// <content>Tables that walks begin at: the latest one of the stream, and those of the walk cache.</content>
internal sealed unsafe partial class TranslationPath
{
    private const ulong Compared = (1UL << AddressRange.Bits) - 1;

    private WalkStart FindStart(ref StreamState state, ulong iova, in InvalidationDates fillDates, ref PathStatistics statistics)
    {
        statistics.WalkCacheLookups++;
        ulong address = iova & Compared;
        ref var table = ref state.Table;
        if (!IsOf(in table, address, in fillDates) && !TryFindTable(ref state, address, in fillDates)) return default;

        statistics.WalkCacheHits++;
        return new WalkStart(table.Address, table.AddressIpa, table.Hierarchy, table.Level);
    }

    private void KeepTable(
        ref StreamState state, ulong iova, in WalkResult walk, in WalkStart start, in InvalidationDates fillDates)
    {
        ref readonly var last = ref walk.LastTable;
        if (!last.IsSet || !state.CanBeCached(iova)) return;
        if (start.IsSet && start.Level == last.Level && start.Table == last.Table) return;   // It is known.
        int coverage = CoverageLog2(in state.Stream.Regime, iova, last.Level);
        var entry = new WalkCacheEntry
        {
            Level = last.Level,
            CoverageLog2 = (byte)coverage,
            Hierarchy = last.Hierarchy,
            Prefix = (iova & Compared) >> coverage,
            Number = state.TableNumber,
            Table = last.Table,
            TableIpa = last.TableIpa,
            Stamp = fillDates.DomainTables,
        };
        caches.Walks.Fill(in entry);
        Remember(ref state, in entry);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsOf(in LeafTable table, ulong address, in InvalidationDates fillDates) =>
        address >> table.CoverageLog2 == table.Prefix && table.Stamp == fillDates.DomainTables && table.CoverageLog2 != 0;

    private bool TryFindTable(ref StreamState state, ulong address, in InvalidationDates fillDates)
    {
        if (!caches.Walks.TryFind(state.TableNumber, address, fillDates.DomainTables, out var entry)
            || Volatile.Read(ref device->Any) != state.SeenDevice) return false;   // As in TryFindShared.
        Remember(ref state, in entry);
        return true;
    }

    private static void Remember(ref StreamState state, in WalkCacheEntry entry)
    {
        ref readonly var regime = ref state.Stream.Regime;
        ref readonly var stage1 = ref regime.Stage1;
        bool isUpper = regime.HasTwoRanges && BitField.Test(entry.Prefix << entry.CoverageLog2, 55);
        ref readonly var range = ref isUpper ? ref stage1.Range1 : ref stage1.Range0;
        state.Table = new LeafTable
        {
            Prefix = entry.Prefix,
            Address = entry.Table,
            AddressIpa = entry.TableIpa,
            Stamp = entry.Stamp,
            CoverageLog2 = entry.CoverageLog2,
            Hierarchy = entry.Hierarchy,
            Level = entry.Level,
            GranuleLog2 = range.GranuleLog2,
            Restrictions = range.HierarchicalAttributesDisabled ? (byte)0 : entry.Hierarchy,
            IsPlain = entry.Level == 3 && regime.HasTwoRanges && !stage1.BigEndian && !stage1.LargeAddresses,
        };
    }

    // Bytes of address space below one table of the level, no more than the whole range.
    private static int CoverageLog2(in TranslationRegime regime, ulong address, int level)
    {
        bool high = regime.HasTwoRanges && BitField.Test(address, 55);
        ref readonly var range = ref high ? ref regime.Stage1.Range1 : ref regime.Stage1.Range0;
        int stride = range.GranuleLog2 - 3;
        return Math.Min(range.GranuleLog2 + ((4 - level) * stride), 64 - range.SizeOffset);
    }
}
