using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>An entry that asserts, at every store, that hardware finds the old meaning, the new one, or V = 0.</summary>
/// <remarks>
/// Hardware may have fetched any word at any time since it was last told to forget: every mixture of the values that a word
/// has had since then counts.
/// </remarks>
internal sealed class RecordedEntry(ulong[] old, ulong[] target, EntryMeaning meaning, bool mayBreak) : IEntryWords
{
    private readonly List<ulong>[] values = [.. old.Select(word => new List<ulong> { word })];

    public ulong[] Words { get; } = [.. old];

    public int Stores { get; private set; }

    public int Synchronizations { get; private set; }

    /// <summary>V was 0 at a time between the first word and the last.</summary>
    public bool WasInvalid { get; private set; }

    public ulong Load(int word) => Words[word];

    public void Store(int word, ulong value)
    {
        Words[word] = value;
        values[word].Add(value);
        Stores++;
        AssertMixtures();
    }

    public void Synchronize()
    {
        Synchronizations++;
        for (int word = 0; word < values.Length; word++) values[word] = [Words[word]];
        AssertMixtures();
    }

    private void AssertMixtures()
    {
        var mixture = new ulong[8];
        long count = values.Aggregate(1L, (product, each) => product * each.Count);
        for (long choice = 0; choice < count; choice++)
        {
            long rest = choice;
            for (int word = 0; word < mixture.Length; word++)
            {
                mixture[word] = values[word][(int)(rest % values[word].Count)];
                rest /= values[word].Count;
            }

            bool invalid = (mixture[0] & meaning.Valid) == 0;
            WasInvalid |= invalid;
            Assert.True(
                meaning.AreAlike(mixture, old, old, target) || meaning.AreAlike(mixture, target, old, target) || (invalid && mayBreak),
                $"Store {Stores} shows hardware {string.Join(' ', mixture.Select(word => $"{word:x}"))}");
        }
    }
}

/// <summary>Which bits of an entry mean something, written down apart from the builder's tables.</summary>
internal abstract class EntryMeaning
{
    public abstract ulong Valid { get; }

    public abstract ulong[] Used(ulong[] entry);

    /// <summary>Bits that hardware bears to see in the old or the new state whatever else it sees.</summary>
    public virtual ulong[] Safe(ulong[] old, ulong[] target) => new ulong[8];

    public bool AreAlike(ulong[] entry, ulong[] other, ulong[] old, ulong[] target)
    {
        ulong[] used = Used(other);
        ulong[] safe = Safe(old, target);
        return !Enumerable.Range(0, 8).Any(word => ((entry[word] ^ other[word]) & used[word] & ~safe[word]) != 0);
    }
}

internal sealed class StreamEntryMeaning : EntryMeaning
{
    private const ulong Ats = 3UL << 28;
    private const ulong MergeEvents = 1UL << 19;
    private const ulong Shareability = 3UL << 44;
    private const ulong Stage2Stall = 1UL << 57;

    public override ulong Valid => 1;

    public override ulong[] Used(ulong[] entry)
    {
        var used = new ulong[8];
        used[0] = Valid;
        if ((entry[0] & Valid) == 0) return used;
        ulong config = (entry[0] >> 1) & 7;
        used[0] |= 7 << 1;
        if ((config & 5) == 5)
        {
            used[0] |= (3UL << 4) | (0x3_ffff_ffff_ffffUL << 6) | (0x1fUL << 59);
            used[1] |= 0xff | Ats | MergeEvents | (1UL << 27) | (3UL << 30);
            used[2] |= 0xffff;
            if ((entry[1] & 3) == 1) used[1] |= Shareability;
            if ((entry[1] & Ats) != 0) used[2] |= Stage2Stall;   // Whether ATS is legal may depend on it.
        }

        if ((config & 6) == 6)
        {
            used[1] |= (1UL << 25) | Ats | Shareability | MergeEvents;
            used[2] |= 0xffff | (0x7ffffUL << 32) | (1UL << 51) | (1UL << 52) | (1UL << 54) | (3UL << 57);
            used[3] |= 0xffff_ffff_fff0;
        }

        if (config == 4) used[1] |= Shareability;
        return used;
    }

    public override ulong[] Safe(ulong[] old, ulong[] target)
    {
        var safe = new ulong[8];
        safe[1] = MergeEvents;
        if (((old[1] | target[1]) & (2UL << 28)) == 0 && ((old[2] | target[2]) & Stage2Stall) == 0) safe[1] |= 1UL << 28;
        return safe;
    }
}

internal sealed class ContextMeaning : EntryMeaning
{
    public override ulong Valid => 1UL << 31;

    public override ulong[] Used(ulong[] entry)
    {
        var used = new ulong[8];
        used[0] = Valid;
        if ((entry[0] & Valid) == 0) return used;
        Array.Fill(used, ulong.MaxValue);
        Ignore(used, 1, (entry[0] & (1UL << 14)) != 0, 0x3fff);            // T0SZ, TG0, IR0, OR0, SH0.
        Ignore(used, 2, (entry[0] & (1UL << 30)) != 0, 0x3fff_0000);       // T1SZ, TG1, IR1, OR1, SH1.
        return used;
    }

    private static void Ignore(ulong[] used, int tableWord, bool isDisabled, ulong fields)
    {
        if (!isDisabled) return;
        used[0] &= ~fields;
        used[tableWord] &= ~0xff_ffff_ffff_fff0UL;
    }
}
