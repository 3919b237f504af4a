using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

/// <content>The container of VFIO's type 1 IOMMU, on top of the address space that VFIO_IOAS has chosen.</content>
public sealed partial class IommufdContext
{
    private const int VfioInfoBytes = 24;
    private const int VfioInfoLeast = 16;    // Up to the page sizes: older callers know of no capabilities.
    private const int VfioMapBytes = 32;
    private const int VfioUnmapBytes = 24;
    private const int VfioRangesOffset = VfioInfoBytes + 16;   // Behind the capability of 12 bytes, aligned.

    private int RunVfioContainer(uint command, ulong argument)
    {
        switch ((VfioContainerCommand)command)
        {
            case VfioContainerCommand.GetApiVersion:
                return 0;
            case VfioContainerCommand.CheckExtension:
                return CheckVfioExtension(argument);
            case VfioContainerCommand.SetIommu:
                return -(int)SetVfioIommu(argument);
            case VfioContainerCommand.GetInfo:
                return -(int)GetVfioInfo(argument);
            case VfioContainerCommand.MapDma:
                return -(int)MapVfio(argument);
            case VfioContainerCommand.UnmapDma:
                return -(int)UnmapVfio(argument);
            default:
                return -(int)Errno.ENOTTY;
        }
    }

    private int CheckVfioExtension(ulong extension)
    {
        switch (extension)
        {
            case (ulong)VfioExtension.Type1:
            case (ulong)VfioExtension.Type1Version2:
            case (ulong)VfioExtension.UnmapAll:
                return 1;
            case (ulong)VfioExtension.CoherentDma:
                using (var space = BorrowCompatible())
                {
                    return space.IsMissing ? -(int)Errno.ENODEV : space.Object.IsCoherent ? 1 : 0;
                }

            default:
                return 0;
        }
    }

    private Errno SetVfioIommu(ulong type)
    {
        if (type is not ((ulong)VfioExtension.Type1 or (ulong)VfioExtension.Type1Version2)) return Errno.EINVAL;
        using var space = BorrowCompatible();
        if (space.IsMissing) return Errno.ENODEV;
        return type == (ulong)VfioExtension.Type1 ? space.Object.SetHugePages(0) : Errno.None;
    }

    private Errno GetVfioInfo(ulong argument)
    {
        const uint HasPageSizes = 1;
        const uint HasCapabilities = 2;
        Span<byte> bytes = stackalloc byte[VfioInfoBytes];
        bytes.Clear();
        if (!Memory.TryRead(argument, bytes[..VfioInfoLeast])) return Errno.EFAULT;
        var info = new IoctlArguments(bytes);
        uint room = info.Word(0);
        if (room < VfioInfoLeast) return Errno.EINVAL;
        using var space = BorrowCompatible();
        if (space.IsMissing) return Errno.ENODEV;

        byte[] capabilities = VfioCapabilities(space.Object);
        uint needed = (uint)(VfioInfoBytes + capabilities.Length);
        bool fits = room >= needed;
        if (fits && !Memory.TryWrite(argument + VfioInfoBytes, capabilities)) return Errno.EFAULT;
        info.Put(0, needed);
        info.Put(4, HasPageSizes | HasCapabilities);
        info.Put(8, space.Object.PageSizes);
        info.Put(16, fits ? (uint)VfioInfoBytes : 0);
        info.Put(20, 0u);
        return Memory.TryWrite(argument, bytes[..(int)Math.Min(room, VfioInfoBytes)]) ? Errno.None : Errno.EFAULT;
    }

    // What of DMA is left, which has no limit here, and the ranges that can be mapped. Offsets count from the structure before them.
    private static byte[] VfioCapabilities(Ioas space)
    {
        const ushort IovaRangeId = 1;
        const ushort DmaAvailableId = 3;
        const int HeaderBytes = 16;
        List<IovaRange> ranges = space.UsableRanges(out _);
        byte[] bytes = new byte[VfioRangesOffset - VfioInfoBytes + HeaderBytes + (ranges.Count * UserRanges.SizeBytes)];
        PutHeader(bytes, DmaAvailableId, VfioRangesOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), uint.MaxValue);

        Span<byte> list = bytes.AsSpan(VfioRangesOffset - VfioInfoBytes);
        PutHeader(list, IovaRangeId, next: 0);
        BinaryPrimitives.WriteUInt32LittleEndian(list[8..], (uint)ranges.Count);
        for (int index = 0; index < ranges.Count; index++)
        {
            Span<byte> element = list[(HeaderBytes + (index * UserRanges.SizeBytes))..];
            BinaryPrimitives.WriteUInt64LittleEndian(element, ranges[index].First);
            BinaryPrimitives.WriteUInt64LittleEndian(element[8..], ranges[index].Last);
        }

        return bytes;

        static void PutHeader(Span<byte> at, ushort id, uint next)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(at, id);
            BinaryPrimitives.WriteUInt16LittleEndian(at[2..], 1);   // The version.
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], next);
        }
    }

    private Errno MapVfio(ulong argument)
    {
        const uint Read = 1;
        const uint Write = 2;
        Span<byte> bytes = stackalloc byte[VfioMapBytes];
        if (!Memory.TryRead(argument, bytes)) return Errno.EFAULT;
        var map = new IoctlArguments(bytes);
        uint flags = map.Word(4);
        if (map.Word(0) < VfioMapBytes || (flags & ~(Read | Write)) != 0) return Errno.EINVAL;
        if (TryGetCompatibleIoas(out uint ioas) != Errno.None) return Errno.ENODEV;
        var permissions = MapFlags.FixedIova;
        if ((flags & Read) != 0) permissions |= MapFlags.Readable;
        if ((flags & Write) != 0) permissions |= MapFlags.Writeable;
        ulong iova = map.Long(16);
        return TryMap(ioas, permissions, map.Long(8), map.Long(24), ref iova);
    }

    private Errno UnmapVfio(ulong argument)
    {
        const uint All = 2;
        Span<byte> bytes = stackalloc byte[VfioUnmapBytes];
        if (!Memory.TryRead(argument, bytes)) return Errno.EFAULT;
        var unmap = new IoctlArguments(bytes);
        uint flags = unmap.Word(4);
        if (unmap.Word(0) < VfioUnmapBytes || (flags & ~All) != 0) return Errno.EINVAL;
        using var space = BorrowCompatible();
        if (space.IsMissing) return Errno.ENODEV;
        ulong iova = unmap.Long(8);
        ulong length = unmap.Long(16);
        IovaRange range;
        if ((flags & All) != 0)
        {
            if ((iova | length) != 0) return Errno.EINVAL;
            range = new IovaRange(0, ulong.MaxValue);
        }
        else
        {
            Errno errno = RangeOf(iova, length, out range);
            if (errno == Errno.None && space.Object.GetHugePages() == 0) errno = space.Object.Cut(range);
            if (errno != Errno.None) return errno;
        }

        Errno removal = space.Object.Unmap(range, mayBeEmpty: true, out ulong unmapped);
        if (removal != Errno.None) return removal;
        unmap.Put(16, unmapped);
        return Memory.TryWrite(argument, bytes) ? Errno.None : Errno.EFAULT;
    }

    private static Errno RangeOf(ulong iova, ulong length, out IovaRange range)
    {
        range = default;
        if (length == 0) return Errno.EINVAL;
        if (iova > ulong.MaxValue - (length - 1)) return Errno.EOVERFLOW;
        range = new IovaRange(iova, iova + (length - 1));
        return Errno.None;
    }

    private ObjectTable.Borrowed<Ioas> BorrowCompatible() =>
        TryGetCompatibleIoas(out uint ioas) == Errno.None ? Objects.Borrow<Ioas>(ioas) : default;
}
