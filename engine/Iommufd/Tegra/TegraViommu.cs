using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Tegra;

/// <summary>A vIOMMU whose guest has command queues of its own, around one that does all the rest.</summary>
/// <remarks>
/// Nesting and the commands that a guest's queue must not have stay with the SMMU's vIOMMU: this adds an interface of the
/// block, whose StreamID slots follow the devices.
/// </remarks>
public sealed class TegraViommu : IViommu
{
    private readonly IViommu inner;
    private readonly TegraVirtualInterface queues;
    private readonly Func<IIommuDevice, StreamId> streamOf;

    /// <summary>Joins the two; both are disposed with it.</summary>
    /// <param name="inner">The vIOMMU of the SMMU.</param>
    /// <param name="queues">The interface, under the VMID of the parent.</param>
    /// <param name="streamOf">Tells the physical StreamID of a device.</param>
    public TegraViommu(IViommu inner, TegraVirtualInterface queues, Func<IIommuDevice, StreamId> streamOf)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(queues);
        ArgumentNullException.ThrowIfNull(streamOf);
        this.inner = inner;
        this.queues = queues;
        this.streamOf = streamOf;
    }

    /// <inheritdoc/>
    public bool CanInvalidate => inner.CanInvalidate;

    /// <inheritdoc/>
    public Errno AllocateNested(in NestedRequest request, in UserData data, out INestedDomain? domain) =>
        inner.AllocateNested(in request, in data, out domain);

    /// <inheritdoc/>
    public Errno Invalidate(in UserArray entries, out uint done) => inner.Invalidate(in entries, out done);

    /// <inheritdoc/>
    public Errno AddDevice(IIommuDevice device, ulong virtualId)
    {
        Errno errno = inner.AddDevice(device, virtualId);
        if (errno != Errno.None) return errno;
        errno = queues.AddDevice(streamOf(device), virtualId);
        if (errno != Errno.None) inner.RemoveDevice(device, virtualId);
        return errno;
    }

    /// <inheritdoc/>
    public void RemoveDevice(IIommuDevice device, ulong virtualId)
    {
        queues.RemoveDevice(virtualId);
        inner.RemoveDevice(device, virtualId);
    }

    /// <inheritdoc/>
    public bool SupportsEvents(uint type) => type == TegraQueueDriver.EventType || inner.SupportsEvents(type);

    /// <inheritdoc/>
    public bool SupportsHardwareQueue(uint type) => type == TegraQueueDriver.HardwareQueueType;

    /// <inheritdoc/>
    public Errno CreateHardwareQueue(in HardwareQueueRequest request, out IHardwareQueue? queue) =>
        queues.CreateQueue(in request, out queue);

    /// <inheritdoc/>
    public void Dispose()
    {
        queues.Dispose();
        inner.Dispose();
    }
}
