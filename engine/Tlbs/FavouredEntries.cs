using System.Runtime.CompilerServices;

namespace Smmu.Fast.Tlbs;

/// <summary>The entries of one context and size in the TLB: those that a stream met last, and is likely to meet next.</summary>
/// <remarks>Holds what a look-up would have to fetch and compute anew each time. The default value finds nothing.</remarks>
internal readonly unsafe struct FavouredEntries
{
    private readonly TlbSet* sets;
    private readonly ulong keyBits;
    private readonly ulong setMask;
    private readonly byte sizeLog2;
    private readonly byte setBits;
    private readonly byte pageShift;

    public FavouredEntries(TlbSet* sets, ulong keyBits, ulong setMask, int sizeLog2, int setBits, int pageShift)
    {
        this.sets = sets;
        this.keyBits = keyBits;
        this.setMask = setMask;
        this.sizeLog2 = (byte)sizeLog2;
        this.setBits = (byte)setBits;
        this.pageShift = (byte)pageShift;
    }

    /// <summary>True for entries that they are of.</summary>
    public bool Are(ulong bits) => sets != null && keyBits == bits;

    /// <summary>Finds the payload of an address, as <see cref="SharedTlb.TryFind"/> does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFind(ulong address, out ulong payload)
    {
        if (sets == null)
        {
            payload = 0;
            return false;
        }

        ulong page = (address & ((1UL << AddressRange.Bits) - 1)) >> sizeLog2;
        ulong key = ((page >> setBits) << pageShift) | keyBits;
        TlbSet* set = sets + ((page + SharedTlb.BeginningOf(key)) & setMask);
        if (!set->TryRead(key, out payload)) return false;
        ulong inEntry = (1UL << sizeLog2) - 1;
        payload = (payload & ~(inEntry & Formats.TranslationResult.PageMask)) | (address & inEntry & Formats.TranslationResult.PageMask);
        return true;
    }
}
