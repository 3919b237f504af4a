using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Iommufd;

/// <summary>User memory that is a region of physical memory: user address n is byte n of it, and nothing ever moves.</summary>
/// <remarks>For emulators that keep the RAM of their virtual machines in <see cref="GuestRegion"/>s. Thread-safe.</remarks>
public sealed unsafe class RegionUserMemory : IUserMemory
{
    private readonly GuestRegion region;
    private long pinnedPages;

    /// <summary>Makes it of a region, which stays in its memory as long as anything is mapped.</summary>
    /// <param name="region">The memory.</param>
    public RegionUserMemory(GuestRegion region)
    {
        ArgumentNullException.ThrowIfNull(region);
        this.region = region;
    }

    /// <summary>Pages of 4 KiB that are pinned, each as often as it is.</summary>
    public long PinnedPages => Volatile.Read(ref pinnedPages);

    /// <inheritdoc/>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!IsInside(address, (ulong)destination.Length)) return false;
        new ReadOnlySpan<byte>(region.HostPointer + address, destination.Length).CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (region.IsReadOnly || !IsInside(address, (ulong)source.Length)) return false;
        source.CopyTo(new Span<byte>(region.HostPointer + address, source.Length));
        return true;
    }

    /// <inheritdoc/>
    public Errno Pin(ulong address, ulong bytes, bool forWriting, out PinnedRun run)
    {
        run = default;
        if (address >= region.Size || (forWriting && region.IsReadOnly)) return Errno.EFAULT;
        run = new PinnedRun(new PhysicalAddress(region.Address + address), Math.Min(bytes, region.Size - address));
        Interlocked.Add(ref pinnedPages, (long)(run.Bytes / GuestMemory.PageBytes));
        return Errno.None;
    }

    /// <inheritdoc/>
    public void Unpin(PinnedRun run, bool forWriting) => Interlocked.Add(ref pinnedPages, -(long)(run.Bytes / GuestMemory.PageBytes));

    /// <inheritdoc/>
    public void ReadPinned(PhysicalAddress physical, Span<byte> destination) =>
        TryRead(physical.Value - region.Address, destination);

    /// <inheritdoc/>
    public void WritePinned(PhysicalAddress physical, ReadOnlySpan<byte> source) =>
        TryWrite(physical.Value - region.Address, source);

    private bool IsInside(ulong address, ulong bytes) => address <= region.Size && bytes <= region.Size - address;
}
