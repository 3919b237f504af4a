using Smmu.Fast.Foundation;
using Smmu.Fast.Formats;
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
        if (table.CoverageLog2 == 0
            || address >> table.CoverageLog2 != table.Prefix
            || table.Stamp != fillDates.DomainTables)
        {
            if (!caches.Walks.TryFind(state.TableNumber, address, fillDates.DomainTables, out var entry)
                || Volatile.Read(ref device->Any) != state.SeenDevice) return default;   // As in TryFindShared.
            table.Prefix = entry.Prefix;
            table.CoverageLog2 = entry.CoverageLog2;
            table.Address = entry.Table;
            table.AddressIpa = entry.TableIpa;
            table.Hierarchy = entry.Hierarchy;
            table.Level = entry.Level;
            table.Stamp = entry.Stamp;
        }

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
        caches.Walks.Fill(new WalkCacheEntry
        {
            Level = last.Level,
            CoverageLog2 = (byte)coverage,
            Hierarchy = last.Hierarchy,
            Prefix = (iova & Compared) >> coverage,
            Number = state.TableNumber,
            Table = last.Table,
            TableIpa = last.TableIpa,
            Stamp = fillDates.DomainTables,
        });
        state.Table = new LeafTable
        {
            Prefix = (iova & Compared) >> coverage,
            Address = last.Table,
            AddressIpa = last.TableIpa,
            Stamp = fillDates.DomainTables,
            CoverageLog2 = (byte)coverage,
            Hierarchy = last.Hierarchy,
            Level = last.Level,
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
