namespace Smmu.Fast.Tables;

public sealed unsafe partial class PageTable
{
    /// <summary>Unmaps exactly a range: blocks and contiguous runs that reach beyond it are split. What is not mapped stays so.</summary>
    /// <remarks>The dirty state of what is unmapped goes with it: harvest it first.</remarks>
    /// <param name="iova">First input address, a multiple of the smallest page.</param>
    /// <param name="bytes">Size, above 0 and a multiple of the smallest page.</param>
    /// <param name="change">Takes up what has to be invalidated.</param>
    /// <param name="keepTables">Leaves tables linked that become empty, for maps to come; see <see cref="UnlinkEmptyTables"/>.</param>
    /// <exception cref="ObjectDisposedException">The table is disposed.</exception>
    public PageTableStatus Unmap(ulong iova, ulong bytes, ref PageTableChange change, bool keepTables = false)
    {
        ulong offset = iova - firstAddress;
        PageTableStatus status = Check(offset, bytes);
        if (status != PageTableStatus.Done) return status;
        ulong before = change.UnmappedBytes;
        bool isDone = IsInLastTable(offset, bytes);
        if (isDone)
        {
            ClearPages(lastTable, offset, offset + bytes, ref change);
            isDone = keepTables || pool[lastTable]->Live != 0;   // Else it has to be unlinked, from above.
        }

        if (!isDone)
        {
            PageTableStatus cleared = ClearFromRoot(offset, offset + bytes, keepTables, ref change);
            if (cleared != PageTableStatus.Done) return cleared;
        }

        MappedBytes -= change.UnmappedBytes - before;
        return PageTableStatus.Done;
    }

    /// <summary>Unlinks tables of a range that hold nothing, such as unmaps have kept.</summary>
    /// <param name="iova">First input address, a multiple of the smallest page.</param>
    /// <param name="bytes">Size, above 0 and a multiple of the smallest page.</param>
    /// <param name="change">Takes up what has to be invalidated.</param>
    /// <exception cref="ObjectDisposedException">The table is disposed.</exception>
    public PageTableStatus UnlinkEmptyTables(ulong iova, ulong bytes, ref PageTableChange change)
    {
        ulong offset = iova - firstAddress;
        PageTableStatus status = Check(offset, bytes);
        if (status == PageTableStatus.Done) UnlinkEmpty(root, geometry.StartLevel, offset, offset + bytes, ref change);
        return status;
    }

    private PageTableStatus ClearFromRoot(ulong offset, ulong end, bool keepTables, ref PageTableChange change)
    {
        long missing = TablesToSplit(root, geometry.StartLevel, offset, end);
        if (missing != 0 && pool.Available(geometry.GranuleLog2) < missing) return PageTableStatus.OutOfFrames;
        Clear(root, geometry.StartLevel, offset, end, keepTables, ref change);
        return PageTableStatus.Done;
    }

    // What a range needs to be split out exactly; only what its two ends lie in can be in need of it.
    private long TablesToSplit(int table, int level, ulong offset, ulong end)
    {
        ulong last = (end - 1) >> geometry.Shift(level) << geometry.Shift(level);
        if (last <= offset) return TablesToSplitAt(table, level, offset, end);
        return TablesToSplitAt(table, level, offset, (offset | ((1UL << geometry.Shift(level)) - 1)) + 1)
            + TablesToSplitAt(table, level, last, end);
    }

    private long TablesToSplitAt(int table, int level, ulong offset, ulong end)
    {
        if (((offset | end) & ((1UL << geometry.Shift(level)) - 1)) == 0) return 0;
        ulong descriptor = pool.HostOf(table)[geometry.IndexOf(offset, level)];
        if (descriptor == 0) return 0;
        return IsTable(descriptor, level)
            ? TablesToSplit(ChildOf(descriptor), level + 1, offset, end)
            : TablesToSplitLeaf(level, offset, end);
    }

    private long TablesToSplitLeaf(int level, ulong offset, ulong end)
    {
        ulong inLeaf = (1UL << geometry.Shift(level)) - 1;
        if (((offset | end) & inLeaf) == 0) return 0;
        level++;
        ulong inner = (1UL << geometry.Shift(level)) - 1;
        ulong last = (end - 1) & ~inner;
        return last <= offset
            ? 1 + TablesToSplitLeaf(level, offset, end)
            : 1 + TablesToSplitLeaf(level, offset, (offset | inner) + 1) + TablesToSplitLeaf(level, last, end);
    }

    private void Clear(int table, int level, ulong from, ulong end, bool keepTables, ref PageTableChange change)
    {
        if (level == 3)
        {
            RememberTable(table, from);
            ClearPages(table, from, end, ref change);
            return;
        }

        ulong* descriptors = pool.HostOf(table);
        ulong size = 1UL << geometry.Shift(level);
        for (ulong offset = from, next; offset < end; offset = next)
        {
            ulong first = offset & ~(size - 1);
            next = Math.Min(end, first + size);
            int index = geometry.IndexOf(offset, level);
            ulong descriptor = descriptors[index];
            if (descriptor == 0) continue;
            bool isWhole = next - offset == size;
            if (!IsTable(descriptor, level))
            {
                BreakRunUnlessInside(table, index, level, first, from, end, ref change);
                if (isWhole)
                {
                    RemoveLeaf(table, index, level, first, ref change);
                    continue;
                }

                descriptor = Split(table, index, level, first, ref change);
            }

            int child = ChildOf(descriptor);
            if (isWhole && !keepTables)
            {
                DropBelow(child, level + 1, first, ref change);
            }
            else
            {
                Clear(child, level + 1, offset, next, keepTables, ref change);
                if (keepTables || pool[child]->Live != 0) continue;
            }

            UnlinkChild(table, index, child, level, first, ref change);
        }
    }

    private void RemoveLeaf(int table, int index, int level, ulong first, ref PageTableChange change)
    {
        ulong size = 1UL << geometry.Shift(level);
        Volatile.Write(ref pool.HostOf(table)[index], 0);
        pool[table]->Live--;
        change.AddLeaves(level, firstAddress + first, size);
        change.UnmappedBytes += size;
    }

    private void ClearPages(int table, ulong from, ulong end, ref PageTableChange change)
    {
        if (pool[table]->Live == 0) return;
        int shift = geometry.GranuleLog2;
        int index = geometry.IndexOf(from, 3);
        int count = (int)((end - from) >> shift);
        ulong last = end - (1UL << shift);
        BreakRunUnlessInside(table, index, 3, from, from, end, ref change);
        BreakRunUnlessInside(table, index + count - 1, 3, last, from, end, ref change);

        // One store each: a general clear might write a descriptor in parts.
        ulong* pages = pool.HostOf(table) + index;
        int live = 0;
        int firstLive = 0;
        int lastLive = -1;
        for (int page = 0; page < count; page++)
        {
            if (pages[page] == 0) continue;
            pages[page] = 0;
            if (live++ == 0) firstLive = page;
            lastLive = page;
        }

        if (live == 0) return;
        pool[table]->Live -= live;
        change.AddLeaves(3, firstAddress + from + ((ulong)firstLive << shift), (ulong)(lastLive - firstLive + 1) << shift);
        change.UnmappedBytes += (ulong)live << shift;
    }

    private void UnlinkChild(int table, int index, int child, int level, ulong first, ref PageTableChange change)
    {
        Volatile.Write(ref pool.HostOf(table)[index], 0);
        pool[table]->Live--;
        Unlink(child);
        change.AddTable(firstAddress + first, 1UL << geometry.Shift(level));
    }

    // What hangs below a table goes with it: its own descriptors stay as they are, since nobody reads them any more.
    private void DropBelow(int table, int level, ulong first, ref PageTableChange change)
    {
        int left = pool[table]->Live;
        int shift = geometry.Shift(level);
        if (left == 0) return;
        if (level == 3)
        {
            change.AddLeaves(3, firstAddress + first, 1UL << (shift + geometry.Stride));
            change.UnmappedBytes += (ulong)left << shift;
            return;
        }

        ulong* descriptors = pool.HostOf(table);
        for (int index = 0; left > 0; index++)
        {
            ulong descriptor = descriptors[index];
            if (descriptor == 0) continue;
            left--;
            ulong at = first + ((ulong)index << shift);
            if (IsTable(descriptor, level))
            {
                int child = ChildOf(descriptor);
                DropBelow(child, level + 1, at, ref change);
                Unlink(child);
                continue;
            }

            change.AddLeaves(level, firstAddress + at, 1UL << shift);
            change.UnmappedBytes += 1UL << shift;
        }
    }

    private void UnlinkEmpty(int table, int level, ulong from, ulong end, ref PageTableChange change)
    {
        if (level == 3) return;
        ulong* descriptors = pool.HostOf(table);
        ulong size = 1UL << geometry.Shift(level);
        for (ulong offset = from, next; offset < end; offset = next)
        {
            ulong first = offset & ~(size - 1);
            next = Math.Min(end, first + size);
            int index = geometry.IndexOf(offset, level);
            if (!IsTable(descriptors[index], level)) continue;
            int child = ChildOf(descriptors[index]);
            UnlinkEmpty(child, level + 1, offset, next, ref change);
            if (pool[child]->Live == 0) UnlinkChild(table, index, child, level, first, ref change);
        }
    }
}
