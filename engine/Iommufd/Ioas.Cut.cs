namespace Smmu.Fast.Iommufd;

internal sealed partial class Ioas
{
    /// <summary>Cuts areas so that none lies across an end of a range. Only without huge pages, whose leaves do not split.</summary>
    /// <returns>None, also when there is nothing to cut; EINVAL for an end that is not aligned, or when there may be huge pages;
    /// EBUSY when accesses have pinned the area.</returns>
    public Errno Cut(IovaRange range)
    {
        lock (gate)
        {
            Errno errno = range.First == 0 ? Errno.None : CutBefore(range.First);
            return errno != Errno.None || range.Last == ulong.MaxValue ? errno : CutBefore(range.Last + 1);
        }
    }

    // User memory stays as pinned as it is: its pages are counted one by one, and each part releases its own.
    private Errno CutBefore(ulong iova)
    {
        RangeTree<Area>.Node? node = areas.FirstIn(iova, iova);
        if (node is null || node.First == iova) return Errno.None;
        Area area = node.Value;
        if (hasHugePages || (iova & (alignment - 1)) != 0) return Errno.EINVAL;
        if (area.AccessPins != 0 || area.IsLeaving) return Errno.EBUSY;
        areas.Remove(node);
        Keep(area.First, iova - area.First);
        Keep(iova, area.Last - iova + 1);
        return Errno.None;

        void Keep(ulong first, ulong length)
        {
            var part = new Area(first, length, area.Pages, area.OffsetOf(first), area.Permissions);
            areas.Add(first, part.Last, part);
        }
    }
}
