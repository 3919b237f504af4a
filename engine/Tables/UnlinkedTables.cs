namespace Smmu.Fast.Tables;

/// <summary>Tables that no descriptor points to any more, but that hardware may still know: they wait for an invalidation.</summary>
/// <remarks>
/// Take them with <see cref="PageTable.TakeUnlinked"/>, invalidate what the changes named, wait for the CMD_SYNC, and give
/// them to <see cref="FramePool.Return(UnlinkedTables)"/>. Tables that are unlinked meanwhile belong to the next value.
/// </remarks>
public readonly record struct UnlinkedTables
{
    internal UnlinkedTables(int first, int count)
    {
        First = first;
        Count = count;
    }

    /// <summary>Tables in it.</summary>
    public int Count { get; }

    internal int First { get; }
}
