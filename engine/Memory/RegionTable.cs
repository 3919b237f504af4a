using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Memory;

/// <summary>What a region is besides memory.</summary>
[Flags]
internal enum RegionTraits
{
    /// <summary>Plain memory.</summary>
    None = 0,

    /// <summary>Stores abort.</summary>
    ReadOnly = 1,

    /// <summary>Stores mark the dirty bitmap.</summary>
    MarksDirty = 2,

    /// <summary>Stores call the host.</summary>
    CallsHost = 4,

    /// <summary>Stores need more than the store.</summary>
    Watched = MarksDirty | CallsHost,
}

/// <summary>One region as look-ups see it.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal unsafe struct RegionEntry
{
    public const int SizeBytes = 64;   // One cache line: a look-up touches one line and no neighbour.

    /// <summary>First address, 4 KiB aligned.</summary>
    [FieldOffset(0)] public ulong Address;

    /// <summary>Size in bytes; 0 in an entry that stands for no region, which therefore contains no address.</summary>
    [FieldOffset(8)] public ulong SizeInBytes;

    /// <summary>Host address of the first byte, 8-byte aligned.</summary>
    [FieldOffset(16)] public byte* Host;

    /// <summary>One bit for each 4 KiB; null unless the region marks dirty pages.</summary>
    [FieldOffset(24)] public ulong* Dirty;

    /// <summary>Index of the region's object.</summary>
    [FieldOffset(32)] public int Slot;

    /// <summary>What stores have to observe.</summary>
    [FieldOffset(36)] public RegionTraits Traits;

    /// <summary>True when the address lies in the region.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool Contains(ulong address) => address - Address < SizeInBytes;

    /// <summary>Bytes from an address within the region to the region's end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly ulong BytesFrom(ulong address) => SizeInBytes - (address - Address);

    /// <summary>Host address of an address within the region.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly byte* HostOf(ulong address) => Host + (address - Address);
}

/// <summary>All regions in the order of their addresses. Never changed once published: changes publish another.</summary>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
internal unsafe struct RegionTable
{
    public const int SizeBytes = 128;

    /// <summary>Entries behind the header.</summary>
    [FieldOffset(64)] public int Count;

    /// <summary>Copy of the largest region's entry, asked first: a machine's main memory takes nearly every access.</summary>
    [FieldOffset(0)] public RegionEntry Largest;

    /// <summary>Writes a table of sorted, disjoint entries into a new block.</summary>
    public static NativeBlock Build(ReadOnlySpan<RegionEntry> sorted)
    {
        var block = new NativeBlock(SizeBytes + ((ulong)sorted.Length * RegionEntry.SizeBytes));
        var table = (RegionTable*)block.Pointer;
        table->Count = sorted.Length;
        sorted.CopyTo(new Span<RegionEntry>(EntriesOf(table), sorted.Length));
        foreach (ref readonly RegionEntry entry in sorted)
        {
            if (entry.SizeInBytes > table->Largest.SizeInBytes) table->Largest = entry;
        }

        return block;
    }

    /// <summary>The region an address lies in; null for none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RegionEntry* Find(RegionTable* table, ulong address) =>
        table->Largest.Contains(address) ? &table->Largest : Search(table, address);

    /// <summary>Bytes from an address in no region up to the next region; no bound when there is none.</summary>
    public static ulong GapFrom(RegionTable* table, ulong address)
    {
        int next = CountUpTo(table, address);
        return next < table->Count ? EntriesOf(table)[next].Address - address : ulong.MaxValue;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static RegionEntry* Search(RegionTable* table, ulong address)
    {
        int count = CountUpTo(table, address);
        if (count == 0) return null;
        RegionEntry* last = EntriesOf(table) + (count - 1);
        return last->Contains(address) ? last : null;
    }

    // Entries that begin at the address or below.
    private static int CountUpTo(RegionTable* table, ulong address)
    {
        RegionEntry* entries = EntriesOf(table);
        int low = 0;
        int high = table->Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (entries[middle].Address <= address) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    private static RegionEntry* EntriesOf(RegionTable* table) => (RegionEntry*)(table + 1);
}
