using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>A page table of an IOMMU. Disposed once nothing is attached to it and nothing is nested on it.</summary>
public interface IDomain : IDisposable
{
}

/// <summary>A page table that follows an address space.</summary>
/// <remarks>
/// One thread at a time maps, unmaps and reads dirty state, under the lock of the address space; attaching goes on meanwhile.
/// </remarks>
public interface IPagingDomain : IDomain
{
    /// <summary>Sizes of leaves, bit n for 2^n bytes, not 0; the smallest is the granularity of mappings.</summary>
    ulong PageSizes { get; }

    /// <summary>The addresses that it can map.</summary>
    IovaRange Aperture { get; }

    /// <summary>Its dirty state can be read.</summary>
    bool TracksDirty { get; }

    /// <summary>DMA through it is coherent with caches, whatever devices ask for.</summary>
    bool IsCoherent => true;

    /// <summary>Maps a range that is not mapped; nothing has changed on failure.</summary>
    /// <param name="iova">First address, a multiple of the smallest page.</param>
    /// <param name="physical">Where it leads, a multiple of the smallest page.</param>
    /// <param name="bytes">Size, a multiple of the smallest page.</param>
    /// <param name="permissions">What devices may do.</param>
    /// <returns>None; ENOMEM when there is no memory for tables; EINVAL for an address out of range.</returns>
    Errno Map(ulong iova, PhysicalAddress physical, ulong bytes, DomainPermissions permissions);

    /// <summary>Unmaps a range that was mapped, by one call or several; what it leaves in caches is gathered.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="bytes">Size.</param>
    void Unmap(ulong iova, ulong bytes);

    /// <summary>Completes what was gathered: on return no device reaches memory that was unmapped, or passes on dirty state
    /// that was cleared.</summary>
    void Synchronize();

    /// <summary>Starts or ends dirty tracking.</summary>
    /// <param name="enable">Start; everything was made clean before.</param>
    Errno SetDirtyTracking(bool enable);

    /// <summary>Reads the dirty state of a mapped range.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="bytes">Size.</param>
    /// <param name="clear">Make it clean; invalidations are gathered.</param>
    /// <param name="bitmap">Takes what is dirty; null when nobody asks.</param>
    Errno ReadDirty(ulong iova, ulong bytes, bool clear, DirtyBitmap? bitmap);
}

/// <summary>A guest's page table on top of a stage 2.</summary>
public interface INestedDomain : IDomain
{
    /// <summary>The guest invalidates through it, not through its vIOMMU.</summary>
    bool CanInvalidate { get; }

    /// <summary>Invalidates. Called by any number of threads, without locks.</summary>
    /// <param name="entries">What; may be empty, which asks whether the type is known.</param>
    /// <param name="done">Entries that were carried out, also on failure.</param>
    /// <returns>None; EINVAL for a wrong type; errors of the entries.</returns>
    Errno Invalidate(in UserArray entries, out uint done);
}

/// <summary>Takes page faults of an attached device.</summary>
public interface IFaultSink
{
    /// <summary>Hands over a group of page faults. Any thread may call it, also one that holds locks of the driver.</summary>
    /// <param name="group">The faults that are answered together; at least one.</param>
    /// <param name="responder">Gets the answer, once, unless this call is refused; never from within this call.</param>
    /// <param name="token">Named in the answer.</param>
    /// <returns>None; EBUSY when too many wait, ENODEV when the attachment has ended: answer INVALID then.</returns>
    Errno Report(ReadOnlySpan<PageFault> group, IFaultResponder responder, ulong token);
}

/// <summary>Gets the answers to page faults.</summary>
public interface IFaultResponder
{
    /// <summary>Answers a group. Any thread may call it; none of its locks is held but the context's.</summary>
    /// <param name="token">What <see cref="IFaultSink.Report"/> was given.</param>
    /// <param name="response">The answer.</param>
    void Respond(ulong token, FaultResponse response);
}
