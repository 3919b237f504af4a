using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

/// <summary>What is known of a page fault.</summary>
[Flags]
public enum PageFaultFlags : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The PASID counts.</summary>
    PasidValid = 1,

    /// <summary>The last fault of its group.</summary>
    LastPage = 2,
}

/// <summary>What a device wanted when it met a page fault.</summary>
[Flags]
public enum PageFaultPermissions : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>To read.</summary>
    Read = 1,

    /// <summary>To write.</summary>
    Write = 2,

    /// <summary>To execute.</summary>
    Execute = 4,

    /// <summary>With privilege.</summary>
    Privileged = 8,
}

/// <summary>The answer to page faults.</summary>
public enum FaultResponse : uint
{
    /// <summary>The pages are there now: try again.</summary>
    Success = 0,

    /// <summary>There will be none: end the access.</summary>
    Invalid = 1,
}

/// <summary>A page fault of a device.</summary>
/// <param name="Flags">What of it counts.</param>
/// <param name="Pasid">PASID; 20 bits.</param>
/// <param name="Group">Group that the device gave.</param>
/// <param name="Permissions">What it wanted.</param>
/// <param name="Address">Where.</param>
/// <param name="Length">How many bytes; 0 when that is not known.</param>
public readonly record struct PageFault(
    PageFaultFlags Flags, uint Pasid, uint Group, PageFaultPermissions Permissions, ulong Address, uint Length);

/// <summary>A page fault as its reader sees it.</summary>
/// <param name="Fault">The fault.</param>
/// <param name="DeviceId">Id of the device.</param>
/// <param name="Cookie">Names its group in the answer.</param>
public readonly record struct PageFaultRecord(PageFault Fault, uint DeviceId, uint Cookie)
{
    /// <summary>Bytes of a record in a fault queue's file.</summary>
    public const int SizeBytes = 40;

    /// <summary>Takes a record from the bytes that the file gave.</summary>
    /// <param name="bytes">40 bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer.</exception>
    public static PageFaultRecord Read(ReadOnlySpan<byte> bytes) => new(
        new PageFault(
            (PageFaultFlags)Word(bytes, 0),
            Word(bytes, 8),
            Word(bytes, 12),
            (PageFaultPermissions)Word(bytes, 16),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]),
            Word(bytes, 32)),
        Word(bytes, 4),
        Word(bytes, 36));

    internal void Write(Span<byte> bytes)
    {
        bytes[..SizeBytes].Clear();
        Put(bytes, 0, (uint)Fault.Flags);
        Put(bytes, 4, DeviceId);
        Put(bytes, 8, Fault.Pasid);
        Put(bytes, 12, Fault.Group);
        Put(bytes, 16, (uint)Fault.Permissions);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], Fault.Address);
        Put(bytes, 32, Fault.Length);
        Put(bytes, 36, Cookie);
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static void Put(Span<byte> bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);
}
