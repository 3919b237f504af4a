using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd_ioas", without what needs a second process or dma-buf: objects and areas.</summary>
public class IoasTests
{
    private const int Areas = 10;

    public static TheoryData<IoasVariant> Variants => [.. Enum.GetValues<IoasVariant>()];

    [Theory]
    [MemberData(nameof(Variants))]
    public void IoasAutoDestroy(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);

        Assert.NotEqual(0u, fixture.Ioas);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void IoasDestroy(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);

        Assert.Equal(fixture.HasDevice ? Errno.EBUSY : Errno.None, fixture.Scene.Destroy(fixture.Ioas));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void HwptAttach(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdDevice second = fixture.Scene.Bind(fixture.Scene.NewDevice());
        uint hwpt = fixture.HasDevice ? fixture.Hwpt : 1000;

        if (fixture.HasDevice) Assert.Equal(hwpt, second.Attach(hwpt));
        else Assert.Equal(Errno.ENOENT, IommufdScene.ErrnoOf(() => second.Attach(hwpt)));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void IoasAreaDestroy(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        Assert.Equal(Errno.None, fixture.Scene.MapFixed(fixture.Ioas, fixture.Buffer, Page, Start));

        Assert.Equal(fixture.HasDevice ? Errno.EBUSY : Errno.None, fixture.Scene.Destroy(fixture.Ioas));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void IoasAreaAutoDestroy(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        for (ulong area = 0; area < Areas; area++)
        {
            Assert.Equal(Errno.None, fixture.Scene.MapFixed(fixture.Ioas, fixture.Buffer, Page, Start + (area * Page)));
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void GetHwInfo(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        ulong buffer = scene.Scratch;
        Assert.Equal(fixture.WithDevice(Errno.None), Info(0, 0, 0, 0));
        if (!fixture.HasDevice) return;

        Assert.Equal(8u, scene.Word(12));
        Assert.Equal(MockIommu.InfoType, scene.Word(24));
        Assert.Equal(Errno.None, Info(8, 0, 0, buffer));
        Assert.Equal((0u, 0xdeadbeefu), (scene.ReadWord(buffer), scene.ReadWord(buffer + 4)));
        Assert.Equal(Errno.EOPNOTSUPP, Info(8, 1, 0xbad, buffer));
        Assert.Equal(Errno.EOPNOTSUPP, Info(8, 2, 0, buffer));
        Assert.Equal(Errno.None, Info(8, 0, 0xbad, buffer));
        Assert.Equal(Errno.None, Info(8, 1, MockIommu.InfoType, buffer));

        scene.WriteWords(buffer, 1, 1, 1, 1);
        Assert.Equal(Errno.None, Info(12, 0, 0, buffer));
        Assert.Equal((0u, 0xdeadbeefu), (scene.ReadWord(buffer), scene.ReadWord(buffer + 4)));
        Assert.Equal((0u, 1u), (scene.ReadWord(buffer + 8), scene.ReadWord(buffer + 12)));
        scene.WriteWords(buffer, 1, 1);
        Assert.Equal(Errno.None, Info(4, 0, 0, buffer));
        Assert.Equal((0u, 1u, 8u), (scene.ReadWord(buffer), scene.ReadWord(buffer + 4), scene.Word(12)));
        Assert.Equal(variant == IoasVariant.MockDomain ? 20u : 0u, scene.Word(28) & 0xff);
        Assert.Equal((ulong)HardwareCapabilities.DirtyTracking, scene.Long(32));
        Assert.Equal(Errno.EFAULT, Info(8, 0, 0, 8));
        Assert.Equal(Errno.ENOENT, scene.Call(IoctlCommand.GetHardwareInfo, 40, (8, 1000)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.GetHardwareInfo, 40, (8, fixture.DeviceId), (29, (byte)1)));

        Errno Info(uint length, uint flags, uint type, ulong address) => scene.Call(
            IoctlCommand.GetHardwareInfo, 40, (4, flags), (8, fixture.DeviceId), (12, length), (16, address), (24, type));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Area(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint ioas = fixture.Ioas;
        Assert.Equal(Errno.ENOENT, scene.Unmap(ioas, 0, 1));
        for (ulong area = 0; area < Areas; area++)
        {
            Assert.Equal(Errno.None, scene.MapFixed(ioas, fixture.Buffer, Page, Start + (area * 16 * Page)));
        }

        for (ulong area = 0; area < Areas; area++)
        {
            Assert.Equal(Errno.None, scene.Unmap(ioas, Start + (area * 16 * Page), Page, out ulong bytes));
            Assert.Equal(Page, bytes);
        }

        Assert.Equal(Errno.None, scene.MapFixed(ioas, fixture.Buffer, 2 * Page, Start + (16 * Page)));
        Assert.Equal(Errno.ENOENT, scene.Unmap(ioas, Start + (16 * Page), Page));
        Assert.Equal(Errno.ENOENT, scene.Unmap(ioas, Start + (17 * Page), Page));
        foreach ((ulong from, ulong pages) in new (ulong, ulong)[] { (15, 2), (15, 4), (16, 2), (17, 1), (17, 2) })
        {
            Assert.Equal(Errno.EEXIST, scene.MapFixed(ioas, fixture.Buffer, pages * Page, Start + (from * Page)));
        }

        Assert.Equal(Errno.None, scene.Unmap(ioas, 0, ulong.MaxValue, out ulong all));
        Assert.Equal(2 * Page, all);
        Assert.Equal(Errno.None, scene.Unmap(ioas, 0, ulong.MaxValue, out all));
        Assert.Equal(0UL, all);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void UnmapFullyContainedAreas(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint ioas = fixture.Ioas;
        for (ulong area = 0; area < 4; area++)
        {
            Assert.Equal(Errno.None, scene.MapFixed(ioas, fixture.Buffer, 8 * Page, Start + (area * 16 * Page)));
        }

        Assert.Equal(Errno.ENOENT, scene.Unmap(ioas, Start + Page, 8 * Page));
        Assert.Equal(Errno.ENOENT, scene.Unmap(ioas, Start + (3 * 16 * Page) + (8 * Page) - Page, Page));
        Assert.Equal(Errno.ENOENT, scene.Unmap(ioas, Start + Page, 6 * Page));
        Assert.Equal(Errno.None, scene.Unmap(ioas, Start, 4 * 16 * Page, out ulong bytes));
        Assert.Equal(32 * Page, bytes);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AreaAutoIova(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint ioas = fixture.Ioas;
        ulong[] iovas = new ulong[10];
        for (int turn = 0; turn < 3; turn++)
        {
            for (int area = 0; area < iovas.Length; area++)
            {
                ulong length = Page * (ulong)(area + 1);
                Assert.Equal(Errno.None, scene.MapAnywhere(ioas, fixture.Buffer, length, out iovas[area]));
                Assert.Equal(0UL, iovas[area] % (length & (0 - length)));
                Assert.NotEqual(0UL, iovas[area]);
                if (turn == 1) Assert.False(iovas[area] <= Start + (100 * Page) - 1 && iovas[area] + length - 1 >= Start);
                if (turn == 2) Assert.InRange(iovas[area], Start + (200 * Page), Start + (300 * Page) - length);
            }

            for (int area = 0; area < iovas.Length; area++)
            {
                Assert.Equal(Errno.None, scene.Unmap(ioas, iovas[area], Page * (ulong)(area + 1)));
            }

            if (turn == 0) Assert.Equal(Errno.None, scene.Reserve(ioas, Start, 100 * Page));
            if (turn != 1) continue;
            Assert.Equal(Errno.EADDRINUSE, scene.Allow(ioas, new IovaRange(Start, Start + (300 * Page) - 1)));
            Assert.Equal(Errno.None, scene.Allow(ioas, new IovaRange(Start + (200 * Page), Start + (300 * Page) - 1)));
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void ReservedOverflow(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;

        // With a device, the aperture leaves less than what is asked for; without, all but a little at the top is reserved.
        if (!fixture.HasDevice)
        {
            Assert.Equal(Errno.None, scene.Reserve(fixture.Ioas, 6, 0xffff_ffff_ffff_8001));
            Assert.Equal(Errno.ENOSPC, scene.MapAnywhere(fixture.Ioas, fixture.Buffer, 0x7000, out _));
            return;
        }

        Assert.Equal(Errno.None, scene.Reserve(fixture.Ioas, Start + 0x5000, MockIommu.ApertureLast - Start - 0x5000 + 1));
        Assert.Equal(Errno.ENOSPC, scene.MapAnywhere(fixture.Ioas, fixture.Buffer, 0x7000, out _));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AreaAllowed(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint ioas = fixture.Ioas;
        var range = new IovaRange(Start, Start + (100 * Page) - 1);
        Assert.Equal(Errno.None, scene.Allow(ioas, range));
        Assert.Equal(Errno.EADDRINUSE, scene.Reserve(ioas, Start + Page, Page));
        Assert.Equal(Errno.None, scene.Allow(ioas));
        Assert.Equal(Errno.None, scene.Reserve(ioas, Start + Page, Page));
        Assert.Equal(Errno.EADDRINUSE, scene.Allow(ioas, range));

        Assert.Equal(Errno.EINVAL, scene.Allow(ioas, new IovaRange(5, 5)));
        Assert.Equal(Errno.EINVAL, scene.Allow(ioas, new IovaRange(Start + (9 * Page), Start + (10 * Page)), new IovaRange(Start + (10 * Page), Start + (11 * Page))));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.IoasAllowIovas, 24, (4, ioas), (12, 1)));
        Assert.Equal(Errno.EFAULT, scene.Call(IoctlCommand.IoasAllowIovas, 24, (4, ioas), (8, 1), (16, 64UL)));
        Assert.Equal(Errno.ENOENT, scene.Call(IoctlCommand.IoasAllowIovas, 24, (4, 1000)));
        Assert.Equal(Errno.ENOMEM, scene.Call(IoctlCommand.IoasAllowIovas, 24, (4, ioas), (8, uint.MaxValue), (16, scene.Scratch)));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void IovaRanges(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint ioas = fixture.Ioas;
        (ulong first, ulong last) = fixture.HasDevice ? (Start, MockIommu.ApertureLast) : (0, ulong.MaxValue);
        scene.WriteLongs(scene.Scratch, 1, 1, 1, 1);
        Assert.Equal(Errno.None, Ranges(2));
        Assert.Equal([first, last, 1, 1], Array());
        Assert.Equal((1u, fixture.HasDevice ? MockIommu.PageBytes : 1), (scene.Word(8), scene.Long(24)));

        scene.WriteLongs(scene.Scratch, 0, 0, 0, 0);
        Assert.Equal(Errno.EMSGSIZE, Ranges(0));
        Assert.Equal(1u, scene.Word(8));
        Assert.Equal([0, 0, 0, 0], Array());

        Assert.Equal(Errno.None, scene.Reserve(ioas, Start + Page, Page));
        Assert.Equal(Errno.None, Ranges(2));
        Assert.Equal([first, Start + Page - 1, Start + (2 * Page), last], Array());
        Assert.Equal(2u, scene.Word(8));
        scene.WriteLongs(scene.Scratch, 0, 0, 0, 0);
        Assert.Equal(Errno.EMSGSIZE, Ranges(1));
        Assert.Equal(2u, scene.Word(8));
        Assert.Equal([first, Start + Page - 1, 0, 0], Array());
        Assert.Equal(Errno.EFAULT, scene.Call(IoctlCommand.IoasIovaRanges, 32, (4, ioas), (8, 2), (16, 64UL)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.IoasIovaRanges, 32, (4, ioas), (12, 1)));
        Assert.Equal(Errno.ENOENT, scene.Call(IoctlCommand.IoasIovaRanges, 32, (4, 1000)));

        Errno Ranges(uint count) => scene.Call(IoctlCommand.IoasIovaRanges, 32, (4, ioas), (8, count), (16, scene.Scratch));
        ulong[] Array() => [.. Enumerable.Range(0, 4).Select(index => scene.ReadLong(scene.Scratch + (ulong)(8 * index)))];
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void IoasOptionHugePages(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdContext context = fixture.Scene.Context;
        Assert.Equal(1UL, context.GetOption(IommufdOption.HugePages, fixture.Ioas));
        context.SetOption(IommufdOption.HugePages, fixture.Ioas, 0);
        Assert.Equal(0UL, context.GetOption(IommufdOption.HugePages, fixture.Ioas));
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => context.SetOption(IommufdOption.HugePages, fixture.Ioas, 2)));
        context.SetOption(IommufdOption.HugePages, fixture.Ioas, 1);
        Assert.Equal(1UL, context.GetOption(IommufdOption.HugePages, fixture.Ioas));

        Assert.Equal(Errno.None, fixture.Scene.MapFixed(fixture.Ioas, fixture.Buffer, Page, Start));
        if (fixture.HasDevice) Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => context.SetOption(IommufdOption.HugePages, fixture.Ioas, 0)));
        else context.SetOption(IommufdOption.HugePages, fixture.Ioas, 0);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void IoasIovaAlloc(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        for (ulong length = 1; length != 2 * Page; length++)
        {
            bool fits = !fixture.HasDevice || length % MockIommu.PageBytes == 0;
            Assert.Equal(fits ? Errno.None : Errno.EINVAL, scene.MapAnywhere(fixture.Ioas, fixture.Buffer, length, out ulong iova));
            if (fits) Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, iova, length));
        }
    }

    [Fact]
    public void IoasAlignChange()
    {
        using var fixture = new IoasScene(IoasVariant.NoDomain);
        IommufdScene scene = fixture.Scene;
        scene.Context.SetOption(IommufdOption.HugePages, fixture.Ioas, 0);
        Assert.Equal(Errno.EINVAL, scene.MapFixed(fixture.Ioas, fixture.Buffer, Page / 2, Start));
        scene.Context.SetOption(IommufdOption.HugePages, fixture.Ioas, 1);
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, fixture.Buffer, Page / 2, Start));
        Assert.Equal(Errno.EADDRINUSE, IommufdScene.ErrnoOf(() => scene.Context.SetOption(IommufdOption.HugePages, fixture.Ioas, 0)));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void CopySweep(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint target = scene.NewIoas();
        const ulong Length = 4 * Page;
        const ulong First = Start + Page;
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, fixture.Buffer, Length, First));
        for (ulong from = First - Page; from <= First + Length + Page; from += 511)
        {
            bool isInside = from >= First && from + Page - 1 < First + Length;
            Errno errno = scene.Copy(target, fixture.Ioas, Page, from, Start);
            Assert.Equal(isInside ? Errno.None : Errno.ENOENT, errno);
            if (isInside) Assert.Equal(Errno.None, scene.Unmap(target, Start, Page));
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void CopyArea(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint ioas = fixture.Ioas;
        Assert.Equal(Errno.None, scene.MapFixed(ioas, fixture.Buffer, Page, Start));
        Assert.Equal(Errno.None, scene.Copy(ioas, ioas, Page, Start, Start + (2 * Page)));
        uint other = scene.NewIoas();
        Assert.Equal(Errno.None, scene.Copy(other, ioas, Page, Start, Start));
        Assert.Equal(Errno.EEXIST, scene.Copy(other, ioas, Page, Start, Start));
        Assert.Equal(Errno.ENOENT, scene.Copy(other, 1000, Page, Start, Start));
        Assert.Equal(Errno.ENOENT, scene.Copy(1000, ioas, Page, Start, Start));
        Assert.Equal(Errno.EINVAL, scene.Copy(other, ioas, 0, Start, Start));
        Assert.Equal(Errno.EOVERFLOW, scene.Copy(other, ioas, ulong.MaxValue, Start, Start));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void MapsAreCheckedInTheOrderOfTheKernel(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        uint ioas = fixture.Ioas;
        const MapFlags Fixed = MapFlags.FixedIova | MapFlags.Readable;
        ulong max = ulong.MaxValue;
        Assert.Equal(Errno.EOPNOTSUPP, Map(1000, (MapFlags)64 | MapFlags.FixedIova, 0, max, max));
        Assert.Equal(Errno.EOVERFLOW, Map(1000, MapFlags.FixedIova, 0, Page, max));
        Assert.Equal(Errno.EOVERFLOW, Map(1000, MapFlags.FixedIova, 0, max, 0));
        Assert.Equal(Errno.EINVAL, Map(1000, MapFlags.FixedIova, 0, Page, Start));
        Assert.Equal(Errno.ENOENT, Map(1000, Fixed, max, Page, Start));
        Assert.Equal(Errno.EOVERFLOW, Map(ioas, Fixed, max, Page, Start));
        Assert.Equal(Errno.EINVAL, Map(ioas, Fixed, fixture.Buffer, 0, Start));
        Assert.Equal(Errno.EOVERFLOW, Map(ioas, Fixed, fixture.Buffer, Page, ulong.MaxValue - MockIommu.PageBytes + 1));
        if (!fixture.HasDevice) return;
        Assert.Equal(Errno.EINVAL, Map(ioas, Fixed, fixture.Buffer, Page, Start + 1));
        Assert.Equal(Errno.EINVAL, Map(ioas, Fixed, fixture.Buffer, Page, Start - Page));
        Assert.Equal(Errno.EINVAL, Map(ioas, Fixed, fixture.Buffer + 1, Page, Start));
        Assert.Equal(Errno.EFAULT, Map(ioas, Fixed, 64 * Page, Page, Start));
        Assert.Equal(Errno.ENOENT, scene.Unmap(ioas, Start, Page));

        Errno Map(uint id, MapFlags flags, ulong address, ulong length, ulong iova) => scene.Map(id, address, length, ref iova, flags);
    }

    [Fact]
    public void UnmapsAreCheckedInTheOrderOfTheKernel()
    {
        using var fixture = new IoasScene(IoasVariant.NoDomain);
        IommufdScene scene = fixture.Scene;
        Assert.Equal(Errno.ENOENT, scene.Unmap(1000, ulong.MaxValue, 0));
        Assert.Equal(Errno.EOVERFLOW, scene.Unmap(fixture.Ioas, ulong.MaxValue, 0));
        Assert.Equal(Errno.EOVERFLOW, scene.Unmap(fixture.Ioas, 1, ulong.MaxValue));
        Assert.Equal(Errno.EINVAL, scene.Unmap(fixture.Ioas, 1, 0));
        Assert.Equal(Errno.EOVERFLOW, scene.Unmap(fixture.Ioas, 1UL << 63, (1UL << 63) + 1));
        Assert.Equal(Errno.ENOENT, scene.Unmap(fixture.Ioas, 1, 1));

        // Areas before the one that is cut are gone.
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, fixture.Buffer, Page, Start));
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, fixture.Buffer, 2 * Page, Start + Page));
        Assert.Equal(Errno.ENOENT, scene.Unmap(fixture.Ioas, Start, 2 * Page));
        Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, 0, ulong.MaxValue, out ulong bytes));
        Assert.Equal(2 * Page, bytes);
    }

    [Fact]
    public void ACopyMayNotWriteWhatWasMappedReadOnly()
    {
        using var fixture = new IoasScene(IoasVariant.NoDomain);
        ulong iova = Start;
        Assert.Equal(Errno.None, fixture.Scene.Map(fixture.Ioas, fixture.Buffer, Page, ref iova, MapFlags.FixedIova | MapFlags.Readable));

        Assert.Equal(Errno.EPERM, fixture.Scene.Copy(fixture.Ioas, fixture.Ioas, Page, Start, Start + Page));
        Assert.Equal(Start + Page, fixture.Scene.Context.Copy(
            fixture.Ioas, fixture.Ioas, MapFlags.FixedIova | MapFlags.Readable, Page, Start, Start + Page));
    }
}
