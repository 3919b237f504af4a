using System.Numerics;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Iommufd;

internal sealed partial class Ioas
{
    private const ulong HugePageBytes = 2UL << 20;
    private const ulong MostBytes = ulong.MaxValue - (2 * PageBytes);   // Rounded to pages it still has 64 bits.

    /// <summary>Maps user memory that nothing is known of yet.</summary>
    public Errno Map(MapFlags flags, ulong userAddress, ulong length, ref ulong iova)
    {
        if (length != 0 && userAddress > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
        if (length > MostBytes) return Errno.EINVAL;
        var pages = new UserPages(memory, userAddress, (flags & MapFlags.Writeable) != 0);
        return Insert([new Piece(pages, userAddress & (PageBytes - 1), length)], length, flags, ref iova);
    }

    /// <summary>Maps what another range maps, of this address space or another one.</summary>
    public Errno Copy(Ioas source, MapFlags flags, ulong length, ulong sourceIova, ref ulong iova)
    {
        var pieces = new List<Piece>();
        Errno errno = source.Collect(sourceIova, length, pieces);
        return errno != Errno.None ? errno : Insert(CollectionsMarshal.AsSpan(pieces), length, flags, ref iova);
    }

    private Errno Collect(ulong iova, ulong length, List<Piece> pieces)
    {
        if (length == 0) return Errno.EINVAL;
        if (iova > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
        ulong last = iova + (length - 1);
        lock (gate)
        {
            for (ulong at = iova; ;)
            {
                if (areas.FirstFrom(at) is not { } node || node.First > at) return Errno.ENOENT;
                Area area = node.Value;
                ulong end = Math.Min(last, area.Last);
                pieces.Add(new Piece(area.Pages, area.OffsetOf(at), end - at + 1));
                if (end == last) return Errno.None;
                at = end + 1;
            }
        }
    }

    private Errno Insert(ReadOnlySpan<Piece> pieces, ulong length, MapFlags flags, ref ulong iova)
    {
        lock (gate)
        {
            if (length == 0 || (length & (alignment - 1)) != 0) return Errno.EINVAL;
            ulong first = iova;
            Errno errno = (flags & MapFlags.FixedIova) != 0
                ? CheckFixed(first, length)
                : Place(pieces[0].Pages.AddressOf(pieces[0].Offset), length, out first);
            if (errno != Errno.None) return errno;

            DomainPermissions permissions = PermissionsOf(flags);
            foreach (Piece piece in pieces)
            {
                if ((((piece.Offset & (PageBytes - 1)) | piece.Length) & (alignment - 1)) != 0) return Errno.EINVAL;
                if ((permissions & DomainPermissions.Write) != 0 && !piece.Pages.IsWritable) return Errno.EPERM;
            }

            var added = new List<RangeTree<Area>.Node>(pieces.Length);
            ulong at = first;
            foreach (Piece piece in pieces)
            {
                var area = new Area(at, piece.Length, piece.Pages, piece.Offset, permissions);
                if (domains.Count != 0) errno = FillAll(area);
                if (errno != Errno.None)
                {
                    RemoveAll(added);
                    return errno;
                }

                added.Add(areas.Add(at, area.Last, area));
                at += piece.Length;
            }

            iova = first;
            return Errno.None;
        }
    }

    private Errno CheckFixed(ulong iova, ulong length)
    {
        if ((iova & (alignment - 1)) != 0) return Errno.EINVAL;
        if (iova > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
        ulong last = iova + (length - 1);
        if (reserved.Overlaps(iova, last)) return Errno.EINVAL;
        return areas.FirstIn(iova, last) is null ? Errno.None : Errno.EEXIST;
    }

    // The first hole that fits; aligned so that large leaves can be used where the user address lets them.
    private Errno Place(ulong userAddress, ulong length, out ulong iova)
    {
        iova = 0;
        if (length >= ulong.MaxValue / 2) return Errno.EOVERFLOW;
        ulong wanted = BitOperations.RoundUpToPowerOf2(length);
        if (userAddress != 0) wanted = Math.Min(wanted, userAddress & (0 - userAddress));
        wanted = Math.Min(wanted, hasHugePages ? HugePageBytes : PageBytes);
        if (wanted < alignment) return Errno.EINVAL;

        var spot = new Spot(length, wanted, userAddress & (PageBytes - 1));
        const ulong Highest = ulong.MaxValue - PageBytes;   // Also keeps the sums of a spot from wrapping.
        if (allowed.Count == 0) return TryPlaceIn(new IovaRange(PageBytes, Highest), spot, out iova) ? Errno.None : Errno.ENOSPC;
        for (var node = allowed.FirstFrom(PageBytes); node is not null && node.First <= Highest; node = allowed.After(node))
        {
            var range = new IovaRange(Math.Max(node.First, PageBytes), Math.Min(node.Last, Highest));
            if (TryPlaceIn(range, spot, out iova)) return Errno.None;
        }

        return Errno.ENOSPC;
    }

    private bool TryPlaceIn(IovaRange range, in Spot spot, out ulong iova)
    {
        iova = 0;
        for (ulong from = range.First; from <= range.Last;)
        {
            if (!areas.TryFindHole(from, spot.Length, out IovaRange hole) || hole.First > range.Last) return false;
            if (!spot.TryFit(hole.First, Math.Min(hole.Last, range.Last), out iova))
            {
                if (hole.Last >= range.Last) return false;
                from = hole.Last + 1;
                continue;
            }

            if (!reserved.TryFindFrom(iova, out IovaRange taken) || taken.First > iova + (spot.Length - 1)) return true;
            if (taken.Last >= range.Last) return false;
            from = taken.Last + 1;
        }

        return false;
    }

    private static DomainPermissions PermissionsOf(MapFlags flags)
    {
        var permissions = DomainPermissions.None;
        if ((flags & MapFlags.Readable) != 0) permissions |= DomainPermissions.Read;
        if ((flags & MapFlags.Writeable) != 0) permissions |= DomainPermissions.Write;
        return permissions;
    }

    /// <summary>A part of user memory that becomes an area.</summary>
    private readonly record struct Piece(UserPages Pages, ulong Offset, ulong Length);

    /// <summary>What automatic placement looks for.</summary>
    private readonly record struct Spot(ulong Length, ulong Alignment, ulong PageOffset)
    {
        /// <summary>The lowest address in a hole; ends of holes are at least a page below 2^64.</summary>
        public bool TryFit(ulong first, ulong last, out ulong iova)
        {
            iova = 0;
            ulong up = Alignment - 1;
            if (first > ulong.MaxValue - up) return false;
            ulong start = (first + up) & ~up;

            // Where the user address has an offset in its page, the alignment divides it.
            ulong shift = PageOffset == 0 ? 0 : (PageOffset - start) & (PageBytes - 1);
            if (start > last || shift > last - start) return false;
            start += shift;
            iova = start;
            return last - start >= Length - 1;
        }
    }
}
