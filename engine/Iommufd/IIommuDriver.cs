namespace Smmu.Fast.Iommufd;

/// <summary>One IOMMU as iommufd drives it: makes page tables and vIOMMUs for the devices behind it.</summary>
/// <remarks>
/// Methods that allocate or attach are called by one thread at a time for each <see cref="IommufdContext"/>, with its locks
/// held: do not call back into the context from them. Contexts do not know one another. A method that answers an error has
/// changed nothing.
/// </remarks>
public interface IIommuDriver
{
    /// <summary>Makes an empty page table for an address space.</summary>
    /// <param name="request">For whom and what for.</param>
    /// <param name="data">What the user added; has no data when nothing was.</param>
    /// <param name="domain">The page table, with the answer None.</param>
    /// <returns>None; EOPNOTSUPP for flags or data that this IOMMU has no page table for; ENOSPC or EBUSY when tags are used
    /// up; ENOMEM.</returns>
    Errno AllocatePaging(in PagingRequest request, in UserData data, out IPagingDomain? domain);

    /// <summary>Makes a nested page table directly on a parent; an SMMU offers that only through a vIOMMU.</summary>
    /// <param name="request">For whom and what for.</param>
    /// <param name="parent">The parent, which this driver made.</param>
    /// <param name="data">The guest's configuration.</param>
    /// <param name="domain">The nested one, with the answer None.</param>
    /// <returns>None; EOPNOTSUPP when this is not offered; EINVAL, EFAULT or E2BIG for bad data.</returns>
    Errno AllocateNested(in NestedRequest request, IPagingDomain parent, in UserData data, out INestedDomain? domain);

    /// <summary>Whether a device can have a vIOMMU of a type.</summary>
    /// <param name="device">A device behind this IOMMU.</param>
    /// <param name="type">The type, above 0.</param>
    bool SupportsViommu(IIommuDevice device, uint type);

    /// <summary>Makes a vIOMMU on a stage 2 page table.</summary>
    /// <param name="request">For whom and of what type, one that is supported.</param>
    /// <param name="data">What the user added; may take an answer.</param>
    /// <param name="viommu">The vIOMMU, with the answer None.</param>
    /// <returns>None; EINVAL when the parent belongs to another IOMMU; ENOSPC; errors of the data.</returns>
    Errno CreateViommu(in ViommuRequest request, in UserData data, out IViommu? viommu);

    /// <summary>Tells what the hardware is.</summary>
    /// <param name="device">The device that is asked for.</param>
    /// <param name="type">The wanted type of answer, 0 for any; becomes the type of the answer, 0 for none at all.</param>
    /// <param name="information">The answer as the type lays it out.</param>
    /// <returns>None; EOPNOTSUPP for a type that this IOMMU does not have.</returns>
    Errno GetHardwareInfo(IIommuDevice device, ref uint type, out ReadOnlyMemory<byte> information);
}

/// <summary>What a page table is made for.</summary>
/// <param name="Context">The context; its <see cref="IommufdContext.Options"/> say whose VMID a stage 2 gets.</param>
/// <param name="Device">The device to be attached.</param>
/// <param name="Flags">Of the request, without <see cref="HwptFlags.FaultIdValid"/>.</param>
public readonly record struct PagingRequest(IommufdContext Context, IIommuDevice Device, HwptFlags Flags);

/// <summary>What a nested page table is made for.</summary>
/// <param name="Device">The device to be attached.</param>
/// <param name="Flags">Of the request, without <see cref="HwptFlags.FaultIdValid"/>.</param>
public readonly record struct NestedRequest(IIommuDevice Device, HwptFlags Flags);

/// <summary>What a vIOMMU is made for.</summary>
/// <param name="Context">The context.</param>
/// <param name="Device">A device behind the IOMMU.</param>
/// <param name="Parent">The stage 2 page table.</param>
/// <param name="Type">The type.</param>
/// <param name="Host">What the vIOMMU calls.</param>
public readonly record struct ViommuRequest(
    IommufdContext Context, IIommuDevice Device, IPagingDomain Parent, uint Type, IViommuHost Host);
