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
        caches.Walks.Fill(in entry, in fillDates);
        Remember(ref state, in entry);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsOf(in LeafTable table, ulong address, in InvalidationDates fillDates) =>
        address >> table.CoverageLog2 == table.Prefix && table.Stamp == fillDates.DomainTables && table.CoverageLog2 != 0;

    private bool TryFindTable(ref StreamState state, ulong address, in InvalidationDates fillDates)
    {
        if (state.Table.IsPlain && TryMoveToTable(ref state, address, in fillDates)) return true;
        if (!caches.Walks.TryFind(state.TableNumber, address, fillDates.DomainTables, out var entry)
            || Volatile.Read(ref device->Any) != state.SeenDevice) return false;   // As in TryFindShared.
        Remember(ref state, in entry);
        return true;
    }

    // To a plain table, of which there is none deeper, that differs from the plain one before by its place alone: so that all
    // that was computed for that one still holds.
    private bool TryMoveToTable(ref StreamState state, ulong address, in InvalidationDates fillDates)
    {
        const ulong UpperHalf = 1UL << 55;
        ref var table = ref state.Table;
        ulong prefix = address >> table.CoverageLog2;
        bool isOfHalf = ((address ^ (table.Prefix << table.CoverageLog2)) & UpperHalf) == 0;
        if (!isOfHalf
            || !caches.Walks.TryFindLike(
                state.TableNumber, prefix, table.CoverageLog2, table.Level, table.Hierarchy, fillDates.DomainTables,
                out ulong place, out ulong placeIpa)
            || Volatile.Read(ref device->Any) != state.SeenDevice) return false;   // As in TryFindShared.
        table.Prefix = prefix;
        table.Address = place;
        table.AddressIpa = placeIpa;
        table.Stamp = fillDates.DomainTables;
        return true;
    }

    private static void Remember(ref StreamState state, in WalkCacheEntry entry)
    {
        ref readonly var regime = ref state.Stream.Regime;
        ref readonly var stage1 = ref regime.Stage1;
        bool isUpper = regime.HasTwoRanges && BitField.Test(entry.Prefix << entry.CoverageLog2, 55);
        ref readonly var range = ref isUpper ? ref stage1.Range1 : ref stage1.Range0;
        byte restrictions = range.HierarchicalAttributesDisabled ? (byte)0 : entry.Hierarchy;
        bool isPlain = entry.Level == 3 && regime.HasTwoRanges && !stage1.BigEndian && !stage1.LargeAddresses;
        state.Leaf = LeafKind.None;
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
            Restrictions = restrictions,
            IsPlain = isPlain,

            // Address bits beyond the output size are for another way, and of the 64KB granule all above 48.
            DecidedBits = DescriptorLayout.AccessedPage
                | (BitField.Mask(47, 0) & (ulong.MaxValue << stage1.OutputSizeBits))
                | (range.GranuleLog2 == 16 ? BitField.Mask(15, 12) : 0),
            OutputBits = BitField.Mask(47, range.GranuleLog2),
            SlotMask = ((1UL << (entry.CoverageLog2 - range.GranuleLog2)) - 1) << 3,
        };
        if (isPlain && state.PermissionsOf != restrictions + 1) LearnPermissions(ref state, restrictions);
    }

    private static void LearnPermissions(ref StreamState state, byte restrictions)
    {
        ref readonly var stage1 = ref state.Stream.Regime.Stage1;
        for (ulong index = 0; index < 32; index++)
        {
            ulong descriptor = ((index & 3) << 6) | ((index & 4) << 49) | ((index & 0x18) << 50);
            state.Permissions[index] = (byte)DirectPermissions.OfStage1(descriptor, restrictions, in stage1).Granted;
        }

        state.PermissionsOf = restrictions + 1;
    }

    // The index of LearnPermissions.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PermissionIndex(ulong descriptor) =>
        (int)(((descriptor >> 6) & 3) | ((descriptor >> 49) & 4) | ((descriptor >> 50) & 0x18));

    // Bytes of address space below one table of the level, no more than the whole range.
    private static int CoverageLog2(in TranslationRegime regime, ulong address, int level)
    {
        bool high = regime.HasTwoRanges && BitField.Test(address, 55);
        ref readonly var range = ref high ? ref regime.Stage1.Range1 : ref regime.Stage1.Range0;
        int stride = range.GranuleLog2 - 3;
        return Math.Min(range.GranuleLog2 + ((4 - level) * stride), 64 - range.SizeOffset);
    }
}
