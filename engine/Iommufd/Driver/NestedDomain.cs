using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>What a guest has put into its STE, on the stage 2 of its vIOMMU's parent.</summary>
internal sealed class NestedDomain(SmmuViommu viommu, ulong word0, ulong word1, StreamConfiguration configuration) : INestedDomain
{
    /// <summary>Whose it is.</summary>
    public SmmuViommu Viommu => viommu;

    /// <summary>What the guest wants of the stream: stage 1, bypass or abort.</summary>
    public StreamConfiguration Configuration => configuration;

    /// <summary>False: the vIOMMU invalidates.</summary>
    public bool CanInvalidate => false;

    /// <inheritdoc/>
    public Errno Invalidate(in UserArray entries, out uint done)
    {
        done = 0;
        return Errno.EOPNOTSUPP;
    }

    /// <summary>The STE that the hardware gets.</summary>
    /// <param name="allowsAts">The host lets the device use ATS.</param>
    public StreamTableEntry Describe(bool allowsAts) => GuestStreamTableEntry.Join(
        word0, word1, viommu.Parent.Describe(viommu.Vmid, stalls: false), allowsAts);

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
