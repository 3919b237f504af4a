namespace Smmu.Fast.Props.Caching;

/// <summary>What a store into a translation table changed.</summary>
/// <param name="Level">Level of the uppermost descriptor that had a meaning before and has another one now.</param>
/// <param name="Address">First input address below it.</param>
/// <param name="SizeLog2">log2 of the bytes below it.</param>
/// <param name="Old">What it was before.</param>
/// <param name="WasTable">It led to a table, so cached table descriptors have to go as well.</param>
internal readonly record struct EntryChange(int Level, ulong Address, int SizeLog2, ulong Old, bool WasTable);

/// <summary>The tables of one half of an address space, written as a driver writes them.</summary>
/// <remarks>
/// Mappings lie at 32 <em>places</em>: bit 4 chooses one of two level 1 descriptors, bits [3:2] one of four level 2
/// descriptors, bits [1:0] one of four pages. So leaves of different sizes get into each other's way.
/// </remarks>
internal sealed class TableTree
{
    public const int Places = 32;

    /// <summary>Places from this one on hold global mappings, the others those of one ASID.</summary>
    public const int FirstGlobalPlace = 16;

    private readonly TablePool pool;
    private readonly HalfShape shape;
    private readonly ulong rangeBase;

    public TableTree(TablePool pool, HalfShape shape, bool isUpper)
    {
        this.pool = pool;
        this.shape = shape;
        rangeBase = isUpper ? ulong.MaxValue << (64 - shape.SizeOffset) : 0;
        Root = pool.Take(shape.GranuleLog2);
    }

    /// <summary>The first table.</summary>
    public ulong Root { get; }

    /// <summary>Geometry.</summary>
    public HalfShape Shape => shape;

    /// <summary>The first address of a place.</summary>
    public ulong AddressOf(int place) =>
        rangeBase
        | ((ulong)((place >> 4) & 1) << shape.EntryLog2(1))
        | (IndexOf(place >> 2) << shape.EntryLog2(2))
        | (IndexOf(place) << shape.EntryLog2(3));

    /// <summary>The first addresses of all places below one descriptor of a level.</summary>
    public IEnumerable<ulong> PlacesWithin(EntryChange change)
    {
        for (int place = 0; place < Places; place++)
        {
            ulong address = AddressOf(place);
            if (((address ^ change.Address) >> change.SizeLog2) == 0) yield return address;
        }
    }

    /// <summary>The descriptor that the walk to a place meets at a level, or 0 when it does not get there.</summary>
    public ulong Get(int place, int level) => TryReach(place, level, out ulong slot) ? pool.Machine.Read64(slot) : 0;

    /// <summary>Stores a descriptor at a level, and makes tables on the way there.</summary>
    public EntryChange Set(int place, int level, ulong descriptor)
    {
        ulong table = Root;
        EntryChange? uppermost = null;
        for (int at = shape.StartLevel; ; at++)
        {
            ulong slot = SlotOf(table, place, at);
            ulong old = pool.Machine.Read64(slot);
            bool wasTable = at < 3 && pool.IsTable(old, shape.GranuleLog2, out table);
            if (at == level)
            {
                if (wasTable) pool.Retire(table, at + 1);
                pool.Machine.Write64(slot, descriptor);
                return uppermost ?? ChangeOf(place, at, old, wasTable || IsForeignTable(old, at));
            }

            if (wasTable) continue;
            if ((old & 1) != 0) uppermost ??= ChangeOf(place, at, old, IsForeignTable(old, at));
            table = pool.Take(shape.GranuleLog2);
            pool.Machine.Write64(slot, table | 0b11);
        }
    }

    /// <summary>Stores bits [63:59] of a table descriptor; null when there is no table.</summary>
    public EntryChange? SetHierarchy(int place, int level, ulong bits)
    {
        if (!TryReach(place, level, out ulong slot)) return null;
        ulong old = pool.Machine.Read64(slot);
        if (!pool.IsTable(old, shape.GranuleLog2, out _)) return null;
        pool.Machine.Write64(slot, (old & ~(0x1fUL << 59)) | (bits << 59));
        return ChangeOf(place, level, old, wasTable: true);
    }

    private bool TryReach(int place, int level, out ulong slot)
    {
        ulong table = Root;
        for (int at = shape.StartLevel; ; at++)
        {
            slot = SlotOf(table, place, at);
            if (at == level) return true;
            if (!pool.IsTable(pool.Machine.Read64(slot), shape.GranuleLog2, out table)) return false;
        }
    }

    private static bool IsForeignTable(ulong descriptor, int level) => level < 3 && (descriptor & 3) == 3;

    private EntryChange ChangeOf(int place, int level, ulong old, bool wasTable)
    {
        int sizeLog2 = shape.EntryLog2(level);
        return new EntryChange(level, AddressOf(place) >> sizeLog2 << sizeLog2, sizeLog2, old, wasTable);
    }

    // Four descriptors of a table: the first three and the last.
    private ulong IndexOf(int choice) => (choice & 3) == 3 ? (1UL << (shape.GranuleLog2 - 3)) - 1 : (ulong)(choice & 3);

    private ulong SlotOf(ulong table, int place, int level)
    {
        int low = shape.EntryLog2(level);
        int bits = Math.Min(shape.GranuleLog2 - 3, 64 - shape.SizeOffset - low);
        return table + (((AddressOf(place) >> low) & ((1UL << bits) - 1)) * sizeof(ulong));
    }
}
