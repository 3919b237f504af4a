using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>Lets go of nothing when it is told to.</summary>
internal sealed class SilentOwner : IAccessOwner
{
    public void Unmap(ulong iova, ulong length)
    {
    }
}
