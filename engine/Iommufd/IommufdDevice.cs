namespace Smmu.Fast.Iommufd;

/// <summary>A device that is bound to a context. Disposing of it unbinds it: it is detached, and its vDEVICE goes with it.</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class IommufdDevice : IDisposable
{
    private readonly IommufdContext context;
    private readonly BoundDevice device;
    private int isUnbound;

    internal IommufdDevice(IommufdContext context, BoundDevice device)
    {
        this.context = context;
        this.device = device;
        Id = device.Id;
    }

    /// <summary>Its id in the context.</summary>
    public uint Id { get; }

    /// <summary>The device itself.</summary>
    public IIommuDevice Hardware => device.Device;

    /// <summary>Attaches the device, which is not attached, to a page table.</summary>
    /// <param name="id">Id of the page table; or of an address space, for one that is made or found for it.</param>
    /// <param name="pasid">The PASID; 0 for requests without one.</param>
    /// <returns>Id of the page table.</returns>
    /// <exception cref="IommufdException">ENOENT: no such object. EINVAL: another kind of object, another page table than the
    /// group has, a page table of another IOMMU, or one that is not for PASIDs. EBUSY: it is attached. EADDRINUSE: mappings lie
    /// where the device has reserved addresses. What the IOMMU answers.</exception>
    /// <exception cref="ObjectDisposedException">It is unbound.</exception>
    public uint Attach(uint id, uint pasid = 0)
    {
        IommufdException.ThrowIfRefused(TryAttach(ref id, pasid, replace: false), "Attaching a device");
        return id;
    }

    /// <summary>Moves the device, and its group, from its page table to another; on failure it stays.</summary>
    /// <param name="id">Id of the page table; or of an address space, for one that is made or found for it.</param>
    /// <param name="pasid">The PASID; 0 for requests without one.</param>
    /// <returns>Id of the page table.</returns>
    /// <exception cref="IommufdException">As <see cref="Attach"/>; EINVAL: it is not attached.</exception>
    /// <exception cref="ObjectDisposedException">It is unbound.</exception>
    public uint Replace(uint id, uint pasid = 0)
    {
        IommufdException.ThrowIfRefused(TryAttach(ref id, pasid, replace: true), "Moving a device");
        return id;
    }

    /// <summary>Detaches the device; nothing happens when it is not attached.</summary>
    /// <param name="pasid">The PASID; 0 for requests without one.</param>
    /// <exception cref="ObjectDisposedException">It is unbound.</exception>
    public void Detach(uint pasid = 0)
    {
        ThrowIfUnbound();
        IommufdException.ThrowIfRefused(context.TryDetach(device, pasid), "Detaching a device");
    }

    /// <summary>Id of the page table that the device is attached to; 0 when it is not.</summary>
    /// <param name="pasid">The PASID; 0 for requests without one.</param>
    public uint AttachedTo(uint pasid = 0) => context.AttachedTo(device, pasid);

    /// <summary>Unbinds it; later calls do nothing.</summary>
    /// <exception cref="IommufdException">EBUSY: a request has worked with it for longer than the context waits.</exception>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref isUnbound, 1) != 0) return;
        Errno errno = context.TryUnbind(device);
        if (errno == Errno.None) return;
        Volatile.Write(ref isUnbound, 0);
        throw new IommufdException(errno, "Unbinding a device");
    }

    internal Errno TryAttach(ref uint id, uint pasid, bool replace)
    {
        ThrowIfUnbound();
        return context.TryAttach(device, ref id, pasid, replace);
    }

    private void ThrowIfUnbound() => ObjectDisposedException.ThrowIf(Volatile.Read(ref isUnbound) != 0, this);
}
