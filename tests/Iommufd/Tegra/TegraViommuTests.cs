using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Tegra;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.Iommufd.Tegra;

/// <summary>A user's command queue from the ioctl to what it removes from the SMMU's caches, and everything refused on the way.</summary>
public class TegraViommuTests
{
    private const ulong Page = TegraScene.Page;
    private const ulong Address = 0x1000;
    private const ulong From = 0x1_0000_0000;
    private const ulong To = 0x2_0000_0000;

    [Fact]
    public void TheHardwareIsToldAsTheKernelTellsIt()
    {
        using var scene = new TegraScene();
        ulong room = scene.Process.Scratch;

        Assert.Equal(Errno.None, scene.Process.Call(
            IoctlCommand.GetHardwareInfo, 40, (4, 1), (8, scene.Device.Id), (12, 8), (16, room), (24, TegraQueueDriver.HardwareInformationType)));
        Assert.Equal(0x0002_0201_0000_0000UL, scene.Process.ReadLong(room));
    }

    [Fact]
    public void AQueueOfTheUserRemovesWhatIsCachedForItsVmid()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out ulong window);
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 0, 0, 64, out _));
        var own = scene.Hardware.Commands.Attach(8, asid: 3, TegraScene.FirstVmid);
        var other = scene.Hardware.Commands.Attach(9, asid: 3, vmid: 9);
        scene.Hardware.Commands.MoveBehindCaches(own, 8, Address, From, To);
        scene.Hardware.Commands.MoveBehindCaches(other, 9, Address, From, To);
        scene.Store(0, Command.TlbiNhVa(new Vmid(9), new Asid(3), Address), Command.Sync());
        using var page = scene.Process.Context.MapWindow(window, Offset.PageSize);

        page.Write32(Offset.VCMDQ_CONFIG, 1);
        page.Write32(Offset.VCMDQ_PROD, 2);

        Assert.Equal((1u, 2u), (page.Read32(Offset.VCMDQ_STATUS), page.Read32(Offset.VCMDQ_CONS)));
        Assert.Equal((To, From), (scene.Hardware.Commands.Output(8, Address), scene.Hardware.Commands.Output(9, Address)));
    }

    [Fact]
    public void StreamsFollowTheDevicesOfTheVirtualMachine()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out ulong window);
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 0, 0, 4096, out _));
        using var page = scene.Process.Context.MapWindow(window, Offset.PageSize);
        page.Write32(Offset.VCMDQ_CONFIG, 1);
        Assert.Equal(Errno.None, scene.Join(viommu, 7, out uint vdevice));
        Assert.Equal(Errno.None, scene.Join(viommu, int.MaxValue, out _));
        scene.Store(0, Command.AtcInv(new StreamId(7), Address, 0), Command.AtcInv(new StreamId(int.MaxValue), Address, 0), Command.AtcInv(new StreamId(7), Address, 0));

        page.Write32(Offset.VCMDQ_PROD, 2);
        Assert.Equal([TegraScene.FirstStream, TegraScene.FirstStream + 1], scene.Hardware.Endpoints.Invalidations.Select(sent => sent.Stream.Value));
        Assert.Equal(Errno.None, scene.Process.Destroy(vdevice));
        page.Write32(Offset.VCMDQ_PROD, 3);
        Assert.Equal((2u | (1u << 24), 1u), (page.Read32(Offset.VCMDQ_CONS), page.Read32(Offset.VCMDQ_GERROR)));
        Assert.Equal(2, scene.Hardware.Endpoints.Invalidations.Length);
    }

    [Fact]
    public void StreamSlotsRunOut()
    {
        using var scene = new TegraScene(streamSlotsLog2: 1);
        uint viommu = scene.NewViommu(out _);
        Assert.Equal(Errno.EINVAL, scene.Join(viommu, 1UL << 32, out _));
        Assert.Equal(Errno.EINVAL, scene.Join(viommu, 1UL << 31, out _));   // No slot can compare it.
        Assert.Equal(Errno.None, scene.Join(viommu, 0, out uint first));
        Assert.Equal(Errno.None, scene.Join(viommu, 1, out _));
        Assert.Equal(Errno.ENOSPC, scene.Join(viommu, 2, out _));
        Assert.Equal(Errno.None, scene.Process.Destroy(first));
        Assert.Equal(Errno.None, scene.Join(viommu, 2, out _));
    }

    [Fact]
    public void InterfacesRunOutAndComeBack()
    {
        using var scene = new TegraScene();
        Assert.Equal(Errno.EINVAL, scene.Process.NewViommu(scene.Device.Id, scene.Parent, TegraQueueDriver.ViommuType, out _));
        Assert.Equal(Errno.EINVAL, scene.Process.NewViommu(
            scene.Device.Id, scene.Parent, TegraQueueDriver.ViommuType, out _, 8, scene.Process.Scratch));
        uint[] viommus = [scene.NewViommu(out ulong first), scene.NewViommu(out ulong second), scene.NewViommu(out _)];
        Assert.Equal(Errno.ENOSPC, scene.TryNewViommu(out _, out _));   // The fourth is the host's.
        Assert.NotEqual(first, second);
        Assert.Equal(0u, scene.Hardware.ReadInterface(0, Offset.VINTF_CONFIG));
        Assert.Equal(1u | ((uint)TegraScene.FirstVmid << 1), scene.Hardware.ReadInterface(1, Offset.VINTF_CONFIG));

        Assert.Equal(Errno.None, scene.Process.Destroy(viommus[0]));
        Assert.Equal(0u, scene.Hardware.ReadInterface(1, Offset.VINTF_CONFIG));
        scene.NewViommu(out _);
        Assert.Equal(1u, scene.Hardware.ReadInterface(1, Offset.VINTF_CONFIG) & 1);
    }

    [Fact]
    public void AnInterfaceComesBackWithoutTheStreamsOfTheLastGuest()
    {
        using var scene = new TegraScene();
        scene.NewViommu(out _);
        Assert.Equal(Errno.None, scene.LastInterface!.AddDevice(new StreamId(5), 3));
        Assert.Equal(7u, scene.Hardware.ReadInterface(1, Offset.VINTF_SID_MATCH));

        scene.LastInterface.Dispose();   // Whoever uses it without iommufd need not remove them.
        scene.NewViommu(out _);
        Assert.Equal(1, scene.LastInterface.Number);
        Assert.Equal((0u, 0u), (scene.Hardware.ReadInterface(1, Offset.VINTF_SID_MATCH), scene.Hardware.ReadInterface(1, Offset.VINTF_SID_REPLACE)));
    }

    [Fact]
    public void AnAnswerThatCannotBeWrittenTakesNoInterface()
    {
        using var scene = new TegraScene();
        ulong readOnly = scene.Process.Memory.Allocate(Page, writable: false);
        for (int round = 0; round < 5; round++)
        {
            Assert.Equal(Errno.EFAULT, scene.Process.NewViommu(
                scene.Device.Id, scene.Parent, TegraQueueDriver.ViommuType, out _, 16, readOnly));
        }

        scene.NewViommu(out ulong window);
        Assert.Equal(Page, window);   // Those that were offered are withdrawn.
    }

    [Fact]
    public void AMappedWindowKeepsTheInterface()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out ulong window);
        Assert.Equal(Offset.PageSize, scene.Process.ReadLong(scene.Process.Scratch + 8));
        Assert.Equal(Errno.ENXIO, scene.Process.Context.TryMapWindow(window, Page, isShared: true, isExecutable: false, out _));
        var mapping = scene.Process.Context.MapWindow(window, Offset.PageSize);
        Assert.Equal(Errno.EBUSY, scene.Process.Destroy(viommu));
        mapping.Dispose();
        Assert.Equal(Errno.None, scene.Process.Destroy(viommu));
    }

    [Theory]
    [InlineData(0, 0, 4096, Errno.None)]
    [InlineData(0, 0, 32, Errno.None)]
    [InlineData(0, 32, 32, Errno.None)]
    [InlineData(4, 0, 4096, Errno.EINVAL)]        // No such queue.
    [InlineData(uint.MaxValue, 0, 4096, Errno.EINVAL)]
    [InlineData(1, 0, 4096, Errno.EIO)]           // Before the first.
    [InlineData(1, 0, 48, Errno.EIO)]             // Which is found first.
    [InlineData(0, 0, 16, Errno.EINVAL)]          // Too short.
    [InlineData(0, 0, 48, Errno.EINVAL)]          // No power of two.
    [InlineData(0, 0, 8192, Errno.EINVAL)]        // Longer than the SMMU's may be.
    [InlineData(0, 2048, 4096, Errno.EINVAL)]     // Not aligned to its length.
    [InlineData(0, 16, 32, Errno.EINVAL)]
    public void QueuesAreRefusedInTheOrderOfTheKernel(uint index, ulong offset, ulong length, Errno expected)
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out _);

        Assert.Equal(expected, scene.NewQueue(viommu, index, offset, length, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Process.NewHardwareQueue(viommu, 2, index, TegraScene.Iova, 4096, out _));
    }

    [Fact]
    public void QueuesComeInRisingAndGoInFallingOrder()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out ulong window);
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 0, 0, Page, out uint first));
        Assert.Equal(Errno.EEXIST, scene.NewQueue(viommu, 0, 0, Page, out _));
        Assert.Equal(Errno.EIO, scene.NewQueue(viommu, 2, Page, Page, out _));
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 1, Page, Page, out uint second));
        Assert.Equal(Errno.EBUSY, scene.Process.Destroy(first));
        Assert.Equal(Errno.EBUSY, scene.Process.Destroy(viommu));
        Assert.Equal(Errno.EBUSY, scene.Process.Unmap(scene.Ioas, TegraScene.Iova, 16 * Page));

        Assert.Equal(0, scene.Synchronizations);
        Assert.Equal(Errno.None, scene.Process.Destroy(second));
        Assert.Equal(1, scene.Synchronizations);
        using (var page = scene.Process.Context.MapWindow(window, Offset.PageSize))
        {
            page.Write32(Offset.VCMDQ_STRIDE + Offset.VCMDQ_CONFIG, 1);
            Assert.Equal(0u, page.Read32(Offset.VCMDQ_STRIDE + Offset.VCMDQ_CONFIG));
            page.Write32(Offset.VCMDQ_CONFIG, 1);
            page.Write32(Offset.VCMDQ_PROD, 1);   // Of zeroes.
            Assert.Equal(1u, page.Read32(Offset.VCMDQ_GERROR));
        }

        Assert.Equal(Errno.None, scene.Process.Destroy(first));
        Assert.Equal(Errno.None, scene.Process.Unmap(scene.Ioas, TegraScene.Iova, 16 * Page));
        for (uint register = 0; register < 0x10; register += 4)
        {
            Assert.Equal(0u, scene.Driver.Block.Read32(Offset.VCMDQ_PAGE0 + (4 * Offset.VCMDQ_STRIDE) + register) & 0xff_ffff);
        }

        Assert.Equal(0UL, scene.Driver.Block.Read64(Offset.VCMDQ_PAGE1 + (4 * Offset.VCMDQ_STRIDE)));
        Assert.Equal(0u, scene.Driver.Block.Read32(Offset.CMDQ_ERR_MAP));
        Assert.Equal(2, scene.Synchronizations);
        Assert.Equal(Errno.None, scene.Process.Destroy(viommu));
    }

    [Fact]
    public void ErrorsAreEventsWithTheMapsOfTheInterface()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out ulong window);
        uint stranger = scene.NewViommu(out _);
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 0, 0, Page, out _));
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 1, Page, Page, out _));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Process.NewVeventQueue(viommu, 7, 4, out _, out _));
        Assert.Equal(Errno.None, scene.Process.NewVeventQueue(viommu, TegraQueueDriver.EventType, 4, out _, out var events));
        Assert.Equal(Errno.None, scene.Process.NewVeventQueue(stranger, TegraQueueDriver.EventType, 4, out _, out var others));
        using var page = scene.Process.Context.MapWindow(window, Offset.PageSize);
        foreach (uint queue in new[] { Offset.VCMDQ_STRIDE, 0u })
        {
            page.Write32(queue + Offset.VCMDQ_CONFIG, 1);
            page.Write32(queue + Offset.VCMDQ_PROD, 1);
        }

        byte[] bytes = new byte[100];
        Assert.Equal(48, events!.Read(bytes));
        Assert.Equal([0u, 0, 0b10, 0, 0, 0, 0, 1, 0b11, 0, 0, 0], Enumerable.Range(0, 12).Select(at => BitConverter.ToUInt32(bytes, at * 4)));
        Assert.Equal(0, others!.Read(bytes));
    }

    [Fact]
    public void ErrorsThatNobodyReadsAreNobodysAffair()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out ulong window);
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 0, 0, Page, out _));
        using var page = scene.Process.Context.MapWindow(window, Offset.PageSize);
        page.Write32(Offset.VCMDQ_CONFIG, 1);
        page.Write32(Offset.VCMDQ_PROD, 1);

        Assert.Equal(1u, page.Read32(Offset.VCMDQ_GERROR));
    }

    [Fact]
    public void ATeardownWaitsForInvalidationsThatAreOut()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out ulong window);
        Assert.Equal(Errno.None, scene.Join(viommu, 7, out _));
        Assert.Equal(Errno.None, scene.NewQueue(viommu, 0, 0, Page, out uint queue));
        using (var page = scene.Process.Context.MapWindow(window, Offset.PageSize))
        {
            page.Write32(Offset.VCMDQ_CONFIG, 1);
            scene.Hardware.Endpoints.Answer = _ => AtcInvalidationAnswer.Pending;
            scene.Store(0, Command.AtcInv(new StreamId(7), 0, 0));
            page.Write32(Offset.VCMDQ_PROD, 1);
        }

        uint token = Assert.Single(scene.Hardware.Endpoints.Invalidations).Token;
        bool isCompleted = false;
        var endpoint = new Memory.Worker(() =>
        {
            var spin = new SpinWait();
            while (scene.Hardware.Machine.IsCommandQueueEmpty) spin.SpinOnce();   // Until the host's CMD_SYNC is there.
            Volatile.Write(ref isCompleted, true);
            Assert.True(scene.Hardware.Smmu.CompleteInvalidation(token, timedOut: true));
        });

        Assert.Equal(Errno.None, scene.Process.Destroy(queue));
        Assert.True(Volatile.Read(ref isCompleted));
        endpoint.Join();
        Assert.Equal(1, scene.Synchronizations);
    }

    [Fact]
    public void ADriverIsNotDisposedUnderItsUsers()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out _);
        Assert.Throws<InvalidOperationException>(scene.Driver.Dispose);
        Assert.Equal(Errno.None, scene.Process.Destroy(viommu));
    }

    [Fact]
    public void AllElseGoesToTheVirtualSmmu()
    {
        using var scene = new TegraScene();
        uint viommu = scene.NewViommu(out _);
        Assert.Equal(Errno.None, scene.Process.NewVdevice(viommu, scene.Device.Id, 0x99, out _));
        Assert.Equal(Errno.None, scene.Process.AllocateNested(scene.Device.Id, viommu, out uint nested));
        uint count = 1;
        Assert.Equal(Errno.None, scene.Process.Invalidate(viommu, MockIommu.InvalidateType, 12, ref count, 1, 0x99, 0));
        Assert.Equal(0u, ((MockDevice)scene.Device.Hardware).Cache[0]);
        Assert.Equal(Errno.None, scene.Process.NewVeventQueue(viommu, MockIommu.EventType, 4, out _, out _));
        Assert.Equal(Errno.EBUSY, scene.Process.Destroy(viommu));
        Assert.Equal(Errno.None, scene.Process.Destroy(nested));
    }
}
