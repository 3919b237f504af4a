using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd_device_pasid".</summary>
public class DevicePasidTests
{
    private const uint Pasid = 100;
    private const uint FaultPasid = 2048;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void PasidAttach(bool hasPasid)
    {
        using var scene = new IommufdScene();
        uint ioas = scene.NewIoas();
        IommufdDevice device = scene.Bind(scene.NewDevice(hasPasid ? MockIommu.PasidBits : 0));
        var hardware = (MockDevice)device.Hardware;
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.NestParent, out uint parent));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.Pasid, out uint plain));
        Assert.Equal(Errno.None, scene.AllocateNested(device.Id, parent, out uint first, HwptFlags.Pasid));
        Assert.Equal(Errno.None, scene.AllocateNested(device.Id, parent, out uint second, HwptFlags.Pasid));
        Assert.Equal(Errno.None, scene.AllocateNested(device.Id, parent, out uint without));
        device.Detach(Pasid);   // Of nothing.

        if (!hasPasid)
        {
            Assert.Equal(Errno.EINVAL, Attach(first));
            Assert.Equal(Errno.EINVAL, Attach(plain));
            return;
        }

        // Without and with PASID must fit together, whichever comes first.
        device.Attach(parent);
        Assert.Equal(Errno.EINVAL, Attach(plain));
        device.Replace(plain);
        device.Attach(plain, Pasid);
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => device.Replace(parent)));
        Assert.Equal(plain, device.AttachedTo());
        device.Detach();
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => device.Attach(parent)));
        device.Detach(Pasid);

        Assert.Equal(Errno.EINVAL, Attach(without));
        Assert.Equal(Errno.EINVAL, Attach(ioas));
        Assert.Equal(Errno.ENOENT, Attach(1000));
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => device.Attach(first, 1u << MockIommu.PasidBits)));
        device.Attach(first, Pasid);
        Assert.Equal(first, device.AttachedTo(Pasid));
        Assert.IsType<MockNestedDomain>(hardware.Attached(Pasid));
        Assert.Equal(Errno.EBUSY, scene.Destroy(first));
        Assert.Equal(Errno.EBUSY, Attach(first));
        Assert.Equal(Errno.EBUSY, Attach(second));

        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => device.Replace(second, Pasid + 1)));
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => device.Replace(ioas, Pasid)));
        Assert.Equal(first, device.AttachedTo(Pasid));
        device.Replace(second, Pasid);
        device.Replace(second, Pasid);
        Assert.Equal(second, device.AttachedTo(Pasid));
        device.Detach(Pasid);
        Assert.Equal(0u, device.AttachedTo(Pasid));

        // A replacement that the IOMMU refuses leaves what was.
        device.Attach(first, MockIommu.FailingPasid);
        Assert.Equal(Errno.ENOMEM, IommufdScene.ErrnoOf(() => device.Replace(second, MockIommu.FailingPasid)));
        Assert.Equal(first, device.AttachedTo(MockIommu.FailingPasid));
        Assert.Equal(Errno.None, scene.Destroy(second));
        device.Detach(MockIommu.FailingPasid);

        // Faults of a PASID.
        uint faults = scene.NewFaultQueue(out FaultQueueFile file);
        Assert.Equal(Errno.None, scene.AllocateNested(device.Id, parent, out uint faulting, HwptFlags.Pasid | HwptFlags.FaultIdValid, faults));
        device.Attach(faulting, FaultPasid);
        Assert.Equal(Errno.None, hardware.Fault(FaultPasid));
        byte[] record = new byte[PageFaultRecord.SizeBytes];
        Assert.Equal(PageFaultRecord.SizeBytes, file.Read(record));
        Assert.Equal(FaultPasid, PageFaultRecord.Read(record).Fault.Pasid);
        device.Replace(plain, FaultPasid);
        Assert.Equal([FaultResponse.Invalid], hardware.Responses);   // Nobody had answered.
        Assert.Equal(Errno.EOPNOTSUPP, hardware.Fault(FaultPasid));
        device.Detach(FaultPasid);

        Errno Attach(uint hwpt) => IommufdScene.ErrnoOf(() => device.Attach(hwpt, Pasid));
    }
}
