using System.Numerics;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tables;

/// <summary>Makes hardware forget an entry of a Stream table or CD table and waits until it has: CMD_CFGI_STE or _CD, and CMD_SYNC.</summary>
public interface IEntrySynchronization
{
    /// <summary>Invalidates the entry that is being written, and waits for the CMD_SYNC.</summary>
    /// <param name="leaf">Leaf of the command: false when a level 1 descriptor has changed as well.</param>
    void Synchronize(bool leaf);
}

/// <summary>How an entry came to its new value.</summary>
/// <param name="Status">Anything but <see cref="PageTableStatus.Done"/> has changed nothing.</param>
/// <param name="IsHitless">The entry was valid before, after, and all the time in between.</param>
/// <param name="Synchronizations">Invalidations that were waited for.</param>
public readonly record struct EntryUpdateResult(PageTableStatus Status, bool IsHitless, int Synchronizations);

/// <summary>Which bits of an STE or a CD hardware looks at.</summary>
internal interface IEntryUse
{
    /// <summary>V, in word 0.</summary>
    static abstract ulong Valid { get; }

    /// <summary>Fills in the bits that count as the entry stands: any others may have any value.</summary>
    static abstract void GetUsed(ReadOnlySpan<ulong> entry, Span<ulong> used);

    /// <summary>Fills in the bits that may change between two values together with anything else, though both use them.</summary>
    static abstract void GetSafe(ReadOnlySpan<ulong> current, ReadOnlySpan<ulong> target, Span<ulong> safe);
}

/// <summary>An entry in memory while it is written.</summary>
internal interface IEntryWords
{
    /// <summary>Loads a word, 0 to 7.</summary>
    ulong Load(int word);

    /// <summary>Stores a word with one store, after all stores before it.</summary>
    void Store(int word, ulong value);

    /// <summary>Returns when hardware knows nothing older than the words as they stand.</summary>
    void Synchronize();
}

/// <summary>Rewrites an STE or a CD that hardware may be using, one 64-bit store at a time (IHI 0070, 3.21.3).</summary>
/// <remarks>
/// Hardware may fetch the words one by one, in any order, until it is told to forget them; it does not look at fields that
/// the others turn off. So words may change freely in bits that are not in use, and one word may change in bits that are:
/// what is fetched then is the old entry or the new one. First the bits that the current value leaves unused take their
/// new values, then the one word changes, then the bits that the new value leaves unused. If two words would have to change
/// at once, the entry is invalid meanwhile: V = 0, all other words, word 0. Between the steps hardware forgets.
/// </remarks>
internal static class EntryUpdate
{
    /// <summary>Brings an entry to its target.</summary>
    /// <param name="words">The entry.</param>
    /// <param name="target">Its eight words to be.</param>
    public static EntryUpdateResult Write<TUse, TWords>(ref TWords words, scoped ReadOnlySpan<ulong> target)
        where TUse : IEntryUse
        where TWords : IEntryWords, allows ref struct
    {
        Span<ulong> current = stackalloc ulong[EightWords.Count];
        Span<ulong> prepared = stackalloc ulong[EightWords.Count];
        for (int word = 0; word < current.Length; word++) current[word] = words.Load(word);
        uint critical = Prepare<TUse>(current, target, prepared);
        bool staysValid = (current[0] & target[0] & TUse.Valid) != 0;
        int synchronizations = 0;
        if (BitOperations.PopCount(critical) > 1)
        {
            staysValid = false;
            prepared[0] = 0;
            Apply(ref words, current, prepared, 0, 1, ref synchronizations);
            Apply(ref words, current, target, 1, EightWords.Count, ref synchronizations);
            Apply(ref words, current, target, 0, 1, ref synchronizations);
            return new EntryUpdateResult(PageTableStatus.Done, staysValid, synchronizations);
        }

        if (critical != 0)
        {
            int word = BitOperations.TrailingZeroCount(critical);
            prepared[word] = current[word];
            Apply(ref words, current, prepared, 0, EightWords.Count, ref synchronizations);
            Apply(ref words, current, target, word, word + 1, ref synchronizations);
        }

        Apply(ref words, current, target, 0, EightWords.Count, ref synchronizations);
        return new EntryUpdateResult(PageTableStatus.Done, staysValid, synchronizations);
    }

    // The current value with its free bits as in the target; returns the words in which the target still sees a difference.
    private static uint Prepare<TUse>(ReadOnlySpan<ulong> current, ReadOnlySpan<ulong> target, Span<ulong> prepared)
        where TUse : IEntryUse
    {
        Span<ulong> used = stackalloc ulong[EightWords.Count];
        Span<ulong> usedByTarget = stackalloc ulong[EightWords.Count];
        Span<ulong> safe = stackalloc ulong[EightWords.Count];
        TUse.GetUsed(current, used);
        TUse.GetUsed(target, usedByTarget);
        TUse.GetSafe(current, target, safe);
        uint critical = 0;
        for (int word = 0; word < EightWords.Count; word++)
        {
            ulong kept = used[word] & ~(safe[word] & usedByTarget[word]);
            prepared[word] = (current[word] & kept) | (target[word] & ~kept);
            if (((prepared[word] ^ target[word]) & usedByTarget[word]) != 0) critical |= 1u << word;
        }

        return critical;
    }

    // Stores the words of a range that differ; a step that stores nothing needs no invalidation.
    private static void Apply<TWords>(
        ref TWords words,
        scoped Span<ulong> current,
        scoped ReadOnlySpan<ulong> value,
        int first,
        int end,
        scoped ref int synchronizations)
        where TWords : IEntryWords, allows ref struct
    {
        bool stored = false;
        for (int word = first; word < end; word++)
        {
            if (current[word] == value[word]) continue;
            current[word] = value[word];
            words.Store(word, value[word]);
            stored = true;
        }

        if (!stored) return;
        words.Synchronize();
        synchronizations++;
    }
}
