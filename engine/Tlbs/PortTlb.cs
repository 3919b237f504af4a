using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tlbs;

/// <summary>One 4 KiB page as a port keeps it.</summary>
[StructLayout(LayoutKind.Sequential, Size = SizeBytes)]
internal struct PortTlbEntry
{
    public const int SizeBytes = 16;   // Four to a line.

    /// <summary>
    /// [63:12] of the input address as given, tag byte included; [11:7] generation of the table, never 0; [6] 1; [5:0]
    /// permissions that the entry denies, in the order of <see cref="AccessPermissions"/>.
    /// </summary>
    public ulong Key;

    /// <summary>The answer but for the offset in the page: see <see cref="TranslationResult.Payload"/>.</summary>
    public ulong Payload;
}

/// <summary>What a port remembers: direct-mapped, owned by one thread, so it is read and written without care.</summary>
/// <remarks>
/// One compare judges page, permission and generation. Entries hold attributes that configuration invalidations must
/// change, and know no tags: what was invalidated since is caught up with before the table is used again.
/// </remarks>
internal unsafe struct PortTlb
{
    /// <summary>log2 of the bytes an entry covers.</summary>
    public const int PageLog2 = 12;

    /// <summary>Entries.</summary>
    public const int Length = 512;

    /// <summary>Bytes of the table.</summary>
    public const ulong SizeBytes = Length * PortTlbEntry.SizeBytes;

    private const int EntryLog2 = 4;
    private const ulong DeniedMask = 0x3f;
    private const int GenerationShift = 7;
    private const ulong LastGeneration = 0x1fUL << GenerationShift;
    private const ulong OneGeneration = 1UL << GenerationShift;
    private const ulong PageMask = ~0xfffUL;
    private const ulong Mark = RequiredPermissions.Impossible;
    private const int MostProbes = 64;

    private readonly PortTlbEntry* entries;
    private ulong generation;
    private int largestLeafLog2;
    private bool hasFragments;

    public PortTlb(NativeBlock table)
    {
        Invariant.Holds(table.SizeBytes >= SizeBytes);
        entries = (PortTlbEntry*)table.Pointer;
        generation = OneGeneration;
    }

    /// <summary>False for the default value, which keeps nothing.</summary>
    public readonly bool Exists
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => entries != null;
    }

    /// <summary>Finds what is known of a page, if it permits the access.</summary>
    /// <param name="address">The input address.</param>
    /// <param name="required">Of <see cref="RequiredPermissions.BitsOf"/>.</param>
    /// <param name="payload">What was kept.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryFind(ulong address, uint required, out ulong payload)
    {
        PortTlbEntry* entry = EntryOf(address);
        payload = entry->Payload;
        ulong differing = entry->Key ^ ((address & PageMask) | generation);
        return (differing & (~(DeniedMask | Mark) | required)) == 0;
    }

    /// <summary>Finds what is known of many pages, up to the first of which nothing is known that permits the access.</summary>
    /// <param name="addresses">The input addresses.</param>
    /// <param name="required">Of <see cref="RequiredPermissions.BitsOf"/>.</param>
    /// <param name="results">Takes the answers; as long as the addresses.</param>
    /// <returns>How many were found.</returns>
    public readonly int FindRun(ReadOnlySpan<ulong> addresses, uint required, Span<TranslationResult> results)
    {
        Invariant.Holds(results.Length >= addresses.Length);
        PortTlb self = this;   // In registers: the answers might lie where this does, for all the JIT knows.
        ulong compared = ~(DeniedMask | Mark) | required;
        ref var next = ref MemoryMarshal.GetReference(results);
        for (int i = 0; i < addresses.Length; i++)
        {
            ulong address = addresses[i];
            PortTlbEntry* entry = self.EntryOf(address);
            ulong differing = entry->Key ^ ((address & PageMask) | self.generation);
            if ((differing & compared) != 0) return i;
            next = TranslationResult.OfKept(entry->Payload, address);
            next = ref Unsafe.Add(ref next, 1);
        }

        return addresses.Length;
    }

    /// <summary>Keeps an answer.</summary>
    /// <param name="address">The input address.</param>
    /// <param name="payload">The answer.</param>
    /// <param name="isFragment">It is a piece of a larger leaf than it says.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fill(ulong address, ulong payload, bool isFragment)
    {
        PortTlbEntry* entry = EntryOf(address);
        entry->Key = (address & PageMask) | Mark | generation | (~payload & DeniedMask);
        entry->Payload = payload;
        int leafLog2 = TranslationResult.LeafSizeLog2Of(payload);
        if (leafLog2 > largestLeafLog2) largestLeafLog2 = leafLog2;
        if (isFragment) hasFragments = true;
    }

    /// <summary>Keeps an answer to whatever is done at a page.</summary>
    /// <param name="address">The input address.</param>
    /// <param name="payload">The answer; no leaf is behind it.</param>
    public readonly void FillForAll(ulong address, ulong payload)
    {
        PortTlbEntry* entry = EntryOf(address);
        entry->Key = (address & PageMask) | Mark | generation;
        entry->Payload = payload;
    }

    /// <summary>Drops all.</summary>
    public void Clear()
    {
        if (entries == null) return;
        largestLeafLog2 = 0;
        hasFragments = false;
        if (generation != LastGeneration)
        {
            generation += OneGeneration;
            return;
        }

        new Span<PortTlbEntry>(entries, Length).Clear();
        generation = OneGeneration;
    }

    /// <summary>Drops the leaves that an address range touches.</summary>
    /// <param name="first">The first address; bits [63:56] do not count.</param>
    /// <param name="last">The last address.</param>
    public void Remove(ulong first, ulong last)
    {
        if (entries == null) return;
        if (hasFragments)
        {
            Clear();   // The leaves that they are pieces of are not known here.
            return;
        }

        if ((first ^ last) >> PageLog2 == 0 && largestLeafLog2 <= PageLog2)   // The most frequent one.
        {
            RemovePage(first);
            return;
        }

        ulong inLeaf = (1UL << Math.Max(PageLog2, largestLeafLog2)) - 1;
        ulong begin = first & ~inLeaf;
        if (((last | inLeaf) - begin) >> PageLog2 >= MostProbes)
        {
            RemoveLeaves(first, last);
            return;
        }

        for (ulong address = begin; address <= (last | inLeaf); address += 1UL << PageLog2) RemovePage(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void RemovePage(ulong address)
    {
        PortTlbEntry* entry = EntryOf(address);
        if (((entry->Key ^ address) & Compared) == 0) entry->Key = 0;
    }

    // The index in bytes: one shift less than an index of entries takes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly PortTlbEntry* EntryOf(ulong address) =>
        (PortTlbEntry*)((byte*)entries + ((address >> (PageLog2 - EntryLog2)) & ((Length - 1) << EntryLog2)));

    private const ulong Compared = PageMask & ((1UL << AddressRange.Bits) - 1);

    // Looks at every entry, and at its own leaf.
    private readonly void RemoveLeaves(ulong first, ulong last)
    {
        for (int i = 0; i < Length; i++)
        {
            ulong page = entries[i].Key & Compared;
            ulong inLeaf = (1UL << Math.Max(PageLog2, TranslationResult.LeafSizeLog2Of(entries[i].Payload))) - 1;
            if ((page & ~inLeaf) <= last && (page | inLeaf) >= first) entries[i].Key = 0;
        }
    }
}
