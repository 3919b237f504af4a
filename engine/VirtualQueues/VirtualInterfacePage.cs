namespace Smmu.Fast.VirtualQueues;

/// <summary>Page 0 of an interface: what a guest reaches directly, the indexes and errors of its own queues.</summary>
/// <remarks>From any thread at any time. Where no queue is, registers read as zero and ignore writes.</remarks>
public sealed class VirtualInterfacePage
{
    private readonly VirtualQueueBlock block;
    private readonly ulong first;

    internal VirtualInterfacePage(VirtualQueueBlock block, int number)
    {
        this.block = block;
        Interface = number;
        first = VirtualQueueOffset.VINTF_PAGE0 + ((ulong)(uint)number * VirtualQueueOffset.VINTF_PAGE_STRIDE);
    }

    /// <summary>Number of the interface.</summary>
    public int Interface { get; }

    /// <summary>Reads a register; 0 for an offset that is not aligned or beyond the page.</summary>
    /// <param name="offset">Offset in the page: 0x80 for each queue, by its number in the interface.</param>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public uint Read32(ulong offset) => offset < VirtualQueueOffset.PageSize ? block.Read32(first + offset) : 0;

    /// <summary>Writes a register; ignored for an offset that is not aligned or beyond the page.</summary>
    /// <param name="offset">Offset in the page: 0x80 for each queue, by its number in the interface.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public void Write32(ulong offset, uint value)
    {
        if (offset < VirtualQueueOffset.PageSize) block.Write32(first + offset, value);
    }
}
