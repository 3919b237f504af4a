using System.Runtime.CompilerServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Memory;

public sealed unsafe partial class GuestMemory
{
    private const int PageShift = 12;

    /// <summary>
    /// Observes every store of the SMMU and its clients into a region, in place of what observed them before. Once it
    /// returns, no store goes unobserved.
    /// </summary>
    /// <remarks>Waits until all scopes of ports that began before have ended.</remarks>
    /// <param name="region">The region.</param>
    /// <param name="marksDirty">True to mark the pages stored to; see <see cref="HarvestDirty"/>. Marks of a watch that
    /// was marking already stay.</param>
    /// <param name="stored">Called after each store with its address and its length in bytes, on the storing thread, with
    /// no lock held; null for no calls. It must not throw. A call on another thread may still be under way when a later
    /// <see cref="StopWatching"/> returns.</param>
    /// <exception cref="ArgumentException">Nothing is asked for.</exception>
    /// <exception cref="InvalidOperationException">The region is not part of this memory, or the caller is inside a
    /// scope.</exception>
    public void Watch(GuestRegion region, bool marksDirty = true, Action<ulong, int>? stored = null)
    {
        if (!marksDirty && stored == null) throw new ArgumentException(
            "A watch marks dirty pages, calls back, or both: ask for one of them, or call StopWatching.", nameof(marksDirty));
        SetWatch(region, marksDirty, stored);
    }

    /// <summary>Ends what <see cref="Watch"/> began; marks that were not harvested are lost.</summary>
    /// <remarks>Waits until all scopes of ports that began before have ended.</remarks>
    /// <exception cref="InvalidOperationException">The region is not part of this memory, or the caller is inside a
    /// scope.</exception>
    public void StopWatching(GuestRegion region) => SetWatch(region, marksDirty: false, stored: null);

    /// <summary>Fetches and clears the marks of the pages stored to since the last harvest.</summary>
    /// <remarks>Who copies a page after harvesting its mark copies what was stored, or finds the page marked again.</remarks>
    /// <param name="region">A region watched with dirty marks.</param>
    /// <param name="pages">Filled with <see cref="GuestRegion.DirtyBitmapWords"/> words; bit n of word w stands for the
    /// region's page 64 w + n.</param>
    /// <returns>Pages that were marked.</returns>
    /// <exception cref="ArgumentException">The span is too short.</exception>
    /// <exception cref="InvalidOperationException">The region is not part of this memory, or its dirty pages are not
    /// marked.</exception>
    public long HarvestDirty(GuestRegion region, Span<ulong> pages)
    {
        lock (changes)
        {
            _ = IndexOf(region);
            NativeBlock bitmap = region.Dirty ?? throw new InvalidOperationException(
                "Dirty pages of the region are not marked: call Watch with marksDirty first.");
            int words = checked((int)region.DirtyBitmapWords);
            if (pages.Length < words) throw new ArgumentException(
                $"The bitmap of the region has {words} words: pass a span of at least that length.", nameof(pages));
            long marked = 0;
            for (int i = 0; i < words; i++)
            {
                ref ulong word = ref ((ulong*)bitmap.Pointer)[i];

                // A full fence; pairs with the one in MarkDirty. Words without marks are not written: most are.
                pages[i] = Volatile.Read(ref word) == 0 ? 0 : Interlocked.Exchange(ref word, 0);
                marked += long.PopCount((long)pages[i]);
            }

            return marked;
        }
    }

    private void SetWatch(GuestRegion region, bool marksDirty, Action<ulong, int>? stored)
    {
        GracePeriod grace;
        lock (changes)
        {
            int index = IndexOf(region);
            ThrowIfCallerIsInside();
            NativeBlock? previous = region.Dirty;
            NativeBlock? bitmap = marksDirty ? previous ?? NativeBlock.Of<ulong>(region.DirtyBitmapWords) : null;
            RegionEntry[] next = [.. entries];
            ref RegionEntry entry = ref next[index];
            entry.Dirty = bitmap == null ? null : (ulong*)bitmap.Pointer;
            entry.Traits = (entry.Traits & ~RegionTraits.Watched)
                | (bitmap == null ? 0 : RegionTraits.MarksDirty)
                | (stored == null ? 0 : RegionTraits.CallsHost);
            region.Observer = stored;   // Before the table: a store that finds the trait finds the callback.
            region.Dirty = bitmap;
            region.IsWatched = (entry.Traits & RegionTraits.Watched) != 0;
            if (previous != null && previous != bitmap) retired.Add(previous);
            grace = Revoke(next);
        }

        WaitFor(grace);
    }

    // What a store into the region owes its watcher: marks now, within the access, and the callback when it has ended.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Action<ulong, int>? Observe(RegionEntry* region, ulong address, ulong length) =>
        (region->Traits & RegionTraits.Watched) == 0 ? null : ObserveWatched(region, address, length);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private Action<ulong, int>? ObserveWatched(RegionEntry* region, ulong address, ulong length)
    {
        if ((region->Traits & RegionTraits.MarksDirty) != 0) MarkDirty(region, address, length);
        return (region->Traits & RegionTraits.CallsHost) != 0 ? slots[region->Slot]?.Observer : null;
    }

    // Marks come after the store, and always through a full fence, even when the mark is set already: a look at the mark
    // could be answered before the store is visible, and a harvest in between would lose the store.
    private static void MarkDirty(RegionEntry* region, ulong address, ulong length)
    {
        ulong first = (address - region->Address) >> PageShift;
        ulong last = (address - region->Address + (length - 1)) >> PageShift;
        for (ulong word = first / 64; word <= last / 64; word++)
        {
            int low = word == first / 64 ? (int)(first % 64) : 0;
            int high = word == last / 64 ? (int)(last % 64) : 63;
            Interlocked.Or(ref region->Dirty[word], BitField.Mask(high, low));
        }
    }
}
