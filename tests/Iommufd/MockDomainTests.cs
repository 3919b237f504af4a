using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd_mock_domain", without files: what lands in page tables.</summary>
public class MockDomainTests
{
    public static TheoryData<int, bool> Variants => new() { { 1, false }, { 1, true }, { 2, false }, { 2, true } };

    [Theory]
    [MemberData(nameof(Variants))]
    public void Basic(int domains, bool huge)
    {
        using var scene = new IommufdScene();
        uint ioas = NewDomains(scene, domains, huge, out List<MockDevice> devices);
        ulong buffer = scene.Memory.Allocate(2 * Page);
        Assert.Equal(Errno.None, scene.MapAnywhere(ioas, buffer, Page, out ulong iova));
        Assert.All(devices, device => Assert.Equal(scene.Memory.PhysicalOf(buffer), device.Paging.Find(iova)));
        Assert.All(devices, device => Assert.Equal(DomainPermissions.Read | DomainPermissions.Write, device.Paging.PermissionsOf(iova)));

        scene.Memory.Free(buffer + Page, Page);
        Assert.Equal(Errno.EFAULT, scene.MapAnywhere(ioas, buffer, 2 * Page, out _));
        scene.Memory.Free(buffer, Page);
        Assert.Equal(Errno.EFAULT, scene.MapAnywhere(ioas, buffer, Page, out _));
        Assert.All(devices, device => Assert.Equal(2, device.Paging.Mapped));
        Assert.Equal(1, scene.Memory.Pins);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AllAligns(int domains, bool huge)
    {
        using var scene = new IommufdScene();
        uint ioas = NewDomains(scene, domains, huge, out List<MockDevice> devices);
        Sweep(scene, ioas, devices, () => { });
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AllAlignsCopy(int domains, bool huge)
    {
        using var scene = new IommufdScene();
        uint ioas = NewDomains(scene, domains, huge, out List<MockDevice> devices);
        Sweep(scene, ioas, devices, () =>
        {
            using IommufdDevice late = scene.Context.Bind(scene.NewDevice(huge: huge));
            Assert.Equal(Errno.None, scene.AllocateHwpt(late.Id, ioas, HwptFlags.None, out uint hwpt));
            late.Attach(hwpt);
            Assert.Equal(devices[0].Paging.Mapped, ((MockDevice)late.Hardware).Paging.Mapped);
            late.Detach();
            Assert.Equal(Errno.None, scene.Destroy(hwpt));
        });
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void UserCopy(int domains, bool huge)
    {
        using var scene = new IommufdScene();
        uint ioas = NewDomains(scene, domains, huge, out _);
        uint source = scene.NewIoas();
        Assert.Equal(Errno.None, scene.MapFixed(source, scene.Scratch, 2 * Page, Start));
        using var access = scene.Context.CreateAccess(new SilentOwner());
        access.Attach(source);
        access.Pin(Start, Page);
        Assert.Equal(Errno.None, scene.Copy(ioas, source, 2 * Page, Start, Start));
        Assert.Equal(1, scene.Memory.PinsOf(scene.Scratch));

        uint next = scene.NewIoas();
        Assert.Equal(Errno.None, scene.Copy(next, source, 2 * Page, Start, Start));
        access.Replace(next);
        Assert.Equal(Errno.None, scene.Destroy(source));
        access.Pin(Start, Page);
        Assert.Equal(Errno.None, access.Unpin(Start, Page));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Replace(int domains, bool huge)
    {
        using var scene = new IommufdScene();
        uint ioas = NewDomains(scene, domains, huge, out List<MockDevice> devices);
        using IommufdDevice device = scene.Context.Bind(scene.NewDevice());
        uint hwpt = device.Attach(ioas);
        uint other = scene.NewIoas();
        Assert.Equal(Errno.None, scene.MapFixed(other, scene.Scratch, Page, Start));

        Assert.Equal(Errno.ENOENT, IommufdScene.ErrnoOf(() => device.Replace(1000)));
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => device.Replace(device.Id)));
        Assert.Equal(hwpt, device.Replace(hwpt));
        uint moved = device.Replace(other);
        Assert.NotEqual(hwpt, moved);
        Assert.Equal(2, ((MockDevice)device.Hardware).Paging.Mapped);
        Assert.Equal(hwpt, device.Replace(ioas));   // The automatic one of the other devices suits it.
        Assert.Equal(Errno.ENOENT, scene.Destroy(moved));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, other, HwptFlags.None, out uint made));
        Assert.Equal(made, device.Replace(made));
        Assert.Equal(Errno.EBUSY, scene.Destroy(made));
        device.Detach();
        Assert.Equal(Errno.None, scene.Destroy(made));
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => device.Replace(ioas)));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AllocHwpt(int domains, bool huge)
    {
        using var scene = new IommufdScene();
        uint ioas = NewDomains(scene, domains, huge, out _);
        using IommufdDevice device = scene.Context.Bind(scene.NewDevice());
        device.Attach(ioas);
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateHwpt(device.Id, ioas, (HwptFlags)16, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateHwpt(device.Id, ioas, (HwptFlags)17, out _));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.None, out uint first));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.NestParent, out uint second));
        foreach (uint hwpt in new[] { first, second })
        {
            device.Replace(hwpt);
            Assert.Equal(Errno.EBUSY, scene.Destroy(hwpt));
        }

        device.Replace(ioas);
        Assert.Equal(Errno.None, scene.Destroy(first));
        Assert.Equal(Errno.None, scene.Destroy(second));
    }

    [Fact]
    public void ADomainThatCannotBeFilledIsLeftEmptyAndNothingIsPinned()
    {
        using var scene = new IommufdScene();
        uint ioas = scene.NewIoas();
        ulong good = scene.Memory.Allocate(4 * Page, scattered: true);
        ulong bad = scene.Memory.Allocate(4 * Page);
        Assert.Equal(Errno.None, scene.MapFixed(ioas, good, 4 * Page, Start));
        Assert.Equal(Errno.None, scene.MapFixed(ioas, bad, 4 * Page, Start + (8 * Page)));
        scene.Memory.Free(bad + (3 * Page), Page);
        IommufdDevice device = scene.Bind(scene.NewDevice());

        Assert.Equal(Errno.EFAULT, IommufdScene.ErrnoOf(() => device.Attach(ioas)));   // The mock asserts that it is empty.
        Assert.Equal(0, scene.Memory.Pins);
        Assert.Equal(0, scene.Iommu.Alive);
        Assert.Equal(1UL, Alignment(scene, ioas));
        Assert.Equal([new IovaRange(0, ulong.MaxValue)], scene.Context.GetIovaRanges(ioas, out _));
        Assert.Equal(Errno.None, scene.Unmap(ioas, Start + (8 * Page), 4 * Page));
        device.Attach(ioas);
        Assert.Equal(4, scene.Memory.Pins);
    }

    [Fact]
    public void ADomainReservesWhatItCannotReach()
    {
        using var scene = new IommufdScene();
        uint ioas = scene.NewIoas();
        IommufdDevice device = scene.Bind(scene.NewDevice());
        Assert.Equal(Errno.None, scene.MapFixed(ioas, scene.Scratch, Page, Start - Page));
        Assert.Equal(Errno.EADDRINUSE, IommufdScene.ErrnoOf(() => device.Attach(ioas)));
        Assert.Equal(Errno.None, scene.Unmap(ioas, Start - Page, Page));
        Assert.Equal(Errno.None, scene.MapFixed(ioas, scene.Scratch, 100, Start));
        Assert.Equal(Errno.EADDRINUSE, IommufdScene.ErrnoOf(() => device.Attach(ioas)));
        Assert.Equal(Errno.None, scene.Unmap(ioas, Start, 100));
        Assert.Equal(Errno.None, scene.Allow(ioas, new IovaRange(0, Start)));
        Assert.Equal(Errno.EADDRINUSE, IommufdScene.ErrnoOf(() => device.Attach(ioas)));
        Assert.Equal(Errno.None, scene.Allow(ioas));
        device.Attach(ioas);

        Assert.Equal(MockIommu.PageBytes, Alignment(scene, ioas));
        device.Detach();
        Assert.Equal(1UL, Alignment(scene, ioas));
        Assert.Equal([new IovaRange(0, ulong.MaxValue)], scene.Context.GetIovaRanges(ioas, out _));
    }

    private static ulong Alignment(IommufdScene scene, uint ioas)
    {
        scene.Context.GetIovaRanges(ioas, out ulong alignment);
        return alignment;
    }

    private static uint NewDomains(IommufdScene scene, int count, bool huge, out List<MockDevice> devices)
    {
        uint ioas = scene.NewIoas();
        devices = [];
        for (int index = 0; index < count; index++) devices.Add((MockDevice)scene.NewDomain(ioas, out _, huge: huge).Hardware);
        return ioas;
    }

    private static void Sweep(IommufdScene scene, uint ioas, List<MockDevice> devices, Action between)
    {
        const ulong Pages = 8;
        ulong buffer = scene.Memory.Allocate(Pages * Page, scattered: true);
        for (ulong start = 0; start < Pages * Page; start += MockIommu.PageBytes)
        {
            for (ulong end = start + MockIommu.PageBytes; end <= Pages * Page; end += MockIommu.PageBytes)
            {
                Assert.Equal(Errno.None, scene.MapAnywhere(ioas, buffer + start, end - start, out ulong iova));
                Assert.Equal(start & (Page - 1), iova & (Page - 1));
                for (ulong at = start; at < end; at += MockIommu.PageBytes)
                {
                    Assert.All(devices, device => Assert.Equal(scene.Memory.PhysicalOf(buffer + at), device.Paging.Find(iova + at - start)));
                    Assert.Equal(1, scene.Memory.PinsOf(buffer + at));
                }

                between();
                Assert.Equal(Errno.None, scene.Unmap(ioas, iova, end - start));
                Assert.Equal(0, scene.Memory.Pins);
                Assert.All(devices, device => Assert.Equal(0, device.Paging.Mapped));
            }
        }
    }
}
