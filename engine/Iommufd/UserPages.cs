using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>User memory that was mapped: which of its pages are pinned, where they are, and for how many users.</summary>
/// <remarks>
/// Areas of several address spaces share one after a copy, so it has a lock of its own, which is taken last. A page is pinned
/// once, however many users it has. Pages that were pinned together stay one entry as long as their users are the same.
/// </remarks>
internal sealed class UserPages
{
    public const int PageLog2 = 12;
    public const ulong PageBytes = 1UL << PageLog2;

    private readonly Lock gate = new();
    private readonly IUserMemory memory;
    private readonly RangeTree<Pins> pinned = new();   // By page.
    private readonly ulong firstAddress;               // Of page 0.

    /// <param name="memory">Where the addresses lead.</param>
    /// <param name="address">User address of the first byte.</param>
    /// <param name="isWritable">Devices may be allowed to write.</param>
    public UserPages(IUserMemory memory, ulong address, bool isWritable)
    {
        this.memory = memory;
        firstAddress = address & ~(PageBytes - 1);
        IsWritable = isWritable;
    }

    public bool IsWritable { get; }

    /// <summary>User address of a byte; byte 0 is the first one of the first page.</summary>
    public ulong AddressOf(ulong offset) => firstAddress + offset;

    /// <summary>Adds a user to pages, pinning those that had none; on failure nothing has changed.</summary>
    public Errno Acquire(ulong first, ulong last)
    {
        lock (gate)
        {
            ulong page = first;
            while (page <= last)
            {
                RangeTree<Pins>.Node? node = pinned.FirstIn(page, last);
                if (node is not null && node.First <= page)
                {
                    node = Cut(node, page, Math.Min(last, node.Last));
                    node.Value.Users++;
                    page = node.Last + 1;
                    continue;
                }

                ulong pages = (node is null ? last : node.First - 1) - page + 1;
                Errno errno = memory.Pin(AddressOf(page << PageLog2), pages << PageLog2, IsWritable, out PinnedRun run);
                if (errno != Errno.None)
                {
                    if (page != first) ReleaseLocked(first, page - 1);
                    return errno;
                }

                ThrowIfBadRun(run, pages);
                pinned.Add(page, page + (run.Bytes >> PageLog2) - 1, new Pins { Physical = run.First.Value, Users = 1 });
                page += run.Bytes >> PageLog2;
            }

            return Errno.None;
        }
    }

    /// <summary>Takes a user from pages that have it, unpinning those whose last it was.</summary>
    public void Release(ulong first, ulong last)
    {
        lock (gate) ReleaseLocked(first, last);
    }

    /// <summary>The longest piece of physical memory from a byte on whose pages are all pinned; false when its page is not.</summary>
    public bool TryFindPinned(ulong offset, ulong bytes, out PinnedRun run)
    {
        lock (gate)
        {
            run = default;
            ulong page = offset >> PageLog2;
            RangeTree<Pins>.Node? node = pinned.FirstFrom(page);
            if (node is null || node.First > page) return false;
            ulong physical = node.Value.Physical + (offset - (node.First << PageLog2));
            ulong found = ((node.Last + 1) << PageLog2) - offset;
            while (found < bytes)
            {
                RangeTree<Pins>.Node? next = pinned.FirstFrom(node.Last + 1);
                if (next is null || next.First != node.Last + 1 || next.Value.Physical != physical + found) break;
                found += (next.Last - next.First + 1) << PageLog2;
                node = next;
            }

            run = new PinnedRun(new PhysicalAddress(physical), Math.Min(found, bytes));
            return true;
        }
    }

    private void ReleaseLocked(ulong first, ulong last)
    {
        for (ulong page = first; page <= last;)
        {
            RangeTree<Pins>.Node node = pinned.FirstFrom(page)!;
            node = Cut(node, page, Math.Min(last, node.Last));
            page = node.Last + 1;
            if (--node.Value.Users != 0) continue;
            pinned.Remove(node);
            memory.Unpin(new PinnedRun(new PhysicalAddress(node.Value.Physical), (node.Last - node.First + 1) << PageLog2), IsWritable);
        }
    }

    // Makes an entry of exactly these pages, which lie within one.
    private RangeTree<Pins>.Node Cut(RangeTree<Pins>.Node node, ulong first, ulong last)
    {
        if (node.First == first && node.Last == last) return node;
        pinned.Remove(node);
        Pins pins = node.Value;
        if (node.First < first) pinned.Add(node.First, first - 1, new Pins { Physical = pins.Physical, Users = pins.Users });
        if (last < node.Last) pinned.Add(last + 1, node.Last, Part(last + 1));
        return pinned.Add(first, last, Part(first));

        Pins Part(ulong page) => new() { Physical = pins.Physical + ((page - node.First) << PageLog2), Users = pins.Users };
    }

    private static void ThrowIfBadRun(PinnedRun run, ulong pages)
    {
        if (run.Bytes == 0 || run.Bytes > pages << PageLog2 || ((run.Bytes | run.First.Value) & (PageBytes - 1)) != 0)
        {
            throw new InvalidOperationException(
                $"IUserMemory.Pin said that it pinned 0x{run.Bytes:X} bytes at 0x{run.First.Value:X} of 0x{pages << PageLog2:X}: "
                + "pin whole pages of 4 KiB, at least one and not more than asked for, or return an error.");
        }
    }

    private sealed class Pins
    {
        public ulong Physical { get; init; }

        public int Users { get; set; }
    }
}
