namespace Smmu.Fast.Iommufd;

internal sealed partial class Ioas
{
    /// <summary>Lets a page table follow the address space; on failure it maps nothing and nothing has changed.</summary>
    public Errno AddDomain(IPagingDomain domain)
    {
        lock (gate)
        {
            ulong before = alignment;
            Errno errno = TryRaiseAlignment(Math.Max(alignment, SmallestPage(domain)));
            if (errno != Errno.None) return errno;
            IovaRange aperture = domain.Aperture;
            if (aperture.First != 0) errno = ReserveLocked(0, aperture.First - 1, domain);
            if (errno == Errno.None && aperture.Last != ulong.MaxValue) errno = ReserveLocked(aperture.Last + 1, ulong.MaxValue, domain);
            if (errno == Errno.None) errno = FillFromAllAreas(domain);
            if (errno == Errno.None)
            {
                domains.Add(domain);
            }
            else
            {
                reserved.RemoveAll(domain);
                alignment = before;
            }

            return errno;
        }
    }

    /// <summary>Empties a page table, which does not follow the address space any more.</summary>
    public void RemoveDomain(IPagingDomain domain)
    {
        lock (gate)
        {
            if (!domains.Remove(domain)) return;
            EmptyUpTo(domain, end: null);
            reserved.RemoveAll(domain);
            alignment = NeededAlignment();
        }
    }

    private Errno FillFromAllAreas(IPagingDomain domain)
    {
        for (var node = areas.FirstFrom(0); node is not null; node = areas.After(node))
        {
            Area area = node.Value;
            Errno errno = domains.Count == 0 ? area.Pages.Acquire(area.FirstPage, area.LastPage) : Errno.None;
            if (errno == Errno.None)
            {
                errno = MapInto(domain, area);
                if (errno != Errno.None && domains.Count == 0) area.Pages.Release(area.FirstPage, area.LastPage);
            }

            if (errno == Errno.None) continue;
            EmptyUpTo(domain, node);
            return errno;
        }

        return Errno.None;
    }

    // Pages stay pinned while another domain maps them. The domain is not in the list at this time.
    private void EmptyUpTo(IPagingDomain domain, RangeTree<Area>.Node? end)
    {
        for (var node = areas.FirstFrom(0); node is not null && node != end; node = areas.After(node))
        {
            domain.Unmap(node.First, node.Value.Length);
        }

        domain.Synchronize();
        if (domains.Count != 0) return;
        for (var node = areas.FirstFrom(0); node is not null && node != end; node = areas.After(node))
        {
            node.Value.Pages.Release(node.Value.FirstPage, node.Value.LastPage);
        }
    }

    private Errno FillAll(Area area)
    {
        Errno errno = area.Pages.Acquire(area.FirstPage, area.LastPage);
        if (errno != Errno.None) return errno;
        for (int filled = 0; filled < domains.Count; filled++)
        {
            errno = MapInto(domains[filled], area);
            if (errno == Errno.None) continue;
            while (filled-- > 0)
            {
                domains[filled].Unmap(area.First, area.Length);
                domains[filled].Synchronize();
            }

            area.Pages.Release(area.FirstPage, area.LastPage);
            return errno;
        }

        return Errno.None;
    }

    // The pages are pinned.
    private Errno MapInto(IPagingDomain domain, Area area)
    {
        for (ulong done = 0; done < area.Length;)
        {
            area.Pages.TryFindPinned(area.StartOffset + done, area.Length - done, out PinnedRun run);
            // Page by page, no leaf is larger than one: dirty state is as fine then.
            ulong bytes = hasHugePages ? run.Bytes : Math.Min(run.Bytes, Math.Max(PageBytes, alignment));
            Errno errno = domain.Map(area.First + done, run.First, bytes, area.Permissions);
            if (errno != Errno.None)
            {
                if (done == 0) return errno;
                domain.Unmap(area.First, done);
                domain.Synchronize();
                return errno;
            }

            done += bytes;
        }

        return Errno.None;
    }
}
