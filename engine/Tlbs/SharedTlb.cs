using System.Numerics;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>The TLB that all ports of a device share: set-associative, read without locks, one entry a leaf.</summary>
/// <remarks>
/// Each set has a version, odd while somebody writes the set. A reader takes the version, copies an entry, and takes the
/// version again: a copy made under an even and unchanged version is whole. A filler closes the set first and then
/// compares the stamp that it read before its walk; an invalidation raises the stamp first and then looks at the sets.
/// Both steps are fenced, so either the filler sees the new stamp and leaves, or the invalidation sees a closed or filled
/// set and waits for it or empties it. What narrows an invalidation down (sizes, globals, fragments in use) is announced
/// before the same fence, for the same reason.
/// </remarks>
internal sealed unsafe class SharedTlb : IDisposable
{
    private const int Ways = 4;

    private readonly NativeBlock block;
    private readonly NativeBlock versionBlock;
    private readonly TlbEntry* entries;
    private readonly int* versions;
    private readonly int setMask;

    private ulong sizesInUse;      // Bit n: entries of 2^n bytes may be there.
    private int globalsInUse;      // 1: global entries may be there.
    private int fragmentsInUse;    // 1: entries smaller than their leaf may be there.

    /// <summary>Makes an empty TLB.</summary>
    /// <param name="capacity">Entries; a power of two, at least 16.</param>
    public SharedTlb(int capacity)
    {
        Invariant.Holds(BitOperations.IsPow2(capacity) && capacity >= 16);
        Capacity = capacity;
        int sets = capacity / Ways;
        setMask = sets - 1;
        block = new NativeBlock((nuint)capacity * TlbEntry.SizeBytes);
        versionBlock = new NativeBlock((nuint)sets * sizeof(int));
        entries = (TlbEntry*)block.Pointer;
        versions = (int*)versionBlock.Pointer;
    }

    /// <summary>Entries that fit.</summary>
    public int Capacity { get; }

    /// <summary>Finds the translation of an address; what it permits is for the caller to judge.</summary>
    /// <param name="tag">Tag of the regime.</param>
    /// <param name="globalTag">Tag of the regime's global entries.</param>
    /// <param name="address">Look-up address; see <see cref="LookupAddress"/>.</param>
    /// <param name="entry">A whole copy of the entry.</param>
    public bool TryFind(ulong tag, ulong globalTag, ulong address, out TlbEntry entry)
    {
        for (ulong sizes = Volatile.Read(ref sizesInUse); sizes != 0; sizes &= sizes - 1)
        {
            int sizeLog2 = BitOperations.TrailingZeroCount(sizes);
            ulong page = address >> sizeLog2;
            if (TryFindInSet(tag, page, sizeLog2, out entry)) return true;
            if (Volatile.Read(ref globalsInUse) != 0 && globalTag != tag
                && TryFindInSet(globalTag, page, sizeLog2, out entry)) return true;
        }

        entry = default;
        return false;
    }

    /// <summary>Keeps a translation, unless something was invalidated since the stamp was read.</summary>
    public void Fill(in TlbEntry entry, ref readonly InvalidationStamps stamps, ulong stamp)
    {
        Invariant.Holds(entry.SizeLog2 is >= 12 and < 64);
        if (ControlBuild.Breaks(Breakage.FillNotDated)) ControlBuild.Linger();
        Announce(in entry);
        int set = SetOf(entry.Tag, entry.Page, entry.SizeLog2);
        int version = Volatile.Read(ref versions[set]);
        if ((version & 1) != 0 || Interlocked.CompareExchange(ref versions[set], version + 1, version) != version) return;

        if (Volatile.Read(in stamps.Translations) == stamp || ControlBuild.Breaks(Breakage.FillNotDated))
        {
            TlbEntry* ways = entries + (set * Ways);
            ways[Victim(ways, in entry, version)] = entry;
        }

        Volatile.Write(ref versions[set], version + 2);   // Release; pairs with the first read in TryFindInSet.
    }

    /// <summary>Removes what the command names. The stamps have been raised before.</summary>
    public void Invalidate(in TlbInvalidation invalidation)
    {
        Interlocked.MemoryBarrier();   // The stamp is visible before the sets are looked at; pairs with the close in Fill.
        if (!TryInvalidateBySet(in invalidation)) InvalidateAllSets(in invalidation);
    }

    public void Dispose()
    {
        block.Dispose();
        versionBlock.Dispose();
    }

    /// <summary>The address as look-ups see it: a top byte that is ignored counts as copies of bit 55 (3.4.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong LookupAddress(in TranslationRegime regime, ulong address)
    {
        if (!regime.Stage1Enabled) return address;
        bool high = regime.HasTwoRanges && BitField.Test(address, 55);
        bool ignored = high ? regime.Stage1.Range1.TopByteIgnored : regime.Stage1.Range0.TopByteIgnored;
        if (!ignored) return address;
        return high ? address | BitField.Mask(63, 56) : address & ~BitField.Mask(63, 56);
    }

    private bool TryFindInSet(ulong tag, ulong page, int sizeLog2, out TlbEntry entry)
    {
        int set = SetOf(tag, page, sizeLog2);
        int version = Volatile.Read(ref versions[set]);
        TlbEntry* ways = entries + (set * Ways);
        for (int way = 0; way < Ways; way++)
        {
            if (ways[way].Tag != tag || ways[way].Page != page || ways[way].SizeLog2 != sizeLog2) continue;
            entry = ways[way];
            if (ControlBuild.Breaks(Breakage.CopyNotRechecked))
            {
                ControlBuild.Linger();   // As if the copy took that long.
                entry.Output = ways[way].Output;
                return true;
            }

            Volatile.ReadBarrier();   // The copy is complete before the version is read again.
            if ((version & 1) == 0 && Volatile.Read(ref versions[set]) == version
                && entry.Tag == tag && entry.Page == page && entry.SizeLog2 == sizeLog2) return true;
            break;
        }

        entry = default;
        return false;
    }

    private void Announce(in TlbEntry entry)
    {
        ulong bit = 1UL << entry.SizeLog2;
        if ((Volatile.Read(ref sizesInUse) & bit) == 0) Interlocked.Or(ref sizesInUse, bit);
        if ((entry.Tag & TlbTag.Global) != 0) Volatile.Write(ref globalsInUse, 1);
        if (Math.Max(entry.Stage1SizeLog2, entry.Stage2SizeLog2) > entry.SizeLog2) Volatile.Write(ref fragmentsInUse, 1);
    }

    // The same translation, an empty way, or the way whose turn it is.
    private static int Victim(TlbEntry* ways, in TlbEntry entry, int version)
    {
        int empty = -1;
        for (int way = 0; way < Ways; way++)
        {
            if (ways[way].Tag == entry.Tag && ways[way].Page == entry.Page && ways[way].SizeLog2 == entry.SizeLog2) return way;
            if (ways[way].SizeLog2 == 0) empty = way;
        }

        return empty >= 0 ? empty : (version >> 1) & (Ways - 1);
    }

    // A command for a few addresses of one ASID, or of none, looks only where their entries can lie.
    private bool TryInvalidateBySet(in TlbInvalidation invalidation)
    {
        const int MostProbes = 256;
        if (!invalidation.ByAddress || Volatile.Read(ref fragmentsInUse) != 0) return false;
        if (!invalidation.ByAsid && !invalidation.ByIntermediateAddress) return false;

        ulong probes = 0;
        for (ulong sizes = Volatile.Read(ref sizesInUse); sizes != 0; sizes &= sizes - 1)
        {
            int sizeLog2 = BitOperations.TrailingZeroCount(sizes);
            probes += (invalidation.Last >> sizeLog2) - (invalidation.First >> sizeLog2) + 1;
            if (probes > MostProbes) return false;
        }

        for (ulong sizes = Volatile.Read(ref sizesInUse); sizes != 0; sizes &= sizes - 1)
        {
            int sizeLog2 = BitOperations.TrailingZeroCount(sizes);
            for (ulong page = invalidation.First >> sizeLog2; page <= invalidation.Last >> sizeLog2; page++)
            {
                InvalidateSet(SetOf(invalidation.Asid, page, sizeLog2), in invalidation);
                if (invalidation.ByAsid) InvalidateSet(SetOf(TlbTag.Global, page, sizeLog2), in invalidation);
            }
        }

        return true;
    }

    private void InvalidateAllSets(in TlbInvalidation invalidation)
    {
        for (int set = 0; set <= setMask; set++) InvalidateSet(set, in invalidation);
    }

    private void InvalidateSet(int set, in TlbInvalidation invalidation)
    {
        TlbEntry* ways = entries + (set * Ways);
        int version = Volatile.Read(ref versions[set]);
        if ((version & 1) == 0)
        {
            bool any = false;
            for (int way = 0; way < Ways; way++) any |= invalidation.Matches(in ways[way]);
            if (!any) return;
        }

        version = Close(set);
        for (int way = 0; way < Ways; way++)
        {
            if (invalidation.Matches(in ways[way])) ways[way] = default;
        }

        Volatile.Write(ref versions[set], version + 2);
    }

    // Fillers hold a set for a handful of stores, so the wait is short; it ends even when one was descheduled there.
    private int Close(int set)
    {
        var spin = new SpinWait();
        while (true)
        {
            int version = Volatile.Read(ref versions[set]);
            if ((version & 1) == 0 && Interlocked.CompareExchange(ref versions[set], version + 1, version) == version)
            {
                return version;
            }

            spin.SpinOnce();
        }
    }

    // Only the ASID and the globality of a tag take part, so that a by-address command finds the set, and only the address
    // bits that it compares: an entry and a command that name bits [63:56] in different ways meet in the same set.
    private int SetOf(ulong tag, ulong page, int sizeLog2)
    {
        ulong significant = page & (ulong.MaxValue >> (64 - TlbInvalidation.AddressBits + sizeLog2));
        ulong asid = tag & (TlbTag.AsidMask | TlbTag.Global);
        ulong hash = (significant ^ (asid * 0x9e37_79b9UL) ^ ((ulong)sizeLog2 << 7)) * 0x9e37_79b9_7f4a_7c15UL;
        return (int)(hash >> 40) & setMask;
    }
}
