namespace Smmu.Fast.Iommufd;

/// <summary>Addresses that must not be mapped, and who says so; ranges of several owners may overlap.</summary>
/// <remarks>They change when devices and domains come and go and are asked for on every map, so the union is kept.</remarks>
internal sealed class ReservedRanges
{
    private readonly List<(IovaRange Range, object Owner)> entries = [];
    private IovaRange[] union = [];   // Sorted, with a hole after each.

    public void Add(ulong first, ulong last, object owner)
    {
        entries.Add((new IovaRange(first, last), owner));
        Unite();
    }

    public void RemoveAll(object owner)
    {
        if (entries.RemoveAll(entry => ReferenceEquals(entry.Owner, owner)) != 0) Unite();
    }

    public bool Overlaps(ulong first, ulong last) => TryFindFrom(first, out IovaRange range) && range.First <= last;

    /// <summary>The first reserved stretch that ends at or after an address.</summary>
    public bool TryFindFrom(ulong address, out IovaRange range)
    {
        int low = 0;
        int high = union.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (union[middle].Last < address) low = middle + 1;
            else high = middle;
        }

        bool found = low < union.Length;
        range = found ? union[low] : default;
        return found;
    }

    /// <summary>The ranges between the reserved ones.</summary>
    public List<IovaRange> Holes()
    {
        var holes = new List<IovaRange>(union.Length + 1);
        ulong start = 0;
        foreach (IovaRange range in union)
        {
            if (range.First > start) holes.Add(new IovaRange(start, range.First - 1));
            if (range.Last == ulong.MaxValue) return holes;
            start = range.Last + 1;
        }

        holes.Add(new IovaRange(start, ulong.MaxValue));
        return holes;
    }

    private void Unite()
    {
        var united = new List<IovaRange>(entries.Count);
        foreach (IovaRange range in entries.Select(entry => entry.Range).OrderBy(range => range.First))
        {
            if (united.Count != 0 && (united[^1].Last == ulong.MaxValue || range.First <= united[^1].Last + 1))
            {
                united[^1] = united[^1] with { Last = Math.Max(united[^1].Last, range.Last) };
            }
            else
            {
                united.Add(range);
            }
        }

        union = [.. united];
    }
}
