using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>One last-level table of a stage 1 walk.</summary>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal struct WalkCacheEntry
{
    public const int SizeBytes = 64;

    /// <summary>Odd while somebody writes the entry.</summary>
    public int Version;

    /// <summary>Level of the table: 0 to 3.</summary>
    public sbyte Level;

    /// <summary>log2 of the address range that the table covers; 0 marks an empty entry.</summary>
    public byte CoverageLog2;

    /// <summary>What the table descriptors on the way restrict, as the walker packs it.</summary>
    public byte Hierarchy;

    /// <summary>Look-up address shifted right by <see cref="CoverageLog2"/>.</summary>
    public ulong Prefix;

    /// <summary>Number of the context.</summary>
    public uint Number;

    /// <summary>Physical address of the table.</summary>
    public ulong Table;

    /// <summary>The same before stage 2.</summary>
    public ulong TableIpa;

    /// <summary><see cref="InvalidationStamps.Tables"/> of its domain as it was before the walk.</summary>
    public ulong Stamp;
}

/// <summary>Remembers last-level tables, so that a TLB miss near an earlier one reads a single descriptor.</summary>
/// <remarks>
/// Direct-mapped. An entry is whole when its version is even and the same before and after the copy, and alive while its
/// stamp is the present one and its context lives; a command with Leaf = 1 leaves that stamp alone. Writers that meet another
/// one give up.
/// </remarks>
internal sealed unsafe class WalkCache : IDisposable
{
    private readonly NativeBlock block;
    private readonly WalkCacheEntry* entries;
    private readonly int mask;
    private ulong coveragesInUse;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="capacity">Entries; a power of two.</param>
    public WalkCache(int capacity)
    {
        Invariant.Holds(BitOperations.IsPow2(capacity));
        Capacity = capacity;
        mask = capacity - 1;
        block = new NativeBlock((nuint)capacity * WalkCacheEntry.SizeBytes);
        entries = (WalkCacheEntry*)block.Pointer;
    }

    /// <summary>Entries that fit.</summary>
    public int Capacity { get; }

    /// <summary>Finds the deepest table known for an address.</summary>
    public bool TryFind(uint number, ulong address, ulong stamp, out WalkCacheEntry entry)
    {
        for (ulong sizes = Volatile.Read(ref coveragesInUse); sizes != 0; sizes &= sizes - 1)
        {
            int coverage = BitOperations.TrailingZeroCount(sizes);
            ulong prefix = address >> coverage;
            WalkCacheEntry* slot = entries + IndexOf(number, prefix, coverage);
            int version = Volatile.Read(ref slot->Version);
            entry = *slot;
            Volatile.ReadBarrier();   // The copy is complete before the version is read again.
            if ((version & 1) == 0 && Volatile.Read(ref slot->Version) == version
                && entry.Stamp == stamp && entry.Number == number && entry.Prefix == prefix && entry.CoverageLog2 == coverage)
            {
                return true;
            }
        }

        entry = default;
        return false;
    }

    /// <summary>Finds a table that covers as much as another one, and that came with the same restrictions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFindLike(
        uint number, ulong prefix, byte coverageLog2, sbyte level, byte hierarchy, ulong stamp, out ulong table, out ulong tableIpa)
    {
        WalkCacheEntry* slot = entries + IndexOf(number, prefix, coverageLog2);
        int version = Volatile.Read(ref slot->Version);
        bool isLike = slot->Number == number && slot->Prefix == prefix && slot->Stamp == stamp
            && slot->CoverageLog2 == coverageLog2 && slot->Level == level && slot->Hierarchy == hierarchy;
        table = slot->Table;
        tableIpa = slot->TableIpa;
        Volatile.ReadBarrier();   // All of it is read before the version is read again.
        return isLike && (version & 1) == 0 && Volatile.Read(ref slot->Version) == version;
    }

    /// <summary>Keeps a table, unless something was invalidated since the dates were read.</summary>
    /// <remarks>
    /// Its stamp would make it dead in that case, but for <see cref="TranslationCaches.BeginAnew"/>, which gives its number to
    /// somebody else. As in <see cref="SharedTlb"/>: the slot is closed before the dates are compared, and cleared after they were
    /// raised.
    /// </remarks>
    public void Fill(in WalkCacheEntry entry, in InvalidationDates dates)
    {
        Invariant.Holds(entry.CoverageLog2 is > 12 and < 64);
        WalkCacheEntry* slot = entries + IndexOf(entry.Number, entry.Prefix, entry.CoverageLog2);
        int version = Volatile.Read(ref slot->Version);
        if ((version & 1) != 0 || Interlocked.CompareExchange(ref slot->Version, version + 1, version) != version) return;

        if (dates.AreTranslationsPresent)
        {
            ulong bit = 1UL << entry.CoverageLog2;
            if ((Volatile.Read(ref coveragesInUse) & bit) == 0) Interlocked.Or(ref coveragesInUse, bit);
            slot->Level = entry.Level;
            slot->CoverageLog2 = entry.CoverageLog2;
            slot->Hierarchy = entry.Hierarchy;
            slot->Prefix = entry.Prefix;
            slot->Number = entry.Number;
            slot->Table = entry.Table;
            slot->TableIpa = entry.TableIpa;
            slot->Stamp = entry.Stamp;
        }

        Volatile.Write(ref slot->Version, version + 2);
    }

    /// <summary>Drops all.</summary>
    public void Clear()
    {
        for (int i = 0; i <= mask; i++)
        {
            var spin = new SpinWait();
            int version;
            while (((version = Volatile.Read(ref entries[i].Version)) & 1) != 0
                || Interlocked.CompareExchange(ref entries[i].Version, version + 1, version) != version) spin.SpinOnce();
            entries[i].CoverageLog2 = 0;
            entries[i].Number = 0;
            Volatile.Write(ref entries[i].Version, version + 2);
        }
    }

    public void Dispose() => block.Dispose();

    private int IndexOf(uint number, ulong prefix, int coverage)
    {
        ulong hash = (prefix ^ (number * 0x9e37_79b9UL) ^ ((ulong)coverage << 7)) * 0x9e37_79b9_7f4a_7c15UL;
        return (int)(hash >> 40) & mask;
    }
}
