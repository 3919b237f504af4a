using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

/// <summary>The commands of <see cref="IommufdContext.Ioctl"/>: 0x3B00 and a number each, as the kernel encodes them.</summary>
public enum IoctlCommand : uint
{
    /// <summary>IOMMU_DESTROY.</summary>
    Destroy = 0x3b80,

    /// <summary>IOMMU_IOAS_ALLOC.</summary>
    IoasAllocate = 0x3b81,

    /// <summary>IOMMU_IOAS_ALLOW_IOVAS.</summary>
    IoasAllowIovas = 0x3b82,

    /// <summary>IOMMU_IOAS_COPY.</summary>
    IoasCopy = 0x3b83,

    /// <summary>IOMMU_IOAS_IOVA_RANGES.</summary>
    IoasIovaRanges = 0x3b84,

    /// <summary>IOMMU_IOAS_MAP.</summary>
    IoasMap = 0x3b85,

    /// <summary>IOMMU_IOAS_UNMAP.</summary>
    IoasUnmap = 0x3b86,

    /// <summary>IOMMU_OPTION.</summary>
    Option = 0x3b87,

    /// <summary>IOMMU_VFIO_IOAS.</summary>
    VfioIoas = 0x3b88,

    /// <summary>IOMMU_HWPT_ALLOC.</summary>
    HwptAllocate = 0x3b89,

    /// <summary>IOMMU_GET_HW_INFO.</summary>
    GetHardwareInfo = 0x3b8a,

    /// <summary>IOMMU_HWPT_SET_DIRTY_TRACKING.</summary>
    HwptSetDirtyTracking = 0x3b8b,

    /// <summary>IOMMU_HWPT_GET_DIRTY_BITMAP.</summary>
    HwptGetDirtyBitmap = 0x3b8c,

    /// <summary>IOMMU_HWPT_INVALIDATE.</summary>
    HwptInvalidate = 0x3b8d,

    /// <summary>IOMMU_FAULT_QUEUE_ALLOC.</summary>
    FaultQueueAllocate = 0x3b8e,

    /// <summary>IOMMU_IOAS_MAP_FILE: not implemented, EOPNOTSUPP.</summary>
    IoasMapFile = 0x3b8f,

    /// <summary>IOMMU_VIOMMU_ALLOC.</summary>
    ViommuAllocate = 0x3b90,

    /// <summary>IOMMU_VDEVICE_ALLOC.</summary>
    VdeviceAllocate = 0x3b91,

    /// <summary>IOMMU_IOAS_CHANGE_PROCESS.</summary>
    IoasChangeProcess = 0x3b92,

    /// <summary>IOMMU_VEVENTQ_ALLOC.</summary>
    VeventQueueAllocate = 0x3b93,

    /// <summary>IOMMU_HW_QUEUE_ALLOC.</summary>
    HardwareQueueAllocate = 0x3b94,
}

/// <summary>The structure of a command: its fields by offset in bytes.</summary>
internal readonly ref struct IoctlArguments(Span<byte> bytes)
{
    public const int MostBytes = 48;

    private readonly Span<byte> bytes = bytes;

    /// <summary>Size of the structure, and the least that a caller must know of it.</summary>
    public static (int Size, int Least) LayoutOf(IoctlCommand command) => command switch
    {
        IoctlCommand.Destroy or IoctlCommand.IoasChangeProcess => (8, 8),
        IoctlCommand.IoasAllocate or IoctlCommand.VfioIoas => (12, 12),
        IoctlCommand.HwptSetDirtyTracking or IoctlCommand.FaultQueueAllocate => (16, 16),
        IoctlCommand.IoasAllowIovas or IoctlCommand.IoasUnmap or IoctlCommand.Option or IoctlCommand.VdeviceAllocate => (24, 24),
        IoctlCommand.IoasIovaRanges or IoctlCommand.HwptInvalidate => (32, 32),
        IoctlCommand.VeventQueueAllocate => (32, 28),
        IoctlCommand.IoasCopy or IoctlCommand.IoasMap or IoctlCommand.IoasMapFile or IoctlCommand.HardwareQueueAllocate => (40, 40),
        IoctlCommand.GetHardwareInfo => (40, 32),
        IoctlCommand.ViommuAllocate => (40, 24),
        IoctlCommand.HwptGetDirtyBitmap => (48, 48),
        IoctlCommand.HwptAllocate => (48, 24),
        _ => default,
    };

    public byte Byte(int offset) => bytes[offset];

    public ushort Half(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    public uint Word(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    public ulong Long(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);

    public void PutByte(int offset, byte value) => bytes[offset] = value;

    public void Put(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);

    public void Put(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(bytes[offset..], value);
}
