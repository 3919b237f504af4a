namespace Smmu.Fast.Iommufd;

internal sealed partial class Ioas
{
    public Errno AddAccess(AccessPoint access)
    {
        lock (gate)
        {
            Errno errno = TryRaiseAlignment(Math.Max(alignment, access.Alignment));
            if (errno != Errno.None) return errno;
            accesses.Add(access);
            access.IsAttached = true;
            return Errno.None;
        }
    }

    /// <summary>Ends an access; what it did not unpin is unpinned.</summary>
    public void RemoveAccess(AccessPoint access)
    {
        lock (gate)
        {
            if (!accesses.Remove(access)) return;
            access.IsAttached = false;
            Release(access, access.ForgetAll());
            alignment = NeededAlignment();
        }
    }

    /// <summary>Pins a range for software; on failure nothing is pinned.</summary>
    public Errno Pin(AccessPoint access, ulong iova, ulong length, AccessFlags flags, List<PinnedRun> runs)
    {
        if (length == 0) return Errno.EINVAL;
        if (iova > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
        var range = new IovaRange(iova, iova + (length - 1));
        var pages = new List<AccessPoint.PagesOfArea>();
        lock (gate)
        {
            if (!access.IsAttached) return Errno.ENOENT;
            Errno errno = PinAreas(range, (flags & AccessFlags.Write) != 0, pages);
            foreach ((Area area, _, _) in pages)
            {
                area.AccessPins++;
                if (access.LocksAreas) area.Locks++;
            }

            if (errno != Errno.None)
            {
                Release(access, pages);
                return errno;
            }

            access.Remember(range, [.. pages]);
            foreach ((Area area, _, _) in pages) ListRuns(area, range, runs);
            return Errno.None;
        }
    }

    /// <summary>Undoes one <see cref="Pin"/> of exactly this range; ENOENT when there is none.</summary>
    public Errno Unpin(AccessPoint access, ulong iova, ulong length)
    {
        if (length == 0) return Errno.EINVAL;
        if (iova > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
        lock (gate)
        {
            if (!access.TryForget(new IovaRange(iova, iova + (length - 1)), out AccessPoint.PagesOfArea[] pages)) return Errno.ENOENT;
            Release(access, pages);
            return Errno.None;
        }
    }

    /// <summary>Copies between a range and a buffer; on failure a part may be done.</summary>
    public Errno Copy(ulong iova, Span<byte> buffer, AccessFlags flags)
    {
        if (buffer.IsEmpty) return Errno.EINVAL;
        if (iova > ulong.MaxValue - (ulong)(buffer.Length - 1)) return Errno.EOVERFLOW;
        bool write = (flags & AccessFlags.Write) != 0;
        var needed = write ? DomainPermissions.Write : DomainPermissions.Read;
        lock (gate)
        {
            while (true)
            {
                if (areas.FirstFrom(iova) is not { } node || node.First > iova) return Errno.ENOENT;
                Area area = node.Value;
                if (area.IsLeaving) return Errno.EBUSY;
                if ((area.Permissions & needed) == 0) return Errno.EPERM;
                int bytes = (int)Math.Min((ulong)buffer.Length, area.Last - iova + 1);
                Errno errno = CopyArea(area, area.OffsetOf(iova), buffer[..bytes], write, (flags & AccessFlags.ThroughPins) != 0);
                if (errno != Errno.None || bytes == buffer.Length) return errno;
                buffer = buffer[bytes..];
                iova += (ulong)bytes;
            }
        }
    }

    private Errno PinAreas(IovaRange range, bool write, List<AccessPoint.PagesOfArea> pages)
    {
        for (ulong at = range.First; ;)
        {
            if (areas.FirstFrom(at) is not { } node || node.First > at) return Errno.ENOENT;
            Area area = node.Value;
            ulong end = Math.Min(range.Last, area.Last);
            ulong offset = area.OffsetOf(at);
            ulong endOffset = area.OffsetOf(end);
            bool isWhole = (offset & (PageBytes - 1)) == 0 && (end == range.Last || ((endOffset + 1) & (PageBytes - 1)) == 0);
            if (area.IsLeaving || !isWhole) return Errno.EINVAL;
            if ((area.Permissions & (write ? DomainPermissions.Write : DomainPermissions.Read)) == 0) return Errno.EPERM;
            ulong first = offset >> UserPages.PageLog2;
            ulong last = endOffset >> UserPages.PageLog2;
            Errno errno = area.Pages.Acquire(first, last);
            if (errno != Errno.None) return errno;
            pages.Add(new AccessPoint.PagesOfArea(area, first, last));
            if (end == range.Last) return Errno.None;
            at = end + 1;
        }
    }

    private static void ListRuns(Area area, IovaRange range, List<PinnedRun> runs)
    {
        ulong offset = area.OffsetOf(Math.Max(range.First, area.First));
        ulong end = area.OffsetOf(Math.Min(range.Last, area.Last));
        while (true)
        {
            area.Pages.TryFindPinned(offset, end - offset + 1, out PinnedRun run);
            bool continues = runs.Count != 0 && runs[^1].First.Value + runs[^1].Bytes == run.First.Value;
            if (continues) runs[^1] = runs[^1] with { Bytes = runs[^1].Bytes + run.Bytes };
            else runs.Add(run);
            if (run.Bytes > end - offset) return;
            offset += run.Bytes;
        }
    }

    private static void Release(AccessPoint access, IEnumerable<AccessPoint.PagesOfArea> pages)
    {
        foreach ((Area area, ulong first, ulong last) in pages)
        {
            area.AccessPins--;
            if (access.LocksAreas) area.Locks--;
            area.Pages.Release(first, last);
        }
    }

    // What is pinned is reached by its physical address: its user addresses may be gone.
    private Errno CopyArea(Area area, ulong offset, Span<byte> buffer, bool write, bool throughPins)
    {
        UserPages pages = area.Pages;
        ulong first = offset >> UserPages.PageLog2;
        ulong last = (offset + (ulong)(buffer.Length - 1)) >> UserPages.PageLog2;
        if (throughPins)
        {
            Errno errno = pages.Acquire(first, last);
            if (errno != Errno.None) return errno;
        }

        bool done = true;
        while (done && !buffer.IsEmpty)
        {
            bool isPinned = pages.TryFindPinned(offset, (ulong)buffer.Length, out PinnedRun run);
            int bytes = isPinned ? (int)run.Bytes : (int)Math.Min((ulong)buffer.Length, PageBytes - (offset & (PageBytes - 1)));
            if (isPinned && write) memory.WritePinned(run.First, buffer[..bytes]);
            else if (isPinned) memory.ReadPinned(run.First, buffer[..bytes]);
            else if (write) done = memory.TryWrite(pages.AddressOf(offset), buffer[..bytes]);
            else done = memory.TryRead(pages.AddressOf(offset), buffer[..bytes]);
            offset += (ulong)bytes;
            buffer = buffer[bytes..];
        }

        if (throughPins) pages.Release(first, last);
        return done ? Errno.None : Errno.EFAULT;
    }
}
