using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tlbs;

/// <summary>The entries of one context and size in the TLB: those that a stream met last, and is likely to meet next.</summary>
/// <remarks>Holds what a look-up would have to fetch and compute anew each time. The default value finds nothing.</remarks>
internal readonly unsafe struct FavouredEntries
{
    private readonly TlbSet* sets;
    private readonly ulong keyBits;
    private readonly ulong setMask;
    private readonly ulong inEntry;
    private readonly byte sizeLog2;
    private readonly byte setBits;
    private readonly byte pageShift;

    public FavouredEntries(TlbSet* sets, ulong keyBits, ulong setMask, int sizeLog2, int setBits, int pageShift)
    {
        this.sets = sets;
        this.keyBits = keyBits;
        this.setMask = setMask;
        inEntry = ((1UL << sizeLog2) - 1) & TranslationResult.PageMask;
        this.sizeLog2 = (byte)sizeLog2;
        this.setBits = (byte)setBits;
        this.pageShift = (byte)pageShift;
    }

    /// <summary>True unless it is the default value.</summary>
    public bool Exist
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => sets != null;
    }

    /// <summary>log2 of the bytes of each of them.</summary>
    public int SizeLog2 => sizeLog2;

    /// <summary>Where the entry of an address is, or would be. They have to exist.</summary>
    /// <param name="address">The input address; bits [63:56] do not count.</param>
    /// <param name="key">The key of the entry.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TlbSet* Locate(ulong address, out ulong key)
    {
        ulong page = (address & ((1UL << AddressRange.Bits) - 1)) >> sizeLog2;
        key = ((page >> setBits) << pageShift) | keyBits;
        return sets + ((page + SharedTlb.BeginningOf(key)) & setMask);
    }

    /// <summary>Makes the payload of an entry that of an address in it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong PayloadAt(ulong payload, ulong address) => (payload & ~inEntry) | (address & inEntry);
}
