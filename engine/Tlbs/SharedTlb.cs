using System.Numerics;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>The TLB that all ports of a device share: set-associative, read without locks, an entry a leaf.</summary>
/// <remarks>
/// A set is one cache line: three keys, compared with one instruction, a version, and three payloads in the layout of
/// <see cref="TranslationResult"/>. A key holds the number of a context (<see cref="TlbContext"/>), the size of the entry, and
/// those bits of the page that the place of the set does not tell.
/// <para>
/// The version is odd while somebody writes the set. A reader takes the version, reads, and takes the version again:
/// what it read under an even and unchanged version belongs together. A filler closes the set first and then compares the
/// stamps that it read before its walk; an invalidation raises the stamps first and then looks at the sets. Both steps are
/// fenced, so either the filler sees the new stamp and leaves, or the invalidation sees a closed or filled set and waits for it
/// or empties it. Sizes are announced in the context before the same fence, for the same reason.
/// </para>
/// </remarks>
internal sealed unsafe class SharedTlb : IDisposable
{
    private const int SizeCodeBits = 4;
    private const int PageBits = AddressRange.Bits - PortTlb.PageLog2;

    private readonly NativeBlock block;
    private readonly TlbSet* sets;
    private readonly int setMask;
    private readonly int setBits;
    private readonly int numberBits;

    /// <summary>Makes an empty TLB.</summary>
    /// <param name="capacity">Places of 16 bytes, three of four for an entry; a power of two, at least 16.</param>
    public SharedTlb(int capacity)
    {
        Invariant.Holds(BitOperations.IsPow2(capacity) && capacity >= 16);
        int setCount = capacity / TlbSet.Places;
        setMask = setCount - 1;
        setBits = BitOperations.Log2((uint)setCount);
        numberBits = Math.Min(31, 64 - SizeCodeBits - (PageBits - setBits));
        block = new NativeBlock((ulong)setCount * (ulong)sizeof(TlbSet), sizeof(TlbSet));
        sets = (TlbSet*)block.Pointer;
    }

    /// <summary>Numbers of contexts that keys can tell apart, 0 left out.</summary>
    public uint Numbers => (1u << numberBits) - 1;

    /// <summary>Log2 of the sizes that an entry can have; others are kept as pieces of the next smaller one.</summary>
    private static ReadOnlySpan<byte> SizeCodes =>
    [
        // Index: log2 - 12.
        1, 0, 2, 0, 3, 0, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 7, 0, 13, 0, 8, 0, 9, 0, 0, 10, 14, 0, 11, 0, 15, 0, 0, 12,
    ];

    /// <summary>
    /// True for the size of a leaf or contiguous run: 4, 16, 64 KiB, 2, 32, 512 MiB, 1, 16, 64, 512 GiB, 4, 128 TiB; and for 4
    /// GiB, 1 and 16 TiB, to which the output size may cut a block.
    /// </summary>
    public static bool CanKeep(int sizeLog2) =>
        (uint)(sizeLog2 - PortTlb.PageLog2) < (uint)SizeCodes.Length && SizeCodes[sizeLog2 - PortTlb.PageLog2] != 0;

    /// <summary>The largest size an entry can have that is no larger than a leaf of at least 4 KiB.</summary>
    public static int LargestSizeUpTo(int leafLog2)
    {
        Invariant.Holds(leafLog2 >= PortTlb.PageLog2);
        int sizeLog2 = Math.Min(leafLog2, PortTlb.PageLog2 + SizeCodes.Length - 1);
        while (!CanKeep(sizeLog2)) sizeLog2--;
        return sizeLog2;
    }

    /// <summary>Finds the payload of an address.</summary>
    /// <param name="number">Number of the context.</param>
    /// <param name="sizes">Sizes of its entries.</param>
    /// <param name="address">The input address; bits [63:56] do not count.</param>
    /// <param name="payload">Its output page is that of the address.</param>
    /// <param name="sizeLog2">Its size.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFind(uint number, ulong sizes, ulong address, out ulong payload, out int sizeLog2)
    {
        for (; sizes != 0; sizes &= sizes - 1)
        {
            sizeLog2 = BitOperations.TrailingZeroCount(sizes);
            ulong key = KeyOf(number, address, sizeLog2, out int index);
            if (!sets[index].TryRead(key, out payload, out _)) continue;
            ulong inEntry = ((1UL << sizeLog2) - 1) & TranslationResult.PageMask;
            payload = (payload & ~inEntry) | (address & inEntry);
            return true;
        }

        sizeLog2 = 0;
        payload = 0;
        return false;
    }

    /// <summary>The entries of a context and size, for quick look-ups.</summary>
    public FavouredEntries Favour(uint number, int sizeLog2) => new(
        sets, KeyBitsOf(number, sizeLog2), (ulong)setMask, sizeLog2, setBits, SizeCodeBits + numberBits);

    /// <summary>What <see cref="Favour"/> knows a context and size by.</summary>
    public ulong KeyBitsOf(uint number, int sizeLog2) =>
        ((ulong)SizeCodes[sizeLog2 - PortTlb.PageLog2] << numberBits) | number;

    /// <summary>Where the pages of a context begin, before the number of sets is considered.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong BeginningOf(ulong key) => (key * 0x9e37_79b9_7f4a_7c15UL) >> 32;

    /// <summary>Keeps a payload, unless something was invalidated since the dates were read.</summary>
    public void Fill(
        uint number, int sizeLog2, ulong address, ulong payload, in InvalidationDates dates)
    {
        Invariant.Holds(CanKeep(sizeLog2) && number != 0 && number <= Numbers);
        ulong key = KeyOf(number, address, sizeLog2, out int index);
        sets[index].Fill(key, payload, in dates);
    }

    /// <summary>Removes the entries of a context and size in a range. The stamps have been raised, and a fence was passed.</summary>
    /// <remarks>
    /// A set is not closed for it. Whoever closed it before is waited for; whoever closes it later with old dates leaves it as it
    /// is, and with new ones loses an entry at worst; and a reader of what is removed is inside of a scope that began before.
    /// </remarks>
    /// <param name="number">Number of the context.</param>
    /// <param name="sizeLog2">Size of the entries.</param>
    /// <param name="first">The first address; bits [63:56] are 0.</param>
    /// <param name="last">The last address.</param>
    /// <param name="isAlone">Nobody reads or fills anything meanwhile.</param>
    public void Remove(uint number, int sizeLog2, ulong first, ulong last, bool isAlone)
    {
        ulong page = first >> sizeLog2;
        ulong lastPage = last >> sizeLog2;
        do
        {
            // Pages of one key lie in neighbouring sets, up to the last set.
            ulong key = KeyOfPage(number, page, sizeLog2);
            uint place = (uint)(page + BeginningOf(key)) & (uint)setMask;
            ulong count = Math.Min(Math.Min(lastPage, page | (uint)setMask) - page, (uint)setMask - place) + 1;
            if (isAlone) RemoveAlone(sets + place, (uint)count, key);
            else RemoveKey(sets + place, (uint)count, key);
            page += count;
        }
        while (page <= lastPage);
    }

    /// <summary><see cref="Remove(uint, int, ulong, ulong, bool)"/> of one page in units of the size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void RemovePage(uint number, int sizeLog2, ulong page, bool isAlone)
    {
        ulong key = KeyOfPage(number, page, sizeLog2);
        TlbSet* set = sets + ((page + BeginningOf(key)) & (uint)setMask);
        if (isAlone) set->RemoveAlone(key);
        else Remove(set, key);
    }

    private static void RemoveAlone(TlbSet* set, uint count, ulong key)
    {
        for (; count != 0; count--, set++) set->RemoveAlone(key);
    }

    private static void RemoveKey(TlbSet* set, uint count, ulong key)
    {
        for (; count != 0; count--, set++) Remove(set, key);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Remove(TlbSet* set, ulong key)
    {
        if ((Volatile.Read(ref set->Version) & 1) != 0) AwaitOpen(set);
        set->Remove(key);
    }

    /// <summary>Removes everything.</summary>
    public void Clear()
    {
        for (int index = 0; index <= setMask; index++)
        {
            long version = Close(index);
            new Span<ulong>(sets[index].Keys, TlbSet.Ways).Clear();
            Volatile.Write(ref sets[index].Version, version + 2);
        }
    }

    public void Dispose()
    {
        block.Dispose();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AwaitOpen(TlbSet* set)
    {
        var spin = new SpinWait();
        while ((Volatile.Read(ref set->Version) & 1) != 0) spin.SpinOnce();
    }

    // Fillers hold a set for a handful of stores, so the wait is short; it ends even when one was descheduled there.
    private long Close(int index)
    {
        var spin = new SpinWait();
        while (true)
        {
            long version = Volatile.Read(ref sets[index].Version);
            if ((version & 1) == 0 && Interlocked.CompareExchange(ref sets[index].Version, version + 1, version) == version)
            {
                return version;
            }

            spin.SpinOnce();
        }
    }

    // Neighbouring pages lie in neighbouring sets, from a beginning that the rest of the key chooses: so place and key together
    // tell all bits of the page.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong KeyOf(uint number, ulong address, int sizeLog2, out int index)
    {
        ulong page = (address & ((1UL << AddressRange.Bits) - 1)) >> sizeLog2;
        ulong key = KeyOfPage(number, page, sizeLog2);
        index = (int)(page + BeginningOf(key)) & setMask;
        return key;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong KeyOfPage(uint number, ulong page, int sizeLog2) =>
        ((((page >> setBits) << SizeCodeBits) | SizeCodes[sizeLog2 - PortTlb.PageLog2]) << numberBits) | number;
}
