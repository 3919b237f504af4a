namespace Smmu.Fast.Iommufd;

/// <summary>Who uses mapped memory from software: an emulated device, a mediated one.</summary>
public interface IAccessOwner
{
    /// <summary>
    /// A range is about to be unmapped: unpin what of it is pinned, before returning or soon. Called without locks, on the
    /// thread that unmaps; ranges that were never pinned may be named, too.
    /// </summary>
    /// <param name="iova">First address.</param>
    /// <param name="length">Size in bytes.</param>
    void Unmap(ulong iova, ulong length);
}
