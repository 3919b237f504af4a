namespace Smmu.Fast.Perf.Floors;

/// <summary>
/// The least a hit can be: one index, one compare, one add, in a direct-mapped table that is large enough for every page.
/// No permission, no liveness, no scope: nothing that translates can be faster.
/// </summary>
internal sealed class TagTable
{
    private readonly Entry[] entries;

    /// <summary>Holds neighbouring pages.</summary>
    public TagTable(ulong firstPage, int pages, ulong firstOutput)
    {
        entries = new Entry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(pages, 256))];
        for (int i = 0; i < pages; i++)
        {
            ulong page = (firstPage >> 12) + (ulong)i;
            entries[page & (ulong)(entries.Length - 1)] = new Entry(page, firstOutput + ((ulong)i << 12));
        }
    }

    /// <summary>Translates all addresses.</summary>
    /// <returns>The sum of the output addresses.</returns>
    public ulong Sum(ReadOnlySpan<ulong> addresses)
    {
        var table = entries;
        ulong sum = 0;
        foreach (ulong address in addresses)
        {
            ulong page = address >> 12;
            ref readonly var entry = ref table[page & (ulong)(table.Length - 1)];
            if (entry.Page == page) sum += entry.Output | (address & 0xfff);
        }

        return sum;
    }

    /// <summary>Translates all addresses, each of which waits for the answer to the one before.</summary>
    /// <param name="addresses">What to translate.</param>
    /// <param name="nothing">0, which the compiler must not know.</param>
    public ulong Chase(ReadOnlySpan<ulong> addresses, ulong nothing)
    {
        var table = entries;
        ulong answer = 0;
        foreach (ulong address in addresses)
        {
            ulong iova = address + (answer & nothing);
            ulong page = iova >> 12;
            ref readonly var entry = ref table[page & (ulong)(table.Length - 1)];
            answer = entry.Page == page ? entry.Output | (iova & 0xfff) : 0;
        }

        return answer;
    }

    /// <summary>Translates all addresses into answers of 16 bytes: address and status.</summary>
    public void Translate(ReadOnlySpan<ulong> addresses, Span<(ulong Address, ulong Status)> answers)
    {
        var table = entries;
        for (int i = 0; i < addresses.Length && i < answers.Length; i++)
        {
            ulong page = addresses[i] >> 12;
            ref readonly var entry = ref table[page & (ulong)(table.Length - 1)];
            bool isFound = entry.Page == page;
            answers[i] = (entry.Output | (addresses[i] & 0xfff), isFound ? 1UL : 0);
        }
    }

    private readonly record struct Entry(ulong Page, ulong Output);
}
