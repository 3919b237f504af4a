using System.Buffers;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Memory;

public sealed unsafe partial class GuestMemory
{
    private const int OwnedAlignment = PageBytes;
    private const int LentAlignment = sizeof(ulong);

    /// <summary>Adds zeroed memory that this object allocates; the system commits its pages at their first use.</summary>
    /// <param name="address">Physical address, a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="size">Size in bytes, above 0 and a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="readOnly">True when stores of the SMMU and its clients shall abort.</param>
    /// <exception cref="ArgumentException">The range is empty, unaligned, wraps past 2^64 or overlaps a region.</exception>
    /// <exception cref="InvalidOperationException">All regions are in use.</exception>
    /// <exception cref="OutOfMemoryException">The system refuses that much memory.</exception>
    public GuestRegion AddOwned(ulong address, ulong size, bool readOnly = false)
    {
        ThrowIfBadRange(address, size);
        return Add(new GuestRegion(address, new NativeBlock(size, OwnedAlignment)), readOnly);
    }

    /// <summary>Adds memory that the host lends.</summary>
    /// <param name="address">Physical address, a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="host">First byte, 8-byte aligned; stays valid until <see cref="Remove"/> or <see cref="Dispose"/>
    /// returns.</param>
    /// <param name="size">Size in bytes, above 0 and a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="readOnly">True when stores of the SMMU and its clients shall abort.</param>
    /// <exception cref="ArgumentException">The range is empty, unaligned, wraps past 2^64 or overlaps a region, or the
    /// pointer is null, unaligned or too near to the end of the address space.</exception>
    /// <exception cref="InvalidOperationException">All regions are in use.</exception>
    public GuestRegion AddBorrowed(ulong address, void* host, ulong size, bool readOnly = false)
    {
        ThrowIfBadRange(address, size);
        ThrowIfBadHost(host, size);
        return Add(new GuestRegion(address, size, (byte*)host), readOnly);
    }

    /// <summary>Adds a buffer that the host lends; it stays pinned until <see cref="Remove"/> or <see cref="Dispose"/>
    /// returns.</summary>
    /// <param name="address">Physical address, a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="buffer">The memory: 8-byte aligned, its length above 0 and a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="readOnly">True when stores of the SMMU and its clients shall abort.</param>
    /// <exception cref="ArgumentException">The range is empty, unaligned, wraps past 2^64 or overlaps a region, or the
    /// buffer is not 8-byte aligned.</exception>
    /// <exception cref="InvalidOperationException">All regions are in use.</exception>
    public GuestRegion AddBorrowed(ulong address, Memory<byte> buffer, bool readOnly = false)
    {
        ulong size = (ulong)buffer.Length;
        ThrowIfBadRange(address, size);
        MemoryHandle pin = buffer.Pin();
        var region = new GuestRegion(address, size, pin);
        try
        {
            ThrowIfBadHost(pin.Pointer, size);
        }
        catch
        {
            region.Release();
            throw;
        }

        return Add(region, readOnly);
    }

    /// <summary>Adds a part of a buffer that the host lends, such as a view of a memory-mapped file; it is kept open until
    /// <see cref="Remove"/> or <see cref="Dispose"/> returns.</summary>
    /// <param name="address">Physical address, a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="buffer">The buffer, for instance <c>MemoryMappedViewAccessor.SafeMemoryMappedViewHandle</c>.</param>
    /// <param name="offset">First byte of the part (a view's <c>PointerOffset</c>); the byte there is 8-byte aligned.</param>
    /// <param name="size">Size in bytes, above 0 and a multiple of <see cref="PageBytes"/>.</param>
    /// <param name="readOnly">True when stores of the SMMU and its clients shall abort.</param>
    /// <exception cref="ArgumentException">The range is empty, unaligned, wraps past 2^64 or overlaps a region, or the
    /// part is unaligned or exceeds the buffer.</exception>
    /// <exception cref="InvalidOperationException">All regions are in use.</exception>
    public GuestRegion AddBorrowed(ulong address, SafeBuffer buffer, ulong offset, ulong size, bool readOnly = false)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        ThrowIfBadRange(address, size);
        if (offset > buffer.ByteLength || size > buffer.ByteLength - offset) throw new ArgumentOutOfRangeException(
            nameof(size),
            $"Offset 0x{offset:X} and size 0x{size:X} exceed the buffer's 0x{buffer.ByteLength:X} bytes: pass a part of it.");
        byte* start = null;
        buffer.AcquirePointer(ref start);
        var region = new GuestRegion(address, size, buffer, start + offset);
        try
        {
            ThrowIfBadHost(region.HostPointer, size);
        }
        catch
        {
            region.Release();
            throw;
        }

        return Add(region, readOnly);
    }

    /// <summary>
    /// Takes a region away. Once it returns, nobody uses the region's host memory any more, and borrowed memory is the
    /// host's again.
    /// </summary>
    /// <remarks>Waits until all scopes of ports that began before have ended.</remarks>
    /// <exception cref="InvalidOperationException">The region is not part of this memory, or the caller is inside a
    /// scope.</exception>
    public void Remove(GuestRegion region)
    {
        GracePeriod grace;
        lock (changes)
        {
            int index = IndexOf(region);
            ThrowIfCallerIsInside();
            grace = Revoke([.. entries.AsSpan(0, index), .. entries.AsSpan(index + 1)]);
        }

        WaitFor(grace);
        EmptySlot(region);
    }

    /// <summary>Makes stores into a region abort. Once it returns, no store into it is under way.</summary>
    /// <remarks>Waits until all scopes of ports that began before have ended.</remarks>
    /// <exception cref="InvalidOperationException">The region is not part of this memory, or the caller is inside a
    /// scope.</exception>
    public void MakeReadOnly(GuestRegion region) => SetReadOnly(region, true);

    /// <summary>Lets stores into a region happen again.</summary>
    /// <remarks>Waits until all scopes of ports that began before have ended.</remarks>
    /// <exception cref="InvalidOperationException">The region is not part of this memory, or the caller is inside a
    /// scope.</exception>
    public void MakeWritable(GuestRegion region) => SetReadOnly(region, false);

    private void SetReadOnly(GuestRegion region, bool readOnly)
    {
        GracePeriod grace;
        lock (changes)
        {
            int index = IndexOf(region);
            ThrowIfCallerIsInside();
            RegionEntry[] next = [.. entries];
            next[index].Traits = (next[index].Traits & ~RegionTraits.ReadOnly) | (readOnly ? RegionTraits.ReadOnly : 0);
            grace = Revoke(next);
            region.IsReadOnly = readOnly;
        }

        WaitFor(grace);
    }

    private GuestRegion Add(GuestRegion region, bool readOnly)
    {
        try
        {
            Insert(region, readOnly);
            return region;
        }
        catch
        {
            region.Release();
            throw;
        }
    }

    private void Insert(GuestRegion region, bool readOnly)
    {
        var entry = new RegionEntry
        {
            Address = region.Address,
            SizeInBytes = region.Size,
            Host = region.HostPointer,
            Traits = readOnly ? RegionTraits.ReadOnly : RegionTraits.None,
        };
        lock (changes)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            int index = PlaceOf(entry);
            entry.Slot = Array.IndexOf(slots, null);
            if (entry.Slot < 0) throw new InvalidOperationException(
                $"All {slots.Length} regions are in use: remove one, or make the memory with a higher maxRegions.");
            Publish([.. entries.AsSpan(0, index), entry, .. entries.AsSpan(index)]);
            slots[entry.Slot] = region;   // Look-ups of an unwatched region do not ask for it.
            region.Slot = entry.Slot;
            region.IsReadOnly = readOnly;
            FreeRetiredIfUnused();
        }
    }

    // Index the entry belongs at. Ends are inclusive, because a region may end at 2^64.
    private int PlaceOf(in RegionEntry entry)
    {
        ulong last = entry.Address + (entry.SizeInBytes - 1);
        int index = 0;
        for (; index < entries.Length; index++)
        {
            ref readonly RegionEntry other = ref entries[index];
            ulong otherLast = other.Address + (other.SizeInBytes - 1);
            if (otherLast < entry.Address) continue;
            if (other.Address > last) break;
            throw new ArgumentException(
                $"0x{entry.Address:X} to 0x{last:X} overlaps the region 0x{other.Address:X} to 0x{otherLast:X}: "
                + "remove that region first.");
        }

        return index;
    }

    private int IndexOf(GuestRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        ObjectDisposedException.ThrowIf(disposed, this);
        int index = slots[Math.Min(region.Slot, slots.Length - 1)] == region
            ? Array.FindIndex(entries, entry => entry.Slot == region.Slot)
            : -1;   // A region that is leaving has its slot, but no entry.
        return index >= 0 ? index : throw new InvalidOperationException(
            "The region is not part of this memory: it was removed, or another memory made it.");
    }

    private void EmptySlot(GuestRegion region)
    {
        lock (changes) slots[region.Slot] = null;
        region.Release();   // Outside of the lock: what was pinned may have an owner with code of its own.
    }

    private static void ThrowIfBadRange(ulong address, ulong size)
    {
        if (size == 0) throw new ArgumentOutOfRangeException(nameof(size), "The region is empty: pass at least one page.");
        if (((address | size) & (PageBytes - 1)) != 0) throw new ArgumentException(
            $"Address 0x{address:X} and size 0x{size:X} must be multiples of {PageBytes}.");
        if (size - 1 > ulong.MaxValue - address) throw new ArgumentOutOfRangeException(
            nameof(size), $"Address 0x{address:X} and size 0x{size:X} wrap past 2^64: pass a smaller size.");
    }

    private static void ThrowIfBadHost(void* host, ulong size)
    {
        ArgumentNullException.ThrowIfNull(host);
        if (((nuint)host & (LentAlignment - 1)) != 0) throw new ArgumentException(
            $"The host memory begins at 0x{(nuint)host:X}: align it to {LentAlignment} bytes, for the sake of atomic words.",
            nameof(host));
        if (size - 1 > nuint.MaxValue - (nuint)host) throw new ArgumentOutOfRangeException(
            nameof(size), $"The host memory at 0x{(nuint)host:X} cannot hold 0x{size:X} bytes: pass a smaller size.");
    }
}
