namespace Smmu.Fast.Iommufd;

/// <summary>A range of I/O virtual addresses, both ends included.</summary>
/// <param name="First">The first address.</param>
/// <param name="Last">The last address, not below <paramref name="First"/>.</param>
public readonly record struct IovaRange(ulong First, ulong Last)
{
    internal bool Overlaps(ulong first, ulong last) => First <= last && Last >= first;
}
