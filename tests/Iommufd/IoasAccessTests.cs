using Smmu.Fast.Iommufd;
using static Smmu.Fast.Tests.Iommufd.IoasScene;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd_ioas": what software does with mapped memory.</summary>
public class IoasAccessTests
{
    public static TheoryData<IoasVariant> Variants => IoasTests.Variants;

    [Theory]
    [MemberData(nameof(Variants))]
    public void AccessDomainDestroy(IoasVariant variant)
    {
        // The kernel's test spells it "destory".
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        ulong buffer = scene.Memory.Allocate(2 << 20);
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, buffer, 2 << 20, Start));
        using var access = scene.Context.CreateAccess(new Owner());
        access.Attach(fixture.Ioas);
        access.Pin(Start + Page, Page);
        if (fixture.HasDevice) fixture.Device.Dispose();

        Assert.Equal(1, scene.Memory.PinsOf(buffer + Page));
        Assert.Equal(variant == IoasVariant.TwoMockDomain ? 1 : 0, scene.Memory.PinsOf(buffer));
        Assert.Equal(Errno.None, access.Unpin(Start + Page, Page));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AccessPin(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        const int MostPages = 32;
        ulong buffer = scene.Memory.Allocate(MostPages * Page, scattered: true);
        using var access = scene.Context.CreateAccess(new Owner());
        access.Attach(fixture.Ioas);
        for (ulong pages = 1; pages < MostPages; pages += pages < 18 ? 1UL : 7)
        {
            ulong length = pages * Page;
            Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, buffer, length, Start));
            var runs = access.Pin(Start, length, AccessFlags.Write);
            Assert.Equal(Enumerable.Range(0, (int)pages).Select(page => scene.Memory.PhysicalOf(buffer + ((ulong)page * Page))), runs.Select(run => run.First.Value));
            Assert.Equal(1, scene.Memory.PinsOf(buffer));
            access.Pin(Start, length);

            // A domain that comes and goes shares the pins, and leaves them.
            using (IommufdDevice device = scene.Context.Bind(scene.NewDevice()))
            {
                device.Attach(fixture.Ioas);
                Assert.Equal(scene.Memory.PhysicalOf(buffer + length - Page), ((MockDevice)device.Hardware).Paging.Find(Start + length - Page));
                Assert.Equal(1, scene.Memory.PinsOf(buffer));
            }

            Assert.Equal(Errno.None, access.Unpin(Start, length));
            Assert.Equal(1, scene.Memory.PinsOf(buffer));
            Assert.Equal(Errno.None, access.Unpin(Start, length));
            Assert.Equal(Errno.ENOENT, access.Unpin(Start, length));
            Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, Start, length));
            Assert.Equal(0, scene.Memory.Pins);
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AccessPinUnmap(IoasVariant variant)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, fixture.Buffer, 4 * Page, Start));
        var owner = new Owner();
        using var access = scene.Context.CreateAccess(owner);
        owner.OnUnmap = (_, _) => access.Unpin(Start, 2 * Page);
        access.Attach(fixture.Ioas);
        access.Pin(Start, 2 * Page);

        Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, Start, 4 * Page, out ulong bytes));
        Assert.Equal((4 * Page, 1), (bytes, owner.Asked));
        Assert.Equal(Errno.ENOENT, access.Unpin(Start, 2 * Page));
    }

    [Fact]
    public void AnAccessThatDoesNotLetGoKeepsItsMapping()
    {
        using var fixture = new IoasScene(IoasVariant.MockDomain);
        IommufdScene scene = fixture.Scene;
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, fixture.Buffer, Page, Start));
        var owner = new Owner();
        using var access = scene.Context.CreateAccess(owner);
        access.Attach(fixture.Ioas);
        access.Pin(Start, Page);

        Assert.Equal(Errno.EDEADLOCK, scene.Unmap(fixture.Ioas, Start, Page));
        Assert.Equal(100, owner.Asked);
        Assert.Equal(Errno.None, access.TryPin(Start, Page, AccessFlags.None, []));   // Not leaving any more.
        Assert.Equal(Errno.None, access.Unpin(Start, Page));
        Assert.Equal(Errno.None, access.Unpin(Start, Page));
        Assert.Equal(Errno.None, scene.Unmap(fixture.Ioas, Start, Page));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void AccessRw(IoasVariant variant) => ReadAndWrite(variant, 0);

    [Theory]
    [MemberData(nameof(Variants))]
    public void AccessRwUnaligned(IoasVariant variant) => ReadAndWrite(variant, MockUserMemory.PageBytes / 2);

    [Theory]
    [InlineData(0x800, 0x1000, 0x1000, (int)Errno.EINVAL)]      // Not at the start of a page.
    [InlineData(0x1000, 0x1000, 0, (int)Errno.EINVAL)]          // Nothing.
    [InlineData(0, 0x4000, 0x1000, (int)Errno.ENOENT)]          // Runs out of the mapping.
    public void PinsOfWhatIsNotWholePagesOrNotThereAreRefused(ulong offset, ulong add, ulong length, int errno)
    {
        using var fixture = new IoasScene(IoasVariant.MockDomain);
        Assert.Equal(Errno.None, fixture.Scene.MapFixed(fixture.Ioas, fixture.Buffer, 4 * Page, Start));
        using var access = fixture.Scene.Context.CreateAccess(new Owner(), pins: false);
        access.Attach(fixture.Ioas);

        Assert.Equal((Errno)errno, access.TryPin(Start + offset + (errno == (int)Errno.ENOENT ? add : 0), length, AccessFlags.None, []));
        Assert.Equal(Errno.EOVERFLOW, access.TryPin(ulong.MaxValue, 2, AccessFlags.None, []));
    }

    [Fact]
    public void PermissionsHoldForSoftwareToo()
    {
        using var fixture = new IoasScene(IoasVariant.NoDomain);
        ulong iova = Start;
        Assert.Equal(Errno.None, fixture.Scene.Map(fixture.Ioas, fixture.Buffer, Page, ref iova, MapFlags.FixedIova | MapFlags.Readable));
        iova = Start + Page;
        Assert.Equal(Errno.None, fixture.Scene.Map(fixture.Ioas, fixture.Buffer, Page, ref iova, MapFlags.FixedIova | MapFlags.Writeable));
        using var access = fixture.Scene.Context.CreateAccess(new Owner());
        access.Attach(fixture.Ioas);

        Assert.Equal(Errno.EPERM, access.TryPin(Start, Page, AccessFlags.Write, []));
        Assert.Equal(Errno.EPERM, access.Write(Start, new byte[1]));
        Assert.Equal(Errno.EPERM, access.Read(Start + Page, new byte[1]));
        Assert.Equal(Errno.EPERM, access.TryPin(Start, 2 * Page, AccessFlags.None, []));
        Assert.Equal(0, fixture.Scene.Memory.Pins);
        Assert.Equal(Errno.EINVAL, access.Read(Start, []));
        Assert.Equal(Errno.EOVERFLOW, access.Read(ulong.MaxValue, new byte[2]));
        Assert.Equal(Errno.ENOENT, access.Read(Start + (2 * Page), new byte[2]));
    }

    [Fact]
    public void WhatIsPinnedIsReachedAfterTheProcessUnmappedIt()
    {
        using var fixture = new IoasScene(IoasVariant.MockDomain);
        IommufdScene scene = fixture.Scene;
        ulong buffer = scene.Memory.Allocate(2 * Page);
        ulong lazy = scene.Memory.Allocate(2 * Page);
        Assert.True(scene.Memory.TryWrite(buffer, new byte[] { 42 }));
        uint noDomain = scene.NewIoas();
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, buffer, 2 * Page, Start));
        Assert.Equal(Errno.None, scene.MapFixed(noDomain, lazy, 2 * Page, Start));
        scene.Memory.Free(buffer, 2 * Page);
        scene.Memory.Free(lazy, 2 * Page);
        using var access = scene.Context.CreateAccess(new Owner());
        access.Attach(fixture.Ioas);
        byte[] read = new byte[1];

        Assert.Equal(Errno.None, access.Read(Start, read));
        Assert.Equal(42, read[0]);
        access.Replace(noDomain);
        Assert.Equal(Errno.EFAULT, access.Read(Start, read));
        Assert.Equal(Errno.EFAULT, access.Read(Start, read, AccessFlags.ThroughPins));
        using IommufdDevice late = scene.Context.Bind(scene.NewDevice());
        Assert.Equal(Errno.EFAULT, IommufdScene.ErrnoOf(() => late.Attach(noDomain)));
        Assert.Equal(0u, late.AttachedTo());
    }

    [Fact]
    public void AnAccessKeepsItsAddressSpaceAndOnlyItsOwnerEndsIt()
    {
        using var fixture = new IoasScene(IoasVariant.NoDomain);
        IommufdScene scene = fixture.Scene;
        uint second = scene.NewIoas();
        var owner = new Owner();
        using var access = scene.Context.CreateAccess(owner);
        Assert.Equal(Errno.ENOENT, IommufdScene.ErrnoOf(() => access.Replace(second)));
        access.Attach(fixture.Ioas);
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => access.Attach(second)));
        Assert.Equal(Errno.EBUSY, scene.Destroy(access.Id));
        Assert.Equal(Errno.EBUSY, scene.Destroy(fixture.Ioas));
        access.Replace(second);

        Assert.Equal(Errno.None, scene.Destroy(fixture.Ioas));
        Assert.Equal(Errno.EBUSY, scene.Destroy(second));
        access.Detach();
        Assert.Equal(Errno.None, scene.Destroy(second));
        Assert.Equal(Errno.ENOENT, access.Read(0, new byte[1]));
    }

    [Fact]
    public void AnAccessThatPinsRaisesTheAlignment()
    {
        using var fixture = new IoasScene(IoasVariant.NoDomain);
        using var access = fixture.Scene.Context.CreateAccess(new Owner());
        access.Attach(fixture.Ioas);
        Assert.Equal(Errno.EINVAL, fixture.Scene.MapFixed(fixture.Ioas, fixture.Buffer, Page / 2, Start));
        access.Detach();
        Assert.Equal(Errno.None, fixture.Scene.MapFixed(fixture.Ioas, fixture.Buffer, Page / 2, Start));
        Assert.Equal(Errno.EADDRINUSE, IommufdScene.ErrnoOf(() => access.Attach(fixture.Ioas)));
    }

    private static void ReadAndWrite(IoasVariant variant, ulong shift)
    {
        using var fixture = new IoasScene(variant);
        IommufdScene scene = fixture.Scene;
        const int Bytes = 4 * MockUserMemory.PageBytes;
        ulong buffer = scene.Memory.Allocate(Bytes, scattered: true);
        byte[] content = new byte[Bytes];
        new Random(1).NextBytes(content);
        Assert.True(scene.Memory.TryWrite(buffer, content));
        ulong first = Start + shift;
        Assert.Equal(Errno.None, scene.MapFixed(fixture.Ioas, buffer, Bytes, first));
        using var access = scene.Context.CreateAccess(new Owner(), pins: false);
        access.Attach(fixture.Ioas);
        int looks = 0;
        foreach (AccessFlags flags in new[] { AccessFlags.None, AccessFlags.ThroughPins })
        {
            for (int at = MockUserMemory.PageBytes - 50; at < MockUserMemory.PageBytes + 50; at += 7)
            {
                for (int length = 1; length < 64; length += 3)
                {
                    byte[] data = new byte[length];
                    Assert.Equal(Errno.None, access.Read(first + (ulong)at, data, flags));
                    Assert.Equal(content[at..(at + length)], data);
                    data.AsSpan().Fill((byte)(at + length));
                    Assert.Equal(Errno.None, access.Write(first + (ulong)at, data, flags));
                    data.CopyTo(content.AsSpan(at));
                    looks++;
                }
            }
        }

        byte[] all = new byte[Bytes];
        Assert.True(scene.Memory.TryRead(buffer, all));
        Assert.Equal(content, all);
        Assert.Equal(Errno.None, access.Read(first, all));
        Assert.Equal(content, all);
        Assert.Equal(2 * 15 * 21, looks);
    }

    private sealed class Owner : IAccessOwner
    {
        public Action<ulong, ulong> OnUnmap { get; set; } = (_, _) => { };

        public int Asked { get; private set; }

        public void Unmap(ulong iova, ulong length)
        {
            Asked++;
            OnUnmap(iova, length);
        }
    }
}
