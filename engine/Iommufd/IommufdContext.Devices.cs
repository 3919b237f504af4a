namespace Smmu.Fast.Iommufd;

public sealed partial class IommufdContext
{
    /// <summary>Binds a device: it belongs to this context until it is disposed of.</summary>
    /// <param name="device">The device.</param>
    /// <exception cref="IommufdException">EINVAL: its DMA is not coherent. ENODEV: it has no group. EPERM: its interrupts are not
    /// isolated, or another context has it. EBUSY: a driver uses it. ENOMEM: too many objects.</exception>
    public IommufdDevice Bind(IIommuDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        IommufdException.ThrowIfRefused(TryBind(device, out IommufdDevice? bound), "Binding a device");
        return bound!;
    }

    /// <summary>Makes an access for software that uses mapped memory: an emulated or mediated device.</summary>
    /// <param name="owner">Who is asked to unpin.</param>
    /// <param name="pins">It will pin memory, so mappings have to be aligned to pages while it is attached.</param>
    /// <exception cref="IommufdException">ENOMEM: too many objects.</exception>
    public IommufdAccess CreateAccess(IAccessOwner owner, bool pins = true)
    {
        ArgumentNullException.ThrowIfNull(owner);
        ThrowIfDisposed();
        var made = new AccessObject();
        IommufdException.ThrowIfRefused(Adopt(made), "Making an access");
        AddHolder();
        Objects.Publish(made);
        return new IommufdAccess(this, made, owner, pins ? UserPages.PageBytes : 1);
    }

    internal Errno TryBind(IIommuDevice device, out IommufdDevice? bound)
    {
        ThrowIfDisposed();
        bound = null;
        if (!device.IsCoherent) return Errno.EINVAL;
        if (device.Group is not { } key) return Errno.ENODEV;
        if (!device.IsMsiIsolated) return Errno.EPERM;
        Errno errno = device.Claim(this);
        if (errno != Errno.None) return errno;
        BoundDevice made;
        lock (Topology)
        {
            if (!groups.TryGetValue(key, out DeviceGroup? group)) groups.Add(key, group = new DeviceGroup(this, key));
            made = new BoundDevice(this, device, group);
        }

        errno = Adopt(made);
        if (errno != Errno.None) return errno;
        AddHolder();
        Objects.Publish(made);
        bound = new IommufdDevice(this, made);
        return Errno.None;
    }

    internal Errno TryUnbind(BoundDevice device)
    {
        Errno errno = Objects.Remove(device.Id, BoundDevice.UsersWhenUnused, out _);
        if (errno != Errno.None) return errno;
        lock (Topology) device.Destroy();
        DropHolder();
        return Errno.None;
    }

    internal void ForgetIfEmpty(DeviceGroup group)
    {
        if (group.Members == 0) groups.Remove(group.Key);
    }

    /// <summary>Attaches a device, or moves it, to a page table or to an address space; the id becomes the page table's.</summary>
    internal Errno TryAttach(BoundDevice device, ref uint id, uint pasid, bool replace)
    {
        using var target = Objects.Borrow<IommufdObject>(id);
        if (target.IsMissing) return Errno.ENOENT;
        lock (Topology)
        {
            if (!device.IsBound) return Errno.ENODEV;
            Hwpt? hwpt = target.Object as Hwpt;
            Errno errno = target.Object switch
            {
                Hwpt chosen => Attach(device, chosen, pasid, replace),
                Ioas ioas => AttachAutomatically(device, ioas, pasid, replace, out hwpt),
                _ => Errno.EINVAL,
            };
            if (errno == Errno.None) id = hwpt!.Id;
            return errno;
        }
    }

    internal Errno TryDetach(BoundDevice device, uint pasid)
    {
        lock (Topology)
        {
            if (!device.IsBound) return Errno.ENODEV;
            device.Group.Detach(device, pasid);
            return Errno.None;
        }
    }

    internal uint AttachedTo(BoundDevice device, uint pasid)
    {
        lock (Topology) return device.Group.AttachedTo(device, pasid)?.Id ?? 0;
    }

    private static Errno Attach(BoundDevice device, Hwpt hwpt, uint pasid, bool replace) =>
        replace ? device.Group.Replace(device, hwpt, pasid) : device.Group.Attach(device, hwpt, pasid);

    // The first automatic page table that suits the device, or else a new one.
    private Errno AttachAutomatically(BoundDevice device, Ioas ioas, uint pasid, bool replace, out Hwpt? hwpt)
    {
        foreach (HwptPaging existing in ioas.PageTables.ToArray())
        {
            if (!existing.IsAutomatic) continue;
            Errno tried = Attach(device, existing, pasid, replace);
            hwpt = existing;
            if (tried != Errno.EINVAL) return tried;
        }

        Errno errno = AllocatePaging(ioas, device, HwptFlags.None, isAutomatic: true, default, out hwpt);
        if (errno != Errno.None) return errno;
        errno = Objects.Reserve(hwpt!);
        if (errno != Errno.None)
        {
            hwpt!.Destroy();
            return errno;
        }

        errno = Attach(device, hwpt!, pasid, replace);
        if (errno == Errno.None)
        {
            Objects.Publish(hwpt!);
            return Errno.None;
        }

        hwpt!.Destroy();
        Objects.Abandon(hwpt);
        return errno;
    }
}
