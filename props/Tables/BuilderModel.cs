namespace Smmu.Fast.Props.Tables;

/// <summary>What is mapped, what was written, and what may count as written with it.</summary>
internal sealed class BuilderModel(ulong page)
{
    private static readonly (ulong First, ulong Last) Nothing = (ulong.MaxValue, ulong.MaxValue);

    private readonly List<(ulong First, ulong Last, ulong Output)> pieces = [];
    private readonly HashSet<ulong> written = [];
    private readonly List<(ulong First, ulong Last)> marked = [];
    private (ulong First, ulong Last) lastFound = Nothing;

    /// <summary>What is mapped.</summary>
    public IReadOnlyList<(ulong First, ulong Last, ulong Output)> Pieces => pieces;

    /// <summary>How much of it there is.</summary>
    public ulong Bytes => pieces.Aggregate(0UL, (sum, piece) => sum + (piece.Last - piece.First + 1));

    public bool Overlaps(ulong first, ulong bytes) => pieces.Exists(piece => piece.First <= first + (bytes - 1) && piece.Last >= first);

    public void Map(ulong first, ulong output, ulong bytes) => pieces.Add((first, first + (bytes - 1), output));

    /// <summary>Returns the bytes that were mapped.</summary>
    public ulong Unmap(ulong first, ulong bytes)
    {
        ulong last = first + (bytes - 1);
        ulong removed = 0;
        foreach (var piece in pieces.FindAll(piece => piece.First <= last && piece.Last >= first))
        {
            pieces.Remove(piece);
            if (piece.First < first) pieces.Add((piece.First, first - 1, piece.Output));
            if (piece.Last > last) pieces.Add((last + 1, piece.Last, piece.Output + (last + 1 - piece.First)));
            removed += Math.Min(last, piece.Last) - Math.Max(first, piece.First) + 1;
        }

        Clean(first, bytes);
        return removed;
    }

    public ulong? Find(ulong address)
    {
        foreach (var piece in pieces)
        {
            if (address >= piece.First && address <= piece.Last) return piece.Output + (address - piece.First);
        }

        return null;
    }

    /// <summary>A write; hardware marks a leaf or a run of 2^sizeLog2 bytes, of which software may count all as written.</summary>
    public void Write(ulong address, int sizeLog2)
    {
        written.Add(address & ~(page - 1));
        Mark(address, sizeLog2);
    }

    /// <summary>All of 2^sizeLog2 bytes may count as written.</summary>
    public void Mark(ulong address, int sizeLog2)
    {
        ulong first = address >> sizeLog2 << sizeLog2;
        ulong last = first + ((1UL << sizeLog2) - 1);
        if (!marked.Exists(range => range.First <= first && range.Last >= last)) marked.Insert(0, (first, last));
    }

    /// <summary>Pages of a range that were written.</summary>
    public IEnumerable<ulong> WrittenIn(ulong first, ulong bytes) => written.Where(address => address - first < bytes);

    public bool MayBeDirty(ulong address)
    {
        if (address - lastFound.First <= lastFound.Last - lastFound.First) return true;
        int index = marked.FindIndex(range => address - range.First <= range.Last - range.First);
        if (index < 0) return false;
        lastFound = marked[index];
        return true;
    }

    /// <summary>Everything of a range is clean, or gone.</summary>
    public void Clean(ulong first, ulong bytes)
    {
        ulong last = first + (bytes - 1);
        lastFound = Nothing;
        written.RemoveWhere(address => address - first < bytes);
        foreach (var range in marked.FindAll(range => range.First <= last && range.Last >= first))
        {
            marked.Remove(range);
            if (range.First < first) marked.Add((range.First, first - 1));
            if (range.Last > last) marked.Add((last + 1, range.Last));
        }
    }
}
