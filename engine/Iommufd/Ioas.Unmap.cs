namespace Smmu.Fast.Iommufd;

internal sealed partial class Ioas
{
    private const int MostRequestsToLetGo = 100;

    /// <summary>Unmaps the areas that lie in a range.</summary>
    /// <param name="range">The range.</param>
    /// <param name="mayBeEmpty">That nothing is mapped in it is no error.</param>
    /// <param name="bytes">Bytes that were unmapped, also on failure.</param>
    public Errno Unmap(IovaRange range, bool mayBeEmpty, out ulong bytes)
    {
        bytes = 0;
        Area? asked = null;   // Its users were asked last to let go.
        int tries = 0;
        while (true)
        {
            List<IAccessOwner> owners;
            lock (gate)
            {
                Errno errno = UnmapFree(range.First, range.Last, ref bytes, out Area? pinned);
                if (asked is not null) asked.IsLeaving = false;
                if (pinned is null) return errno != Errno.None || bytes != 0 || mayBeEmpty ? errno : Errno.ENOENT;
                tries = asked == pinned ? tries + 1 : 1;
                if (tries > MostRequestsToLetGo) return Errno.EDEADLOCK;
                asked = pinned;
                asked.IsLeaving = true;
                owners = OwnersOfAccesses();
            }

            foreach (IAccessOwner owner in owners) owner.Unmap(asked.First, asked.Length);
        }
    }

    // Ends at the first area that cannot go, or that accesses have to let go of first.
    private Errno UnmapFree(ulong first, ulong last, ref ulong bytes, out Area? pinned)
    {
        pinned = null;
        var errno = Errno.None;
        var leaving = new List<RangeTree<Area>.Node>();
        for (var node = areas.FirstIn(first, last); node is not null && node.First <= last; node = areas.After(node))
        {
            Area area = node.Value;
            if (node.First < first || node.Last > last) errno = Errno.ENOENT;
            else if (area.Locks != 0) errno = Errno.EBUSY;
            else if (area.AccessPins != 0) pinned = area;
            if (errno != Errno.None || pinned is not null) break;
            leaving.Add(node);
            bytes += area.Length;
        }

        RemoveAll(leaving);
        return errno;
    }

    // One invalidation for all of them, and no page is let go of before it.
    private void RemoveAll(List<RangeTree<Area>.Node> leaving)
    {
        if (leaving.Count == 0) return;
        foreach (IPagingDomain domain in domains)
        {
            foreach (var node in leaving) domain.Unmap(node.First, node.Value.Length);
            domain.Synchronize();
        }

        foreach (var node in leaving)
        {
            Area area = node.Value;
            area.IsGone = true;
            if (domains.Count != 0) area.Pages.Release(area.FirstPage, area.LastPage);
            areas.Remove(node);
        }
    }

    private List<IAccessOwner> OwnersOfAccesses() => [.. accesses.Where(access => access.Owner is not null).Select(access => access.Owner!)];
}
