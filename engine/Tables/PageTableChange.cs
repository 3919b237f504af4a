using System.Runtime.CompilerServices;

namespace Smmu.Fast.Tables;

/// <summary>A range of input addresses.</summary>
/// <param name="First">The first address.</param>
/// <param name="Bytes">Its size; 0 for no range.</param>
public readonly record struct AddressRange(ulong First, ulong Bytes)
{
    /// <summary>True when there is no range.</summary>
    public bool IsEmpty => Bytes == 0;

    internal AddressRange Including(ulong first, ulong bytes)
    {
        if (IsEmpty) return new AddressRange(first, bytes);
        ulong low = Math.Min(First, first);
        return new AddressRange(low, Math.Max(First + (Bytes - 1), first + (bytes - 1)) - low + 1);
    }
}

/// <summary>What hardware may still know after changes of a <see cref="PageTable"/>: what to invalidate (IHI 0070, 3.17).</summary>
/// <remarks>
/// Operations add to it, so one value can gather several of them; begin with the default value. A map adds nothing, as what
/// is not mapped is not cached. For every level with a range, leaves of that level have gone or changed: a TLBI by address
/// range with that level in TTL, leaf only. <see cref="Tables"/> asks for one of all levels (Leaf = 0) and no TTL besides.
/// </remarks>
public struct PageTableChange
{
    private const int Levels = 5;
    private const int LowestLevel = -1;

    private Ranges leaves;

    /// <summary>Bytes that are not mapped any more.</summary>
    public ulong UnmappedBytes { get; internal set; }

    /// <summary>Input addresses whose walks led through tables that were unlinked; they wait for the invalidation.</summary>
    public AddressRange Tables { get; internal set; }

    /// <summary>True when there is nothing to invalidate.</summary>
    public readonly bool IsEmpty
    {
        get
        {
            if (!Tables.IsEmpty) return false;
            foreach (AddressRange range in leaves)
            {
                if (!range.IsEmpty) return false;
            }

            return true;
        }
    }

    /// <summary>The smallest range that covers every leaf of a level that has gone or changed.</summary>
    /// <param name="level">-1 to 3.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such level.</exception>
    public readonly AddressRange LeavesOf(int level)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(level, LowestLevel);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, LowestLevel + Levels - 1);
        return leaves[level - LowestLevel];
    }

    internal void AddLeaves(int level, ulong first, ulong bytes)
    {
        ref AddressRange range = ref leaves[level - LowestLevel];
        range = range.Including(first, bytes);
    }

    internal void AddTable(ulong first, ulong bytes) => Tables = Tables.Including(first, bytes);

    [InlineArray(Levels)]
    private struct Ranges
    {
        private AddressRange first;
    }
}
