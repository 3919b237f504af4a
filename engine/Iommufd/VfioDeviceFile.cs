using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

/// <summary>Finds the context behind a file descriptor of a program.</summary>
/// <param name="descriptor">The descriptor, 0 or above.</param>
/// <param name="context">The context, with the answer None.</param>
/// <returns>None; EBADF: not open. EBADFD: another kind of file.</returns>
public delegate Errno ContextFinder(int descriptor, out IommufdContext? context);

/// <summary>A device as a VFIO character device shows it: bound and attached by ioctls with the kernel's structures.</summary>
/// <remarks>Thread-safe. Closing the file unbinds the device.</remarks>
public sealed class VfioDeviceFile : IDisposable
{
    private const uint BindCommand = 0x3b76;
    private const uint AttachCommand = 0x3b77;
    private const uint DetachCommand = 0x3b78;
    private const int BindBytes = 24;
    private const int BindLeast = 16;
    private const uint PasidFlag = 1;

    private readonly IIommuDevice device;
    private readonly IUserMemory memory;
    private readonly ContextFinder findContext;
    private readonly Lock gate = new();
    private IommufdDevice? bound;

    /// <summary>Opens the file of a device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="memory">Where user addresses lead.</param>
    /// <param name="findContext">Finds contexts for BIND_IOMMUFD.</param>
    public VfioDeviceFile(IIommuDevice device, IUserMemory memory, ContextFinder findContext)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(findContext);
        this.device = device;
        this.memory = memory;
        this.findContext = findContext;
    }

    /// <summary>Carries out VFIO_DEVICE_BIND_IOMMUFD (0x3B76), _ATTACH_IOMMUFD_PT (0x3B77) or _DETACH_IOMMUFD_PT (0x3B78).</summary>
    /// <param name="command">The command.</param>
    /// <param name="argument">User address of its structure.</param>
    /// <returns>0, or a negative <see cref="Errno"/>: ENOTTY: no such command. EFAULT: the structure cannot be read or written.
    /// EINVAL: too short, unknown flags, bound already or not yet. E2BIG: too long, and not zero there. What binding or
    /// attaching answers.</returns>
    public int Ioctl(uint command, ulong argument)
    {
        lock (gate)
        {
            return -(int)(command switch
            {
                BindCommand => Bind(argument),
                AttachCommand => Attach(argument),
                DetachCommand => Detach(argument),
                _ => Errno.ENOTTY,
            });
        }
    }

    /// <summary>Closes the file; later calls do nothing.</summary>
    /// <exception cref="IommufdException">EBUSY: a request has worked with the device for longer than the context waits.</exception>
    public void Dispose()
    {
        lock (gate)
        {
            bound?.Dispose();
            bound = null;
        }
    }

    private Errno Bind(ulong argument)
    {
        Span<byte> bytes = stackalloc byte[BindBytes];
        if (!memory.TryRead(argument, bytes[..sizeof(uint)])) return Errno.EFAULT;
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (size < BindLeast) return Errno.EINVAL;
        Errno errno = UserStructure.Read(memory, argument, default, size, bytes);
        if (errno != Errno.None) return errno;
        var arguments = new IoctlArguments(bytes);
        int descriptor = (int)arguments.Word(8);
        if (arguments.Word(4) != 0 || descriptor < 0 || bound is not null) return Errno.EINVAL;
        errno = findContext(descriptor, out IommufdContext? context);
        if (errno == Errno.None) errno = context!.TryBind(device, out bound);
        if (errno != Errno.None) return errno;
        arguments.Put(12, bound!.Id);
        if (memory.TryWrite(argument, bytes[..(int)Math.Min(size, BindBytes)])) return Errno.None;
        bound.Dispose();
        bound = null;
        return Errno.EFAULT;
    }

    private Errno Attach(ulong argument)
    {
        Errno errno = ReadAttachment(argument, leastBytes: 12, out uint id, out uint pasid);
        if (errno != Errno.None) return errno;
        errno = bound!.TryAttach(ref id, pasid, replace: bound.AttachedTo(pasid) != 0);
        if (errno != Errno.None) return errno;
        Span<byte> answer = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(answer, id);
        if (memory.TryWrite(argument + 8, answer)) return Errno.None;
        bound.Detach(pasid);
        return Errno.EFAULT;
    }

    private Errno Detach(ulong argument)
    {
        Errno errno = ReadAttachment(argument, leastBytes: 8, out _, out uint pasid);
        if (errno == Errno.None) bound!.Detach(pasid);
        return errno;
    }

    // The structures of attaching and detaching are alike, but that the one that detaches names no page table.
    private Errno ReadAttachment(ulong argument, int leastBytes, out uint id, out uint pasid)
    {
        (id, pasid) = (0, 0);
        Span<byte> bytes = stackalloc byte[16];
        if (!memory.TryRead(argument, bytes[..leastBytes])) return Errno.EFAULT;
        var arguments = new IoctlArguments(bytes);
        uint flags = arguments.Word(4);
        int least = (flags & PasidFlag) != 0 ? leastBytes + sizeof(uint) : leastBytes;
        if (arguments.Word(0) < (uint)least || (flags & ~PasidFlag) != 0 || bound is null) return Errno.EINVAL;
        if (!memory.TryRead(argument, bytes[..least])) return Errno.EFAULT;
        if (leastBytes > 8) id = arguments.Word(8);
        if ((flags & PasidFlag) != 0) pasid = arguments.Word(leastBytes);
        return Errno.None;
    }
}
