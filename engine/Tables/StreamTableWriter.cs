using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tables;

/// <summary>Builds a Stream table, linear or of two levels, and rewrites its entries while hardware uses them (IHI 0070, 3.3.1).</summary>
/// <remarks>
/// One writer at a time. Streams that nobody has written abort silently: fresh entries are V = 1, Config = 0b000. Second
/// levels are made when the first of their streams is written, and stay.
/// </remarks>
public sealed unsafe class StreamTableWriter : IDisposable
{
    private const int EntryLog2 = 6;
    private const int Level1Log2 = 3;
    private const int MostStreamIdBits = 32;

    private readonly FramePool pool;
    private readonly int streamIdBits;
    private readonly int split;
    private readonly int root;
    private bool disposed;

    /// <summary>Makes a table in which every stream aborts.</summary>
    /// <param name="pool">Where it lies; the pool outlives this object.</param>
    /// <param name="streamIdBits">LOG2SIZE: bits of a StreamID, 0 to 32.</param>
    /// <param name="split">StreamID bits that the second level resolves: 6, 8 or 10; 0 for a linear table.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of range.</exception>
    /// <exception cref="InvalidOperationException">The pool has no room for the (first) table.</exception>
    public StreamTableWriter(FramePool pool, int streamIdBits, int split = 0)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentOutOfRangeException.ThrowIfNegative(streamIdBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(streamIdBits, MostStreamIdBits);
        if (split is not (0 or 6 or 8 or 10)) throw new ArgumentOutOfRangeException(
            nameof(split), split, "Pass 6, 8 or 10, or 0 for a linear table.");
        this.pool = pool;
        this.streamIdBits = streamIdBits;
        this.split = split;
        int sizeLog2 = split == 0 ? streamIdBits + EntryLog2 : Math.Max(0, streamIdBits - split) + Level1Log2;
        if (!pool.TryTakeFrame(sizeLog2, out root)) throw new InvalidOperationException(
            $"The pool has no {1UL << sizeLog2} bytes for a table of {streamIdBits} StreamID bits: use a larger pool or two levels.");
        if (split == 0) FillWithAborts(root, streamIdBits);
    }

    /// <summary>STRTAB_BASE.</summary>
    public StreamTableBase Base => new() { ADDR = pool.AddressOf(root), RA = true };

    /// <summary>STRTAB_BASE_CFG.</summary>
    public StreamTableBaseConfiguration Configuration => new()
    {
        LOG2SIZE = (byte)streamIdBits,
        SPLIT = (byte)split,
        FMT = (byte)(split == 0 ? 0 : 1),
    };

    /// <summary>The entry of a stream; false when the table does not reach it, or its second level was never needed.</summary>
    /// <param name="stream">Any StreamID.</param>
    /// <param name="entry">The entry as it lies in memory.</param>
    public bool TryRead(StreamId stream, out StreamTableEntry entry)
    {
        entry = default;
        if (disposed || BitField.Exceeds(stream.Value, streamIdBits)) return false;
        ulong* words = Find(stream);
        if (words != null) entry = new StreamTableEntry(new ReadOnlySpan<ulong>(words, EightWords.Count));
        return words != null;
    }

    /// <summary>Brings an entry to a value, in the shortest sequence of stores that is safe while hardware uses it.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="entry">What its entry shall be.</param>
    /// <param name="synchronization">Invalidates the entry between the steps; once with Leaf = 0 when a second level is made.</param>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    public EntryUpdateResult Write<TSynchronization>(
        StreamId stream, in StreamTableEntry entry, ref TSynchronization synchronization)
        where TSynchronization : IEntrySynchronization
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (BitField.Exceeds(stream.Value, streamIdBits)) return new EntryUpdateResult(PageTableStatus.OutOfRange, false, 0);
        int linked = 0;
        ulong* words = Find(stream);
        if (words == null)
        {
            if (!TryAddSecondLevel(stream)) return new EntryUpdateResult(PageTableStatus.OutOfFrames, false, 0);
            synchronization.Synchronize(leaf: false);
            linked = 1;
            words = Find(stream);
        }

        Span<ulong> target = stackalloc ulong[EightWords.Count];
        entry.CopyTo(target);
        var inMemory = new HostEntry<TSynchronization>(words, ref synchronization);
        EntryUpdateResult result = EntryUpdate.Write<StreamTableEntryUse, HostEntry<TSynchronization>>(ref inMemory, target);
        return result with { Synchronizations = result.Synchronizations + linked };
    }

    /// <summary>Gives all tables back. No hardware may know them any more. Later calls do nothing.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        for (long index = 0; split != 0 && index < 1L << Math.Max(0, streamIdBits - split); index++)
        {
            var descriptor = new Level1StreamTableDescriptor(pool.HostOf(root)[index]);
            if (descriptor.HasSecondLevel) pool.ReturnFrame(pool.FrameOf(descriptor.L2Ptr));
        }

        pool.ReturnFrame(root);
    }

    private ulong* Find(StreamId stream)
    {
        if (split == 0) return pool.HostOf(root) + ((long)stream.Value * EightWords.Count);
        var descriptor = new Level1StreamTableDescriptor(pool.HostOf(root)[stream.Value >> split]);
        if (!descriptor.HasSecondLevel) return null;
        uint index = stream.Value & ((1u << split) - 1);
        return pool.HostOf(pool.FrameOf(descriptor.L2Ptr)) + ((long)index * EightWords.Count);
    }

    private bool TryAddSecondLevel(StreamId stream)
    {
        if (!pool.TryTakeFrame(split + EntryLog2, out int table)) return false;
        FillWithAborts(table, split);
        var descriptor = new Level1StreamTableDescriptor(pool.AddressOf(table))
            .With(Level1StreamTableDescriptorField.Span, (ulong)split + 1);
        Volatile.Write(ref pool.HostOf(root)[stream.Value >> split], descriptor.Word);   // After the entries.
        return true;
    }

    private void FillWithAborts(int table, int entriesLog2)
    {
        const ulong ValidAbort = 1;
        ulong* words = pool.HostOf(table);
        for (long entry = 0; entry < 1L << entriesLog2; entry++) words[entry * EightWords.Count] = ValidAbort;
    }
}
