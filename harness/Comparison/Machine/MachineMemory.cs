using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>A value that a word had, and the time at which it lost it.</summary>
internal readonly record struct Past(ulong Value, int Until);

/// <summary>Memory of both SMMUs that remembers: what a word was while an SMMU may have come to know it.</summary>
/// <remarks>Time is a count of things that happen. A word has a past from its first read as a structure on: what nobody has
/// read nobody can have cached.</remarks>
internal sealed class MachineMemory : IOracleMemory, IDisposable
{
    private static readonly IReadOnlyList<Past> NoPast = [];

    private readonly Dictionary<ulong, List<Past>> pasts = [];
    private readonly HashSet<ulong> known = [];
    private readonly List<int> changes = [];
    private readonly ulong[] used;

    public MachineMemory(IReadOnlyList<Stretch> stretches)
    {
        Stretches = stretches;
        Twin = new TwinMemory(stretches);
        used = new ulong[stretches.Count];
    }

    public IReadOnlyList<Stretch> Stretches { get; }

    /// <summary>The words themselves.</summary>
    public TwinMemory Twin { get; }

    /// <summary>The time.</summary>
    public int Now { get; private set; } = 1;

    /// <summary>Times at which words with a past changed, in order.</summary>
    public IReadOnlyList<int> Changes => changes;

    /// <summary>Lets time go on.</summary>
    public int Tick() => ++Now;

    /// <summary>The driver stores a word, in read-only memory, too; where there is no memory nothing happens.</summary>
    public void Store(ulong address, ulong value)
    {
        if (!Twin.Contains(address, out _)) return;
        Note(address, value);
        Twin.Set(address, value);
    }

    /// <summary>The word as the Oracle has it.</summary>
    public ulong Get(ulong address) => Twin.OfOracle(address);

    /// <summary>True where stores of the SMMU arrive.</summary>
    public bool CanWrite(ulong address) => Twin.Contains(address, out int stretch) && !Stretches[stretch].IsReadOnly;

    /// <summary>Takes note that an SMMU reads the word as part of a structure.</summary>
    public void Learn(ulong address) => known.Add(address);

    /// <summary>What the word was, the oldest first.</summary>
    public IReadOnlyList<Past> PastOf(ulong address) => pasts.TryGetValue(address, out var past) ? past : NoPast;

    /// <summary>What the word was at a time.</summary>
    public ulong At(ulong address, int time)
    {
        foreach (var past in PastOf(address))
        {
            if (past.Until > time) return past.Value;
        }

        return Get(address);
    }

    /// <summary>Forgets the past of everything: nothing of it is cached.</summary>
    public void ForgetPast()
    {
        pasts.Clear();
        known.Clear();
        changes.Clear();
    }

    /// <summary>Makes the Oracle's copy equal to the engine's.</summary>
    public void TakeFromEngine()
    {
        while (FirstDifference() is { } address)
        {
            ulong value = Twin.OfEngine(address);
            Note(address, value);
            Twin.Set(address, value);
        }
    }

    /// <summary>The first word in use in which the copies differ, or null.</summary>
    public ulong? FirstDifference() => Twin.FirstDifference(used);

    /// <summary>The first word at all in which they differ, or null.</summary>
    public ulong? FirstDifferenceAnywhere() => Twin.FirstDifference([.. Stretches.Select(stretch => stretch.Size)]);

    /// <summary>Zeroes what is in use and begins anew.</summary>
    public void Clear()
    {
        Twin.Clear(used);
        Array.Clear(used);
        ForgetPast();
        Now = 1;
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, out ulong value) => Twin.TryRead(address, out value);

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ulong value)
    {
        if (!CanWrite(address)) return false;
        Note(address, value);
        return Twin.TryWrite(address, value);
    }

    /// <inheritdoc/>
    public bool TryCompareExchange(ulong address, ulong expected, ulong desired, out ulong seen)
    {
        seen = 0;
        if (!CanWrite(address)) return false;
        seen = Get(address);
        return seen != expected || TryWrite(address, desired);
    }

    public void Dispose() => Twin.Dispose();

    private void Note(ulong address, ulong value)
    {
        Twin.Contains(address, out int stretch);
        used[stretch] = Math.Max(used[stretch], address - Stretches[stretch].Base + sizeof(ulong));
        ulong before = Get(address);
        if (before == value || !known.Contains(address)) return;
        if (!pasts.TryGetValue(address, out var past)) pasts[address] = past = [];
        if (past.Count != 0 && past[^1].Until == Now) return;   // What it was in between nobody saw.
        past.Add(new Past(before, Now));
        if (changes.Count == 0 || changes[^1] != Now) changes.Add(Now);
    }
}
