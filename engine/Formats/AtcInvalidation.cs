namespace Smmu.Fast.Formats;

/// <summary>An ATS Invalidate Request, as CMD_ATC_INV sends it to an endpoint (IHI 0070, 4.5.1).</summary>
/// <param name="Stream">The endpoint.</param>
/// <param name="Substream">The PASID; none when the request has none.</param>
/// <param name="Global">Global Invalidate: entries of every PASID go. Never without a PASID.</param>
/// <param name="Address">The first untranslated address, aligned to the span.</param>
/// <param name="SizeLog2">log2 of the bytes of the span, 12 to 64.</param>
/// <param name="Token">Names the request to <c>SmmuDevice.CompleteInvalidation</c>; never 0.</param>
public readonly record struct AtcInvalidation(
    StreamId Stream, SubstreamId? Substream, bool Global, ulong Address, byte SizeLog2, uint Token)
{
    /// <summary>True when the span is the whole address space.</summary>
    public bool IsEverything => SizeLog2 >= 64;

    /// <summary>The last untranslated address of the span.</summary>
    public ulong LastAddress => IsEverything ? ulong.MaxValue : Address | ((1UL << SizeLog2) - 1);

    /// <summary>True when the span has an address.</summary>
    public bool Contains(ulong address) => address >= Address && address <= LastAddress;
}
