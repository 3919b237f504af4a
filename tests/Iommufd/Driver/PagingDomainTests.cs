using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Driver;

namespace Smmu.Fast.Tests.Iommufd.Driver;

/// <summary>Page tables of the host, seen by the DMA of attached devices.</summary>
public class PagingDomainTests
{
    private const ulong Iova = 0x1234_5000;
    private const ulong Page = DriverScene.Page;

    public static TheoryData<HwptFlags> Kinds => [HwptFlags.None, HwptFlags.NestParent, HwptFlags.DirtyTracking,
        HwptFlags.NestParent | HwptFlags.DirtyTracking];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void DmaReachesTheBytesThatAreMapped(HwptFlags flags)
    {
        using var scene = new DriverScene();
        (IommufdDevice device, DmaPort port) = scene.NewDevice(5);
        device.Attach(scene.Context.AllocateHwpt(device.Id, scene.Ioas, flags));
        scene.Map(Iova, user: 0x3000, bytes: 2 * Page);
        byte[] sent = [.. Enumerable.Range(0, 5000).Select(value => (byte)value)];

        Assert.True(port.Write(Iova + 77, sent));

        Assert.Equal(sent, scene.At(0x3000 + 77, sent.Length).ToArray());
        byte[] read = new byte[sent.Length];
        Assert.True(port.Read(Iova + 77, read));
        Assert.Equal(sent, read);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void NothingReachesWhatIsUnmappedOnceTheCallHasReturned(HwptFlags flags)
    {
        using var scene = new DriverScene();
        (IommufdDevice device, DmaPort port) = scene.NewDevice(5);
        device.Attach(scene.Context.AllocateHwpt(device.Id, scene.Ioas, flags));
        for (int round = 0; round < 4; round++)
        {
            scene.Map(Iova, user: (ulong)round * Page);
            scene.At((ulong)round * Page, 1)[0] = (byte)(round + 1);
            Assert.Equal((byte)(round + 1), DriverScene.ReadByte(port, Iova));
            scene.Context.Unmap(scene.Ioas, Iova, Page);
            Assert.Null(DriverScene.ReadByte(port, Iova));
        }
    }

    [Theory]
    [InlineData(4096UL, true)]
    [InlineData(64 << 10, true)]
    [InlineData(2 << 20, true)]
    [InlineData(6 << 20, true)]
    [InlineData(4096UL, false)]
    [InlineData(1 << 20, false)]
    [InlineData(6 << 20, false)]
    public void LargeRangesAreInvalidatedWithAndWithoutRangeCommands(ulong bytes, bool hasRanges)
    {
        using var scene = new DriverScene(SmmuFeatures.Default.With(SmmuFeatureField.RIL, hasRanges ? 1UL : 0));
        (IommufdDevice stage1, DmaPort port1) = scene.NewDevice(1);
        (IommufdDevice stage2, DmaPort port2) = scene.NewDevice(2);
        stage1.Attach(scene.Ioas);
        stage2.Attach(scene.Context.AllocateHwpt(stage2.Id, scene.Ioas, HwptFlags.NestParent));
        const ulong Start = 0x4000_0000;
        const ulong Kept = 0x8000_0000;
        scene.Map(Start, 0, bytes);
        scene.Map(Kept, 0);
        ulong[] places = [0, bytes / 2, bytes - 1];
        foreach (ulong place in places)
        {
            Assert.NotNull(DriverScene.ReadByte(port1, Start + place));
            Assert.NotNull(DriverScene.ReadByte(port2, Start + place));
        }

        scene.Context.Unmap(scene.Ioas, Start, bytes);

        foreach (ulong place in places)
        {
            Assert.Null(DriverScene.ReadByte(port1, Start + place));
            Assert.Null(DriverScene.ReadByte(port2, Start + place));
        }

        Assert.NotNull(DriverScene.ReadByte(port1, Kept));
        Assert.NotNull(DriverScene.ReadByte(port2, Kept));
    }

    [Fact]
    public void ADeviceIsBlockedUnlessItIsAttached()
    {
        using var scene = new DriverScene();
        (IommufdDevice device, DmaPort port) = scene.NewDevice(9);
        scene.Map(Iova, user: 0);
        Assert.Null(DriverScene.ReadByte(port, Iova));
        device.Attach(scene.Ioas);
        Assert.NotNull(DriverScene.ReadByte(port, Iova));

        device.Detach();

        Assert.Null(DriverScene.ReadByte(port, Iova));
    }

    [Fact]
    public void ADetachedDeviceIsBlockedThoughItsPageTableStillMaps()
    {
        using var scene = new DriverScene();
        (IommufdDevice device, DmaPort port) = scene.NewDevice(9);
        uint hwpt = scene.Context.AllocateHwpt(device.Id, scene.Ioas);
        scene.Map(Iova, user: 0);
        device.Attach(hwpt);
        Assert.NotNull(DriverScene.ReadByte(port, Iova));

        device.Detach();

        Assert.Null(DriverScene.ReadByte(port, Iova));
    }

    [Fact]
    public void WhatChangedWhileNobodyWasAttachedIsNotHiddenByOldEntries()
    {
        foreach (HwptFlags kind in (HwptFlags[])[HwptFlags.None, HwptFlags.NestParent])
        {
            using var scene = new DriverScene();
            (IommufdDevice device, DmaPort port) = scene.NewDevice(9);
            uint hwpt = scene.Context.AllocateHwpt(device.Id, scene.Ioas, kind);
            (scene.At(0, 1)[0], scene.At(Page, 1)[0]) = (1, 2);
            scene.Map(Iova, user: 0);
            device.Attach(hwpt);
            Assert.Equal((byte)1, DriverScene.ReadByte(port, Iova));
            device.Detach();
            scene.Context.Unmap(scene.Ioas, Iova, Page);
            scene.Map(Iova, user: Page);

            device.Attach(hwpt);

            Assert.Equal((byte)2, DriverScene.ReadByte(port, Iova));
        }
    }

    [Fact]
    public void ADeviceHasOneOwnerAndSoHasItsGroup()
    {
        using var scene = new DriverScene();
        object group = new();
        var options = new SmmuEndpointOptions { Group = group };
        SmmuEndpoint first = scene.Host.Driver.AddEndpoint(new StreamId(1), options);
        SmmuEndpoint second = scene.Host.Driver.AddEndpoint(new StreamId(2), options);
        using var other = new IommufdContext(scene.Process);
        using (scene.Context.Bind(first))
        {
            using IommufdDevice same = scene.Context.Bind(second);
            Assert.Equal(Errno.EPERM, Assert.Throws<IommufdException>(() => other.Bind(second)).Errno);
        }

        other.Bind(second).Dispose();
    }

    [Fact]
    public void PermissionsOfAMappingHold()
    {
        using var scene = new DriverScene();
        (IommufdDevice stage1, DmaPort port1) = scene.NewDevice(1);
        (IommufdDevice stage2, DmaPort port2) = scene.NewDevice(2);
        stage1.Attach(scene.Ioas);
        stage2.Attach(scene.Context.AllocateHwpt(stage2.Id, scene.Ioas, HwptFlags.NestParent));
        scene.Map(Iova, user: 0, flags: MapFlags.FixedIova | MapFlags.Readable);
        scene.Map(Iova + Page, user: Page, flags: MapFlags.FixedIova | MapFlags.Writeable);

        foreach (DmaPort port in (DmaPort[])[port1, port2])
        {
            Assert.NotNull(DriverScene.ReadByte(port, Iova));
            Assert.False(DriverScene.WriteByte(port, Iova, 1));
            Assert.True(DriverScene.WriteByte(port, Iova + Page, 1));
        }

        Assert.Null(DriverScene.ReadByte(port2, Iova + Page));   // Stage 2 knows mappings for writes alone; stage 1 does not.
    }

    [Fact]
    public void AReplacedPageTableIsNotReachedAnyMore()
    {
        using var scene = new DriverScene();
        (IommufdDevice device, DmaPort port) = scene.NewDevice(1);
        uint other = scene.Context.AllocateIoas();
        scene.Map(Iova, user: 0);
        scene.Context.Map(other, DriverScene.ReadWrite, Page, Page, Iova);
        (scene.At(0, 1)[0], scene.At(Page, 1)[0]) = (1, 2);
        uint first = scene.Context.AllocateHwpt(device.Id, scene.Ioas);
        uint second = scene.Context.AllocateHwpt(device.Id, other, HwptFlags.NestParent);
        device.Attach(first);
        Assert.Equal((byte)1, DriverScene.ReadByte(port, Iova));

        device.Replace(second);
        Assert.Equal((byte)2, DriverScene.ReadByte(port, Iova));
        device.Replace(first);
        Assert.Equal((byte)1, DriverScene.ReadByte(port, Iova));
        scene.Context.Destroy(second);   // Nobody has it.
    }

    [Fact]
    public void WhatEndpointsKeepIsInvalidatedToo()
    {
        var endpoints = new Endpoints();
        using var scene = new DriverScene(configureSmmu: options => options with { AtsEndpoints = endpoints });
        (IommufdDevice device, _) = scene.NewDevice(7, new SmmuEndpointOptions { UsesAts = true });
        device.Attach(scene.Ioas);
        scene.Map(Iova & ~0xffffUL, user: 0, bytes: 8 * Page);
        AtsCompletion completion = scene.Smmu.RequestTranslation(new StreamId(7), null, Iova & ~0xffffUL, AccessKind.Read);
        Assert.True(completion.IsGranted);
        endpoints.Heard.Clear();

        scene.Context.Unmap(scene.Ioas, Iova & ~0xffffUL, 8 * Page);

        AtcInvalidation heard = Assert.Single(endpoints.Heard);
        Assert.Equal((7u, Iova & ~0xffffUL, (byte)15), (heard.Stream.Value, heard.Address, heard.SizeLog2));
    }

    [Fact]
    public void PasidsHavePageTablesOfTheirOwn()
    {
        using var scene = new DriverScene();
        (IommufdDevice device, DmaPort port) = scene.NewDevice(3, new SmmuEndpointOptions { MaxPasidLog2 = 8 });
        DmaPort onPasid = scene.OpenPort(3, substream: 200);
        uint other = scene.Context.AllocateIoas();
        scene.Map(Iova, user: 0);
        scene.Context.Map(other, DriverScene.ReadWrite, Page, Page, Iova);
        (scene.At(0, 1)[0], scene.At(Page, 1)[0]) = (1, 2);
        uint plain = scene.Context.AllocateHwpt(device.Id, scene.Ioas, HwptFlags.Pasid);
        uint special = scene.Context.AllocateHwpt(device.Id, other, HwptFlags.Pasid);

        device.Attach(special, pasid: 200);
        Assert.Null(DriverScene.ReadByte(port, Iova));
        scene.Host.Driver.ServiceEvents();
        Assert.Equal(EventType.StreamDisabled, Assert.Single(scene.Host.HostEvents).Type);
        Assert.Equal((byte)2, DriverScene.ReadByte(onPasid, Iova));
        device.Attach(plain);
        Assert.Equal((byte)1, DriverScene.ReadByte(port, Iova));
        Assert.Equal((byte)2, DriverScene.ReadByte(onPasid, Iova));
        scene.Context.Unmap(other, Iova, Page);
        Assert.Null(DriverScene.ReadByte(onPasid, Iova));
        device.Replace(plain, pasid: 200);
        Assert.Equal((byte)1, DriverScene.ReadByte(onPasid, Iova));

        device.Detach(pasid: 200);

        Assert.Null(DriverScene.ReadByte(onPasid, Iova));
        Assert.Equal((byte)1, DriverScene.ReadByte(port, Iova));
        device.Detach();
        Assert.Null(DriverScene.ReadByte(port, Iova));
    }

    [Fact]
    public void WhatDevicesWriteIsHarvestedOnce()
    {
        foreach (HwptFlags kind in (HwptFlags[])[HwptFlags.DirtyTracking, HwptFlags.NestParent | HwptFlags.DirtyTracking])
        {
            using var scene = new DriverScene();
            (IommufdDevice device, DmaPort port) = scene.NewDevice(4);
            uint hwpt = scene.Context.AllocateHwpt(device.Id, scene.Ioas, kind);
            device.Attach(hwpt);
            for (ulong page = 0; page < 64; page++) scene.Map(page * Page, page * Page);
            scene.Context.SetDirtyTracking(hwpt, enable: true);
            scene.Map(64 * Page, 64 * Page);
            byte[] fresh = new byte[1];
            scene.Context.GetDirtyBitmap(hwpt, 64 * Page, Page, Page, fresh);
            Assert.Equal(0, fresh[0]);   // Mapped, but not written.
            for (int round = 0; round < 3; round++)
            {
                Assert.NotNull(DriverScene.ReadByte(port, 5 * Page));
                Assert.True(DriverScene.WriteByte(port, 7 * Page, 1));
                Assert.True(DriverScene.WriteByte(port, 63 * Page, 1));
                byte[] bitmap = new byte[8];
                scene.Context.GetDirtyBitmap(hwpt, 0, 64 * Page, Page, bitmap);
                Assert.Equal((1UL << 7) | (1UL << 63), BitConverter.ToUInt64(bitmap));
            }

            byte[] clean = new byte[8];
            scene.Context.GetDirtyBitmap(hwpt, 0, 64 * Page, Page, clean);
            Assert.Equal(0UL, BitConverter.ToUInt64(clean));
        }
    }

    [Fact]
    public void RunningOutOfTableMemoryIsAnAnswerThatLeavesNothingMapped()
    {
        using var scene = new DriverScene(configure: options => options with { ConfigurationBytes = 32 << 20 });
        (IommufdDevice device, DmaPort port) = scene.NewDevice(4);
        device.Attach(scene.Ioas);
        ulong iova = 0;
        Errno errno = Errno.None;
        for (; errno == Errno.None && iova < 1UL << 47; iova += 1UL << 30)
        {
            try
            {
                scene.Map(iova, 0);
            }
            catch (IommufdException refusal)
            {
                errno = refusal.Errno;
                break;
            }
        }

        Assert.Equal(Errno.ENOMEM, errno);
        Assert.Null(DriverScene.ReadByte(port, iova));
        Assert.NotNull(DriverScene.ReadByte(port, iova - (1UL << 30)));
        scene.Context.Unmap(scene.Ioas, 0, Page);
        scene.Map(iova, 0);   // What was given back serves again.
        Assert.NotNull(DriverScene.ReadByte(port, iova));
    }

    private sealed class Endpoints : IAtsEndpoints
    {
        public List<AtcInvalidation> Heard { get; } = [];

        public AtcInvalidationAnswer Invalidate(in AtcInvalidation invalidation)
        {
            Heard.Add(invalidation);
            return AtcInvalidationAnswer.Completed;
        }

        public void Respond(in PageGroupResponse response)
        {
        }
    }
}
