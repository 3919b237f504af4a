namespace Smmu.Fast.Iommufd;

/// <summary>
/// The commands of a VFIO container that <see cref="IommufdContext.Ioctl"/> takes as well, for the address space that VFIO_IOAS
/// has chosen.
/// </summary>
public enum VfioContainerCommand : uint
{
    /// <summary>VFIO_GET_API_VERSION: 0.</summary>
    GetApiVersion = 0x3b64,

    /// <summary>VFIO_CHECK_EXTENSION: whether the <see cref="VfioExtension"/> of the argument is there.</summary>
    CheckExtension = 0x3b65,

    /// <summary>VFIO_SET_IOMMU: type 1 in its first or second version; with the first, mappings can be unmapped in parts.</summary>
    SetIommu = 0x3b66,

    /// <summary>VFIO_IOMMU_GET_INFO: page sizes, and a chain of what else is known.</summary>
    GetInfo = 0x3b70,

    /// <summary>VFIO_IOMMU_MAP_DMA.</summary>
    MapDma = 0x3b71,

    /// <summary>VFIO_IOMMU_UNMAP_DMA.</summary>
    UnmapDma = 0x3b72,
}

/// <summary>What <see cref="VfioContainerCommand.CheckExtension"/> can be asked for; all else is not there.</summary>
public enum VfioExtension : uint
{
    /// <summary>Not an extension.</summary>
    None = 0,

    /// <summary>VFIO_TYPE1_IOMMU: the first version, in which parts of mappings can be unmapped.</summary>
    Type1 = 1,

    /// <summary>VFIO_TYPE1v2_IOMMU: mappings are unmapped as they were mapped.</summary>
    Type1Version2 = 3,

    /// <summary>VFIO_DMA_CC_IOMMU: DMA is coherent with caches, whatever a device asks for.</summary>
    CoherentDma = 4,

    /// <summary>VFIO_UNMAP_ALL: everything can be unmapped by one request.</summary>
    UnmapAll = 9,
}
