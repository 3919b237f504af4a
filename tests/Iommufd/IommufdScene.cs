using System.Buffers.Binary;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>A process with a context and mock devices, which asks for everything with ioctls as the kernel's selftests do.</summary>
internal sealed class IommufdScene : IDisposable
{
    private readonly ulong argument;
    private readonly List<IDisposable> devices = [];

    public IommufdScene(IommufdOptions? options = null)
    {
        Context = new IommufdContext(Memory, options);
        Memory.Unpinning = () => Assert.All(Iommu.Domains.Keys, domain => Assert.Equal(0, domain.Gathered));   // Devices may still write.
        argument = Memory.Allocate(2 * MockUserMemory.PageBytes);
        Scratch = Memory.Allocate(16 * MockUserMemory.PageBytes);
    }

    public MockUserMemory Memory { get; } = new();

    public MockIommu Iommu { get; } = new();

    public IommufdContext Context { get; }

    /// <summary>User memory for arrays and payloads.</summary>
    public ulong Scratch { get; }

    /// <summary>Where the structure of the last call lies.</summary>
    public ulong Argument => argument;

    public MockDevice NewDevice(int pasidLog2 = 0, bool huge = false, HardwareCapabilities capabilities = HardwareCapabilities.DirtyTracking) =>
        new(Iommu) { MaxPasidLog2 = pasidLog2, HasHugePages = huge, Capabilities = capabilities };

    public IommufdDevice Bind(MockDevice device)
    {
        IommufdDevice bound = Context.Bind(device);
        devices.Add(bound);
        return bound;
    }

    /// <summary>Binds and attaches a device, as MOCK_DOMAIN does.</summary>
    public IommufdDevice NewDomain(uint pt, out uint hwpt, int pasidLog2 = 0, bool huge = false)
    {
        IommufdDevice device = Bind(NewDevice(pasidLog2, huge));
        hwpt = device.Attach(pt);
        return device;
    }

    public void Adopt(IDisposable holder) => devices.Add(holder);

    /// <summary>Ends everything, and makes sure that nothing is left.</summary>
    public void Dispose()
    {
        foreach (IDisposable device in devices.AsEnumerable().Reverse()) device.Dispose();
        Context.Dispose();
        Assert.Equal(0, Context.Objects.Count);
        Assert.Equal(0, Memory.Pins);
        Assert.Equal(0, Iommu.Alive);
    }

    public Errno Call(IoctlCommand command, int size, params (int Offset, object Value)[] fields) =>
        (Errno)(-Context.Ioctl((uint)command, Fill(size, fields)));

    public ulong Fill(int size, params (int Offset, object Value)[] fields)
    {
        byte[] bytes = new byte[Math.Max(size, 8)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)size);
        foreach ((int offset, object value) in fields)
        {
            if (value is ulong wide) BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(offset), wide);
            else if (value is ushort half) BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(offset), half);
            else if (value is byte small) bytes[offset] = small;
            else BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(offset), value is int number ? (uint)number : Convert.ToUInt32(value));
        }

        Assert.True(Memory.TryWrite(argument, bytes));
        return argument;
    }

    public uint Word(int offset) => ReadWord(argument + (ulong)offset);

    public ulong Long(int offset) => ReadLong(argument + (ulong)offset);

    public uint ReadWord(ulong address)
    {
        Span<byte> bytes = stackalloc byte[4];
        Assert.True(Memory.TryRead(address, bytes));
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    public ulong ReadLong(ulong address)
    {
        Span<byte> bytes = stackalloc byte[8];
        Assert.True(Memory.TryRead(address, bytes));
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    public void WriteWords(ulong address, params uint[] words)
    {
        byte[] bytes = new byte[words.Length * 4];
        for (int index = 0; index < words.Length; index++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 * index), words[index]);
        Assert.True(Memory.TryWrite(address, bytes));
    }

    public void WriteLongs(ulong address, params ulong[] words)
    {
        byte[] bytes = new byte[words.Length * 8];
        for (int index = 0; index < words.Length; index++) BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8 * index), words[index]);
        Assert.True(Memory.TryWrite(address, bytes));
    }

    public Errno Destroy(uint id) => Call(IoctlCommand.Destroy, 8, (4, id));

    public uint NewIoas()
    {
        Assert.Equal(Errno.None, Call(IoctlCommand.IoasAllocate, 12));
        return Word(8);
    }

    public Errno Map(uint ioas, ulong address, ulong length, ref ulong iova, MapFlags flags)
    {
        Errno errno = Call(IoctlCommand.IoasMap, 40, (4, (uint)flags), (8, ioas), (16, address), (24, length), (32, iova));
        if (errno == Errno.None) iova = Long(32);
        return errno;
    }

    public Errno MapFixed(uint ioas, ulong address, ulong length, ulong iova) =>
        Map(ioas, address, length, ref iova, MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable);

    public Errno MapAnywhere(uint ioas, ulong address, ulong length, out ulong iova)
    {
        iova = 0;
        return Map(ioas, address, length, ref iova, MapFlags.Readable | MapFlags.Writeable);
    }

    public Errno Copy(uint ioas, uint source, ulong length, ulong sourceIova, ulong iova) => Call(
        IoctlCommand.IoasCopy, 40, (4, (uint)(MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable)), (8, ioas), (12, source),
        (16, length), (24, iova), (32, sourceIova));

    public Errno Unmap(uint ioas, ulong iova, ulong length, out ulong bytes)
    {
        Errno errno = Call(IoctlCommand.IoasUnmap, 24, (4, ioas), (8, iova), (16, length));
        bytes = Long(16);
        return errno;
    }

    public Errno Unmap(uint ioas, ulong iova, ulong length) => Unmap(ioas, iova, length, out _);

    public Errno Allow(uint ioas, params IovaRange[] ranges)
    {
        WriteLongs(Scratch, [.. ranges.SelectMany(range => new[] { range.First, range.Last })]);
        return Call(IoctlCommand.IoasAllowIovas, 24, (4, ioas), (8, ranges.Length), (16, Scratch));
    }

    /// <summary>Reserves as IOMMU_TEST_OP_ADD_RESERVED does.</summary>
    public Errno Reserve(uint ioas, ulong first, ulong length)
    {
        using var space = Context.Objects.Borrow<Ioas>(ioas);
        return space.Object.Reserve(first, first + (length - 1), this);
    }

    public Errno AllocateHwpt(
        uint device, uint pt, HwptFlags flags, out uint hwpt, uint type = 0, uint length = 0, ulong data = 0, uint fault = 0)
    {
        Errno errno = Call(
            IoctlCommand.HwptAllocate, 48, (4, (uint)flags), (8, device), (12, pt), (24, type), (28, length), (32, data), (40, fault));
        hwpt = errno == Errno.None ? Word(16) : 0;
        return errno;
    }

    public Errno AllocateNested(uint device, uint pt, out uint hwpt, HwptFlags flags = HwptFlags.None, uint fault = 0)
    {
        WriteWords(Scratch, MockIommu.FirstIotlb, 0);
        return AllocateHwpt(device, pt, flags, out hwpt, MockIommu.NestedType, MockIommu.NestedBytes, Scratch, fault);
    }

    public Errno Invalidate(uint id, uint type, uint length, ref uint count, params uint[] entries)
    {
        WriteWords(Scratch, [.. entries, 0, 0, 0]);
        Errno errno = Call(IoctlCommand.HwptInvalidate, 32, (4, id), (8, Scratch), (16, type), (20, length), (24, count));
        count = Word(24);
        return errno;
    }

    public uint NewFaultQueue(out FaultQueueFile file)
    {
        Assert.Equal(Errno.None, Call(IoctlCommand.FaultQueueAllocate, 16));
        file = (FaultQueueFile)Context.FindFile((int)Word(12))!;
        devices.Add(file);
        return Word(8);
    }

    public Errno NewViommu(uint device, uint hwpt, uint type, out uint viommu, uint length = 0, ulong data = 0)
    {
        Errno errno = Call(IoctlCommand.ViommuAllocate, 40, (8, type), (12, device), (16, hwpt), (24, length), (32, data));
        viommu = errno == Errno.None ? Word(20) : 0;
        return errno;
    }

    public Errno NewVdevice(uint viommu, uint device, ulong virtualId, out uint vdevice)
    {
        Errno errno = Call(IoctlCommand.VdeviceAllocate, 24, (4, viommu), (8, device), (16, virtualId));
        vdevice = errno == Errno.None ? Word(12) : 0;
        return errno;
    }

    public Errno NewVeventQueue(uint viommu, uint type, uint depth, out uint queue, out VeventQueueFile? file)
    {
        Errno errno = Call(IoctlCommand.VeventQueueAllocate, 32, (8, viommu), (12, type), (16, depth));
        queue = errno == Errno.None ? Word(20) : 0;
        file = errno == Errno.None ? (VeventQueueFile)Context.FindFile((int)Word(24))! : null;
        if (file is not null) devices.Add(file);
        return errno;
    }

    public Errno NewHardwareQueue(uint viommu, uint type, uint index, ulong iova, ulong length, out uint queue)
    {
        Errno errno = Call(IoctlCommand.HardwareQueueAllocate, 40, (8, viommu), (12, type), (16, index), (24, iova), (32, length));
        queue = errno == Errno.None ? Word(20) : 0;
        return errno;
    }

    public static Errno ErrnoOf(Action action) => Assert.Throws<IommufdException>(action).Errno;
}
