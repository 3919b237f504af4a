using System.Numerics;
using System.Runtime.CompilerServices;

namespace Smmu.Fast.Tables;

public sealed unsafe partial class PageTable
{
    /// <summary>Reads which pages hardware has marked as written, and may clear the marks.</summary>
    /// <remarks>
    /// A page that is written at the same time is reported now or the next time. After marks are cleared hardware may go on
    /// writing through translations that it keeps: invalidate what <paramref name="change"/> names before the pages are
    /// copied. A leaf or a contiguous run counts as a whole, since hardware may mark any member of a run for all of them; one
    /// that reaches beyond the range is reported as far as it lies inside, and keeps its mark.
    /// </remarks>
    /// <param name="iova">First input address, a multiple of the smallest page.</param>
    /// <param name="bytes">Size, above 0 and a multiple of the smallest page.</param>
    /// <param name="bitmap">Gets bit n (of word n / 64) set when page n of the range is dirty; other bits stay.</param>
    /// <param name="pageLog2">log2 of the bytes that a bit stands for.</param>
    /// <param name="clear">Makes reported leaves clean again.</param>
    /// <param name="change">Takes up what has to be invalidated.</param>
    /// <exception cref="ArgumentOutOfRangeException">The page size is not 2^3 to 2^63.</exception>
    /// <exception cref="ObjectDisposedException">The table is disposed.</exception>
    public PageTableStatus HarvestDirty(
        ulong iova, ulong bytes, Span<ulong> bitmap, int pageLog2, bool clear, ref PageTableChange change)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageLog2, 3);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageLog2, 63);
        PageTableStatus status = Check(iova - firstAddress, bytes);
        if (status != PageTableStatus.Done) return status;
        if (((bytes - 1) >> pageLog2) >> 6 >= (ulong)bitmap.Length) return PageTableStatus.BitmapTooSmall;
        fixed (ulong* words = bitmap)
        {
            var sink = new BitmapSink(words, pageLog2, iova);
            return HarvestDirty(iova, bytes, ref sink, clear, ref change);
        }
    }

    /// <summary>As the other one, for whoever wants ranges instead of bits.</summary>
    /// <param name="iova">First input address, a multiple of the smallest page.</param>
    /// <param name="bytes">Size, above 0 and a multiple of the smallest page.</param>
    /// <param name="sink">Takes what is dirty, in rising order; the same range once.</param>
    /// <param name="clear">Makes reported leaves clean again.</param>
    /// <param name="change">Takes up what has to be invalidated.</param>
    /// <exception cref="ObjectDisposedException">The table is disposed.</exception>
    internal PageTableStatus HarvestDirty<TSink>(ulong iova, ulong bytes, ref TSink sink, bool clear, ref PageTableChange change)
        where TSink : struct, IDirtySink
    {
        ulong offset = iova - firstAddress;
        PageTableStatus status = Check(offset, bytes);
        if (status != PageTableStatus.Done) return status;
        var harvest = new Harvest<TSink>(ref sink, clear, offset, offset + bytes);
        HarvestTable(root, geometry.StartLevel, offset, offset + bytes, in harvest, ref change);
        return PageTableStatus.Done;
    }

    private void HarvestTable<TSink>(int table, int level, ulong offset, ulong end, in Harvest<TSink> harvest, ref PageTableChange change)
        where TSink : struct, IDirtySink
    {
        if (pool[table]->Live == 0) return;
        if (level == 3)
        {
            HarvestPages(table, offset, end, in harvest, ref change);
            return;
        }

        ulong* descriptors = pool.HostOf(table);
        ulong size = 1UL << geometry.Shift(level);
        int handled = 0;   // First descriptor that no run has taken care of.
        for (ulong next; offset < end; offset = next)
        {
            ulong first = offset & ~(size - 1);
            next = Math.Min(end, first + size);
            int index = geometry.IndexOf(offset, level);
            ulong descriptor = Volatile.Read(ref descriptors[index]);
            if (IsTable(descriptor, level)) HarvestTable(ChildOf(descriptor), level + 1, offset, next, in harvest, ref change);
            else if (index >= handled && dirty.IsDirty(descriptor)) handled = HarvestLeaf(descriptors, index, level, first, in harvest, ref change);
        }
    }

    private void HarvestPages<TSink>(int table, ulong offset, ulong end, in Harvest<TSink> harvest, ref PageTableChange change)
        where TSink : struct, IDirtySink
    {
        int shift = geometry.GranuleLog2;
        int index = geometry.IndexOf(offset, 3);
        int endIndex = index + (int)((end - offset) >> shift);
        ulong* descriptors = pool.HostOf(table);
        ulong tableFirst = offset - ((ulong)index << shift);
        int handled = index;
        for (int next; index < endIndex; index = next)
        {
            next = Math.Min(endIndex, index + DirtyBits.Window);
            ulong found = next - index == DirtyBits.Window
                ? dirty.Match64(descriptors + index)
                : dirty.ScalarMatch(descriptors + index, next - index);
            for (; found != 0; found &= found - 1)
            {
                int at = index + BitOperations.TrailingZeroCount(found);
                if (at >= handled) handled = HarvestLeaf(descriptors, at, 3, tableFirst + ((ulong)at << shift), in harvest, ref change);
            }
        }
    }

    // Reports a dirty leaf or the run it is a member of; returns the index of the first descriptor behind it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int HarvestLeaf<TSink>(ulong* descriptors, int index, int level, ulong first, in Harvest<TSink> harvest, ref PageTableChange change)
        where TSink : struct, IDirtySink
    {
        int shift = geometry.Shift(level);
        int members = 1;
        if (IsContiguous(descriptors[index]))
        {
            members = 1 << geometry.RunLog2(level);
            index &= ~(members - 1);
            first &= ~(((ulong)members << shift) - 1);
        }

        ulong bytes = (ulong)members << shift;
        bool isInside = first >= harvest.First && first + bytes <= harvest.End;
        ulong from = Math.Max(first, harvest.First);
        harvest.Sink.Report(firstAddress + from, Math.Min(first + bytes, harvest.End) - from);
        if (harvest.Clear && isInside)
        {
            for (int member = 0; member < members; member++)
            {
                if (dirty.IsDirty(descriptors[index + member])) dirty.MakeClean(ref descriptors[index + member]);
            }

            change.AddLeaves(level, firstAddress + first, bytes);
        }

        return index + members;
    }

    /// <summary>What one harvest is about.</summary>
    private readonly ref struct Harvest<TSink>(ref TSink sink, bool clear, ulong first, ulong end)
        where TSink : struct, IDirtySink
    {
        private readonly ref TSink sink = ref sink;

        public ref TSink Sink => ref sink;

        public ulong First => first;

        public ulong End => end;

        public bool Clear => clear;
    }

    /// <summary>Sets a bit for each page.</summary>
    private readonly struct BitmapSink(ulong* bitmap, int pageLog2, ulong first) : IDirtySink
    {
        /// <inheritdoc/>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Report(ulong iova, ulong bytes)
        {
            ulong bit = (iova - first) >> pageLog2;
            ulong last = (iova + bytes - 1 - first) >> pageLog2;
            if (bit == last) bitmap[bit >> 6] |= 1UL << (int)bit;
            else ReportMany(bit, last);
        }

        private void ReportMany(ulong bit, ulong last)
        {
            while (bit <= last)
            {
                ulong inWord = Math.Min(last, bit | 63) - bit;
                bitmap[bit >> 6] |= ulong.MaxValue >> (63 - (int)inWord) << (int)bit;
                bit += inWord + 1;
            }
        }
    }
}

/// <summary>Takes what a harvest finds dirty.</summary>
internal interface IDirtySink
{
    /// <summary>A range of input addresses that is dirty.</summary>
    void Report(ulong iova, ulong bytes);
}
