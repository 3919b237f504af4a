namespace Smmu.Fast.Iommufd;

public sealed partial class IommufdContext
{
    /// <summary>Makes a vIOMMU on a stage 2 page table.</summary>
    /// <param name="device">Id of a device behind the IOMMU.</param>
    /// <param name="hwpt">Id of a page table made with <see cref="HwptFlags.NestParent"/>.</param>
    /// <param name="type">Type of vIOMMU, above 0.</param>
    /// <param name="data">Data of the type, which may take an answer.</param>
    /// <returns>Its id.</returns>
    /// <exception cref="IommufdException">EOPNOTSUPP: no such type. ENOENT: no such device or page table. EINVAL: the page table
    /// is no parent. What the IOMMU answers.</exception>
    public uint AllocateViommu(uint device, uint hwpt, uint type, Span<byte> data = default) => Finish(
        TryAllocateViommu(0, device, hwpt, type, new UserData(type, data), out IommufdObject? made), made, "Making a vIOMMU");

    /// <summary>Gives a device a number in a vIOMMU.</summary>
    /// <param name="viommu">Id of the vIOMMU.</param>
    /// <param name="device">Id of the device.</param>
    /// <param name="virtualId">The number that the guest knows it by: of an SMMU the virtual StreamID.</param>
    /// <returns>Id of the vDEVICE.</returns>
    /// <exception cref="IommufdException">ENOENT: no such vIOMMU or device. EINVAL: the device is behind another IOMMU. EEXIST:
    /// it has a number, or the number has a device. What the IOMMU answers.</exception>
    public uint AllocateVdevice(uint viommu, uint device, ulong virtualId) => Finish(
        TryAllocateVdevice(viommu, device, virtualId, out IommufdObject? made), made, "Giving a device a number");

    /// <summary>Makes a queue for events of a vIOMMU, and opens its file.</summary>
    /// <param name="viommu">Id of the vIOMMU.</param>
    /// <param name="type">Type of events, above 0.</param>
    /// <param name="depth">Events that can wait, above 0.</param>
    /// <param name="id">Its id.</param>
    /// <returns>The file; the queue cannot be destroyed before it is closed.</returns>
    /// <exception cref="IommufdException">EOPNOTSUPP: no such type. EINVAL: no depth. ENOENT: no such vIOMMU. EEXIST: it has a
    /// queue of the type.</exception>
    public VeventQueueFile AllocateVeventQueue(uint viommu, uint type, uint depth, out uint id)
    {
        Errno errno = TryAllocateVeventQueue(0, viommu, type, depth, out VeventQueue? made);
        id = Finish(errno, made, "Making an event queue");
        return made!.File!;
    }

    /// <summary>Gives a guest a hardware queue in its memory, which stays mapped while the queue lives.</summary>
    /// <param name="viommu">Id of the vIOMMU.</param>
    /// <param name="type">Type of queue, above 0.</param>
    /// <param name="index">Which of its kind.</param>
    /// <param name="iova">Address in the address space of the parent.</param>
    /// <param name="length">Size in bytes.</param>
    /// <returns>Its id.</returns>
    /// <exception cref="IommufdException">EOPNOTSUPP: no such type. EINVAL: no length, or memory that does not begin or end with
    /// a page. EOVERFLOW, ERANGE: the range leaves 64 bits. ENOENT: no such vIOMMU, or not mapped. EPERM: not readable. EFAULT:
    /// not in one piece. What the IOMMU answers.</exception>
    public uint AllocateHardwareQueue(uint viommu, uint type, uint index, ulong iova, ulong length) => Finish(
        TryAllocateHardwareQueue(0, viommu, type, index, iova, length, out IommufdObject? made), made, "Making a hardware queue");

    internal Errno TryAllocateViommu(uint flags, uint device, uint hwpt, uint type, in UserData data, out IommufdObject? made)
    {
        ThrowIfDisposed();
        made = null;
        if (flags != 0 || type == 0) return Errno.EOPNOTSUPP;
        using var bound = Objects.Borrow<BoundDevice>(device);
        if (bound.IsMissing) return Errno.ENOENT;
        IIommuDevice hardware = bound.Object.Device;
        if (!hardware.Iommu.SupportsViommu(hardware, type)) return Errno.EOPNOTSUPP;
        using var parent = Objects.Borrow<HwptPaging>(hwpt);
        if (parent.IsMissing) return Errno.ENOENT;
        if ((parent.Object.Flags & HwptFlags.NestParent) == 0) return Errno.EINVAL;
        Viommu viommu;
        lock (Topology)
        {
            viommu = new Viommu(this, parent.Object, hardware.Iommu);
            var request = new ViommuRequest(this, hardware, parent.Object.PagingDomain, type, viommu);
            Errno errno = hardware.Iommu.CreateViommu(in request, in data, out IViommu? driver);
            if (errno != Errno.None)
            {
                viommu.Destroy();
                return errno;
            }

            viommu.Driver = driver!;
        }

        made = viommu;
        return Adopt(viommu);
    }

    internal Errno TryAllocateVdevice(uint viommu, uint device, ulong virtualId, out IommufdObject? made)
    {
        ThrowIfDisposed();
        made = null;
        using var owner = Objects.Borrow<Viommu>(viommu);
        if (owner.IsMissing) return Errno.ENOENT;
        using var bound = Objects.Borrow<BoundDevice>(device);
        if (bound.IsMissing) return Errno.ENOENT;
        lock (Topology)
        {
            if (owner.Object.Iommu != bound.Object.Device.Iommu) return Errno.EINVAL;
            if (bound.Object.Vdevice is not null || owner.Object.Has(virtualId)) return Errno.EEXIST;
            Errno errno = owner.Object.Driver!.AddDevice(bound.Object.Device, virtualId);
            if (errno != Errno.None) return errno;
            made = new Vdevice(this, owner.Object, bound.Object, virtualId);
        }

        return Adopt(made);
    }

    internal Errno TryAllocateVeventQueue(uint flags, uint viommu, uint type, uint depth, out VeventQueue? made)
    {
        ThrowIfDisposed();
        made = null;
        if (flags != 0 || type == 0) return Errno.EOPNOTSUPP;
        if (depth == 0) return Errno.EINVAL;
        using var owner = Objects.Borrow<Viommu>(viommu);
        if (owner.IsMissing) return Errno.ENOENT;
        var queue = new VeventQueue(this, owner.Object, type, depth);
        lock (Topology)
        {
            if (!owner.Object.Driver!.SupportsEvents(type)) return Errno.EOPNOTSUPP;
            if (!owner.Object.EventQueues.TryAdd(type, queue)) return Errno.EEXIST;
            Objects.AddUser(owner.Object);
        }

        Errno errno = Adopt(queue);
        if (errno != Errno.None) return errno;
        _ = new VeventQueueFile(this, queue);
        made = queue;
        return Errno.None;
    }

    internal Errno TryAllocateHardwareQueue(
        uint flags, uint viommu, uint type, uint index, ulong iova, ulong length, out IommufdObject? made)
    {
        ThrowIfDisposed();
        made = null;
        if (flags != 0 || type == 0) return Errno.EOPNOTSUPP;
        if (length == 0) return Errno.EINVAL;
        if (iova > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
        using var owner = Objects.Borrow<Viommu>(viommu);
        if (owner.IsMissing) return Errno.ENOENT;
        if (!owner.Object.Driver!.SupportsHardwareQueue(type)) return Errno.EOPNOTSUPP;
        const ulong InPage = UserPages.PageBytes - 1;
        ulong first = iova & ~InPage;
        ulong last = (iova + (length - 1)) | InPage;
        if (last == ulong.MaxValue) return Errno.ERANGE;
        lock (Topology)
        {
            Errno errno = CreateHardwareQueue(owner.Object, new HardwareQueueRequest(type, index, iova, default, length), new IovaRange(first, last), out made);
            if (errno != Errno.None) return errno;
        }

        return Adopt(made!);
    }

    private Errno CreateHardwareQueue(Viommu viommu, HardwareQueueRequest request, IovaRange pages, out IommufdObject? made)
    {
        made = null;
        Ioas ioas = viommu.Parent.Ioas;
        var pins = new AccessPoint(owner: null, alignment: 1);
        Errno errno = ioas.AddAccess(pins);
        if (errno != Errno.None) return errno;
        var runs = new List<PinnedRun>();
        errno = ioas.Pin(pins, pages.First, pages.Last - pages.First + 1, AccessFlags.None, runs);
        if (errno == Errno.None && runs.Count != 1) errno = Errno.EFAULT;
        IHardwareQueue? queue = null;
        if (errno == Errno.None)
        {
            request = request with { Physical = new(runs[0].First.Value + (request.Iova - pages.First)) };
            errno = viommu.Driver!.CreateHardwareQueue(in request, out queue);
        }

        if (errno == Errno.None) made = new HardwareQueue(this, viommu, queue!, pins);
        else ioas.RemoveAccess(pins);
        return errno;
    }
}
