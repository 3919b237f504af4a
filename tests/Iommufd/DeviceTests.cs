using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>Binding, groups, reserved addresses, and the character device of VFIO.</summary>
public sealed class DeviceTests : IDisposable
{
    private static readonly IovaRange MsiWindow = new(0x0800_0000, 0x080f_ffff);
    private readonly IommufdScene scene = new();
    private readonly uint ioas;

    public DeviceTests() => ioas = scene.NewIoas();

    public void Dispose() => scene.Dispose();

    [Fact]
    public void OnlyADeviceThatCanBeIsolatedIsBound()
    {
        Assert.Equal(Errno.EINVAL, Refusal(new MockDevice(scene.Iommu) { IsCoherent = false }));
        Assert.Equal(Errno.ENODEV, Refusal(new MockDevice(scene.Iommu) { Group = null }));
        Assert.Equal(Errno.EPERM, Refusal(new MockDevice(scene.Iommu) { IsMsiIsolated = false }));
        MockDevice device = scene.NewDevice();
        scene.Bind(device);
        using var other = new IommufdContext(scene.Memory);
        Assert.Equal(Errno.EPERM, IommufdScene.ErrnoOf(() => other.Bind(device)));

        Errno Refusal(MockDevice refused) => IommufdScene.ErrnoOf(() => scene.Context.Bind(refused));
    }

    [Fact]
    public void OnlyUnbindingRemovesADevice()
    {
        IommufdDevice device = scene.Bind(scene.NewDevice());
        Assert.Equal(Errno.EBUSY, scene.Destroy(device.Id));
        device.Attach(ioas);
        Assert.Equal(Errno.EBUSY, IommufdScene.ErrnoOf(() => device.Attach(ioas)));
        device.Dispose();

        Assert.Equal(Errno.ENOENT, scene.Destroy(device.Id));
        Assert.Null(((MockDevice)device.Hardware).Attached());
        Assert.Throws<ObjectDisposedException>(() => device.Attach(ioas));
        Assert.Equal(Errno.None, scene.Destroy(ioas));   // The automatic page table is gone, too.
    }

    [Fact]
    public void AGroupIsAttachedTogether()
    {
        var group = new object();
        var first = new MockDevice(scene.Iommu) { Group = group, ReservedRanges = [MsiWindow] };
        var second = new MockDevice(scene.Iommu) { Group = group, ReservedRanges = [MsiWindow, new IovaRange(0x7000_0000, 0x7000_0fff)] };
        IommufdDevice one = scene.Bind(first);
        IommufdDevice two = scene.Bind(second);
        uint hwpt = one.Attach(ioas);
        Assert.Equal(Errno.None, scene.AllocateHwpt(two.Id, ioas, HwptFlags.None, out uint other));
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => two.Attach(other)));
        Assert.Equal(hwpt, two.Attach(ioas));
        Assert.Same(first.Attached(), second.Attached());
        Assert.Equal([new(Start, 0x07ff_ffff), new(0x0810_0000, 0x6fff_ffff), new(0x7000_1000, MockIommu.ApertureLast)], Ranges());

        two.Replace(other);
        Assert.Equal((other, other), (one.AttachedTo(), two.AttachedTo()));
        Assert.Equal(Errno.ENOENT, scene.Destroy(hwpt));
        one.Detach();
        Assert.Null(first.Attached());
        Assert.Equal(Errno.EBUSY, scene.Destroy(other));
        Assert.Equal([new(Start, 0x07ff_ffff), new(0x0810_0000, 0x6fff_ffff), new(0x7000_1000, MockIommu.ApertureLast)], Ranges());
        Assert.NotNull(second.Attached());
    }

    [Fact]
    public void AGroupThatCannotMoveStaysWhereItIsWithAllItsDevices()
    {
        var group = new object();
        MockDevice[] hardware = [.. Enumerable.Range(0, 3).Select(_ => new MockDevice(scene.Iommu) { Group = group, ReservedRanges = [MsiWindow] })];
        IommufdDevice[] devices = [.. hardware.Select(scene.Bind)];
        uint faults = scene.NewFaultQueue(out FaultQueueFile file);
        Assert.Equal(Errno.None, scene.AllocateHwpt(devices[0].Id, ioas, HwptFlags.FaultIdValid, out uint hwpt, fault: faults));
        foreach (IommufdDevice device in devices) device.Attach(hwpt);
        IDomain? before = hardware[0].Attached();
        uint next = scene.NewIoas();
        Assert.Equal(Errno.None, scene.AllocateHwpt(devices[0].Id, next, HwptFlags.None, out uint other));
        int left = 3;
        scene.Iommu.Inject = () => --left == 0 ? Errno.ENOMEM : Errno.None;   // The third device.

        Assert.Equal(Errno.ENOMEM, IommufdScene.ErrnoOf(() => devices[1].Replace(other)));
        Assert.All(hardware, device => Assert.Same(before, device.Attached()));
        Assert.All(devices, device => Assert.Equal(hwpt, device.AttachedTo()));
        Assert.Equal([new(Start, MockIommu.ApertureLast)], scene.Context.GetIovaRanges(next, out _));
        Assert.Equal(Errno.None, scene.MapFixed(next, scene.Scratch, Page, MsiWindow.First));
        Assert.Equal(Errno.None, hardware[0].Fault());
        byte[] record = new byte[PageFaultRecord.SizeBytes];
        Assert.Equal(record.Length, file.Read(record));
        Assert.Equal(devices[0].Id, PageFaultRecord.Read(record).DeviceId);
        Assert.Equal(Errno.None, scene.Unmap(next, 0, ulong.MaxValue));
        devices[1].Replace(other);
        Assert.All(hardware, device => Assert.NotSame(before, device.Attached()));
        Assert.Equal([FaultResponse.Invalid], hardware[0].Responses);
    }

    [Fact]
    public void ReservedAddressesKeepADeviceOutOfWhatIsMapped()
    {
        IommufdDevice device = scene.Bind(new MockDevice(scene.Iommu) { ReservedRanges = [new(0x0700_0000, 0x0700_0fff), MsiWindow] });
        Assert.Equal(Errno.None, scene.MapFixed(ioas, scene.Scratch, Page, MsiWindow.First));
        Assert.Equal(Errno.EADDRINUSE, IommufdScene.ErrnoOf(() => device.Attach(ioas)));
        Assert.Equal([new(0, ulong.MaxValue)], Ranges());
        Assert.Equal(Errno.None, scene.Unmap(ioas, 0, ulong.MaxValue));
        device.Attach(ioas);
        Assert.Equal(Errno.EINVAL, scene.MapFixed(ioas, scene.Scratch, Page, MsiWindow.First));

        uint next = scene.NewIoas();
        Assert.Equal(Errno.None, scene.MapFixed(next, scene.Scratch, Page, MsiWindow.First));
        Assert.Equal(Errno.EADDRINUSE, IommufdScene.ErrnoOf(() => device.Replace(next)));
        Assert.Equal(Errno.EINVAL, scene.MapFixed(ioas, scene.Scratch, Page, MsiWindow.First));
        Assert.Equal(Errno.None, scene.Unmap(next, 0, ulong.MaxValue));
        device.Replace(next);
        Assert.Equal([new(0, ulong.MaxValue)], Ranges());
        Assert.Equal(Errno.EINVAL, scene.MapFixed(next, scene.Scratch, Page, MsiWindow.First));
    }

    [Fact]
    public void AVfioDeviceIsBoundAttachedAndDetached()
    {
        MockDevice hardware = scene.NewDevice(pasidLog2: 20);
        using var file = new VfioDeviceFile(hardware, scene.Memory, Find);
        Assert.Equal(-(int)Errno.ENOTTY, file.Ioctl(0x3b79, scene.Fill(16)));
        Assert.Equal(-(int)Errno.EFAULT, file.Ioctl(0x3b76, 64));
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b77, scene.Fill(16, (8, ioas))));
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b76, scene.Fill(15, (8, 5))));
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b76, scene.Fill(16, (4, 2), (8, 5))));
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b76, scene.Fill(16, (8, -1))));
        Assert.Equal(-(int)Errno.E2BIG, file.Ioctl(0x3b76, scene.Fill(32, (8, 5), (24, 1))));
        Assert.Equal(-(int)Errno.EBADF, file.Ioctl(0x3b76, scene.Fill(16, (8, 6))));
        Assert.Equal(-(int)Errno.EBADFD, file.Ioctl(0x3b76, scene.Fill(16, (8, 7))));
        Assert.Equal(0, file.Ioctl(0x3b76, scene.Fill(16, (8, 5))));
        uint device = scene.Word(12);
        Assert.Equal(Errno.EBUSY, scene.Destroy(device));
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b76, scene.Fill(16, (8, 5))));

        Assert.Equal(-(int)Errno.ENOENT, file.Ioctl(0x3b77, scene.Fill(12, (8, 1000))));
        Assert.Equal(0, file.Ioctl(0x3b77, scene.Fill(12, (8, ioas))));
        uint hwpt = scene.Word(8);
        Assert.NotEqual(ioas, hwpt);
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b77, scene.Fill(12, (4, 1), (8, hwpt))));
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b77, scene.Fill(16, (4, 1), (8, hwpt), (12, 4))));   // Not for PASIDs.
        Assert.Equal(Errno.None, scene.AllocateHwpt(device, ioas, HwptFlags.Pasid, out uint other));
        Assert.Equal(0, file.Ioctl(0x3b77, scene.Fill(12, (8, other))));   // Attached already: it moves.
        Assert.Equal(0, file.Ioctl(0x3b77, scene.Fill(16, (4, 1), (8, other), (12, 4))));
        Assert.NotNull(hardware.Attached(4));
        Assert.Equal(0, file.Ioctl(0x3b78, scene.Fill(12, (4, 1), (8, 4))));
        Assert.Null(hardware.Attached(4));
        Assert.Equal(-(int)Errno.EINVAL, file.Ioctl(0x3b78, scene.Fill(8, (4, 2))));
        Assert.Equal(0, file.Ioctl(0x3b78, scene.Fill(8)));
        Assert.Equal(0, file.Ioctl(0x3b78, scene.Fill(8)));
        Assert.Null(hardware.Attached());

        Errno Find(int descriptor, out IommufdContext? context)
        {
            context = descriptor == 5 ? scene.Context : null;
            return descriptor == 5 ? Errno.None : descriptor == 6 ? Errno.EBADF : Errno.EBADFD;
        }
    }

    private IReadOnlyList<IovaRange> Ranges() => scene.Context.GetIovaRanges(ioas, out _);
}
