namespace Smmu.Fast.Tests.Tables;

/// <summary>What is mapped, as a list of pieces: slow, plain, and the judge of the builder.</summary>
internal sealed class MappingModel
{
    private readonly List<(ulong First, ulong Last, ulong Output)> pieces = [];

    public IReadOnlyList<(ulong First, ulong Last, ulong Output)> Pieces => pieces;

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
}
