namespace Smmu.Fast.Iommufd.Driver;

/// <summary>What a device behind an SMMU is like, as firmware and its own registers tell.</summary>
public sealed record SmmuEndpointOptions
{
    /// <summary>Devices with equal groups are not isolated from each other and move together; null: it is alone.</summary>
    public object? Group { get; init; }

    /// <summary>log2 of its PASIDs, 0 to 20; cut to what the SMMU has. With any it has a CD table of its own.</summary>
    public int MaxPasidLog2 { get; init; }

    /// <summary>It keeps translations and answers their invalidation (ATS); needs IDR0.ATS.</summary>
    public bool UsesAts { get; init; }

    /// <summary>Its accesses can wait for page faults to be answered: it may have a fault queue.</summary>
    public bool CanStall { get; init; }

    /// <summary>Its DMA is coherent with the caches of CPUs.</summary>
    public bool IsCoherent { get; init; } = true;

    /// <summary>Its interrupts cannot forge those of others.</summary>
    public bool IsMsiIsolated { get; init; } = true;

    /// <summary>Addresses that its DMA does not reach memory with, such as an MSI window.</summary>
    public IReadOnlyList<IovaRange> ReservedRanges { get; init; } = [];
}
