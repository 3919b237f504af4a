namespace Smmu.Fast.Iommufd;

/// <summary>An I/O address space: what is mapped where, and the page tables that follow it.</summary>
/// <remarks>
/// One lock guards all of it, user memory is pinned and drivers are called under it. Only owners of accesses are told
/// without it to let go of pins, since they come back for that. The list of page tables belongs to the topology.
/// </remarks>
internal sealed partial class Ioas(IUserMemory memory, int maxRanges) : IommufdObject
{
    private const ulong PageBytes = UserPages.PageBytes;

    private readonly object gate = new();
    private readonly RangeTree<Area> areas = new();
    private readonly ReservedRanges reserved = new();
    private readonly List<IPagingDomain> domains = [];
    private readonly List<AccessPoint> accesses = [];
    private RangeTree<bool> allowed = new();
    private ulong alignment = 1;
    private bool hasHugePages = true;

    /// <summary>The page tables that follow it, guarded by the lock of the topology.</summary>
    public List<HwptPaging> PageTables { get; } = [];

    public bool HasAreas
    {
        get
        {
            lock (gate) return areas.Count != 0;
        }
    }

    /// <summary>Sizes of leaves that every page table has, bit n for 2^n bytes: not below a page, nor below the alignment.</summary>
    public ulong PageSizes
    {
        get
        {
            lock (gate)
            {
                ulong sizes = ulong.MaxValue;
                foreach (IPagingDomain domain in domains) sizes &= domain.PageSizes;
                ulong least = Math.Max(alignment, PageBytes);   // Smaller leaves make one of a page.
                return (sizes & ~(least - 1)) | least;
            }
        }
    }

    /// <summary>DMA through every page table is coherent with caches.</summary>
    public bool IsCoherent
    {
        get
        {
            lock (gate) return domains.TrueForAll(domain => domain.IsCoherent);
        }
    }

    public override void Destroy() => Unmap(new IovaRange(0, ulong.MaxValue), mayBeEmpty: true, out _);

    /// <summary>The ranges that are not reserved, and the alignment of mappings.</summary>
    public List<IovaRange> UsableRanges(out ulong mappingAlignment)
    {
        lock (gate)
        {
            mappingAlignment = alignment;
            return reserved.Holes();
        }
    }

    /// <summary>Replaces the ranges that automatic placement is limited to.</summary>
    public Errno Allow<TRanges>(TRanges ranges)
        where TRanges : struct, IRangeSource, allows ref struct
    {
        if (ranges.Count > maxRanges) return Errno.ENOMEM;
        var next = new RangeTree<bool>();
        for (int index = 0; index < ranges.Count; index++)
        {
            if (!ranges.TryRead(index, out IovaRange range)) return Errno.EFAULT;
            if (range.First >= range.Last || next.FirstIn(range.First, range.Last) is not null) return Errno.EINVAL;
            next.Add(range.First, range.Last, true);
        }

        lock (gate)
        {
            for (var node = next.FirstFrom(0); node is not null; node = next.After(node))
            {
                if (reserved.Overlaps(node.First, node.Last)) return Errno.EADDRINUSE;
            }

            allowed = next;
            return Errno.None;
        }
    }

    /// <summary>Keeps a range free; EADDRINUSE when something is mapped or allowed there.</summary>
    public Errno Reserve(ulong first, ulong last, object owner)
    {
        lock (gate) return ReserveLocked(first, last, owner);
    }

    public void Unreserve(object owner)
    {
        lock (gate) reserved.RemoveAll(owner);
    }

    public ulong GetHugePages()
    {
        lock (gate) return hasHugePages ? 1UL : 0;
    }

    public Errno SetHugePages(ulong value)
    {
        if (value > 1) return Errno.EINVAL;
        lock (gate)
        {
            if (value == 0 && domains.Count != 0 && areas.Count != 0) return Errno.EINVAL;
            bool before = hasHugePages;
            hasHugePages = value == 1;
            Errno errno = TryRaiseAlignment(NeededAlignment());
            if (errno != Errno.None) hasHugePages = before;
            return errno;
        }
    }

    private Errno ReserveLocked(ulong first, ulong last, object owner)
    {
        if (areas.FirstIn(first, last) is not null || allowed.FirstIn(first, last) is not null) return Errno.EADDRINUSE;
        reserved.Add(first, last, owner);
        return Errno.None;
    }

    private ulong NeededAlignment()
    {
        ulong needed = hasHugePages ? 1 : PageBytes;
        foreach (IPagingDomain domain in domains) needed = Math.Max(needed, SmallestPage(domain));
        foreach (AccessPoint access in accesses) needed = Math.Max(needed, access.Alignment);
        return needed;
    }

    // Also lowers it; only what grows can meet areas that do not fit.
    private Errno TryRaiseAlignment(ulong needed)
    {
        if (needed > PageBytes) return Errno.EINVAL;
        if (needed > alignment)
        {
            for (var node = areas.FirstFrom(0); node is not null; node = areas.After(node))
            {
                if (!node.Value.IsAlignedTo(needed)) return Errno.EADDRINUSE;
            }
        }

        alignment = needed;
        return Errno.None;
    }

    private static ulong SmallestPage(IPagingDomain domain) => domain.PageSizes & (0 - domain.PageSizes);
}
