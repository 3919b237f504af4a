using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Smmu.Fast.Iommufd;

/// <summary>A vIOMMU with an id, and what its driver calls back.</summary>
/// <remarks>Its lists change under the lock of the topology; the driver looks into them from any thread without it.</remarks>
internal sealed class Viommu : IommufdObject, IViommuHost
{
    private readonly IommufdContext context;
    private readonly ConcurrentDictionary<ulong, Vdevice> byVirtualId = new();
    private readonly ConcurrentDictionary<IIommuDevice, Vdevice> byDevice = new(ReferenceEqualityComparer.Instance);

    public Viommu(IommufdContext context, HwptPaging parent, IIommuDriver iommu)
    {
        this.context = context;
        Parent = parent;
        Iommu = iommu;
        context.Objects.AddUser(parent);
    }

    public HwptPaging Parent { get; }

    public IIommuDriver Iommu { get; }

    /// <summary>Set once it is there; an unfinished vIOMMU is destroyed without.</summary>
    [DisallowNull]
    public IViommu? Driver { get; set; }

    public ConcurrentDictionary<uint, VeventQueue> EventQueues { get; } = new();

    public List<HardwareQueue> HardwareQueues { get; } = [];

    public bool Has(ulong virtualId) => byVirtualId.ContainsKey(virtualId);

    public void Add(Vdevice vdevice)
    {
        byVirtualId[vdevice.VirtualId] = vdevice;
        byDevice[vdevice.Device.Device] = vdevice;
    }

    public void Remove(Vdevice vdevice)
    {
        byVirtualId.TryRemove(vdevice.VirtualId, out _);
        byDevice.TryRemove(vdevice.Device.Device, out _);
    }

    public Errno ReportEvent(uint type, ReadOnlySpan<byte> payload)
    {
        if (!EventQueues.TryGetValue(type, out VeventQueue? queue)) return Errno.EOPNOTSUPP;
        if (payload.IsEmpty) return Errno.EINVAL;
        queue.Report(payload);
        return Errno.None;
    }

    public bool TryFindDevice(ulong virtualId, [NotNullWhen(true)] out IIommuDevice? device)
    {
        device = byVirtualId.TryGetValue(virtualId, out Vdevice? found) ? found.Device.Device : null;
        return device is not null;
    }

    public bool TryFindVirtualId(IIommuDevice device, out ulong virtualId)
    {
        bool isFound = byDevice.TryGetValue(device, out Vdevice? found);
        virtualId = isFound ? found!.VirtualId : 0;
        return isFound;
    }

    public ulong PublishWindow(IMmioWindow window, ulong bytes) => context.Windows.Publish(this, window, bytes);

    public override void Destroy()
    {
        context.Windows.WithdrawAll(this);
        Driver?.Dispose();
        context.Objects.DropUser(Parent);
    }
}

/// <summary>A device of a virtual machine, under the number that the guest knows it by.</summary>
internal sealed class Vdevice : IommufdObject
{
    private readonly IommufdContext context;
    private readonly Viommu viommu;
    private bool isGone;

    public Vdevice(IommufdContext context, Viommu viommu, BoundDevice device, ulong virtualId)
    {
        this.context = context;
        this.viommu = viommu;
        Device = device;
        VirtualId = virtualId;
        context.Objects.AddUser(viommu);
        viommu.Add(this);
        device.Vdevice = this;
    }

    public BoundDevice Device { get; }

    public ulong VirtualId { get; }

    /// <summary>Its device may have destroyed it already when its own removal comes to this.</summary>
    public override void Destroy()
    {
        if (isGone) return;
        isGone = true;
        viommu.Remove(this);
        viommu.Driver!.RemoveDevice(Device.Device, VirtualId);
        Device.Vdevice = null;
        context.Objects.DropUser(viommu);
    }
}

/// <summary>A hardware queue of a guest, with its pinned memory.</summary>
internal sealed class HardwareQueue : IommufdObject
{
    private readonly IommufdContext context;
    private readonly Viommu viommu;
    private readonly AccessPoint pins;
    private readonly HardwareQueue? before;

    public HardwareQueue(IommufdContext context, Viommu viommu, IHardwareQueue driver, AccessPoint pins)
    {
        this.context = context;
        this.viommu = viommu;
        this.pins = pins;
        Driver = driver;
        before = driver.DependsOn is { } needed ? viommu.HardwareQueues.Find(queue => queue.Driver == needed) : null;
        context.Objects.AddUser(viommu);
        if (before is not null) context.Objects.AddUser(before);
        viommu.HardwareQueues.Add(this);
    }

    public IHardwareQueue Driver { get; }

    public override void Destroy()
    {
        viommu.HardwareQueues.Remove(this);
        Driver.Dispose();
        viommu.Parent.Ioas.RemoveAccess(pins);
        if (before is not null) context.Objects.DropUser(before);
        context.Objects.DropUser(viommu);
    }
}
