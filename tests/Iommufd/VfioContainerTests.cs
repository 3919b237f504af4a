using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>
/// The container of VFIO on top of an address space: what the kernel's fixture "iommufd" asks of a bare context, and the fixture
/// "vfio_compat_mock_domain".
/// </summary>
public sealed class VfioContainerTests : IDisposable
{
    private const ulong Page = MockUserMemory.PageBytes;
    private const ulong Start = MockIommu.ApertureStart;
    private const uint Type1 = 1;
    private const uint Type1Version2 = 3;
    private const uint ReadWrite = 3;
    private const uint All = 2;
    private const int HugePages = 512;

    private readonly IommufdScene scene = new();

    public static TheoryData<uint> Versions => new() { Type1Version2, Type1 };

    public void Dispose() => scene.Dispose();

    [Fact]
    public void SimpleIoctls()
    {
        Assert.Equal(0, Ask(VfioContainerCommand.GetApiVersion, 0));
        Assert.Equal(1, Ask(VfioContainerCommand.CheckExtension, Type1Version2));
    }

    [Fact]
    public void UnmapCmd()
    {
        Assert.Equal(Errno.EINVAL, UnmapDma(Start, Page, argumentBytes: 1));
        Assert.Equal(Errno.EINVAL, UnmapDma(Start, Page, flags: 1u << 31));
        Assert.Equal(Errno.ENODEV, UnmapDma(Start, Page));
        Assert.Equal(-(int)Errno.EFAULT, Ask(VfioContainerCommand.UnmapDma, 0));
    }

    [Fact]
    public void MapCmd()
    {
        Assert.Equal(Errno.EINVAL, MapDma(scene.Scratch, Page, Start, argumentBytes: 1));
        Assert.Equal(Errno.EINVAL, MapDma(scene.Scratch, Page, Start, flags: 1u << 31));
        Assert.Equal(Errno.ENODEV, MapDma(scene.Scratch, Page, Start));
        Assert.Equal(-(int)Errno.EFAULT, Ask(VfioContainerCommand.MapDma, 0));
    }

    [Fact]
    public void InfoCmd()
    {
        Assert.Equal(Errno.EINVAL, Info(1));
        Assert.Equal(Errno.ENODEV, Info(24));
        Assert.Equal(-(int)Errno.EFAULT, Ask(VfioContainerCommand.GetInfo, 0));
    }

    [Fact]
    public void SetIommuCmd()
    {
        Assert.Equal(-(int)Errno.ENODEV, Ask(VfioContainerCommand.SetIommu, Type1Version2));
        Assert.Equal(-(int)Errno.ENODEV, Ask(VfioContainerCommand.SetIommu, Type1));
        Choose(scene.NewIoas());
        Assert.Equal(-(int)Errno.EINVAL, Ask(VfioContainerCommand.SetIommu, 7));
        Assert.Equal(0, Ask(VfioContainerCommand.SetIommu, Type1Version2));
        Assert.Equal(0, Ask(VfioContainerCommand.SetIommu, Type1));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(2, 0)]    // SPAPR.
    [InlineData(3, 1)]
    [InlineData(5, 0)]    // EEH.
    [InlineData(6, 0)]    // Nesting by the old interface.
    [InlineData(7, 0)]
    [InlineData(8, 0)]    // No IOMMU.
    [InlineData(9, 1)]
    [InlineData(10, 0)]   // Exchange of user addresses.
    [InlineData(0x1_0000_0001, 0)]
    public void AnExtensionIsThereOrNot(ulong extension, int there) =>
        Assert.Equal(there, Ask(VfioContainerCommand.CheckExtension, extension));

    [Fact]
    public void DmaIsCoherentWhenEveryPageTableSaysSo()
    {
        const uint Coherent = 4;
        Assert.Equal(-(int)Errno.ENODEV, Ask(VfioContainerCommand.CheckExtension, Coherent));
        uint ioas = NewDomain(out _);
        MockDevice other = scene.NewDevice();
        IommufdDevice bound = scene.Bind(other);
        Assert.Equal(Errno.None, scene.AllocateHwpt(bound.Id, ioas, HwptFlags.None, out uint hwpt));
        bound.Attach(hwpt);
        Assert.Equal(1, Ask(VfioContainerCommand.CheckExtension, Coherent));
        other.Paging.IsCoherent = false;
        Assert.Equal(0, Ask(VfioContainerCommand.CheckExtension, Coherent));
    }

    [Theory]
    [InlineData(0x3b67)]
    [InlineData(0x3b75)]   // VFIO_IOMMU_DIRTY_PAGES.
    [InlineData(0x3b7f)]
    [InlineData(0x3c64)]
    [InlineData(0xc000_3b64)]
    [InlineData(0)]
    public void WhatIsNoCommandOfTheContainerEitherIsUnknown(uint command) =>
        Assert.Equal(-(int)Errno.ENOTTY, scene.Context.Ioctl(command, scene.Fill(32)));

    [Fact]
    public void AClosedContextRefusesTheContainerToo()
    {
        var context = new IommufdContext(scene.Memory);
        context.Dispose();
        Assert.Equal(-(int)Errno.EBADF, context.Ioctl((uint)VfioContainerCommand.GetApiVersion, 0));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void OptionHugePages(uint version)
    {
        uint ioas = NewContainer(version, out _);
        Assert.Equal(version == Type1 ? 0UL : 1, scene.Context.GetOption(IommufdOption.HugePages, ioas));
    }

    [Fact]
    public void TheFirstVersionCannotBeChosenOverMappingsInPageTables()
    {
        uint ioas = NewDomain(out _);
        Assert.Equal(Errno.None, MapDma(scene.Scratch, Page, Start));
        Assert.Equal(-(int)Errno.EINVAL, Ask(VfioContainerCommand.SetIommu, Type1));
        Assert.Equal(1UL, scene.Context.GetOption(IommufdOption.HugePages, ioas));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void GetInfo(uint version)
    {
        NewContainer(version, out MockDevice device);
        Assert.Equal(Errno.None, Info(16));   // The structure of old, and nothing behind it.
        Assert.Equal(3u, scene.Word(4));
        Assert.Equal((device.Paging.PageSizes & ~(Page - 1)) | Page, scene.Long(8));
        Assert.Equal(ulong.MaxValue, scene.Long(16));

        Assert.Equal(Errno.None, Info(24));
        uint needed = scene.Word(0);
        Assert.InRange(needed, 25u, 4096u);
        Assert.Equal(0u, scene.Word(16));
        for (uint room = 24; room <= needed + 16; room++)
        {
            Assert.Equal(Errno.None, Info(room));
            Assert.Equal(needed, scene.Word(0));
            Assert.Equal(3u, scene.Word(4));
            AssertUntouchedFrom(Math.Min(room, needed));
            if (scene.Word(16) != 0) AssertSoundChain(room);
            else Assert.True(room < needed);
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void Map(uint version)
    {
        NewContainer(version, out MockDevice device);
        ulong buffer = scene.Memory.Allocate(HugePages * Page);
        Assert.Equal(Errno.None, MapDma(buffer, HugePages * Page, Start));
        Assert.Equal(Errno.EEXIST, MapDma(buffer, Page, Start));
        Assert.Equal(Errno.None, UnmapDma(Start, HugePages * Page));
        Assert.Equal(HugePages * Page, scene.Long(16));
        Assert.Equal(Errno.None, UnmapDma(Start, HugePages * Page));   // Nothing is there, which is no error.
        Assert.Equal(0UL, scene.Long(16));

        Assert.Equal(Errno.None, MapDma(buffer, HugePages * Page, Start));
        Assert.Equal(Errno.EINVAL, UnmapDma(Start, HugePages * Page, flags: All));
        Assert.Equal(Errno.None, UnmapDma(0, 0, flags: All));
        Assert.Equal(HugePages * Page, scene.Long(16));
        Assert.Equal(Errno.EINVAL, UnmapDma(Start, 0));
        Assert.Equal(Errno.EOVERFLOW, UnmapDma(Start, ulong.MaxValue));

        foreach (int page in Shuffled(HugePages)) Assert.Equal(Errno.None, MapDma(buffer + ((ulong)page * Page), Page, AddressOf(page)));
        Assert.Equal(HugePages, scene.Memory.Pins);
        foreach (int page in Shuffled(HugePages)) Assert.Equal(Errno.None, UnmapDma(AddressOf(page), Page));
        Assert.Equal(0, device.Paging.Mapped);
        Assert.Equal(0, scene.Memory.Pins);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public void HugeMap(uint version)
    {
        const int Parts = 16;
        const ulong Length = HugePages * Page;
        NewContainer(version, out MockDevice device);
        ulong buffer = scene.Memory.Allocate(Length);
        Assert.Equal(Errno.None, MapDma(buffer, Length, Start));
        int mapped = device.Paging.Mapped;
        int left = Parts;
        foreach (int part in Shuffled(Parts))
        {
            ulong iova = Start + ((ulong)part * (Length / Parts));
            if (version == Type1Version2)
            {
                Assert.Equal(Errno.ENOENT, UnmapDma(iova, Length / Parts));
                continue;
            }

            Assert.NotNull(device.Paging.Find(iova));
            Assert.Equal(Errno.None, UnmapDma(iova, Length / Parts));
            Assert.Equal(Length / Parts, scene.Long(16));
            Assert.Null(device.Paging.Find(iova));
            Assert.Equal(mapped / Parts * --left, device.Paging.Mapped);
            Assert.Equal(HugePages / Parts * left, scene.Memory.Pins);
        }

        Assert.Equal(version == Type1 ? 0 : mapped, device.Paging.Mapped);
    }

    [Fact]
    public void APartInTheMiddleLeavesBothEndsMapped()
    {
        uint ioas = NewContainer(Type1, out MockDevice device);
        ulong buffer = scene.Memory.Allocate(8 * Page);
        Assert.Equal(Errno.None, MapDma(buffer, 4 * Page, Start));
        Assert.Equal(Errno.None, MapDma(buffer + (4 * Page), 4 * Page, Start + (4 * Page)));
        Assert.Equal(Errno.None, UnmapDma(Start + Page, 6 * Page));   // Of two areas.
        Assert.Equal(6 * Page, scene.Long(16));
        Assert.Equal(scene.Memory.PhysicalOf(buffer), device.Paging.Find(Start));
        Assert.Equal(scene.Memory.PhysicalOf(buffer + (7 * Page)), device.Paging.Find(Start + (7 * Page)));
        Assert.Null(device.Paging.Find(Start + Page));
        Assert.Equal(2, scene.Memory.Pins);
        Assert.Equal(Errno.None, scene.MapFixed(ioas, buffer, 6 * Page, Start + Page));   // The room is free.
    }

    [Fact]
    public void APartThatIsNotOfWholePagesOrPinnedByAnAccessStays()
    {
        uint ioas = NewContainer(Type1, out _);
        Assert.Equal(Errno.None, MapDma(scene.Scratch, 4 * Page, Start));
        Assert.Equal(Errno.EINVAL, UnmapDma(Start + (Page / 2), Page));
        Assert.Equal(Errno.EINVAL, UnmapDma(Start, Page / 2));
        using (var access = scene.Context.CreateAccess(new SilentOwner()))
        {
            access.Attach(ioas);
            access.Pin(Start, Page);
            Assert.Equal(Errno.EBUSY, UnmapDma(Start + Page, Page));
            Assert.Equal(Errno.None, access.Unpin(Start, Page));
        }

        Assert.Equal(Errno.None, UnmapDma(Start + Page, Page));
    }

    [Fact]
    public void PartsAreGoneFromPageTablesThatComeLater()
    {
        uint ioas = scene.NewIoas();
        Choose(ioas);
        Assert.Equal(0, Ask(VfioContainerCommand.SetIommu, Type1));
        Assert.Equal(Errno.None, MapDma(scene.Scratch, 4 * Page, Start));
        Assert.Equal(Errno.None, UnmapDma(Start + Page, Page));
        MockDevice late = scene.NewDevice();
        scene.Bind(late).Attach(ioas);
        Assert.NotNull(late.Paging.Find(Start));
        Assert.Null(late.Paging.Find(Start + Page));
        Assert.NotNull(late.Paging.Find(Start + (2 * Page)));
        Assert.Equal(3, scene.Memory.Pins);
    }

    [Theory]
    [InlineData(1, DomainPermissions.Read)]
    [InlineData(2, DomainPermissions.Write)]
    [InlineData(3, DomainPermissions.Read | DomainPermissions.Write)]
    public void PermissionsAreThoseOfTheFlags(uint flags, DomainPermissions permissions)
    {
        NewDomain(out MockDevice device);
        Assert.Equal(Errno.None, MapDma(scene.Scratch, Page, Start, flags));
        Assert.Equal(permissions, device.Paging.PermissionsOf(Start));
    }

    [Fact]
    public void MapsFollowTheRulesOfTheAddressSpace()
    {
        NewDomain(out _);
        Assert.Equal(Errno.EINVAL, MapDma(scene.Scratch, Page, Start, flags: 0));
        Assert.Equal(Errno.EINVAL, MapDma(scene.Scratch, Page, 0));
        Assert.Equal(Errno.EINVAL, MapDma(scene.Scratch, 0, Start));
        Assert.Equal(Errno.EINVAL, MapDma(scene.Scratch, Page, Start + 1));
        Assert.Equal(Errno.EOVERFLOW, MapDma(scene.Scratch, ulong.MaxValue, Start));
        Assert.Equal(Errno.EFAULT, MapDma(0x7000_0000_0000, Page, Start));
    }

    private static ulong AddressOf(int page) => Start + ((ulong)page * Page);

    private static int[] Shuffled(int count)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        new Random(count).Shuffle(order);
        return order;
    }

    private uint NewContainer(uint version, out MockDevice device)
    {
        uint ioas = NewDomain(out device);
        Assert.Equal(0, Ask(VfioContainerCommand.SetIommu, version));
        return ioas;
    }

    private uint NewDomain(out MockDevice device)
    {
        uint ioas = scene.NewIoas();
        device = (MockDevice)scene.NewDomain(ioas, out _).Hardware;
        Choose(ioas);
        return ioas;
    }

    private void Choose(uint ioas) => Assert.Equal(Errno.None, scene.Call(IoctlCommand.VfioIoas, 12, (4, ioas), (8, (ushort)1)));

    private int Ask(VfioContainerCommand command, ulong argument) => scene.Context.Ioctl((uint)command, argument);

    private Errno MapDma(ulong user, ulong length, ulong iova, uint flags = ReadWrite, uint argumentBytes = 32) => (Errno)(-Ask(
        VfioContainerCommand.MapDma, scene.Fill(32, (0, argumentBytes), (4, flags), (8, user), (16, iova), (24, length))));

    private Errno UnmapDma(ulong iova, ulong length, uint flags = 0, uint argumentBytes = 24) => (Errno)(-Ask(
        VfioContainerCommand.UnmapDma, scene.Fill(24, (0, argumentBytes), (4, flags), (8, iova), (16, length))));

    // What lies behind the structure is all ones before.
    private Errno Info(uint room)
    {
        byte[] ones = new byte[2 * Page];
        Array.Fill(ones, (byte)0xff);
        Assert.True(scene.Memory.TryWrite(scene.Argument, ones));
        scene.WriteWords(scene.Argument, room);
        return (Errno)(-Ask(VfioContainerCommand.GetInfo, scene.Argument));
    }

    private void AssertUntouchedFrom(uint offset)
    {
        byte[] bytes = new byte[(2 * Page) - offset];
        Assert.True(scene.Memory.TryRead(scene.Argument + offset, bytes));
        Assert.False(bytes.AsSpan().ContainsAnyExcept((byte)0xff));
    }

    private void AssertSoundChain(uint room)
    {
        var kinds = new List<uint>();
        for (uint at = scene.Word(16); at != 0; at = scene.Word((int)at + 4))
        {
            Assert.InRange(at, 24u, room - 8);
            uint kind = scene.Word((int)at);
            kinds.Add(kind & 0xffff);
            Assert.Equal(1u, kind >> 16);
            Assert.True(kinds.Count <= 2);
            if ((kind & 0xffff) == 3)
            {
                Assert.Equal(uint.MaxValue, scene.Word((int)at + 8));
                continue;
            }

            uint ranges = scene.Word((int)at + 8);
            Assert.Equal(at + 16 + (16 * ranges), scene.Word(0));
            Assert.Equal(1u, ranges);
            Assert.Equal(MockIommu.ApertureStart, scene.Long((int)at + 16));
            Assert.Equal(MockIommu.ApertureLast, scene.Long((int)at + 24));
        }

        Assert.Equal([3u, 1u], kinds);
    }
}
