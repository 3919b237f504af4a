using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd_dirty_tracking".</summary>
public sealed class DirtyTrackingTests : IDisposable
{
    private readonly IommufdScene scene = new();
    private readonly uint ioas;
    private readonly IommufdDevice device;
    private readonly uint hwpt;

    public DirtyTrackingTests()
    {
        ioas = scene.NewIoas();
        device = scene.Bind(scene.NewDevice(pasidLog2: MockIommu.PasidBits));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.DirtyTracking | HwptFlags.Pasid, out hwpt));
    }

    public void Dispose() => scene.Dispose();

    [Fact]
    public void EnforceDirty()
    {
        IommufdDevice without = scene.Bind(scene.NewDevice(capabilities: HardwareCapabilities.None));

        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => without.Attach(hwpt)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.AllocateHwpt(without.Id, ioas, HwptFlags.DirtyTracking, out _));
    }

    [Fact]
    public void SetDirtyTracking()
    {
        device.Attach(hwpt);
        Assert.Equal(Errno.None, scene.Call(IoctlCommand.HwptSetDirtyTracking, 16, (4, 1), (8, hwpt)));
        Assert.True(((MockDevice)device.Hardware).Paging.IsTracking);
        Assert.Equal(Errno.None, scene.Call(IoctlCommand.HwptSetDirtyTracking, 16, (8, hwpt)));
        Assert.False(((MockDevice)device.Hardware).Paging.IsTracking);
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.HwptSetDirtyTracking, 16, (4, 2), (8, hwpt)));
        Assert.Equal(Errno.ENOENT, scene.Call(IoctlCommand.HwptSetDirtyTracking, 16, (4, 1), (8, ioas)));
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.None, out uint plain));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.HwptSetDirtyTracking, 16, (4, 1), (8, plain)));
    }

    [Fact]
    public void PasidSetDirtyTracking()
    {
        IommufdDevice without = scene.Bind(new MockDevice(scene.Iommu) { MaxPasidLog2 = 20, Capabilities = HardwareCapabilities.None });
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => without.Attach(hwpt, pasid: 100)));
        device.Attach(hwpt, pasid: 100);
        scene.Context.SetDirtyTracking(hwpt, enable: true);
        scene.Context.SetDirtyTracking(hwpt, enable: false);
        device.Detach(100);
    }

    [Fact]
    public void DeviceDirtyCapability() => Assert.Equal(
        HardwareCapabilities.DirtyTracking, scene.Context.GetHardwareInfo(device.Id).Capabilities & HardwareCapabilities.DirtyTracking);

    [Theory]
    [InlineData(8 << 10, 0UL)]
    [InlineData(16 << 10, 0UL)]
    [InlineData(64 << 10, 2048UL)]
    [InlineData(128 << 10, 0xff1UL)]
    [InlineData(320 << 10, 0UL)]
    [InlineData(64 << 20, 0xff1UL)]
    public void GetDirtyBitmap(int bytes, ulong shift) => HarvestEverySecondPage((ulong)bytes, shift, clear: true);

    [Theory]
    [InlineData(8 << 10, 0UL)]
    [InlineData(320 << 10, 2048UL)]
    [InlineData(64 << 20, 0xff1UL)]
    public void GetDirtyBitmapNoClear(int bytes, ulong shift) => HarvestEverySecondPage((ulong)bytes, shift, clear: false);

    [Fact]
    public void EnablingBeginsClean()
    {
        device.Attach(hwpt);
        Assert.Equal(Errno.None, scene.MapFixed(ioas, scene.Scratch, Page, Start));
        ((MockDevice)device.Hardware).Paging.MakeDirty(Start);
        scene.Context.SetDirtyTracking(hwpt, enable: true);
        byte[] bitmap = new byte[1];
        scene.Context.GetDirtyBitmap(hwpt, Start, Page, 2048, bitmap);

        Assert.Equal(0, bitmap[0]);
    }

    [Fact]
    public void BitsAreOnlySetAndTheWalkEndsAtAHole()
    {
        device.Attach(hwpt);
        MockPagingDomain domain = ((MockDevice)device.Hardware).Paging;
        Assert.Equal(Errno.None, scene.MapFixed(ioas, scene.Scratch, Page, Start));
        Assert.Equal(Errno.None, scene.MapFixed(ioas, scene.Scratch, Page, Start + (2 * Page)));
        domain.MakeDirty(Start);
        domain.MakeDirty(Start + (2 * Page));
        byte[] bitmap = [0b1000_0000];
        int before = domain.Synchronizations;
        scene.Context.GetDirtyBitmap(hwpt, Start, 4 * Page, 2048, bitmap);

        Assert.Equal(0b1000_0001, bitmap[0]);
        Assert.Equal(before + 1, domain.Synchronizations);
        bitmap[0] = 0;
        scene.Context.GetDirtyBitmap(hwpt, Start + (2 * Page), Page, 4096, bitmap, clear: false);
        Assert.Equal(1, bitmap[0]);
        Assert.Equal(before + 1, domain.Synchronizations);
    }

    [Fact]
    public void RangesAreChecked()
    {
        device.Attach(hwpt);
        Assert.Equal(Errno.EOPNOTSUPP, Read(8, Start, Page, Page, flags: 2));
        Assert.Equal(Errno.ENOENT, Read(1000, Start, Page, Page));
        Assert.Equal(Errno.EOVERFLOW, Read(hwpt, ulong.MaxValue - Page + 1, 2 * Page, Page));
        Assert.Equal(Errno.EOVERFLOW, Read(hwpt, Start, 0, Page));
        Assert.Equal(Errno.EINVAL, Read(hwpt, Start + 1, Page - 1, Page));
        Assert.Equal(Errno.EINVAL, Read(hwpt, Start, Page, 0));
        Assert.Equal(Errno.EINVAL, Read(hwpt, Start, Page, 3 * 2048));
        Assert.Equal(Errno.EINVAL, Read(hwpt, Start + 2048, Page, Page));
        Assert.Equal(Errno.None, Read(hwpt, Start, Page, Page, bitmap: 64));   // Bad user memory is not told of.
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.None, out uint plain));
        Assert.Equal(Errno.EOPNOTSUPP, Read(plain, Start, Page, Page));
        Assert.Throws<ArgumentException>(() => scene.Context.GetDirtyBitmap(hwpt, Start, 9 * Page, Page, new byte[1]));
    }

    private Errno Read(uint id, ulong iova, ulong length, ulong pageBytes, uint flags = 0, ulong bitmap = 0x4000) => scene.Call(
        IoctlCommand.HwptGetDirtyBitmap, 48, (4, id), (8, flags), (16, iova), (24, length), (32, pageBytes), (40, bitmap));

    private void HarvestEverySecondPage(ulong bytes, ulong shift, bool clear)
    {
        device.Attach(hwpt);
        ulong buffer = scene.Memory.Allocate(bytes);
        Assert.Equal(Errno.None, scene.MapFixed(ioas, buffer, bytes, Start));
        MockPagingDomain domain = ((MockDevice)device.Hardware).Paging;
        scene.Context.SetDirtyTracking(hwpt, enable: true);
        int pages = (int)(bytes / MockIommu.PageBytes);
        for (int page = 0; page < pages; page += 2) domain.MakeDirty(Start + ((ulong)page * MockIommu.PageBytes));
        int bitmapBytes = pages / 8;
        ulong room = scene.Memory.Allocate((ulong)bitmapBytes + (3 * Page)) + shift;
        byte[] expected = new byte[Math.Max(1, bitmapBytes)];
        Array.Fill(expected, (byte)0x55);
        if (pages < 8) expected[0] = (byte)(0x55 & ((1 << pages) - 1));

        Assert.Equal(expected, Harvest());
        Assert.Equal(clear ? new byte[expected.Length] : expected, Harvest());
        Assert.Equal(0u, scene.ReadWord(room + (ulong)expected.Length) & 0xff);

        byte[] Harvest()
        {
            byte[] found = new byte[expected.Length];
            Assert.True(scene.Memory.TryWrite(room, found));
            Assert.Equal(Errno.None, Read(hwpt, Start, bytes, MockIommu.PageBytes, clear ? 0u : 1u, room));
            Assert.True(scene.Memory.TryRead(room, found));
            return found;
        }
    }
}
