namespace Smmu.Fast.Iommufd;

/// <summary>How a range is mapped.</summary>
[Flags]
public enum MapFlags : uint
{
    /// <summary>At an address that is chosen here, without permissions: not a valid request by itself.</summary>
    None = 0,

    /// <summary>At the address of the request, not at one that is chosen here.</summary>
    FixedIova = 1,

    /// <summary>Devices may write.</summary>
    Writeable = 2,

    /// <summary>Devices may read.</summary>
    Readable = 4,
}

/// <summary>What a hardware page table is for.</summary>
[Flags]
public enum HwptFlags : uint
{
    /// <summary>A plain page table.</summary>
    None = 0,

    /// <summary>It can be the parent of nested ones: stage 2 of an SMMU.</summary>
    NestParent = 1,

    /// <summary>Its dirty state can be read; devices that cannot tell are refused.</summary>
    DirtyTracking = 2,

    /// <summary>Page faults of its devices go to a fault queue.</summary>
    FaultIdValid = 4,

    /// <summary>It may be attached to PASIDs.</summary>
    Pasid = 8,
}

/// <summary>What a device and its IOMMU can do, as GET_HW_INFO tells.</summary>
[Flags]
public enum HardwareCapabilities : ulong
{
    /// <summary>Nothing special.</summary>
    None = 0,

    /// <summary>Dirty state can be tracked.</summary>
    DirtyTracking = 1,

    /// <summary>Requests with PASID can ask for execute permission.</summary>
    PasidExecute = 2,

    /// <summary>Requests with PASID can be privileged.</summary>
    PasidPrivileged = 4,

    /// <summary>ATS cannot be used.</summary>
    AtsNotSupported = 8,
}

/// <summary>What a user of mapped memory wants of it, and how.</summary>
[Flags]
public enum AccessFlags : uint
{
    /// <summary>To read it.</summary>
    None = 0,

    /// <summary>To write it, too.</summary>
    Write = 1,

    /// <summary>To pin the pages for the copy, even when they could be reached without.</summary>
    ThroughPins = 2,
}

/// <summary>An option of an IOAS or of the context.</summary>
public enum IommufdOption : uint
{
    /// <summary>
    /// Who is charged for pinned memory: the user (0, the default) or the process (1). An option of the context, set before it
    /// has objects. <see cref="IUserMemory.Pin"/> charges, so whoever implements it asks for this.
    /// </summary>
    RlimitMode = 0,

    /// <summary>Whether mappings may be larger than a page, and finer than one: 1 (default) or 0.</summary>
    HugePages = 1,
}

/// <summary>Permissions of a mapping in a paging domain.</summary>
[Flags]
public enum DomainPermissions : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Reads.</summary>
    Read = 1,

    /// <summary>Writes.</summary>
    Write = 2,
}

/// <summary>Numbers of data types that the kernel's interface gives to IOMMUs.</summary>
public static class IommuTypes
{
    /// <summary>Hardware page table data: none.</summary>
    public const uint HwptDataNone = 0;

    /// <summary>Hardware page table data of the SMMUv3: the first two words of an STE.</summary>
    public const uint HwptDataSmmuV3 = 2;

    /// <summary>Hardware info that the driver chooses; as an answer: there is none.</summary>
    public const uint HardwareInfoDefault = 0;

    /// <summary>Hardware info of the SMMUv3: flags, a reserved word, IDR0 to IDR5, IIDR and AIDR.</summary>
    public const uint HardwareInfoSmmuV3 = 2;

    /// <summary>Invalidation entries of the SMMUv3: commands of 16 bytes.</summary>
    public const uint InvalidateSmmuV3 = 1;

    /// <summary>A vIOMMU, and its event queue, of the SMMUv3.</summary>
    public const uint ViommuSmmuV3 = 1;
}
