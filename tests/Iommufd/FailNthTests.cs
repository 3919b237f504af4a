using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's "iommufd_fail_nth": the first, second, third … thing that can fail does, and nothing is left behind.</summary>
public class FailNthTests
{
    private const int MostFailures = 1000;

    [Fact]
    public void BasicFailNth() => Sweep((scene, _) =>
    {
        uint ioas = scene.Context.AllocateIoas();
        uint other = scene.Context.AllocateIoas();
        scene.Context.AllowIovas(ioas, [new IovaRange(Start, Start + (64 << 20))]);
        ulong iova = scene.Context.Map(ioas, MapFlags.Readable, scene.Scratch, 16 * Page);
        scene.Context.Copy(other, ioas, MapFlags.Readable, Page, iova);
        scene.Context.Unmap(ioas, iova, 16 * Page);
    });

    [Fact]
    public void MapDomain() => Sweep((scene, device) =>
    {
        scene.Memory.MostPagesPerPin = 4;
        uint ioas = scene.Context.AllocateIoas();
        device.Attach(ioas);
        scene.Context.Map(ioas, MapFlags.Readable, scene.Scratch, 16 * Page);
        scene.Context.Map(ioas, MapFlags.Readable, scene.Scratch, 16 * Page);
        device.Detach();
        device.Attach(ioas);
    });

    [Fact]
    public void MapTwoDomains() => Sweep((scene, device) =>
    {
        scene.Memory.MostPagesPerPin = 4;
        uint ioas = scene.Context.AllocateIoas();
        device.Attach(ioas);
        uint second = scene.Context.AllocateHwpt(device.Id, ioas);
        scene.Context.Map(ioas, MapFlags.Readable, scene.Scratch, 16 * Page);
        device.Detach();
        device.Attach(second);
    });

    [Fact]
    public void AccessPinDomain() => Sweep((scene, device) =>
    {
        scene.Memory.MostPagesPerPin = 4;
        uint ioas = scene.Context.AllocateIoas();
        scene.Context.Map(ioas, MapFlags.Readable | MapFlags.FixedIova, scene.Scratch, 16 * Page, Start);
        using var access = scene.Context.CreateAccess(new SilentOwner());
        access.Attach(ioas);
        access.Pin(Start, 8 * Page);
        IommufdException.ThrowIfRefused(access.Read(Start + 5, new byte[9000], AccessFlags.ThroughPins), "Reading");
        device.Attach(ioas);
        access.Pin(Start, 16 * Page);
        access.Unpin(Start, 8 * Page);
    });

    [Fact]
    public void Device() => Sweep((scene, device) =>
    {
        IommufdContext context = scene.Context;
        uint ioas = context.AllocateIoas();
        context.Map(ioas, MapFlags.Readable | MapFlags.FixedIova, scene.Scratch, 16 * Page, Start);
        device.Attach(ioas);
        uint hwpt = context.AllocateHwpt(device.Id, ioas, HwptFlags.Pasid);
        device.Replace(ioas);
        device.Replace(hwpt);
        uint parent = context.AllocateHwpt(device.Id, ioas, HwptFlags.NestParent | HwptFlags.Pasid);
        uint viommu = context.AllocateViommu(device.Id, parent, MockIommu.ViommuType);
        context.AllocateVdevice(viommu, device.Id, 3);
        context.AllocateHardwareQueue(viommu, MockIommu.HardwareQueueType, 0, Start, Page);
        scene.Adopt(context.AllocateFaultQueue(out uint faults));
        uint nested = context.AllocateHwpt(
            device.Id, viommu, HwptFlags.FaultIdValid | HwptFlags.Pasid, MockIommu.NestedType, new byte[MockIommu.NestedBytes], faults);
        scene.Adopt(context.AllocateVeventQueue(viommu, MockIommu.EventType, 1, out _));
        device.Attach(hwpt, 7);
        device.Replace(nested, 7);
        device.Detach(7);
    });

    // The scene checks at its end that no object, pin or page table is left; the mock checks each domain.
    private static void Sweep(Action<IommufdScene, IommufdDevice> run)
    {
        for (int failing = 1; failing <= MostFailures; failing++)
        {
            using var scene = new IommufdScene();
            IommufdDevice device = scene.Bind(scene.NewDevice(pasidLog2: 20));
            int left = failing;
            Errno Inject() => --left == 0 ? Errno.ENOMEM : Errno.None;
            scene.Memory.Inject = Inject;
            scene.Iommu.Inject = Inject;
            Errno errno = Errno.None;
            try
            {
                run(scene, device);
            }
            catch (IommufdException refusal)
            {
                errno = refusal.Errno;
            }

            Assert.Equal(left <= 0 ? Errno.ENOMEM : Errno.None, errno);
            if (errno == Errno.None) return;
        }

        Assert.Fail("Something could always fail.");
    }
}
