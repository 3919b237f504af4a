namespace Smmu.Fast.Oracle;

/// <summary>A sparse memory: words that nobody wrote are 0, and accesses of chosen words are aborted.</summary>
public sealed class OracleMemory : IOracleMemory
{
    private readonly Dictionary<ulong, ulong> words = [];
    private readonly HashSet<ulong> abortedReads = [];
    private readonly HashSet<ulong> abortedWrites = [];

    /// <summary>Gets or sets the word at a physical address, without aborts.</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    /// <exception cref="ArgumentException">The address is no multiple of 8.</exception>
    public ulong this[ulong address]
    {
        get => words.GetValueOrDefault(Aligned(address));
        set => words[Aligned(address)] = value;
    }

    /// <summary>Makes reads of one word abort from now on.</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    /// <exception cref="ArgumentException">The address is no multiple of 8.</exception>
    public void AbortReadsOf(ulong address) => abortedReads.Add(Aligned(address));

    /// <summary>Makes writes and updates of one word abort from now on.</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    /// <exception cref="ArgumentException">The address is no multiple of 8.</exception>
    public void AbortWritesOf(ulong address) => abortedWrites.Add(Aligned(address));

    /// <inheritdoc/>
    public bool TryRead(ulong address, out ulong value)
    {
        value = 0;
        if (abortedReads.Contains(Aligned(address))) return false;
        value = this[address];
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ulong value)
    {
        if (abortedWrites.Contains(Aligned(address))) return false;
        this[address] = value;
        return true;
    }

    /// <inheritdoc/>
    public bool TryCompareExchange(ulong address, ulong expected, ulong desired, out ulong seen)
    {
        seen = 0;
        if (abortedWrites.Contains(Aligned(address))) return false;
        seen = this[address];
        if (seen == expected) this[address] = desired;
        return true;
    }

    private static ulong Aligned(ulong address) => address % 8 == 0 ? address
        : throw new ArgumentException($"0x{address:X} is no multiple of 8: pass the address of the word.", nameof(address));
}
