using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>The kernel's fixture "iommufd": a context in which nothing is yet.</summary>
public sealed class IommufdTests : IDisposable
{
    private readonly IommufdScene scene = new();

    public static TheoryData<IoctlCommand, int, int> Commands => new()
    {
        { IoctlCommand.Destroy, 8, 8 },
        { IoctlCommand.IoasAllocate, 12, 12 },
        { IoctlCommand.IoasAllowIovas, 24, 24 },
        { IoctlCommand.IoasCopy, 40, 40 },
        { IoctlCommand.IoasIovaRanges, 32, 32 },
        { IoctlCommand.IoasMap, 40, 40 },
        { IoctlCommand.IoasUnmap, 24, 24 },
        { IoctlCommand.Option, 24, 24 },
        { IoctlCommand.VfioIoas, 12, 12 },
        { IoctlCommand.HwptAllocate, 48, 24 },
        { IoctlCommand.GetHardwareInfo, 40, 32 },
        { IoctlCommand.HwptSetDirtyTracking, 16, 16 },
        { IoctlCommand.HwptGetDirtyBitmap, 48, 48 },
        { IoctlCommand.HwptInvalidate, 32, 32 },
        { IoctlCommand.FaultQueueAllocate, 16, 16 },
        { IoctlCommand.IoasMapFile, 40, 40 },
        { IoctlCommand.ViommuAllocate, 40, 24 },
        { IoctlCommand.VdeviceAllocate, 24, 24 },
        { IoctlCommand.IoasChangeProcess, 8, 8 },
        { IoctlCommand.VeventQueueAllocate, 32, 28 },
        { IoctlCommand.HardwareQueueAllocate, 40, 40 },
    };

    public void Dispose() => scene.Dispose();

    [Fact]
    public void SimpleClose()
    {
        using var context = new IommufdContext(scene.Memory);

        Assert.Equal(0, context.Objects.Count);
    }

    [Fact]
    public void CmdFail()
    {
        Assert.Equal(Errno.ENOENT, scene.Destroy(0));
        Assert.Equal(-(int)Errno.EFAULT, scene.Context.Ioctl((uint)IoctlCommand.Destroy, 0));
        Assert.Equal(-(int)Errno.ENOTTY, scene.Context.Ioctl(0x3b7f, 0));
    }

    [Fact]
    public void CommandsThatAreNotInTheTableAreUnknownAfterTheirSizeIsRead()
    {
        Assert.Equal(-(int)Errno.ENOTTY, scene.Context.Ioctl(0x3b95, 0));
        Assert.Equal(-(int)Errno.EFAULT, scene.Context.Ioctl(0x3c80, 0));
        Assert.Equal(-(int)Errno.ENOTTY, scene.Context.Ioctl(0x3c80, scene.Fill(8)));
        Assert.Equal(-(int)Errno.ENOTTY, scene.Context.Ioctl(0xc008_3b80, scene.Fill(8)));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void CmdLength(IoctlCommand command, int size, int least)
    {
        Assert.Equal(Errno.EINVAL, scene.Call(command, least - 1));
        Assert.Equal(Errno.E2BIG, scene.Call(command, size + 1, (size, (byte)1)));
        Errno exact = scene.Call(command, size);
        CloseFiles();
        Errno longer = scene.Call(command, size + 1);
        CloseFiles();

        Assert.Equal(exact, longer);
        Assert.False(exact is Errno.ENOTTY or Errno.E2BIG);
    }

    [Fact]
    public void CmdExFail()
    {
        Assert.Equal(Errno.ENOENT, scene.Call(IoctlCommand.Destroy, 72));
        Assert.Equal(Errno.E2BIG, scene.Call(IoctlCommand.Destroy, 72, (64, 1)));
        Assert.Equal(Errno.ENOENT, scene.Call(IoctlCommand.Destroy, 8));
        Assert.Equal(Errno.EINVAL, scene.Call(IoctlCommand.Destroy, 7));
    }

    [Fact]
    public void ATailThatCannotBeReadFaults()
    {
        ulong end = scene.Argument + (2 * MockUserMemory.PageBytes);
        scene.WriteWords(end - 8, 72, 0);

        Assert.Equal(-(int)Errno.EFAULT, scene.Context.Ioctl((uint)IoctlCommand.Destroy, end - 8));
    }

    [Fact]
    public void GlobalOptions()
    {
        Assert.Equal(Errno.None, Option(IommufdOption.RlimitMode, get: true, id: 0, value: 100));
        Assert.Equal(0UL, scene.Long(16));
        Assert.Equal(Errno.None, Option(IommufdOption.RlimitMode, get: false, id: 0, value: 1));
        Assert.Equal(Errno.EINVAL, Option(IommufdOption.RlimitMode, get: false, id: 0, value: 2));
        Assert.Equal(Errno.None, Option(IommufdOption.RlimitMode, get: true, id: 0, value: 0));
        Assert.Equal(1UL, scene.Long(16));
        Assert.Equal(Errno.None, Option(IommufdOption.RlimitMode, get: false, id: 0, value: 0));
        Assert.Equal(Errno.None, Option(IommufdOption.RlimitMode, get: true, id: 0, value: 1));
        Assert.Equal(0UL, scene.Long(16));
        Assert.Equal(Errno.ENOENT, Option(IommufdOption.HugePages, get: true, id: 0, value: 0));
        Assert.Equal(Errno.ENOENT, Option(IommufdOption.HugePages, get: false, id: 0, value: 1));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.Option, 24, (4, 1), (8, (ushort)2)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.Option, 24, (4, 1), (10, (ushort)1)));
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.Option, 24, (4, 2)));
    }

    [Fact]
    public void TheAccountOfPinnedMemoryIsAnOptionOfTheContextAndChosenBeforeItHasObjects()
    {
        uint ioas = scene.NewIoas();
        Assert.Equal(Errno.EOPNOTSUPP, Option(IommufdOption.RlimitMode, get: true, ioas, value: 0));
        Assert.Equal(Errno.EOPNOTSUPP, Option(IommufdOption.RlimitMode, get: false, ioas, value: 1));
        Assert.Equal(Errno.EBUSY, Option(IommufdOption.RlimitMode, get: false, id: 0, value: 1));
        Assert.Equal(0UL, scene.Context.GetOption(IommufdOption.RlimitMode, 0));
        Assert.Equal(Errno.None, scene.Destroy(ioas));
        scene.Context.SetOption(IommufdOption.RlimitMode, 0, 1);
        Assert.Equal(1UL, scene.Context.GetOption(IommufdOption.RlimitMode, 0));
    }

    [Fact]
    public void VfioIoas()
    {
        Assert.Equal(Errno.ENODEV, Vfio(operation: 0, 0));
        Assert.Equal(Errno.ENOENT, Vfio(operation: 1, 100));
        uint ioas = scene.NewIoas();
        Assert.Equal(Errno.None, Vfio(operation: 1, ioas));
        Assert.Equal(Errno.None, Vfio(operation: 0, 0));
        Assert.Equal(ioas, scene.Word(4));
        Assert.Equal(Errno.None, Vfio(operation: 2, 0));
        Assert.Equal(Errno.ENODEV, Vfio(operation: 0, 0));
        Assert.Equal(Errno.None, Vfio(operation: 1, ioas));
        Assert.Equal(Errno.None, scene.Destroy(ioas));
        Assert.Equal(Errno.ENODEV, Vfio(operation: 0, 0));
        Assert.Equal(Errno.EOPNOTSUPP, Vfio(operation: 3, 0));
    }

    [Fact]
    public void IdsAreTheLowestFreeOnes()
    {
        Assert.Equal([1u, 2u, 3u], [scene.NewIoas(), scene.NewIoas(), scene.NewIoas()]);
        Assert.Equal(Errno.None, scene.Destroy(2));
        Assert.Equal(Errno.ENOENT, scene.Destroy(2));
        Assert.Equal([2u, 4u], [scene.NewIoas(), scene.NewIoas()]);
    }

    [Fact]
    public void AnObjectWhoseIdCannotBeWrittenBackIsNotThere()
    {
        ulong readOnly = scene.Memory.Allocate(MockUserMemory.PageBytes, writable: false);
        ulong start = scene.Memory.Allocate(MockUserMemory.PageBytes);
        Assert.True(scene.Memory.TryWrite(start, new byte[] { 16 }));
        Assert.Equal(-(int)Errno.EINVAL, scene.Context.Ioctl((uint)IoctlCommand.IoasAllocate, readOnly));   // It is zero.
        using var memory = new ReadOnlyArguments(scene.Memory);
        using var context = new IommufdContext(memory);
        Assert.Equal(-(int)Errno.EFAULT, context.Ioctl((uint)IoctlCommand.FaultQueueAllocate, start));

        Assert.Equal(0, context.Objects.Count);
        Assert.Null(context.FindFile(3));
        Assert.Equal(1u, context.AllocateIoas());
    }

    [Fact]
    public void TheLimitOfObjectsIsAnAnswer()
    {
        using var small = new IommufdScene(new IommufdOptions { MaxObjects = 2 });
        small.NewIoas();
        uint second = small.NewIoas();

        Assert.Equal(Errno.ENOMEM, small.Call(IoctlCommand.IoasAllocate, 12));
        Assert.Equal(Errno.None, small.Destroy(second));
        Assert.Equal(second, small.NewIoas());
    }

    [Fact]
    public void AClosedContextRefuses()
    {
        var context = new IommufdContext(scene.Memory);
        context.Dispose();

        Assert.Equal(-(int)Errno.EBADF, context.Ioctl((uint)IoctlCommand.Destroy, scene.Fill(8)));
        Assert.Throws<ObjectDisposedException>(() => context.AllocateIoas());
    }

    [Fact]
    public void ChangeProcessNeedsThatNoMemoryOfTheProcessIsMapped()
    {
        uint ioas = scene.NewIoas();
        Assert.Equal(Errno.EOPNOTSUPP, scene.Call(IoctlCommand.IoasChangeProcess, 8, (4, 1)));
        Assert.Equal(Errno.None, scene.Call(IoctlCommand.IoasChangeProcess, 8));
        Assert.Equal(Errno.None, scene.MapFixed(ioas, scene.Scratch, 4096, 1 << 24));
        Assert.Equal(Errno.EINVAL, scene.Call(IoctlCommand.IoasChangeProcess, 8));
    }

    private void CloseFiles() => scene.Context.FindFile(3)?.Dispose();

    private Errno Option(IommufdOption option, bool get, uint id, ulong value) => scene.Call(
        IoctlCommand.Option, 24, (4, (uint)option), (8, (ushort)(get ? 1 : 0)), (12, id), (16, value));

    private Errno Vfio(ushort operation, uint ioas) => scene.Call(IoctlCommand.VfioIoas, 12, (4, ioas), (8, operation));

    /// <summary>Memory whose structures can be read and not written.</summary>
    private sealed class ReadOnlyArguments(MockUserMemory inner) : IUserMemory, IDisposable
    {
        public bool TryRead(ulong address, Span<byte> destination) => inner.TryRead(address, destination);

        public bool TryWrite(ulong address, ReadOnlySpan<byte> source) => false;

        public Errno Pin(ulong address, ulong bytes, bool forWriting, out PinnedRun run) => inner.Pin(address, bytes, forWriting, out run);

        public void Unpin(PinnedRun run, bool forWriting) => inner.Unpin(run, forWriting);

        public void ReadPinned(Smmu.Fast.Formats.PhysicalAddress physical, Span<byte> destination) => inner.ReadPinned(physical, destination);

        public void WritePinned(Smmu.Fast.Formats.PhysicalAddress physical, ReadOnlySpan<byte> source) => inner.WritePinned(physical, source);

        public void Dispose()
        {
        }
    }
}
