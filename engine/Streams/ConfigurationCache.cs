using System.Numerics;
using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Streams;

/// <summary>Keeps what the configuration says of a stream and substream, STE and CD together (IHI 0070, 3.21.3 and 16.2).</summary>
/// <remarks>
/// Direct-mapped. An entry is whole when its version is even and unchanged by the copy; it is alive while its date is that of
/// its stream (<see cref="ConfigurationDates"/>). Answers that rest on a failed fetch or an error are never kept (CACHE-03),
/// so mending the tables is enough. The date is read before the structures, so that a fetch that began before an
/// invalidation is dead when it arrives.
/// </remarks>
internal sealed unsafe class ConfigurationCache : IDisposable
{
    private const ulong HasSubstream = 1UL << 63;
    private const ulong InUse = 1UL << 62;
    private const ulong Translated = 1UL << 61;
    private const int SubstreamShift = 32;

    private readonly NativeBlock block;
    private readonly Entry* entries;
    private readonly int mask;

    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public int Version;   // Odd while somebody writes the entry.
        public ulong Key;
        public ulong Date;
        public ResolvedStream Stream;
    }

    /// <summary>Makes an empty cache.</summary>
    /// <param name="capacity">Entries; a power of two.</param>
    public ConfigurationCache(int capacity)
    {
        Invariant.Holds(BitOperations.IsPow2(capacity));
        Capacity = capacity;
        mask = capacity - 1;
        block = new NativeBlock((nuint)capacity * (nuint)sizeof(Entry));
        entries = (Entry*)block.Pointer;
    }

    /// <summary>Entries that fit.</summary>
    public int Capacity { get; }

    /// <summary>Finds a live answer.</summary>
    public bool TryFind(StreamId stream, SubstreamId? substream, ulong date, out ResolvedStream resolved) =>
        TryFind(KeyOf(stream, substream), date, out resolved);

    /// <summary>Keeps an answer that was made after the date was read.</summary>
    public void Fill(StreamId stream, SubstreamId? substream, ulong date, in ResolvedStream resolved) =>
        Fill(KeyOf(stream, substream), date, in resolved);

    /// <summary>Finds a live answer for Translated transactions, which is a different one.</summary>
    public bool TryFindTranslated(StreamId stream, ulong date, out ResolvedStream resolved) =>
        TryFind(KeyOf(stream, null) | Translated, date, out resolved);

    /// <summary>Keeps one of those.</summary>
    public void FillTranslated(StreamId stream, ulong date, in ResolvedStream resolved) =>
        Fill(KeyOf(stream, null) | Translated, date, in resolved);

    public void Dispose() => block.Dispose();

    private bool TryFind(ulong key, ulong date, out ResolvedStream resolved)
    {
        Entry* entry = entries + IndexOf(key);
        int version = Volatile.Read(ref entry->Version);
        if ((version & 1) == 0 && entry->Key == key && entry->Date == date)
        {
            resolved = entry->Stream;
            Volatile.ReadBarrier();   // The copy is complete before the version is read again.
            if (Volatile.Read(ref entry->Version) == version) return true;
        }

        resolved = default;
        return false;
    }

    private void Fill(ulong key, ulong date, in ResolvedStream resolved)
    {
        if (resolved.Event != EventType.None) return;
        Entry* entry = entries + IndexOf(key);
        int version = Volatile.Read(ref entry->Version);
        if ((version & 1) != 0 || Interlocked.CompareExchange(ref entry->Version, version + 1, version) != version) return;
        entry->Key = key;
        entry->Date = date;
        entry->Stream = resolved;
        Volatile.Write(ref entry->Version, version + 2);   // Release; pairs with the first read in TryFind.
    }

    private static ulong KeyOf(StreamId stream, SubstreamId? substream) =>
        InUse | stream.Value | (substream is { } value ? HasSubstream | ((ulong)(value.Value & 0xf_ffff) << SubstreamShift) : 0);

    private int IndexOf(ulong key) => (int)((key * 0x9e37_79b9_7f4a_7c15UL) >> 40) & mask;
}
