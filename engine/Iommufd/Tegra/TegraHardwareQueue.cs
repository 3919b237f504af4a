using System.Diagnostics;
using Smmu.Fast.VirtualQueues;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Iommufd.Tegra;

/// <summary>A command queue of a guest. The hardware has them allocated in rising and given back in falling order.</summary>
internal sealed class TegraHardwareQueue : IHardwareQueue
{
    private const uint Allocated = 1;
    private const int InterfaceShift = 15;
    private const int PlaceShift = 1;

    // A host that reads commands through its bus can take its time; one that never answers shall not stop the teardown.
    private static readonly TimeSpan longestRead = TimeSpan.FromSeconds(1);

    private readonly TegraVirtualInterface owner;
    private readonly TegraHardwareQueue? before;
    private readonly ulong allocation;
    private readonly ulong page0;
    private readonly ulong page1;
    private bool isDisposed;

    public TegraHardwareQueue(TegraVirtualInterface owner, int place, TegraHardwareQueue? before)
    {
        this.owner = owner;
        this.before = before;
        Place = place;
        ulong number = (ulong)(uint)owner.GlobalNumberOf(place);
        allocation = Offset.CMDQ_ALLOC + (number * sizeof(uint));
        page0 = Offset.VCMDQ_PAGE0 + (number * Offset.VCMDQ_STRIDE);
        page1 = Offset.VCMDQ_PAGE1 + (number * Offset.VCMDQ_STRIDE);
    }

    /// <summary>Its number in the interface.</summary>
    public int Place { get; }

    /// <inheritdoc/>
    public IHardwareQueue? DependsOn => before;

    private VirtualQueueBlock Block => owner.Block;

    /// <summary>Makes it the guest's, off and empty; false when the hardware keeps the base of the last owner.</summary>
    /// <param name="baseRegister">BASE.</param>
    public bool TrySetUp(ulong baseRegister)
    {
        Clear();
        Block.Write64(page1 + Offset.VCMDQ_BASE, baseRegister);
        if (Block.Read64(page1 + Offset.VCMDQ_BASE) != baseRegister) return false;
        Block.Write32(allocation, ((uint)owner.Number << InterfaceShift) | ((uint)Place << PlaceShift) | Allocated);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        Block.Write32(allocation, 0);   // First: the guest cannot switch it on again.
        Clear();
        owner.Forget(this);
    }

    private void Clear()
    {
        Block.Write32(page0 + Offset.VCMDQ_CONFIG, 0);
        var spin = new SpinWait();
        long begin = Stopwatch.GetTimestamp();
        while (Block.Read32(page0 + Offset.VCMDQ_STATUS) != 0 && Stopwatch.GetElapsedTime(begin) < longestRead) spin.SpinOnce();

        Block.Write32(page0 + Offset.VCMDQ_PROD, 0);
        Block.Write32(page0 + Offset.VCMDQ_CONS, 0);
        Block.Write64(page1 + Offset.VCMDQ_BASE, 0);
        Block.Write32(page0 + Offset.VCMDQ_GERRORN, Block.Read32(page0 + Offset.VCMDQ_GERROR));
    }
}
