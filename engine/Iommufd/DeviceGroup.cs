namespace Smmu.Fast.Iommufd;

/// <summary>Devices that are attached together, and to what.</summary>
/// <remarks>Guarded by the lock of the topology. All devices of a group that are attached have the same page table.</remarks>
internal sealed class DeviceGroup(IommufdContext context, object key)
{
    private const uint NoPasid = 0;
    private readonly Dictionary<uint, Attachment> attachments = [];

    public object Key => key;

    /// <summary>Devices that are bound.</summary>
    public int Members { get; set; }

    public Hwpt? AttachedTo(BoundDevice device, uint pasid) => Find(device, pasid)?.Hwpt;

    public Errno Attach(BoundDevice device, Hwpt hwpt, uint pasid)
    {
        attachments.TryGetValue(pasid, out Attachment? attachment);
        if (attachment is not null && attachment.Devices.ContainsKey(device)) return Errno.EBUSY;
        if (attachment is not null && attachment.Hwpt != hwpt) return Errno.EINVAL;
        if (!context.Objects.TryAddUser(hwpt)) return Errno.ENOENT;
        Ioas ioas = hwpt.Paging.Ioas;
        Errno errno = pasid == NoPasid ? Reserve(device, ioas) : Errno.None;
        FaultQueue.Attachment? faults = null;
        if (errno == Errno.None)
        {
            errno = AttachTo(device, hwpt, previous: null, pasid, out faults);
            if (errno != Errno.None && pasid == NoPasid) ioas.Unreserve(device);
        }

        if (errno != Errno.None)
        {
            context.Objects.DropUser(hwpt);
            return errno;
        }

        if (attachment is null) attachments.Add(pasid, attachment = new Attachment(hwpt));
        attachment.Devices.Add(device, faults);
        return Errno.None;
    }

    /// <summary>Moves the whole group; on failure it stays where it is.</summary>
    public Errno Replace(BoundDevice device, Hwpt hwpt, uint pasid)
    {
        if (Find(device, pasid) is not { } attachment) return Errno.EINVAL;
        Hwpt old = attachment.Hwpt;
        if (old == hwpt) return Errno.None;
        if (!context.Objects.TryAddUser(hwpt)) return Errno.ENOENT;   // Keeps it until each device has a user of its own.
        Ioas from = old.Paging.Ioas;
        Ioas to = hwpt.Paging.Ioas;
        bool moves = pasid == NoPasid && from != to;
        BoundDevice[] devices = [.. attachment.Devices.Keys];
        Errno errno = moves ? ReserveAll(devices, to) : Errno.None;
        if (errno == Errno.None)
        {
            errno = Move(devices, attachment, hwpt, pasid);
            foreach (BoundDevice member in moves ? devices : [])
            {
                (errno == Errno.None ? from : to).Unreserve(member);
            }
        }

        if (errno == Errno.None)
        {
            foreach (BoundDevice _ in devices)
            {
                context.Objects.AddUser(hwpt);
                context.Objects.DropUser(old);
            }

            DestroyIfUnused(old);
        }

        context.Objects.DropUser(hwpt);
        return errno;
    }

    /// <summary>Detaches a device; nothing happens when it is not attached.</summary>
    public void Detach(BoundDevice device, uint pasid)
    {
        if (Find(device, pasid) is not { } attachment) return;
        device.Device.Detach(pasid, attachment.Hwpt.Domain);
        Forget(device, attachment, pasid);
    }

    public void DetachAll(BoundDevice device)
    {
        foreach (uint pasid in attachments.Keys.OrderDescending().ToArray()) Detach(device, pasid);
    }

    private void Forget(BoundDevice device, Attachment attachment, uint pasid)
    {
        Hwpt hwpt = attachment.Hwpt;
        attachment.Devices.Remove(device, out FaultQueue.Attachment? faults);
        faults?.Close();
        if (attachment.Devices.Count == 0) attachments.Remove(pasid);
        if (pasid == NoPasid) hwpt.Paging.Ioas.Unreserve(device);
        context.Objects.DropUser(hwpt);
        DestroyIfUnused(hwpt);
    }

    private Errno Move(BoundDevice[] devices, Attachment attachment, Hwpt hwpt, uint pasid)
    {
        Hwpt old = attachment.Hwpt;
        var sinks = new FaultQueue.Attachment?[devices.Length];
        for (int moved = 0; moved < devices.Length; moved++)
        {
            Errno errno = AttachTo(devices[moved], hwpt, old, pasid, out sinks[moved]);
            if (errno == Errno.None) continue;
            while (moved-- > 0)
            {
                // What worked before; should it not work now, the device is better blocked than left on the new one.
                IIommuDevice hardware = devices[moved].Device;
                Errno back = hardware.Attach(pasid, old.Domain, hwpt.Domain, attachment.Devices[devices[moved]]);
                sinks[moved]?.Close();
                if (back == Errno.None) continue;
                hardware.Detach(pasid, hwpt.Domain);
                Forget(devices[moved], attachment, pasid);
            }

            return errno;
        }

        for (int index = 0; index < devices.Length; index++)
        {
            attachment.Devices[devices[index]]?.Close();
            attachment.Devices[devices[index]] = sinks[index];
        }

        attachment.Hwpt = hwpt;
        return Errno.None;
    }

    private Attachment? Find(BoundDevice device, uint pasid) =>
        attachments.TryGetValue(pasid, out Attachment? found) && found.Devices.ContainsKey(device) ? found : null;

    private Errno AttachTo(BoundDevice device, Hwpt hwpt, Hwpt? previous, uint pasid, out FaultQueue.Attachment? faults)
    {
        faults = null;
        IIommuDevice hardware = device.Device;
        if (!FitsPasids(hwpt, pasid)) return Errno.EINVAL;
        if (pasid != NoPasid && (pasid >> hardware.MaxPasidLog2) != 0) return Errno.EINVAL;
        bool mayLackDirty = (hwpt.Flags & HwptFlags.DirtyTracking) == 0;
        if (!mayLackDirty && (hardware.Capabilities & HardwareCapabilities.DirtyTracking) == 0) return Errno.EINVAL;
        if (hwpt.Faults is not null && hardware.IsVirtualFunctionWithPri) return Errno.EINVAL;

        var sink = hwpt.Faults is null ? null : new FaultQueue.Attachment(hwpt.Faults, device.Id);
        Errno errno = hardware.Attach(pasid, hwpt.Domain, previous?.Domain, sink);
        if (errno == Errno.None) faults = sink;
        else sink?.Close();
        return errno;
    }

    // A page table on a PASID, and the one without PASID beside it, must be made for that.
    private bool FitsPasids(Hwpt hwpt, uint pasid)
    {
        bool isMade = (hwpt.Flags & HwptFlags.Pasid) != 0;
        if (pasid == NoPasid) return isMade || !attachments.Keys.Any(attached => attached != NoPasid);
        return isMade && (!attachments.TryGetValue(NoPasid, out Attachment? plain) || (plain.Hwpt.Flags & HwptFlags.Pasid) != 0);
    }

    private static Errno Reserve(BoundDevice device, Ioas ioas)
    {
        foreach (IovaRange range in device.Device.ReservedRanges)
        {
            Errno errno = ioas.Reserve(range.First, range.Last, device);
            if (errno == Errno.None) continue;
            ioas.Unreserve(device);
            return errno;
        }

        return Errno.None;
    }

    private static Errno ReserveAll(BoundDevice[] devices, Ioas ioas)
    {
        for (int index = 0; index < devices.Length; index++)
        {
            Errno errno = Reserve(devices[index], ioas);
            if (errno == Errno.None) continue;
            while (index-- > 0) ioas.Unreserve(devices[index]);
            return errno;
        }

        return Errno.None;
    }

    private void DestroyIfUnused(Hwpt hwpt)
    {
        if (hwpt is HwptPaging { IsAutomatic: true } && context.Objects.TryRemoveNow(hwpt, retire: false)) hwpt.Destroy();
    }

    private sealed class Attachment(Hwpt hwpt)
    {
        public Hwpt Hwpt { get; set; } = hwpt;

        /// <summary>The devices, and what takes the page faults of each.</summary>
        public Dictionary<BoundDevice, FaultQueue.Attachment?> Devices { get; } = [];
    }
}
