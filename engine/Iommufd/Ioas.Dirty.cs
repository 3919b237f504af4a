namespace Smmu.Fast.Iommufd;

internal sealed partial class Ioas
{
    /// <summary>Starts or ends dirty tracking of a page table; a start begins with everything clean.</summary>
    public Errno SetDirtyTracking(IPagingDomain domain, bool enable)
    {
        lock (gate)
        {
            if (!domain.TracksDirty) return Errno.EOPNOTSUPP;
            if (enable) ReadDirtyLocked(domain, 0, ulong.MaxValue, clear: true, bitmap: null);
            return domain.SetDirtyTracking(enable);
        }
    }

    /// <summary>Whether a range can be asked for.</summary>
    public Errno CheckDirtyRange(ulong iova, ulong length, ulong pageBytes)
    {
        lock (gate)
        {
            if (length == 0 || iova > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
            ulong end = iova + length;   // 0 when it is the end of all addresses.
            if (((iova | end) & (alignment - 1)) != 0) return Errno.EINVAL;
            if (pageBytes == 0 || (pageBytes & (pageBytes - 1)) != 0 || ((iova | end) & (pageBytes - 1)) != 0) return Errno.EINVAL;
            return Errno.None;
        }
    }

    /// <summary>Adds what is dirty in a range to a bitmap, up to the first hole.</summary>
    public void ReadDirty(IPagingDomain domain, ulong iova, ulong length, bool clear, DirtyBitmap bitmap)
    {
        lock (gate)
        {
            ulong at = iova;
            ulong last = iova + (length - 1);
            while (areas.FirstFrom(at) is { } node && node.First <= at)
            {
                ulong end = Math.Min(last, node.Last);
                if (domain.ReadDirty(at, end - at + 1, clear, bitmap) != Errno.None || end == last) break;
                at = end + 1;
            }

            bitmap.Flush();
            if (clear) domain.Synchronize();
        }
    }

    private void ReadDirtyLocked(IPagingDomain domain, ulong first, ulong last, bool clear, DirtyBitmap? bitmap)
    {
        for (var node = areas.FirstIn(first, last); node is not null && node.First <= last; node = areas.After(node))
        {
            domain.ReadDirty(node.First, node.Value.Length, clear, bitmap);
        }

        if (clear) domain.Synchronize();
    }
}
