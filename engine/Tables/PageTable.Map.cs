using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tables;

public sealed unsafe partial class PageTable
{
    /// <summary>Maps a range, with the largest leaves and contiguous runs that alignment and size allow.</summary>
    /// <remarks>Nothing has to be invalidated: hardware does not keep what is not mapped.</remarks>
    /// <param name="iova">First input address, a multiple of the smallest page.</param>
    /// <param name="pa">First output address, a multiple of the smallest page.</param>
    /// <param name="bytes">Size, above 0 and a multiple of the smallest page.</param>
    /// <param name="attributes">Attributes of all leaves; their SH is not used with large addresses.</param>
    /// <exception cref="ObjectDisposedException">The table is disposed.</exception>
    public PageTableStatus Map(ulong iova, ulong pa, ulong bytes, LeafAttributes attributes)
    {
        ulong offset = iova - firstAddress;
        PageTableStatus status = Check(offset, bytes);
        if (status != PageTableStatus.Done) return status;
        if ((pa & ((1UL << geometry.SmallestLog2) - 1)) != 0) return PageTableStatus.Unaligned;
        ulong outputs = 1UL << geometry.OutputBits;
        if (pa >= outputs || bytes > outputs - pa) return PageTableStatus.OutOfRange;
        if ((attributes.Bits & ~attributeMask) != 0) return PageTableStatus.BadAttributes;

        ulong bits = attributes.Bits & keptAttributes;
        if (IsInLastTable(offset, bytes)) return MapInLastTable(offset, bytes, pa, bits);
        long missing = 0;
        if (!TryCountMissing(root, geometry.StartLevel, offset, offset + bytes, pa, ref missing)) return PageTableStatus.AlreadyMapped;
        if (missing != 0 && pool.Available(geometry.GranuleLog2) < missing) return PageTableStatus.OutOfFrames;
        Fill(root, geometry.StartLevel, offset, offset + bytes, pa, bits);
        MappedBytes += bytes;
        return PageTableStatus.Done;
    }

    private PageTableStatus MapInLastTable(ulong offset, ulong bytes, ulong pa, ulong bits)
    {
        int pages = (int)(bytes >> geometry.GranuleLog2);
        ulong* slot = pool.HostOf(lastTable) + geometry.IndexOf(offset, 3);
        bool isEmpty = pool[lastTable]->Live == 0;
        if (FreeLeaves(slot, 3, offset, pa, offset + bytes, isEmpty) != pages) return PageTableStatus.AlreadyMapped;
        WriteLeaves(slot, 3, offset, pa, pages, bits);
        pool[lastTable]->Live += pages;
        MappedBytes += bytes;
        return PageTableStatus.Done;
    }

    /// <summary>Counts the tables that a map has to add; false when a part of the range is mapped.</summary>
    private bool TryCountMissing(int table, int level, ulong offset, ulong end, ulong pa, ref long missing)
    {
        ulong* descriptors = pool.HostOf(table);
        bool isEmpty = pool[table]->Live == 0;
        int shift = geometry.Shift(level);
        while (offset < end)
        {
            ulong* slot = descriptors + geometry.IndexOf(offset, level);
            ulong next = Math.Min(end, (offset | ((1UL << shift) - 1)) + 1);
            int free = FreeLeaves(slot, level, offset, pa, end, isEmpty);
            if (free != 0)
            {
                next = offset + ((ulong)free << shift);
            }
            else if (*slot == 0 && level < 3)
            {
                missing += TablesFor(level, offset, next, pa);
            }
            else if (!IsTable(*slot, level) || !TryCountMissing(ChildOf(*slot), level + 1, offset, next, pa, ref missing))
            {
                return false;
            }

            pa += next - offset;
            offset = next;
        }

        return true;
    }

    // Tables below a descriptor of a level that is not valid, so that a part of what it covers can be mapped.
    private long TablesFor(int level, ulong offset, ulong end, ulong pa)
    {
        long tables = 1;
        if (++level == 3) return tables;
        while (offset < end)
        {
            int leaves = LeavesThatFit(level, offset, pa, end);
            ulong next = leaves != 0
                ? offset + ((ulong)leaves << geometry.Shift(level))
                : Math.Min(end, (offset | ((1UL << geometry.Shift(level)) - 1)) + 1);
            if (leaves == 0) tables += TablesFor(level, offset, next, pa);
            pa += next - offset;
            offset = next;
        }

        return tables;
    }

    private void Fill(int table, int level, ulong offset, ulong end, ulong pa, ulong attributes)
    {
        if (level == 3) RememberTable(table, offset);
        ulong* descriptors = pool.HostOf(table);
        bool isEmpty = pool[table]->Live == 0;
        int shift = geometry.Shift(level);
        while (offset < end)
        {
            ulong* slot = descriptors + geometry.IndexOf(offset, level);
            ulong next = Math.Min(end, (offset | ((1UL << shift) - 1)) + 1);
            int free = FreeLeaves(slot, level, offset, pa, end, isEmpty);
            if (free != 0)
            {
                WriteLeaves(slot, level, offset, pa, free, attributes);
                pool[table]->Live += free;
                next = offset + ((ulong)free << shift);
            }
            else if (*slot != 0)
            {
                Fill(ChildOf(*slot), level + 1, offset, next, pa, attributes);
            }
            else
            {
                int child = TakeTable();
                Fill(child, level + 1, offset, next, pa, attributes);
                Link(slot, child);
                pool[table]->Live++;
            }

            pa += next - offset;
            offset = next;
        }
    }

    // Descriptors from a slot on that can become leaves: not valid, and of a size that fits. An empty table that hangs there
    // is filled, not replaced, so that a map never has to invalidate anything.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int FreeLeaves(ulong* slot, int level, ulong offset, ulong pa, ulong end, bool isEmpty)
    {
        int fitting = LeavesThatFit(level, offset, pa, end);
        if (fitting == 0 || isEmpty) return fitting;
        int taken = new ReadOnlySpan<ulong>(slot, fitting).IndexOfAnyExcept(0UL);
        if (taken < 0) return fitting;
        int unit = geometry.UnitLog2(level) - geometry.Shift(level);
        return taken >> unit << unit;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int LeavesThatFit(int level, ulong offset, ulong pa, ulong end)
    {
        int unit = geometry.UnitLog2(level);
        if (unit == 0 || ((offset | pa) & ((1UL << unit) - 1)) != 0) return 0;
        return (int)((EndInTable(offset, end, level) - offset) >> unit << (unit - geometry.Shift(level)));
    }

    // A head that begins inside a run, whole runs, and a tail that is none.
    private void WriteLeaves(ulong* slot, int level, ulong offset, ulong pa, int count, ulong attributes)
    {
        int shift = geometry.Shift(level);
        attributes |= level == 3 ? TableOrPage : Valid;
        int members = 1 << geometry.RunLog2(level);
        ulong runBytes = (ulong)members << shift;
        int head = (int)((0 - offset) >> shift) & (members - 1);
        int inRuns = (count - head) & ~(members - 1);
        if (members == 1 || ((offset ^ pa) & (runBytes - 1)) != 0 || inRuns <= 0)
        {
            WriteDescriptors(slot, shift, pa, count, attributes);
            return;
        }

        WriteDescriptors(slot, shift, pa, head, attributes);
        pa += (ulong)head << shift;
        WriteDescriptors(slot + head, shift, pa, inRuns, attributes | BitRange.Place(DescriptorFields.Contiguous, 1));
        pa += (ulong)inRuns << shift;
        WriteDescriptors(slot + head + inRuns, shift, pa, count - head - inRuns, attributes);
    }

    private void WriteDescriptors(ulong* slot, int shift, ulong pa, int count, ulong bits)
    {
        if (count == 0) return;
        ulong step = 1UL << shift;
        if (!geometry.CountsInPlace(pa, pa + ((ulong)(count - 1) << shift)))
        {
            for (int i = 0; i < count; i++) slot[i] = geometry.Encode(pa + ((ulong)i << shift)) | bits;
            return;
        }

        ulong descriptor = geometry.Encode(pa) | bits;
        for (int i = 0; i < count; i++)
        {
            slot[i] = descriptor;
            descriptor += step;
        }
    }
}
