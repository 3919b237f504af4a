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

    private readonly record struct Entry(ulong Page, ulong Output);
}
