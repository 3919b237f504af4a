using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd_viommu".</summary>
public class ViommuTests
{
    private const uint Type = MockIommu.ViommuType;
    private const uint QueueType = MockIommu.HardwareQueueType;

    public static TheoryData<bool> Variants => [false, true];

    [Theory]
    [MemberData(nameof(Variants))]
    public void ViommuAutoDestroy(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);

        Assert.Equal(hasViommu, fixture.Viommu != 0);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void ViommuNegativeTests(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);
        IommufdScene scene = fixture.Scene;
        if (!hasViommu)
        {
            Assert.Equal(Errno.ENOENT, scene.NewViommu(0, 0, Type, out _));
            return;
        }

        uint device = fixture.Device.Id;
        Assert.Equal(Errno.ENOENT, scene.NewViommu(device, 0, Type, out _));
        Assert.Equal(Errno.ENOENT, scene.NewViommu(0, fixture.Parent, Type, out _));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device, fixture.Ioas, HwptFlags.None, out uint plain));
        Assert.Equal(Errno.EINVAL, scene.NewViommu(device, plain, Type, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.NewViommu(device, fixture.Parent, 0, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.NewViommu(device, fixture.Parent, 1, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.ViommuAllocate, 40, (4, 1), (8, Type), (12, device), (16, fixture.Parent)));
        Assert.Equal(Errno.EBUSY, scene.Destroy(fixture.Parent));
        Assert.Equal(Errno.None, scene.AllocateNested(device, fixture.Viommu, out uint nested));
        Assert.Equal(Errno.EBUSY, scene.Destroy(fixture.Viommu));
        Assert.Equal(Errno.None, scene.Destroy(nested));
        Assert.Equal(Errno.None, scene.Destroy(fixture.Viommu));
        Assert.Equal(Errno.None, scene.Destroy(fixture.Parent));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void ViommuAllocNestedIopf(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);
        IommufdScene scene = fixture.Scene;
        uint faults = scene.NewFaultQueue(out FaultQueueFile file);
        if (!hasViommu)
        {
            Assert.Equal(Errno.ENOENT, scene.AllocateNested(0, 1000, out _, HwptFlags.FaultIdValid, faults));
            return;
        }

        uint device = fixture.Device.Id;
        Assert.Equal(Errno.ENOENT, scene.AllocateNested(device, fixture.Viommu, out _, HwptFlags.FaultIdValid, 1000));
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateNested(device, fixture.Viommu, out _, HwptFlags.FaultIdValid | (HwptFlags)(1U << 31), faults));
        Assert.Equal(Errno.None, scene.AllocateNested(device, fixture.Viommu, out uint nested, HwptFlags.FaultIdValid, faults));
        Assert.Equal(Errno.ENOENT, IommufdScene.ErrnoOf(() => fixture.Device.Replace(nested)));
        Assert.Equal(Errno.None, scene.NewVdevice(fixture.Viommu, device, 0x99, out _));
        fixture.Device.Replace(nested);
        Assert.Equal(Errno.EBUSY, scene.Destroy(nested));

        var hardware = (MockDevice)fixture.Device.Hardware;
        Assert.Equal(Errno.None, hardware.Fault());
        byte[] record = new byte[PageFaultRecord.SizeBytes];
        Assert.Equal(PageFaultRecord.SizeBytes, file.Read(record));
        Assert.Equal(device, PageFaultRecord.Read(record).DeviceId);
        file.Respond(PageFaultRecord.Read(record).Cookie, FaultResponse.Success);
        Assert.Equal([FaultResponse.Success], hardware.Responses);
        fixture.Device.Replace(fixture.Ioas);
        Assert.Equal(Errno.None, scene.Destroy(nested));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void ViommuAllocWithData(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);
        IommufdScene scene = fixture.Scene;
        if (!hasViommu) return;
        scene.WriteWords(scene.Scratch, 0xbeef, 0, 0, 0, 0, 0);
        Assert.Equal(Errno.None, scene.NewViommu(fixture.Device.Id, fixture.Parent, Type, out uint viommu, 24, scene.Scratch));
        Assert.Equal(0xbeefu, scene.ReadWord(scene.Scratch + 4));
        ulong offset = scene.ReadLong(scene.Scratch + 8);
        ulong length = scene.ReadLong(scene.Scratch + 16);
        Assert.Equal((Page, 2 * Page), (offset, length));
        foreach ((ulong badOffset, ulong badLength) in new[] { (offset - Page, length), (offset + Page, length), (offset, length / 2), (offset, length * 2) })
        {
            Assert.Equal(Errno.ENXIO, scene.Context.TryMapWindow(badOffset, badLength, isShared: true, isExecutable: false, out _));
        }

        Assert.Equal(Errno.EINVAL, scene.Context.TryMapWindow(offset, length, isShared: false, isExecutable: false, out _));
        Assert.Equal(Errno.EPERM, scene.Context.TryMapWindow(offset, length, isShared: true, isExecutable: true, out _));
        Assert.Equal(Errno.EINVAL, scene.Context.TryMapWindow(offset, length + 1, isShared: true, isExecutable: false, out _));
        using (WindowMapping mapping = scene.Context.MapWindow(offset, length))
        {
            Assert.Equal(0xbeefu, mapping.Read32(0));
            Assert.Throws<ArgumentOutOfRangeException>(() => mapping.Read32(length));
            Assert.Throws<ArgumentOutOfRangeException>(() => mapping.Read32(2));
            Assert.Equal(Errno.EBUSY, scene.Destroy(viommu));
        }

        Assert.Equal(Errno.None, scene.Destroy(viommu));
        Assert.Equal(Errno.ENXIO, scene.Context.TryMapWindow(offset, length, isShared: true, isExecutable: false, out _));
        Assert.Equal(Errno.EINVAL, scene.NewViommu(fixture.Device.Id, fixture.Parent, Type, out _, 8, scene.Scratch));
        Assert.Equal(Errno.EFAULT, scene.NewViommu(fixture.Device.Id, fixture.Parent, Type, out _, 24, 64));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void VdeviceAlloc(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);
        IommufdScene scene = fixture.Scene;
        if (!hasViommu)
        {
            Assert.Equal(Errno.ENOENT, scene.NewVdevice(0, 0, 0x99, out _));
            Assert.Equal(Errno.ENOENT, scene.NewVeventQueue(0, MockIommu.EventType, 2, out _, out _));
            return;
        }

        uint device = fixture.Device.Id;
        Assert.Equal(Errno.None, scene.AllocateNested(device, fixture.Viommu, out uint nested));
        Assert.Equal(Errno.ENOENT, IommufdScene.ErrnoOf(() => fixture.Device.Replace(nested)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.NewVeventQueue(fixture.Viommu, 0, 2, out _, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.NewVeventQueue(fixture.Viommu, 1, 2, out _, out _));
        Assert.Equal(Errno.EINVAL, scene.NewVeventQueue(fixture.Viommu, MockIommu.EventType, 0, out _, out _));
        Assert.Equal(Errno.None, scene.NewVeventQueue(fixture.Viommu, MockIommu.EventType, 2, out uint queue, out VeventQueueFile? file));
        Assert.Equal(Errno.EEXIST, scene.NewVeventQueue(fixture.Viommu, MockIommu.EventType, 2, out _, out _));
        Assert.Equal(Errno.None, scene.NewVdevice(fixture.Viommu, device, 0x99, out uint vdevice));
        fixture.Device.Replace(nested);

        Assert.Equal(Errno.None, fixture.Trigger());
        Assert.Equal([0u, 0, 0x99], Words(file!, 12));
        Assert.Equal(Errno.EEXIST, scene.NewVdevice(fixture.Viommu, device, 0x99, out _));
        Assert.Equal(Errno.EEXIST, scene.NewVdevice(fixture.Viommu, device, 0x98, out _));
        IommufdDevice other = scene.Bind(scene.NewDevice());
        Assert.Equal(Errno.EEXIST, scene.NewVdevice(fixture.Viommu, other.Id, 0x99, out _));
        IommufdDevice foreign = scene.Context.Bind(new MockDevice(new MockIommu()));
        Assert.Equal(Errno.EINVAL, scene.NewVdevice(fixture.Viommu, foreign.Id, 0x97, out _));
        foreign.Dispose();

        Assert.Equal(Errno.None, scene.Destroy(vdevice));
        Assert.Equal(Errno.ENOENT, fixture.Trigger());
        Assert.Equal(Errno.None, scene.NewVdevice(fixture.Viommu, device, 0x88, out vdevice));

        // Three events for a queue of two: the loss shows at the tail.
        for (int index = 0; index < 3; index++) Assert.Equal(Errno.None, fixture.Trigger());
        Assert.Equal([0u, 1, 0x88, 0, 2, 0x88, 1, 3], Words(file!, 100));
        Assert.Equal(Errno.None, fixture.Trigger());
        Assert.Equal([0u, 4, 0x88], Words(file!, 100));
        Assert.Equal(Errno.EBUSY, scene.Destroy(fixture.Viommu));
        Assert.Equal(Errno.EBUSY, scene.Destroy(queue));
        file!.Dispose();
        Assert.Equal(Errno.None, scene.Destroy(queue));
        Assert.Equal(Errno.EOPNOTSUPP, fixture.Trigger());
        fixture.Device.Replace(fixture.Ioas);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void VdeviceCache(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);
        IommufdScene scene = fixture.Scene;
        if (!hasViommu) return;
        const uint Invalidate = MockIommu.InvalidateType;
        uint viommu = fixture.Viommu;
        Assert.Equal(Errno.None, scene.NewVdevice(viommu, fixture.Device.Id, 0x99, out _));
        uint[] cache = ((MockDevice)fixture.Device.Hardware).Cache;
        uint count = 0;
        Assert.Equal(Errno.None, scene.Invalidate(viommu, Invalidate, 12, ref count));
        foreach ((uint type, uint length, uint flags, uint device, uint index, Errno errno) in new (uint, uint, uint, uint, uint, Errno)[]
        {
            (0, 12, 0, 0x99, 0, Errno.EINVAL), (Invalidate, 13, 0, 0x99, 0, Errno.EINVAL), (Invalidate, 1, 0, 0x99, 0, Errno.EINVAL),
            (Invalidate, 12, 0x80, 0x99, 0, Errno.EOPNOTSUPP), (Invalidate, 12, 0, 0x99, 4, Errno.EINVAL), (Invalidate, 12, 0, 0x9, 0, Errno.EINVAL),
        })
        {
            count = 1;
            Assert.Equal(errno, scene.Invalidate(viommu, type, length, ref count, flags, device, index));
            Assert.Equal(0u, count);
        }

        Assert.Equal(Errno.EINVAL, scene.Call(IoctlCommand.HwptInvalidate, 32, (4, viommu), (16, Invalidate), (20, 12), (24, 1)));
        count = 2;
        Assert.Equal(Errno.EOPNOTSUPP, scene.Invalidate(viommu, Invalidate, 12, ref count, 0, 0x99, 0, 0x80, 0x99, 1));
        Assert.Equal((1u, 0u, MockIommu.FirstDeviceCache), (count, cache[0], cache[1]));
        count = 2;
        Assert.Equal(Errno.EINVAL, scene.Invalidate(viommu, Invalidate, 12, ref count, 0, 0x99, 1, 0, 0x99, 4));
        Assert.Equal((1u, 0u), (count, cache[1]));
        count = 2;
        Assert.Equal(Errno.None, scene.Invalidate(viommu, Invalidate, 12, ref count, 0, 0x99, 2, 0, 0x99, 3));
        Assert.Equal(2u, count);
        Assert.Equal([0, 0, 0, 0], cache);
        cache[2] = 5;
        count = 1;
        Assert.Equal(Errno.None, scene.Invalidate(viommu, Invalidate, 12, ref count, 1, 0x99, 0));
        Assert.Equal(0u, cache[2]);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void HwQueue(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);
        IommufdScene scene = fixture.Scene;
        if (!hasViommu)
        {
            Assert.Equal(Errno.ENOENT, scene.NewHardwareQueue(0, QueueType, 0, Start, Page, out _));
            return;
        }

        uint viommu = fixture.Viommu;
        Assert.Equal(Errno.EOPNOTSUPP, scene.NewHardwareQueue(viommu, 0, 0, Start, Page, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.NewHardwareQueue(viommu, 1, 0, Start, Page, out _));
        Assert.Equal(Errno.EINVAL, scene.NewHardwareQueue(viommu, QueueType, 0, Start, 0, out _));
        Assert.Equal(Errno.EOVERFLOW, scene.NewHardwareQueue(viommu, QueueType, 0, ulong.MaxValue, Page, out _));
        Assert.Equal(Errno.ERANGE, scene.NewHardwareQueue(viommu, QueueType, 0, ulong.MaxValue, 1, out _));
        Assert.Equal(Errno.ENOENT, scene.NewHardwareQueue(viommu, QueueType, 0, Start, Page, out _));
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, scene.Scratch, Page, Start));
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, scene.Scratch + Page, Page, Start + Page));
        Assert.Equal(Errno.EIO, scene.NewHardwareQueue(viommu, QueueType, 1, Start, Page, out _));
        Assert.Equal(Errno.EINVAL, scene.NewHardwareQueue(viommu, QueueType, 2, Start, Page, out _));
        Assert.Equal(Errno.None, scene.NewHardwareQueue(viommu, QueueType, 0, Start, Page, out uint first));
        Assert.Equal(Errno.EEXIST, scene.NewHardwareQueue(viommu, QueueType, 0, Start, Page, out _));
        Assert.Equal(scene.Memory.PhysicalOf(scene.Scratch), scene.Iommu.Viommu!.Queue(0)!.Physical.Value);

        // Its page is locked, the next one is not.
        Assert.Equal(Errno.EBUSY, scene.Unmap(fixture.Ioas, Start, Page));
        Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, Start + Page, Page));
        Assert.Equal(Errno.None, scene.NewHardwareQueue(viommu, QueueType, 1, Start + (Page / 2), Page / 2, out uint second));
        Assert.Equal(scene.Memory.PhysicalOf(scene.Scratch) + (Page / 2), scene.Iommu.Viommu!.Queue(1)!.Physical.Value);
        Assert.Equal(Errno.EBUSY, scene.Destroy(first));
        Assert.Equal(Errno.EBUSY, scene.Destroy(viommu));
        Assert.Equal(Errno.None, scene.Destroy(second));
        Assert.Equal(Errno.EBUSY, scene.Unmap(fixture.Ioas, Start, Page));
        Assert.Equal(Errno.None, scene.Destroy(first));
        Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, Start, Page));
    }

    [Fact]
    public void AHardwareQueueLiesInOnePieceOfReadableMemory()
    {
        using var fixture = new ViommuScene(hasViommu: true);
        IommufdScene scene = fixture.Scene;
        ulong scattered = scene.Memory.Allocate(2 * Page, scattered: true);
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, scattered, 2 * Page, Start));
        ulong iova = Start + (8 * Page);
        Assert.Equal(Errno.None, scene.Map(fixture.Ioas, scene.Scratch, Page, ref iova, MapFlags.FixedIova | MapFlags.Writeable));
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, scene.Scratch + 2048, 2048, Start + (16 * Page)));

        Assert.Equal(Errno.EFAULT, scene.NewHardwareQueue(fixture.Viommu, QueueType, 0, Start, 2 * Page, out _));
        Assert.Equal(Errno.EPERM, scene.NewHardwareQueue(fixture.Viommu, QueueType, 0, iova, Page, out _));
        Assert.Equal(Errno.EINVAL, scene.NewHardwareQueue(fixture.Viommu, QueueType, 0, Start + (16 * Page), 2048, out _));
        Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, 0, ulong.MaxValue));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void VdeviceTombstone(bool hasViommu)
    {
        using var fixture = new ViommuScene(hasViommu);
        IommufdScene scene = fixture.Scene;
        if (!hasViommu) return;
        Assert.Equal(Errno.None, scene.NewVdevice(fixture.Viommu, fixture.Device.Id, 0x99, out uint vdevice));
        fixture.Device.Dispose();

        Assert.Equal(Errno.ENOENT, scene.Destroy(vdevice));
        for (int index = 0; index < 20; index++) Assert.NotEqual(vdevice, scene.NewIoas());   // Nobody gets the id any more.
        Assert.Equal(Errno.None, scene.Destroy(fixture.Viommu));
    }

    private static uint[] Words(VeventQueueFile file, int room)
    {
        byte[] bytes = new byte[room];
        int read = file.Read(bytes);
        return [.. Enumerable.Range(0, read / 4).Select(index => BitConverter.ToUInt32(bytes, 4 * index))];
    }

    /// <summary>A device on an address space, a parent, and perhaps a vIOMMU.</summary>
    private sealed class ViommuScene : IDisposable
    {
        public ViommuScene(bool hasViommu)
        {
            Ioas = Scene.NewIoas();
            if (!hasViommu) return;
            Device = Scene.NewDomain(Ioas, out _);
            Assert.Equal(Errno.None, Scene.AllocateHwpt(Device.Id, Ioas, HwptFlags.NestParent, out uint parent));
            Assert.Equal(Errno.None, Scene.NewViommu(Device.Id, parent, Type, out uint viommu));
            (Parent, Viommu) = (parent, viommu);
        }

        public IommufdScene Scene { get; } = new();

        public uint Ioas { get; }

        public uint Parent { get; }

        public uint Viommu { get; }

        public IommufdDevice Device { get; } = null!;

        public Errno Trigger() => Scene.Iommu.Viommu!.Trigger(Device.Hardware);

        public void Dispose() => Scene.Dispose();
    }
}
