using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

public sealed partial class IommufdContext
{
    private const uint FirstNumber = (uint)IoctlCommand.Destroy & 0xff;
    private const uint LastNumber = (uint)IoctlCommand.HardwareQueueAllocate & 0xff;

    /// <summary>Carries out a command as the ioctl of /dev/iommu does.</summary>
    /// <remarks>
    /// The structure begins with its size. It may be shorter than known here, down to a minimum, and longer if what is not
    /// known is zero. Results are written over it. User mistakes are answers here, never exceptions.
    /// </remarks>
    /// <param name="command">An <see cref="IoctlCommand"/>, a <see cref="VfioContainerCommand"/>, or any other value.</param>
    /// <param name="argument">User address of the structure; a number for some commands of VFIO.</param>
    /// <returns>0, the answer of <see cref="VfioContainerCommand.CheckExtension"/>, or a negative <see cref="Errno"/>: ENOTTY: no such command. EFAULT: the structure cannot be read or written.
    /// EINVAL: it is too short. E2BIG: too long, and not zero there. EBADF: the context is closed. What the command answers.</returns>
    public int Ioctl(uint command, ulong argument)
    {
        if (Volatile.Read(ref isDisposed) != 0) return -(int)Errno.EBADF;
        uint number = command & 0xff;
        if (number is < FirstNumber or > LastNumber) return RunVfioContainer(command, argument);
        Span<byte> sizeBytes = stackalloc byte[sizeof(uint)];
        if (!Memory.TryRead(argument, sizeBytes)) return -(int)Errno.EFAULT;
        (int known, int least) = IoctlArguments.LayoutOf((IoctlCommand)command);
        if (known == 0) return -(int)Errno.ENOTTY;
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(sizeBytes);
        if (size < (uint)least) return -(int)Errno.EINVAL;

        Span<byte> bytes = stackalloc byte[IoctlArguments.MostBytes];
        bytes = bytes[..known];
        Errno errno = UserStructure.Read(Memory, argument, default, size, bytes);
        if (errno != Errno.None) return -(int)errno;
        var arguments = new IoctlArguments(bytes);
        errno = Run((IoctlCommand)command, arguments, out IommufdObject? made, out bool hasAnswer);
        if (!hasAnswer && errno != Errno.None) return -(int)errno;

        bool isWritten = !hasAnswer || Memory.TryWrite(argument, bytes[..(int)Math.Min(size, (uint)known)]);
        if (made is not null)
        {
            if (isWritten) Objects.Publish(made);
            else Withdraw(made);
        }

        return -(int)(isWritten ? errno : Errno.EFAULT);
    }

    // Commands with an answer write it even when they fail with one: how much was done, or how long the array must be.
    private Errno Run(IoctlCommand command, IoctlArguments arguments, out IommufdObject? made, out bool hasAnswer)
    {
        made = null;
        Errno errno;
        switch (command)
        {
            case IoctlCommand.Destroy:
                errno = TryDestroy(arguments.Word(4));
                hasAnswer = false;
                return errno;
            case IoctlCommand.IoasAllocate:
                errno = TryAllocateIoas(arguments.Word(4), out made);
                return Answer(errno, made, arguments, 8, out hasAnswer);
            case IoctlCommand.IoasAllowIovas:
                hasAnswer = false;
                if (arguments.Word(12) != 0) return Errno.EOPNOTSUPP;
                return TryAllow(arguments.Word(4), new UserRanges(Memory, arguments.Long(16), arguments.Word(8)));
            case IoctlCommand.IoasIovaRanges:
                return RunIovaRanges(arguments, out hasAnswer);
            case IoctlCommand.IoasMap:
                return RunMap(arguments, out hasAnswer);
            case IoctlCommand.IoasCopy:
                return RunCopy(arguments, out hasAnswer);
            case IoctlCommand.IoasUnmap:
                errno = TryUnmap(arguments.Word(4), arguments.Long(8), arguments.Long(16), out ulong unmapped);
                if (hasAnswer = errno == Errno.None) arguments.Put(16, unmapped);
                return errno;
            case IoctlCommand.Option:
                return RunOption(arguments, out hasAnswer);
            case IoctlCommand.VfioIoas:
                return RunVfioIoas(arguments, out hasAnswer);
            case IoctlCommand.HwptAllocate:
                return RunHwptAllocate(arguments, out made, out hasAnswer);
            case IoctlCommand.GetHardwareInfo:
                return RunHardwareInfo(arguments, out hasAnswer);
            case IoctlCommand.HwptSetDirtyTracking:
                hasAnswer = false;
                const uint Enable = 1;
                if ((arguments.Word(4) & ~Enable) != 0) return Errno.EOPNOTSUPP;
                return TrySetDirtyTracking(arguments.Word(8), (arguments.Word(4) & Enable) != 0);
            case IoctlCommand.HwptGetDirtyBitmap:
                hasAnswer = false;
                return RunDirtyBitmap(arguments);
            case IoctlCommand.HwptInvalidate:
                hasAnswer = true;
                errno = RunInvalidate(arguments, out uint done);
                arguments.Put(24, done);
                return errno;
            case IoctlCommand.FaultQueueAllocate:
                errno = TryAllocateFaultQueue(arguments.Word(4), out FaultQueue? faults);
                made = faults;
                if (faults is not null) arguments.Put(12, (uint)faults.File!.Descriptor);
                return Answer(errno, made, arguments, 8, out hasAnswer);
            case IoctlCommand.ViommuAllocate:
                var data = new UserData(arguments.Word(8), Memory, arguments.Long(32), arguments.Word(24));
                errno = TryAllocateViommu(arguments.Word(4), arguments.Word(12), arguments.Word(16), arguments.Word(8), in data, out made);
                return Answer(errno, made, arguments, 20, out hasAnswer);
            case IoctlCommand.VdeviceAllocate:
                errno = TryAllocateVdevice(arguments.Word(4), arguments.Word(8), arguments.Long(16), out made);
                return Answer(errno, made, arguments, 12, out hasAnswer);
            case IoctlCommand.IoasChangeProcess:
                hasAnswer = false;
                return arguments.Word(4) != 0 ? Errno.EOPNOTSUPP : TryChangeProcess();
            case IoctlCommand.VeventQueueAllocate:
                return RunVeventQueueAllocate(arguments, out made, out hasAnswer);
            case IoctlCommand.HardwareQueueAllocate:
                errno = TryAllocateHardwareQueue(
                    arguments.Word(4), arguments.Word(8), arguments.Word(12), arguments.Word(16), arguments.Long(24), arguments.Long(32), out made);
                return Answer(errno, made, arguments, 20, out hasAnswer);
            default:
                hasAnswer = false;
                return Errno.EOPNOTSUPP;   // Known to the kernel, and not offered here.
        }
    }

    private static Errno Answer(Errno errno, IommufdObject? made, IoctlArguments arguments, int idOffset, out bool hasAnswer)
    {
        hasAnswer = errno == Errno.None;
        if (hasAnswer) arguments.Put(idOffset, made!.Id);
        return errno;
    }

    private Errno RunIovaRanges(IoctlArguments arguments, out bool hasAnswer)
    {
        hasAnswer = false;
        if (arguments.Word(12) != 0) return Errno.EOPNOTSUPP;
        using var space = Objects.Borrow<Ioas>(arguments.Word(4));
        if (space.IsMissing) return Errno.ENOENT;
        List<IovaRange> ranges = space.Object.UsableRanges(out ulong alignment);
        int fitting = (int)Math.Min(arguments.Word(8), (uint)ranges.Count);
        Span<byte> element = stackalloc byte[UserRanges.SizeBytes];
        for (int index = 0; index < fitting; index++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(element, ranges[index].First);
            BinaryPrimitives.WriteUInt64LittleEndian(element[8..], ranges[index].Last);
            if (!Memory.TryWrite(arguments.Long(16) + ((ulong)index * UserRanges.SizeBytes), element)) return Errno.EFAULT;
        }

        hasAnswer = true;
        arguments.Put(8, (uint)ranges.Count);
        arguments.Put(24, alignment);
        return fitting < ranges.Count ? Errno.EMSGSIZE : Errno.None;
    }

    private Errno RunMap(IoctlArguments arguments, out bool hasAnswer)
    {
        hasAnswer = false;
        var flags = (MapFlags)arguments.Word(4);
        if ((flags & ~AllMapFlags) != 0 || arguments.Word(12) != 0) return Errno.EOPNOTSUPP;
        ulong iova = arguments.Long(32);
        Errno errno = TryMap(arguments.Word(8), flags, arguments.Long(16), arguments.Long(24), ref iova);
        if (hasAnswer = errno == Errno.None) arguments.Put(32, iova);
        return errno;
    }

    private Errno RunCopy(IoctlArguments arguments, out bool hasAnswer)
    {
        ulong iova = arguments.Long(24);
        Errno errno = TryCopy(
            arguments.Word(8), arguments.Word(12), (MapFlags)arguments.Word(4), arguments.Long(16), arguments.Long(32), ref iova);
        if (hasAnswer = errno == Errno.None) arguments.Put(24, iova);
        return errno;
    }

    private Errno RunOption(IoctlArguments arguments, out bool hasAnswer)
    {
        const ushort Set = 0;
        const ushort Get = 1;
        hasAnswer = false;
        if (arguments.Half(10) != 0 || arguments.Half(8) > Get) return Errno.EOPNOTSUPP;
        if (arguments.Half(8) == Set) return TrySetOption(arguments.Word(4), arguments.Word(12), arguments.Long(16));
        Errno errno = TryGetOption(arguments.Word(4), arguments.Word(12), out ulong value);
        if (hasAnswer = errno == Errno.None) arguments.Put(16, value);
        return errno;
    }

    private Errno RunVfioIoas(IoctlArguments arguments, out bool hasAnswer)
    {
        const ushort Get = 0;
        const ushort Set = 1;
        const ushort Clear = 2;
        hasAnswer = false;
        if (arguments.Half(10) != 0) return Errno.EOPNOTSUPP;
        switch (arguments.Half(8))
        {
            case Get:
                Errno errno = TryGetCompatibleIoas(out uint ioas);
                if (hasAnswer = errno == Errno.None) arguments.Put(4, ioas);
                return errno;
            case Set:
                return arguments.Word(4) == 0 ? Errno.ENOENT : TrySetCompatibleIoas(arguments.Word(4));
            case Clear:
                return TrySetCompatibleIoas(0);
            default:
                return Errno.EOPNOTSUPP;
        }
    }

    private Errno RunHwptAllocate(IoctlArguments arguments, out IommufdObject? made, out bool hasAnswer)
    {
        made = null;
        hasAnswer = false;
        if (arguments.Word(20) != 0) return Errno.EOPNOTSUPP;
        var data = new UserData(arguments.Word(24), Memory, arguments.Long(32), arguments.Word(28));
        Errno errno = TryAllocateHwpt(
            arguments.Word(8), arguments.Word(12), (HwptFlags)arguments.Word(4), in data, arguments.Word(40), out made);
        return Answer(errno, made, arguments, 16, out hasAnswer);
    }

    private Errno RunHardwareInfo(IoctlArguments arguments, out bool hasAnswer)
    {
        const uint InputType = 1;
        hasAnswer = false;
        uint flags = arguments.Word(4);
        bool hasReserved = (arguments.Byte(29) | arguments.Byte(30) | arguments.Byte(31)) != 0;
        if ((flags & ~InputType) != 0 || hasReserved) return Errno.EOPNOTSUPP;
        uint type = (flags & InputType) != 0 ? arguments.Word(24) : IommuTypes.HardwareInfoDefault;
        Errno errno = TryGetHardwareInfo(arguments.Word(8), type, out HardwareInfo info);
        if (errno != Errno.None) return errno;
        if (!TryWriteInformation(arguments.Long(16), arguments.Word(12), info.Information.Span)) return Errno.EFAULT;
        hasAnswer = true;
        arguments.Put(12, (uint)info.Information.Length);
        arguments.Put(24, info.Type);
        arguments.PutByte(28, (byte)info.MaxPasidLog2);
        arguments.Put(32, (ulong)info.Capabilities);
        return Errno.None;
    }

    // What is left of the user's buffer becomes zero.
    private bool TryWriteInformation(ulong address, uint room, ReadOnlySpan<byte> information)
    {
        int fitting = (int)Math.Min(room, (uint)information.Length);
        if (fitting != 0 && !Memory.TryWrite(address, information[..fitting])) return false;
        Span<byte> zeros = stackalloc byte[256];
        zeros.Clear();
        for (ulong at = (ulong)fitting; at < room; at += (ulong)zeros.Length)
        {
            if (!Memory.TryWrite(address + at, zeros[..(int)Math.Min((ulong)zeros.Length, room - at)])) return false;
        }

        return true;
    }

    private Errno RunDirtyBitmap(IoctlArguments arguments)
    {
        const uint NoClear = 1;
        uint flags = arguments.Word(8);
        if ((flags & ~NoClear) != 0 || arguments.Word(12) != 0) return Errno.EOPNOTSUPP;
        ulong iova = arguments.Long(16);
        ulong length = arguments.Long(24);
        ulong pageBytes = arguments.Long(32);
        ulong bitmap = arguments.Long(40);
        return TryGetDirtyBitmap(
            arguments.Word(4), iova, length, pageBytes, (flags & NoClear) == 0, () => new DirtyBitmap(Memory, bitmap, iova, length, pageBytes));
    }

    private Errno RunInvalidate(IoctlArguments arguments, out uint done)
    {
        done = 0;
        if (arguments.Word(28) != 0) return Errno.EOPNOTSUPP;
        uint count = arguments.Word(24);
        uint entryLength = arguments.Word(20);
        ulong entries = arguments.Long(8);
        if (count != 0 && (entries == 0 || entryLength == 0)) return Errno.EINVAL;
        return TryInvalidate(arguments.Word(4), new UserArray(arguments.Word(16), Memory, entries, entryLength, count), out done);
    }

    private Errno RunVeventQueueAllocate(IoctlArguments arguments, out IommufdObject? made, out bool hasAnswer)
    {
        made = null;
        hasAnswer = false;
        if (arguments.Word(28) != 0) return Errno.EOPNOTSUPP;
        Errno errno = TryAllocateVeventQueue(arguments.Word(4), arguments.Word(8), arguments.Word(12), arguments.Word(16), out VeventQueue? queue);
        made = queue;
        if (queue is not null) arguments.Put(24, (uint)queue.File!.Descriptor);
        return Answer(errno, made, arguments, 20, out hasAnswer);
    }

    private void Withdraw(IommufdObject made)
    {
        switch (made)
        {
            case FaultQueue faults:
                faults.File!.Dispose();
                break;
            case VeventQueue events:
                events.File!.Dispose();
                break;
        }

        Abandon(made);
    }
}
