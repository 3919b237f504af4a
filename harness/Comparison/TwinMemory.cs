using Smmu.Fast.Memory;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison;

/// <summary>A stretch of physical memory.</summary>
/// <param name="Base">Its first address.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="IsReadOnly">True when stores of the SMMU abort.</param>
internal readonly record struct Stretch(ulong Base, ulong Size, bool IsReadOnly);

/// <summary>One physical memory twice: once for the engine, once for the Oracle, which also says where it wrote.</summary>
internal sealed unsafe class TwinMemory : IOracleMemory, IDisposable
{
    private readonly IReadOnlyList<Stretch> stretches;
    private readonly GuestRegion[] regions;
    private readonly ulong[][] words;

    /// <summary>Makes a memory that is zero.</summary>
    /// <param name="stretches">Where it is; null for <see cref="Stretches"/>.</param>
    public TwinMemory(IReadOnlyList<Stretch>? stretches = null)
    {
        this.stretches = stretches ?? Stretches;
        regions = [.. this.stretches.Select(stretch => Engine.AddOwned(stretch.Base, stretch.Size, stretch.IsReadOnly))];
        words = [.. this.stretches.Select(stretch => new ulong[stretch.Size / sizeof(ulong)])];
    }

    /// <summary>Where memory is: below 2^32 for any output size; below 2^44 and 2^52; and some that is read-only.</summary>
    public static IReadOnlyList<Stretch> Stretches { get; } =
    [
        new(0x4000_0000, 3 << 20, false),
        new(0x0900_0000_0000, 1 << 20, false),
        new(0x000a_0000_4000_0000, 1 << 20, false),
        new(0x7000_0000, 256 << 10, true),
    ];

    /// <summary>The engine's copy.</summary>
    public GuestMemory Engine { get; } = new();

    /// <summary>Words that the Oracle has written since this list was cleared.</summary>
    public List<ulong> Written { get; } = [];

    /// <summary>Stores a word in both copies, read-only or not.</summary>
    public void Set(ulong address, ulong value)
    {
        if (!Find(address, out int stretch, out long index)) throw new ArgumentOutOfRangeException(
            nameof(address), $"There is no memory at 0x{address:x}.");
        words[stretch][index] = value;
        EngineWord(stretch, index) = value;
    }

    /// <summary>Stores a word in the engine's copy alone.</summary>
    public void SetEngine(ulong address, ulong value)
    {
        if (Find(address, out int stretch, out long index)) EngineWord(stretch, index) = value;
    }

    /// <summary>True where there is memory.</summary>
    /// <param name="address">Physical address.</param>
    /// <param name="stretch">The stretch that it lies in.</param>
    public bool Contains(ulong address, out int stretch) => Find(address, out stretch, out _);

    /// <summary>Changes a word of the Oracle's copy alone.</summary>
    public void SpoilOracle(ulong address)
    {
        if (Find(address, out int stretch, out long index)) words[stretch][index] ^= 1;
    }

    /// <summary>The word as the engine has it.</summary>
    public ulong OfEngine(ulong address) => Find(address, out int stretch, out long index) ? EngineWord(stretch, index) : 0;

    /// <summary>The word as the Oracle has it.</summary>
    public ulong OfOracle(ulong address) => Find(address, out int stretch, out long index) ? words[stretch][index] : 0;

    /// <summary>The first word in which the copies differ, or null.</summary>
    /// <param name="used">Bytes of each stretch to look at.</param>
    public ulong? FirstDifference(ReadOnlySpan<ulong> used)
    {
        for (int i = 0; i < words.Length; i++)
        {
            int count = (int)(used[i] / sizeof(ulong));
            int same = words[i].AsSpan(0, count).CommonPrefixLength(new ReadOnlySpan<ulong>(regions[i].HostPointer, count));
            if (same != count) return stretches[i].Base + ((ulong)same * sizeof(ulong));
        }

        return null;
    }

    /// <summary>Zeroes the beginnings of the stretches, in both copies.</summary>
    public void Clear(ReadOnlySpan<ulong> used)
    {
        for (int i = 0; i < words.Length; i++)
        {
            int count = (int)(used[i] / sizeof(ulong));
            words[i].AsSpan(0, count).Clear();
            new Span<ulong>(regions[i].HostPointer, count).Clear();
        }

        Written.Clear();
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, out ulong value)
    {
        bool isMemory = Find(address, out int stretch, out long index);
        value = isMemory ? words[stretch][index] : 0;
        return isMemory;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ulong value)
    {
        if (!Find(address, out int stretch, out long index) || stretches[stretch].IsReadOnly) return false;
        words[stretch][index] = value;
        Written.Add(address);
        return true;
    }

    /// <inheritdoc/>
    public bool TryCompareExchange(ulong address, ulong expected, ulong desired, out ulong seen)
    {
        seen = 0;
        if (!Find(address, out int stretch, out long index) || stretches[stretch].IsReadOnly) return false;
        seen = words[stretch][index];
        return seen != expected || TryWrite(address, desired);
    }

    /// <inheritdoc/>
    public void Dispose() => Engine.Dispose();

    private bool Find(ulong address, out int stretch, out long index)
    {
        for (stretch = 0; stretch < stretches.Count; stretch++)
        {
            ulong offset = address - stretches[stretch].Base;
            index = (long)(offset / sizeof(ulong));
            if (offset < stretches[stretch].Size) return true;
        }

        index = 0;
        return false;
    }

    private ref ulong EngineWord(int stretch, long index) => ref ((ulong*)regions[stretch].HostPointer)[index];
}
