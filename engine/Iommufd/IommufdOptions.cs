namespace Smmu.Fast.Iommufd;

/// <summary>Limits and policies of an <see cref="IommufdContext"/>.</summary>
public sealed record IommufdOptions
{
    /// <summary>Objects that can exist at a time, 1 to 2^31 - 1; above it, allocations end with ENOMEM.</summary>
    public int MaxObjects { get; init; } = 1 << 20;

    /// <summary>Allowed ranges that an IOAS takes, 0 to 2^31 - 1; above it, ALLOW_IOVAS ends with ENOMEM.</summary>
    public int MaxAllowedRanges { get; init; } = 1 << 16;

    /// <summary>How long DESTROY waits for requests that still work with the object, before it ends with EBUSY.</summary>
    public TimeSpan DestroyPatience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Who owns a VMID.</summary>
    public VmidPolicy VmidPolicy { get; init; } = VmidPolicy.PerDomain;

    /// <summary>Where VMIDs come from with <see cref="VmidPolicy.External"/>; null otherwise.</summary>
    public IVmidSource? VmidSource { get; init; }
}
