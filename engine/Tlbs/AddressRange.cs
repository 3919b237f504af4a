namespace Smmu.Fast.Tlbs;

/// <summary>How much of an address TLB entries and invalidations compare.</summary>
internal static class AddressRange
{
    /// <summary>Bits [55:0]: above them there is a tag byte or copies of bit 55 (CMD-TLBI-19).</summary>
    public const int Bits = 56;
}
