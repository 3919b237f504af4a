using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd_ioas": nested page tables directly on a parent.</summary>
public class NestingTests
{
    private const uint Invalidate = MockIommu.InvalidateType;

    public static TheoryData<IoasVariant> Variants => IoasTests.Variants;

    [Theory]
    [MemberData(nameof(Variants))]
    public void AllocHwptNested(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint device = fixture.DeviceId;
        uint ioas = fixture.Ioas;
        if (!fixture.HasDevice)
        {
            Assert.Equal(Errno.ENOENT, scene.AllocateHwpt(0, ioas, HwptFlags.None, out _));
            Assert.Equal(Errno.ENOENT, scene.AllocateHwpt(0, ioas, HwptFlags.NestParent, out _));
            Assert.Equal(Errno.ENOENT, scene.AllocateNested(0, ioas, out _));
            return;
        }

        // Which ids, flags and data there can be.
        Assert.Equal(Errno.ENOENT, scene.AllocateHwpt(0, ioas, HwptFlags.None, out _));
        Assert.Equal(Errno.EINVAL, scene.AllocateHwpt(device, 0, HwptFlags.None, out _));
        Assert.Equal(Errno.EINVAL, scene.AllocateHwpt(device, device, HwptFlags.None, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateHwpt(device, ioas, (HwptFlags)16, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.HwptAllocate, 48, (8, device), (12, ioas), (20, 1)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateHwpt(device, ioas, HwptFlags.NestParent | HwptFlags.FaultIdValid, out _));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device, ioas, HwptFlags.NestParent, out uint parent));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device, ioas, HwptFlags.None, out uint plain));
        uint faults = scene.NewFaultQueue(out FaultQueueFile file);
        Assert.Equal(Errno.EINVAL, scene.AllocateHwpt(device, parent, HwptFlags.None, out _, type: 0, length: 8, data: scene.Scratch));
        Assert.Equal(Errno.EINVAL, scene.AllocateHwpt(device, parent, HwptFlags.None, out _, MockIommu.NestedType));
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateHwpt(device, parent, HwptFlags.None, out _, 1, 8, scene.Scratch));
        Assert.Equal(Errno.EINVAL, scene.AllocateHwpt(device, parent, HwptFlags.None, out _, MockIommu.NestedType, 7, scene.Scratch));
        Assert.Equal(Errno.EFAULT, scene.AllocateHwpt(device, parent, HwptFlags.None, out _, MockIommu.NestedType, 8, 0));
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateNested(device, parent, out _, HwptFlags.NestParent));
        Assert.Equal(Errno.EINVAL, scene.AllocateNested(device, plain, out _));
        Assert.Equal(Errno.ENOENT, scene.AllocateNested(device, parent, out _, HwptFlags.FaultIdValid, fault: 1000));
        Assert.Equal(Errno.None, scene.AllocateNested(device, parent, out uint first));
        Assert.Equal(Errno.None, scene.AllocateNested(device, parent, out uint second));
        Assert.Equal(Errno.None, scene.AllocateNested(device, parent, out uint faulting, HwptFlags.FaultIdValid, faults));
        Assert.Equal(Errno.EINVAL, scene.AllocateNested(device, first, out _));
        Assert.Equal(Errno.EBUSY, scene.Destroy(parent));
        Assert.Equal(Errno.EBUSY, scene.Destroy(faults));

        CheckInvalidation(scene, parent, first, second);

        // Attached ones stay, and faults are answered.
        fixture.Device.Replace(first);
        Assert.Equal(Errno.EBUSY, scene.Destroy(first));
        fixture.Device.Replace(faulting);
        Assert.Equal(Errno.EBUSY, scene.Destroy(faulting));
        var hardware = (MockDevice)fixture.Device.Hardware;
        Assert.Equal(Errno.None, hardware.Fault());
        byte[] record = new byte[PageFaultRecord.SizeBytes];
        Assert.Equal(PageFaultRecord.SizeBytes, file.Read(record));
        file.Respond(PageFaultRecord.Read(record).Cookie, FaultResponse.Success);
        Assert.Equal([FaultResponse.Success], hardware.Responses);

        Assert.Equal(Errno.None, scene.Destroy(first));
        fixture.Device.Replace(ioas);
        Assert.Equal(Errno.None, scene.Destroy(second));
        Assert.Equal(Errno.None, scene.Destroy(faulting));
        Assert.Equal(Errno.EBUSY, scene.Destroy(faults));
        file.Dispose();
        Assert.Equal(Errno.None, scene.Destroy(faults));
        Assert.Equal(Errno.None, scene.Destroy(parent));
        Assert.Equal(Errno.None, scene.Destroy(plain));
    }

    // Each entry is {flags, index}.
    private static void CheckInvalidation(IommufdScene scene, uint parent, uint first, uint second)
    {
        uint count = 1;
        Assert.Equal(Errno.EINVAL, scene.Invalidate(parent, Invalidate, 8, ref count, 0, 0));
        Assert.Equal(0u, count);
        count = 1;
        Assert.Equal(Errno.ENOENT, scene.Invalidate(1000, Invalidate, 8, ref count, 0, 0));
        count = 0;
        Assert.Equal(Errno.None, scene.Invalidate(first, Invalidate, 8, ref count));
        Assert.Equal(0u, count);
        foreach ((uint type, uint length, uint flags, uint index, Errno errno) in new (uint, uint, uint, uint, Errno)[]
        {
            (0, 8, 0, 0, Errno.EINVAL), (Invalidate, 9, 0, 0, Errno.EINVAL), (Invalidate, 1, 0, 0, Errno.EINVAL),
            (Invalidate, 0, 0, 0, Errno.EINVAL), (Invalidate, 8, 0x80, 0, Errno.EOPNOTSUPP), (Invalidate, 8, 0, 4, Errno.EINVAL),
        })
        {
            count = 1;
            Assert.Equal(errno, scene.Invalidate(first, type, length, ref count, flags, index));
            Assert.Equal(0u, count);
        }

        Assert.Equal(Errno.EINVAL, scene.Call(IoctlCommand.HwptInvalidate, 32, (4, first), (16, Invalidate), (20, 8), (24, 1)));
        Assert.Equal(Errno.EFAULT, scene.Call(IoctlCommand.HwptInvalidate, 32, (4, first), (8, 64UL), (16, Invalidate), (20, 8), (24, 1)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.HwptInvalidate, 32, (4, first), (28, 1)));
        Assert.Equal(Errno.EINVAL, scene.Call(IoctlCommand.HwptInvalidate, 32, (4, first), (8, scene.Scratch), (16, Invalidate), (20, 4097), (24, 1)));
        Assert.Equal(Errno.EINVAL, scene.Call(IoctlCommand.HwptInvalidate, 32, (4, first), (8, scene.Scratch), (16, Invalidate), (20, 8), (24, (1 << 19) + 1)));

        // The second of two is bad: the first is done.
        count = 2;
        Assert.Equal(Errno.EOPNOTSUPP, scene.Invalidate(first, Invalidate, 8, ref count, 0, 0, 0x80, 1));
        Assert.Equal(1u, count);
        Assert.Equal([0, MockIommu.FirstIotlb, MockIommu.FirstIotlb, MockIommu.FirstIotlb], IotlbOf(scene, first));
        count = 2;
        Assert.Equal(Errno.EINVAL, scene.Invalidate(first, Invalidate, 8, ref count, 0, 0, 0, 4));
        Assert.Equal(1u, count);
        count = 1;
        Assert.Equal(Errno.None, scene.Invalidate(first, Invalidate, 8, ref count, 0, 1));
        Assert.Equal(1u, count);
        Assert.Equal([0, 0, MockIommu.FirstIotlb, MockIommu.FirstIotlb], IotlbOf(scene, first));
        count = 2;
        Assert.Equal(Errno.None, scene.Invalidate(first, Invalidate, 8, ref count, 0, 2, 0, 3));
        Assert.Equal(2u, count);
        Assert.Equal([0, 0, 0, 0], IotlbOf(scene, first));
        Assert.All(IotlbOf(scene, second), word => Assert.Equal(MockIommu.FirstIotlb, word));
        count = 1;
        Assert.Equal(Errno.None, scene.Invalidate(second, Invalidate, 8, ref count, 1, 0));
        Assert.Equal([0, 0, 0, 0], IotlbOf(scene, second));
    }

    private static uint[] IotlbOf(IommufdScene scene, uint hwpt)
    {
        using var nested = scene.Context.Objects.Borrow<HwptNested>(hwpt);
        return ((MockNestedDomain)nested.Object.NestedDomain).Iotlb;
    }
}
