using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tables;

/// <summary>A mapping that a look-up found.</summary>
/// <param name="Address">Where exactly the address leads to.</param>
/// <param name="SizeLog2">log2 of the bytes of the leaf.</param>
/// <param name="Level">Level of the leaf, -1 to 3.</param>
/// <param name="Descriptor">The leaf as it stands.</param>
public readonly record struct PageMapping(ulong Address, int SizeLog2, int Level, TranslationTableDescriptor Descriptor);

/// <summary>Builds the translation tables of one stage as a driver does: maps, unmaps, harvests dirty state.</summary>
/// <remarks>
/// One writer at a time, and nobody else writes the tables, but for hardware, which may walk them and set Access flags and
/// dirty state meanwhile; no such update is lost. Every descriptor is stored whole, and a table is linked after it is filled:
/// a walk finds the old or the new mapping. Before what an operation took away is used for something else, invalidate what
/// its <see cref="PageTableChange"/> names, wait for the CMD_SYNC, and only then give the unlinked tables back.
/// <para>
/// Splitting a block replaces it by a table while it is in use, as IDR3.BBML = 2 allows; on lesser hardware the caller keeps
/// accesses away from the block meanwhile.
/// </para>
/// <para>
/// Operations return answers for whatever they refuse, and then have changed nothing. They take no lock and no managed memory.
/// A descriptor is 0 when it is not valid, and each table has a count of those that are.
/// </para>
/// </remarks>
public sealed unsafe partial class PageTable : IDisposable
{
    private const ulong Valid = 0b01;
    private const ulong TableOrPage = 0b11;
    private const ulong NoKey = ulong.MaxValue;

    private readonly FramePool pool;
    private readonly PageTableGeometry geometry;
    private readonly ulong firstAddress;
    private readonly ulong attributeMask;    // Bits that attributes may set.
    private readonly ulong keptAttributes;   // Of those, the ones that leaves have room for.
    private readonly DirtyBits dirty;
    private readonly int root;
    private ulong lastKey = NoKey;   // What part of the input addresses
    private int lastTable;           // a table of level 3 covers that was used last: small operations often follow one another.
    private int unlinkedFirst;
    private int unlinkedCount;
    private bool disposed;

    /// <summary>Makes a table that maps nothing.</summary>
    /// <param name="pool">Where tables come from; it outlives this object.</param>
    /// <param name="options">The shape.</param>
    /// <exception cref="ArgumentException">The options contradict each other or the architecture.</exception>
    /// <exception cref="InvalidOperationException">The pool has no room for the first table.</exception>
    public PageTable(FramePool pool, PageTableOptions options)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(options);
        geometry = new PageTableGeometry(options);
        this.pool = pool;
        Options = options;
        firstAddress = options.UpperRange ? ulong.MaxValue << geometry.InputBits : 0;
        ulong shareability = BitRange.Place(DescriptorFields.SH, ulong.MaxValue);
        bool isStage1 = options.Stage == PageTableStage.Stage1;
        attributeMask = (BitField.Mask(11, 2) | BitField.Mask(63, 51)) & ~BitRange.Place(DescriptorFields.Contiguous, 1);
        keptAttributes = geometry.Form == DescriptorAddressForm.LargeAddresses ? attributeMask & ~shareability : attributeMask;
        dirty = new DirtyBits(isStage1);
        if (!pool.TryTakeFrame(geometry.RootEntriesLog2 + 3, out root)) throw new InvalidOperationException(
            $"The pool has no {8UL << geometry.RootEntriesLog2} bytes for the first table: use a larger pool.");
        TableCount = 1;
    }

    /// <summary>The shape it was made with.</summary>
    public PageTableOptions Options { get; }

    /// <summary>Physical address of the first table, for TTB0, TTB1 or S2TTB.</summary>
    public ulong Root => pool.AddressOf(root);

    /// <summary>Level of the first table, -1 to 3.</summary>
    public int StartLevel => geometry.StartLevel;

    /// <summary>log2 of the smallest mapping, the granularity of all operations.</summary>
    public int SmallestPageLog2 => geometry.SmallestLog2;

    /// <summary>The lowest input address.</summary>
    public ulong FirstAddress => firstAddress;

    /// <summary>Tables that are linked, the first one included; concatenated tables count as one.</summary>
    public int TableCount { get; private set; }

    /// <summary>Bytes that are mapped.</summary>
    public ulong MappedBytes { get; private set; }

    /// <summary>Finds what an address is mapped to; it reads a few words and changes nothing.</summary>
    /// <param name="iova">Any address.</param>
    /// <param name="mapping">The mapping.</param>
    /// <returns>False when the address is not mapped.</returns>
    public bool TryFind(ulong iova, out PageMapping mapping)
    {
        mapping = default;
        ulong offset = iova - firstAddress;
        if (BitField.Exceeds(offset, geometry.InputBits) || disposed) return false;
        int table = root;
        for (int level = geometry.StartLevel; ; level++)
        {
            ulong descriptor = Volatile.Read(ref pool.HostOf(table)[geometry.IndexOf(offset, level)]);
            if (descriptor == 0) return false;
            if (!IsTable(descriptor, level))
            {
                int shift = geometry.Shift(level);
                ulong inLeaf = (1UL << shift) - 1;
                mapping = new PageMapping(
                    (geometry.AddressOf(descriptor) & ~inLeaf) | (offset & inLeaf), shift, level, new TranslationTableDescriptor(descriptor));
                return true;
            }

            table = ChildOf(descriptor);
        }
    }

    /// <summary>Takes the tables that were unlinked since it was last called: return them once they are invalidated.</summary>
    public UnlinkedTables TakeUnlinked()
    {
        var taken = new UnlinkedTables(unlinkedFirst, unlinkedCount);
        unlinkedFirst = 0;
        unlinkedCount = 0;
        return taken;
    }

    /// <summary>
    /// Gives all tables back, the unlinked ones too that nobody took. No hardware may know them any more: take the table out
    /// of its STE or CD and invalidate first. Later calls do nothing.
    /// </summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        ReturnAll(root, geometry.StartLevel);
        pool.Return(TakeUnlinked());
        TableCount = 0;
        MappedBytes = 0;
    }

    /// <summary>Valid descriptors of the table that an address leads to at a level; -1 when there is no such table.</summary>
    internal int LiveDescriptors(ulong iova, int level)
    {
        ulong offset = iova - firstAddress;
        int table = root;
        for (int at = geometry.StartLevel; at < level; at++)
        {
            ulong descriptor = pool.HostOf(table)[geometry.IndexOf(offset, at)];
            if (!IsTable(descriptor, at)) return -1;
            table = ChildOf(descriptor);
        }

        return pool[table]->Live;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsTable(ulong descriptor, int level) => level < 3 && (descriptor & TableOrPage) == TableOrPage;

    private static bool IsContiguous(ulong descriptor) => BitRange.Get(descriptor, DescriptorFields.Contiguous) != 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int ChildOf(ulong descriptor) => pool.FrameOf(geometry.AddressOf(descriptor));

    // One past the last offset that a table covers, or the end of the range if that comes first.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong EndInTable(ulong offset, ulong end, int level) => level == geometry.StartLevel
        ? end
        : Math.Min(end, (offset | ((1UL << (geometry.Shift(level) + geometry.Stride)) - 1)) + 1);

    private PageTableStatus Check(ulong offset, ulong bytes)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (((offset | bytes) & ((1UL << geometry.SmallestLog2) - 1)) != 0 || bytes == 0) return PageTableStatus.Unaligned;
        ulong size = 1UL << geometry.InputBits;
        return offset >= size || bytes > size - offset ? PageTableStatus.OutOfRange : PageTableStatus.Done;
    }

    // True when the table of level 3 that was used last covers all of a range.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsInLastTable(ulong offset, ulong bytes)
    {
        int shift = geometry.Shift(2);
        return offset >> shift == lastKey && (offset + (bytes - 1)) >> shift == lastKey;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RememberTable(int table, ulong offset)
    {
        if (table == root) return;   // It may cover more than one table's part.
        lastKey = offset >> geometry.Shift(2);
        lastTable = table;
    }

    // The caller has made sure that there is one.
    private int TakeTable()
    {
        bool done = pool.TryTakeFrame(geometry.GranuleLog2, out int table);
        Invariant.Holds(done);
        TableCount++;
        return table;
    }

    // After everything in the table: a walk that finds the table finds it filled.
    private void Link(ulong* slot, int table) => Volatile.Write(ref *slot, LinkTo(table));

    private ulong LinkTo(int table) => geometry.Encode(pool.AddressOf(table)) | TableOrPage;

    private void Unlink(int table)
    {
        if (table == lastTable) lastKey = NoKey;
        pool[table]->Next = unlinkedFirst;
        unlinkedFirst = table;
        unlinkedCount++;
        TableCount--;
    }

    private void ReturnAll(int table, int level)
    {
        int left = level < 3 ? pool[table]->Live : 0;
        for (ulong* slot = pool.HostOf(table); left > 0; slot++)
        {
            if (*slot == 0) continue;
            left--;
            if (IsTable(*slot, level)) ReturnAll(ChildOf(*slot), level + 1);
        }

        pool.ReturnFrame(table);
    }
}
