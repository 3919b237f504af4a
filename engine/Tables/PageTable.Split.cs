using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tables;

public sealed unsafe partial class PageTable
{
    /// <summary>Replaces a block by a table of the next level that maps the same, with one store, and returns its descriptor.</summary>
    /// <remarks>Hardware may set flags of the block meanwhile; then the table is filled again, with them.</remarks>
    private ulong Split(int table, int index, int level, ulong first, ref PageTableChange change)
    {
        ref ulong slot = ref pool.HostOf(table)[index];
        int child = TakeTable();
        int count = 1 << geometry.Stride;
        ulong link = LinkTo(child);
        ulong seen = Volatile.Read(ref slot);
        ulong filled;
        do
        {
            filled = seen;
            WriteLeaves(
                pool.HostOf(child), level + 1, first, geometry.AddressOf(filled) & ~((1UL << geometry.Shift(level)) - 1), count,
                filled & keptAttributes);
            seen = Interlocked.CompareExchange(ref slot, link, filled);
        }
        while (seen != filled);

        pool[child]->Live = count;
        change.AddLeaves(level, firstAddress + first, 1UL << geometry.Shift(level));
        return link;
    }

    /// <summary>Takes the hint from the contiguous run around a descriptor, unless all of the run is about to go.</summary>
    /// <remarks>
    /// Hardware that has found one member writable may have kept that for the whole run, so members that count as clean may
    /// have been written: those whose dirty state hardware keeps are dirty from here on.
    /// </remarks>
    private void BreakRunUnlessInside(int table, int index, int level, ulong first, ulong from, ulong end, ref PageTableChange change)
    {
        ulong* descriptors = pool.HostOf(table);
        if (!IsContiguous(descriptors[index])) return;
        int members = 1 << geometry.RunLog2(level);
        ulong runBytes = (ulong)members << geometry.Shift(level);
        ulong runFirst = first & ~(runBytes - 1);
        if (runFirst >= from && runFirst + runBytes <= end) return;

        ulong* run = descriptors + (index & ~(members - 1));
        for (int member = 0; member < members; member++)
        {
            ulong seen = Volatile.Read(ref run[member]);
            ulong expected;
            do
            {
                Invariant.Holds(IsContiguous(seen));
                expected = seen;
                ulong changed = dirty.WithDirty(expected & ~BitRange.Place(DescriptorFields.Contiguous, 1));
                seen = Interlocked.CompareExchange(ref run[member], changed, expected);
            }
            while (seen != expected);
        }

        change.AddLeaves(level, firstAddress + runFirst, runBytes);
    }
}
