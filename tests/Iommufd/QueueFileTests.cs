using System.Buffers.Binary;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The files of fault queues and event queues, read and written as file descriptors are.</summary>
public sealed class QueueFileTests : IDisposable
{
    private const int Record = PageFaultRecord.SizeBytes;

    private readonly IommufdScene scene = new();
    private readonly uint ioas;
    private readonly uint faults;
    private readonly FaultQueueFile file;
    private readonly IommufdDevice device;
    private readonly MockDevice hardware;
    private readonly ulong buffer;

    public QueueFileTests()
    {
        ioas = scene.NewIoas();
        faults = scene.NewFaultQueue(out file);
        device = scene.Bind(scene.NewDevice());
        hardware = (MockDevice)device.Hardware;
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.FaultIdValid, out uint hwpt, fault: faults));
        device.Attach(hwpt);
        buffer = scene.Memory.Allocate(4 * MockUserMemory.PageBytes);
    }

    public void Dispose() => scene.Dispose();

    [Fact]
    public void GroupsAreReadWholeAndAnsweredByCookie()
    {
        int woken = 0;
        file.BecameReadable += () => woken++;
        Assert.False(file.IsReadable);
        Assert.Equal(Errno.None, hardware.Fault(faults: 2));
        Assert.Equal(Errno.None, hardware.Fault(faults: 3));
        Assert.True(file.IsReadable);
        Assert.Equal(2, woken);

        Assert.Equal(0, file.Read(buffer, Record));   // The first group does not fit.
        Assert.Equal(2 * Record, file.Read(buffer, 4 * Record));
        var first = At(0);
        Assert.Equal((PageFaultFlags.PasidValid, 1u, device.Id), (first.Fault.Flags, first.Cookie, first.DeviceId));
        Assert.Equal((1u, 2u, 0xdeadbeafUL), (first.Fault.Pasid, first.Fault.Group, first.Fault.Address));
        Assert.Equal((PageFaultFlags.PasidValid | PageFaultFlags.LastPage, 1u), (At(1).Fault.Flags, At(1).Cookie));
        Assert.Equal(3 * Record, file.Read(buffer, 4 * Record));
        Assert.Equal(2u, At(0).Cookie);

        scene.WriteWords(buffer, 2, 0, 1, 1);
        Assert.Equal(16, file.Write(buffer, 16));
        Assert.Equal([FaultResponse.Success, FaultResponse.Invalid], hardware.Responses);
        Assert.Equal(Errno.None, hardware.Fault());
        Assert.Equal(Record, file.Read(buffer, Record));
        Assert.Equal(1u, At(0).Cookie);
    }

    [Fact]
    public void BadReadsAndWritesLoseNothing()
    {
        Assert.Equal(Errno.None, hardware.Fault());
        Assert.Equal(-(long)Errno.ESPIPE, file.Read(buffer, Record, position: 1));
        Assert.Equal(-(long)Errno.ESPIPE, file.Read(buffer, Record + 1));
        Assert.Equal(-(long)Errno.EFAULT, file.Read(64, Record));
        Assert.Equal(-(long)Errno.EFAULT, file.Read(64, Record));
        Assert.Equal(Record, file.Read(buffer, Record));
        Assert.Equal(-(long)Errno.ESPIPE, file.Write(buffer, 8, position: 1));
        Assert.Equal(-(long)Errno.ESPIPE, file.Write(buffer, 7));
        Assert.Equal(-(long)Errno.EFAULT, file.Write(64, 8));
        scene.WriteWords(buffer, 1, 2);
        Assert.Equal(-(long)Errno.EINVAL, file.Write(buffer, 8));
        scene.WriteWords(buffer, 5, 0);
        Assert.Equal(-(long)Errno.EINVAL, file.Write(buffer, 8));
        Assert.Empty(hardware.Responses);
        scene.WriteWords(buffer, 1, 0, 1, 0);   // The second one has nothing left to answer.
        Assert.Equal(8, file.Write(buffer, 16));
        Assert.Equal([FaultResponse.Success], hardware.Responses);
        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => file.Respond(1, FaultResponse.Success)));
        Assert.Equal(Errno.ESPIPE, IommufdScene.ErrnoOf(() => file.Read(new byte[1])));
    }

    [Fact]
    public void DetachingAnswersWhatIsOpen()
    {
        Assert.Equal(Errno.None, hardware.Fault());
        Assert.Equal(Errno.None, hardware.Fault());
        Assert.Equal(Record, file.Read(buffer, Record));
        device.Detach();

        Assert.Equal([FaultResponse.Invalid, FaultResponse.Invalid], hardware.Responses);
        Assert.False(file.IsReadable);
        Assert.Equal(Errno.ENODEV, hardware.LastSink!.Report([default], hardware, token: 9));   // A late one.
        Assert.False(file.IsReadable);
        scene.WriteWords(buffer, 1, 0);
        Assert.Equal(-(long)Errno.EINVAL, file.Write(buffer, 8));
    }

    [Fact]
    public void ManyFaultsFillTheQueueAndAreAllAnsweredAtTheEnd()
    {
        int taken = 0;
        while (hardware.Fault() == Errno.None) taken++;
        Assert.Equal(1 << 16, taken);
        device.Detach();

        Assert.Equal(taken, hardware.Responses.Count);
    }

    [Fact]
    public void VirtualFunctionsWithPriAreNotForFaultQueues()
    {
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.FaultIdValid, out uint hwpt, fault: faults));
        IommufdDevice function = scene.Bind(new MockDevice(scene.Iommu) { IsVirtualFunctionWithPri = true });

        Assert.Equal(Errno.EINVAL, IommufdScene.ErrnoOf(() => function.Attach(hwpt)));
        Assert.NotEqual(0u, function.Attach(ioas));
    }

    [Fact]
    public void AFileKeepsItsQueueAndTheContext()
    {
        var context = new IommufdContext(scene.Memory);
        FaultQueueFile open = context.AllocateFaultQueue(out uint id);
        Assert.Same(open, context.FindFile(open.Descriptor));
        Assert.Equal(Errno.EBUSY, IommufdScene.ErrnoOf(() => context.Destroy(id)));
        context.Dispose();
        Assert.Equal(1, context.Objects.Count);
        Assert.Equal(0, open.Read(new byte[Record]));
        open.Dispose();
        open.Dispose();

        Assert.Equal(0, context.Objects.Count);
        Assert.Null(context.FindFile(open.Descriptor));
    }

    [Fact]
    public void EventNumbersShowWhatWasLost()
    {
        VeventQueueFile events = NewEvents(depth: 2);
        for (int index = 0; index < 5; index++) Trigger();
        Assert.Equal(8 + 4, events.Read(buffer, 8 + 4 + 8));
        Assert.Equal((0u, 0u), (scene.ReadWord(buffer), scene.ReadWord(buffer + 4)));
        Trigger();   // There is room again: the header of the loss is gone, the number shows it.
        Assert.Equal(24, events.Read(buffer, 4096));
        Assert.Equal([1u, 5u], [scene.ReadWord(buffer + 4), scene.ReadWord(buffer + 16)]);
        Assert.Equal(0, events.Read(buffer, 4096));
        Assert.False(events.IsReadable);
        Assert.Equal(-(long)Errno.EINVAL, events.Write(buffer, 8));
        Assert.Equal(-(long)Errno.ESPIPE, events.Read(buffer, 12, position: 8));
    }

    [Fact]
    public void EventsThatCannotBeCopiedStay()
    {
        VeventQueueFile events = NewEvents(depth: 1);
        Trigger();
        Trigger();
        Assert.Equal(-(long)Errno.EFAULT, events.Read(64, 4096));
        Assert.Equal(0, events.Read(buffer, 8));
        Assert.Equal(20, events.Read(buffer, 20));
        Assert.Equal([0u, 0, 0x99, 1, 1], Enumerable.Range(0, 5).Select(index => scene.ReadWord(buffer + (ulong)(4 * index))));
    }

    private VeventQueueFile NewEvents(uint depth)
    {
        Assert.Equal(Errno.None, scene.AllocateHwpt(device.Id, ioas, HwptFlags.NestParent, out uint parent));
        Assert.Equal(Errno.None, scene.NewViommu(device.Id, parent, MockIommu.ViommuType, out uint viommu));
        Assert.Equal(Errno.None, scene.NewVdevice(viommu, device.Id, 0x99, out _));
        Assert.Equal(Errno.None, scene.NewVeventQueue(viommu, MockIommu.EventType, depth, out _, out VeventQueueFile? events));
        return events!;
    }

    private void Trigger() => Assert.Equal(Errno.None, scene.Iommu.Viommu!.Trigger(hardware));

    private PageFaultRecord At(int index)
    {
        byte[] bytes = new byte[Record];
        Assert.True(scene.Memory.TryRead(buffer + (ulong)(index * Record), bytes));
        Assert.Equal(0u, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(20)));
        return PageFaultRecord.Read(bytes);
    }
}
