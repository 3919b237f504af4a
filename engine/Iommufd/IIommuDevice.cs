namespace Smmu.Fast.Iommufd;

/// <summary>A device behind an IOMMU, as its driver shows it.</summary>
public interface IIommuDevice
{
    /// <summary>The IOMMU.</summary>
    IIommuDriver Iommu { get; }

    /// <summary>What the device cannot be isolated from: devices with equal groups have the same page table, and are moved
    /// together. Null: it cannot be bound (ENODEV).</summary>
    object? Group { get; }

    /// <summary>Its DMA is coherent with the caches of CPUs; else it cannot be bound (EINVAL).</summary>
    bool IsCoherent => true;

    /// <summary>Its interrupts cannot forge those of others; else it cannot be bound (EPERM).</summary>
    bool IsMsiIsolated => true;

    /// <summary>It is a virtual function with PRI: page tables with a fault queue are not for it (EINVAL).</summary>
    bool IsVirtualFunctionWithPri => false;

    /// <summary>log2 of its PASIDs, 0 to 20; 0 when PASIDs are off.</summary>
    int MaxPasidLog2 { get; }

    /// <summary>What it can do.</summary>
    HardwareCapabilities Capabilities { get; }

    /// <summary>Addresses that its DMA does not reach memory with: an MSI window.</summary>
    IReadOnlyList<IovaRange> ReservedRanges { get; }

    /// <summary>Takes the device for an owner; several devices of a group may have the same one.</summary>
    /// <param name="owner">Compared by reference.</param>
    /// <returns>None; EPERM when another owner has it; EBUSY when a driver uses it.</returns>
    Errno Claim(object owner) => Errno.None;

    /// <summary>Undoes one <see cref="Claim"/>.</summary>
    /// <param name="owner">Who claimed it.</param>
    void Disclaim(object owner)
    {
    }

    /// <summary>Attaches the device to a page table, in place of another one if there is one.</summary>
    /// <param name="pasid">The PASID; 0 for requests without one.</param>
    /// <param name="domain">The page table, of any IOMMU.</param>
    /// <param name="previous">What is attached now, and stays on failure; null when nothing is.</param>
    /// <param name="faults">Takes page faults, when the page table has a fault queue.</param>
    /// <returns>None; EINVAL when they do not fit together; other errors.</returns>
    Errno Attach(uint pasid, IDomain domain, IDomain? previous, IFaultSink? faults);

    /// <summary>Detaches: requests are blocked from now on, and no fault comes any more.</summary>
    /// <param name="pasid">The PASID; 0 for requests without one.</param>
    /// <param name="domain">What is attached.</param>
    void Detach(uint pasid, IDomain domain);
}
