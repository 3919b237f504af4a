using System.Runtime.InteropServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>What the hardware behind a device is.</summary>
/// <param name="Type">Type of the information; 0 for none.</param>
/// <param name="Information">As the type lays it out.</param>
/// <param name="Capabilities">What the device can do.</param>
/// <param name="MaxPasidLog2">log2 of its PASIDs; 0 when PASIDs are off.</param>
public readonly record struct HardwareInfo(
    uint Type, ReadOnlyMemory<byte> Information, HardwareCapabilities Capabilities, int MaxPasidLog2);

public sealed partial class IommufdContext
{
    private const HwptFlags AllHwptFlags = HwptFlags.NestParent | HwptFlags.DirtyTracking | HwptFlags.FaultIdValid | HwptFlags.Pasid;
    private const HwptFlags NestedHwptFlags = HwptFlags.FaultIdValid | HwptFlags.Pasid;
    private const uint MostEntryBytes = (uint)UserPages.PageBytes;
    private const uint MostEntries = 1 << 19;

    /// <summary>Makes a hardware page table: of an address space, or nested on another one or in a vIOMMU.</summary>
    /// <param name="device">Id of the device that it is made for.</param>
    /// <param name="parent">Id of the address space, the parent page table or the vIOMMU.</param>
    /// <param name="flags">What it is for.</param>
    /// <param name="dataType">Type of the data; 0 for none.</param>
    /// <param name="data">The guest's configuration.</param>
    /// <param name="faultQueue">Id of the fault queue, with <see cref="HwptFlags.FaultIdValid"/>.</param>
    /// <returns>Its id.</returns>
    /// <exception cref="IommufdException">ENOENT: no such device or fault queue. EINVAL: no such parent, or one that cannot be
    /// it; data and type contradict each other; the address space does not suit the IOMMU. EOPNOTSUPP: flags or data that the
    /// IOMMU does not have. EADDRINUSE, EFAULT, ENOMEM: what is mapped cannot be put in. EBUSY, ENOSPC: tags are used up.
    /// EIO: bits that a guest must not set.</exception>
    public uint AllocateHwpt(
        uint device, uint parent, HwptFlags flags = HwptFlags.None, uint dataType = 0, ReadOnlySpan<byte> data = default, uint faultQueue = 0)
    {
        Errno errno = TryAllocateHwpt(device, parent, flags, new UserData(dataType, data.ToArray()), faultQueue, out IommufdObject? made);
        return Finish(errno, made, "Making a page table");
    }

    /// <summary>Tells what the hardware behind a device is.</summary>
    /// <param name="device">Id of the device.</param>
    /// <param name="type">The wanted type; 0 for any.</param>
    /// <exception cref="IommufdException">ENOENT: no such device. EOPNOTSUPP: no such type.</exception>
    public HardwareInfo GetHardwareInfo(uint device, uint type = IommuTypes.HardwareInfoDefault)
    {
        IommufdException.ThrowIfRefused(TryGetHardwareInfo(device, type, out HardwareInfo info), "Reading hardware info");
        return info;
    }

    /// <summary>Starts or ends dirty tracking of a page table; a start makes everything clean.</summary>
    /// <param name="hwpt">Its id.</param>
    /// <param name="enable">Start.</param>
    /// <exception cref="IommufdException">ENOENT: no page table of an address space. EOPNOTSUPP: it cannot.</exception>
    public void SetDirtyTracking(uint hwpt, bool enable) =>
        IommufdException.ThrowIfRefused(TrySetDirtyTracking(hwpt, enable), "Setting dirty tracking");

    /// <summary>Adds the dirty state of a range to a bitmap, up to the first hole.</summary>
    /// <param name="hwpt">Id of the page table.</param>
    /// <param name="iova">First address; bit 0 is its page.</param>
    /// <param name="length">Size in bytes.</param>
    /// <param name="pageBytes">Bytes that a bit stands for, a power of two.</param>
    /// <param name="bitmap">A bit for each; bits are only set.</param>
    /// <param name="clear">Make it clean.</param>
    /// <exception cref="ArgumentException">The bitmap is too short.</exception>
    /// <exception cref="IommufdException">ENOENT: no page table of an address space. EOVERFLOW: the range leaves 64 bits or is
    /// empty. EINVAL: bad alignment. EOPNOTSUPP: it cannot.</exception>
    public void GetDirtyBitmap(uint hwpt, ulong iova, ulong length, ulong pageBytes, Memory<byte> bitmap, bool clear = true)
    {
        bool isShort = pageBytes != 0 && length != 0 && ((length - 1) / pageBytes / 8) >= (ulong)bitmap.Length;
        if (isShort) throw new ArgumentException(
            $"The bitmap has {bitmap.Length} bytes, and {((length - 1) / pageBytes / 8) + 1} are needed: a bit for each 0x{pageBytes:X} bytes.", nameof(bitmap));
        Errno errno = TryGetDirtyBitmap(hwpt, iova, length, pageBytes, clear, () => new DirtyBitmap(bitmap, iova, length, pageBytes));
        IommufdException.ThrowIfRefused(errno, "Reading dirty state");
    }

    /// <summary>Invalidates through a nested page table or a vIOMMU. Guests cause its errors, so it does not throw them.</summary>
    /// <param name="id">Id of the nested page table or vIOMMU.</param>
    /// <param name="type">Type of the entries.</param>
    /// <param name="entryLength">Bytes of each, above 0.</param>
    /// <param name="entries">The entries; none asks whether the type is known.</param>
    /// <param name="done">Entries that were carried out, also on failure.</param>
    /// <returns>None; ENOENT: no such object. EINVAL: another kind of object, or a wrong type. EOPNOTSUPP: it has no
    /// invalidation. E2BIG: an entry is longer than known, and not zero there. What the IOMMU says of an entry.</returns>
    /// <exception cref="ArgumentException">The entries are no multiple of the entry length.</exception>
    public Errno Invalidate(uint id, uint type, int entryLength, ReadOnlySpan<byte> entries, out uint done)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(entryLength, 1);
        if (entries.Length % entryLength != 0) throw new ArgumentException(
            $"{entries.Length} bytes are no whole entries of {entryLength}: pass whole entries.", nameof(entries));
        return TryInvalidate(id, new UserArray(type, entries, (uint)entryLength), out done);
    }

    /// <summary>Carries out a guest's invalidation commands in one call, such as all up to its CMD_SYNC.</summary>
    /// <param name="viommu">Id of a vIOMMU of an SMMUv3.</param>
    /// <param name="commands">The guest's commands.</param>
    /// <param name="done">Commands that were carried out, also on failure.</param>
    /// <returns>As <see cref="Invalidate(uint, uint, int, ReadOnlySpan{byte}, out uint)"/>; EIO: a command that a guest must not send.</returns>
    public Errno Invalidate(uint viommu, ReadOnlySpan<Command> commands, out uint done) => TryInvalidate(
        viommu, new UserArray(IommuTypes.InvalidateSmmuV3, MemoryMarshal.AsBytes(commands), Command.SizeBytes), out done);

    /// <summary>Makes a queue for page faults, and opens its file.</summary>
    /// <param name="id">Its id.</param>
    /// <returns>The file; the queue cannot be destroyed before it is closed.</returns>
    /// <exception cref="IommufdException">ENOMEM: too many objects.</exception>
    public FaultQueueFile AllocateFaultQueue(out uint id)
    {
        Errno errno = TryAllocateFaultQueue(0, out FaultQueue? made);
        id = Finish(errno, made, "Making a fault queue");
        return made!.File!;
    }

    internal Errno TryAllocateHwpt(
        uint device, uint parent, HwptFlags flags, in UserData data, uint faultQueue, out IommufdObject? made)
    {
        ThrowIfDisposed();
        made = null;
        if ((data.Type == IommuTypes.HwptDataNone) != (data.Length == 0)) return Errno.EINVAL;
        using var bound = Objects.Borrow<BoundDevice>(device);
        if (bound.IsMissing) return Errno.ENOENT;
        using var under = Objects.Borrow<IommufdObject>(parent);
        if (under.IsMissing) return Errno.EINVAL;
        using var faults = Objects.Borrow<FaultQueue>((flags & HwptFlags.FaultIdValid) != 0 ? faultQueue : 0);
        Hwpt? hwpt = null;
        lock (Topology)
        {
            Errno errno = under.Object switch
            {
                Ioas ioas => AllocatePaging(ioas, bound.Object, flags, isAutomatic: false, in data, out hwpt),
                HwptPaging paging => AllocateNested(paging, bound.Object, flags, in data, out hwpt),
                Viommu viommu => AllocateNested(viommu, bound.Object, flags, in data, out hwpt),
                _ => Errno.EINVAL,
            };
            if (errno != Errno.None) return errno;
            if ((flags & HwptFlags.FaultIdValid) != 0)
            {
                if (faults.IsMissing)
                {
                    hwpt!.Destroy();
                    return Errno.ENOENT;
                }

                hwpt!.SetFaults(faults.Object);
            }
        }

        made = hwpt;
        return Adopt(hwpt!);
    }

    /// <summary>Makes a page table that follows an address space. The caller has the lock of the topology.</summary>
    internal Errno AllocatePaging(Ioas ioas, BoundDevice device, HwptFlags flags, bool isAutomatic, in UserData data, out Hwpt? hwpt)
    {
        hwpt = null;
        if ((flags & ~AllHwptFlags) != 0) return Errno.EOPNOTSUPP;
        bool tracksDirty = (flags & HwptFlags.DirtyTracking) != 0;
        if (tracksDirty && (device.Device.Capabilities & HardwareCapabilities.DirtyTracking) == 0) return Errno.EOPNOTSUPP;
        const HwptFlags FaultingParent = HwptFlags.FaultIdValid | HwptFlags.NestParent;
        if ((flags & FaultingParent) == FaultingParent) return Errno.EOPNOTSUPP;

        IIommuDriver iommu = device.Device.Iommu;
        var request = new PagingRequest(this, device.Device, flags & ~HwptFlags.FaultIdValid);
        Errno errno = iommu.AllocatePaging(in request, in data, out IPagingDomain? domain);
        if (errno != Errno.None) return errno;
        errno = ioas.AddDomain(domain!);
        if (errno != Errno.None)
        {
            domain!.Dispose();
            return errno;
        }

        hwpt = new HwptPaging(this, ioas, domain!, iommu, flags, isAutomatic);
        return Errno.None;
    }

    internal Errno TryGetHardwareInfo(uint device, uint type, out HardwareInfo info)
    {
        ThrowIfDisposed();
        info = default;
        using var bound = Objects.Borrow<BoundDevice>(device);
        if (bound.IsMissing) return Errno.ENOENT;
        IIommuDevice hardware = bound.Object.Device;
        Errno errno = hardware.Iommu.GetHardwareInfo(hardware, ref type, out ReadOnlyMemory<byte> information);
        if (errno == Errno.None) info = new HardwareInfo(type, information, hardware.Capabilities, hardware.MaxPasidLog2);
        return errno;
    }

    internal Errno TrySetDirtyTracking(uint hwpt, bool enable)
    {
        ThrowIfDisposed();
        using var paging = Objects.Borrow<HwptPaging>(hwpt);
        return paging.IsMissing ? Errno.ENOENT : paging.Object.Ioas.SetDirtyTracking(paging.Object.PagingDomain, enable);
    }

    internal Errno TryGetDirtyBitmap(uint hwpt, ulong iova, ulong length, ulong pageBytes, bool clear, Func<DirtyBitmap> makeBitmap)
    {
        ThrowIfDisposed();
        using var paging = Objects.Borrow<HwptPaging>(hwpt);
        if (paging.IsMissing) return Errno.ENOENT;
        Ioas ioas = paging.Object.Ioas;
        Errno errno = ioas.CheckDirtyRange(iova, length, pageBytes);
        if (errno != Errno.None) return errno;
        if (!paging.Object.PagingDomain.TracksDirty) return Errno.EOPNOTSUPP;
        ioas.ReadDirty(paging.Object.PagingDomain, iova, length, clear, makeBitmap());
        return Errno.None;
    }

    internal Errno TryInvalidate(uint id, in UserArray entries, out uint done)
    {
        ThrowIfDisposed();
        done = 0;
        if (entries.EntryLength > MostEntryBytes || entries.Count > MostEntries) return Errno.EINVAL;
        using var target = Objects.Borrow<IommufdObject>(id);
        if (target.IsMissing) return Errno.ENOENT;
        return target.Object switch
        {
            HwptNested { NestedDomain.CanInvalidate: true } nested => nested.NestedDomain.Invalidate(in entries, out done),
            Viommu { Driver.CanInvalidate: true } viommu => viommu.Driver!.Invalidate(in entries, out done),
            HwptNested or Viommu => Errno.EOPNOTSUPP,
            _ => Errno.EINVAL,
        };
    }

    internal Errno TryAllocateFaultQueue(uint flags, out FaultQueue? made)
    {
        ThrowIfDisposed();
        made = null;
        if (flags != 0) return Errno.EOPNOTSUPP;
        var queue = new FaultQueue();
        Errno errno = Adopt(queue);
        if (errno != Errno.None) return errno;
        _ = new FaultQueueFile(this, queue);
        made = queue;
        return Errno.None;
    }

    private Errno AllocateNested(HwptPaging parent, BoundDevice device, HwptFlags flags, in UserData data, out Hwpt? hwpt)
    {
        hwpt = null;
        if ((flags & ~NestedHwptFlags) != 0 || !data.HasData) return Errno.EOPNOTSUPP;
        bool isParent = !parent.IsAutomatic && (parent.Flags & HwptFlags.NestParent) != 0;
        if (!isParent || parent.Iommu.GetType() != device.Device.Iommu.GetType()) return Errno.EINVAL;
        var request = new NestedRequest(device.Device, flags & ~HwptFlags.FaultIdValid);
        Errno errno = device.Device.Iommu.AllocateNested(in request, parent.PagingDomain, in data, out INestedDomain? domain);
        if (errno == Errno.None) hwpt = new HwptNested(this, domain!, flags, parent, viommu: null);
        return errno;
    }

    private Errno AllocateNested(Viommu viommu, BoundDevice device, HwptFlags flags, in UserData data, out Hwpt? hwpt)
    {
        hwpt = null;
        if (viommu.Iommu != device.Device.Iommu) return Errno.EINVAL;
        if ((flags & ~NestedHwptFlags) != 0 || !data.HasData) return Errno.EOPNOTSUPP;
        var request = new NestedRequest(device.Device, flags & ~HwptFlags.FaultIdValid);
        Errno errno = viommu.Driver!.AllocateNested(in request, in data, out INestedDomain? domain);
        if (errno == Errno.None) hwpt = new HwptNested(this, domain!, flags, viommu.Parent, viommu);
        return errno;
    }
}
