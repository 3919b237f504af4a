using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tables;

/// <summary>The shapes of a CD table: the codes of STE.S1Fmt (IHI 0070, 5.2).</summary>
public enum ContextDescriptorTableFormat : byte
{
    /// <summary>One level; with 0 substream bits a lone CD.</summary>
    Linear = 0,

    /// <summary>Two levels with leaves of 4 KiB: 64 CDs.</summary>
    TwoLevel4K = 1,

    /// <summary>Two levels with leaves of 64 KiB: 1024 CDs.</summary>
    TwoLevel64K = 2,
}

/// <summary>Builds the CD table of a stream and rewrites its CDs while hardware uses them (IHI 0070, 3.3.2 and 5.3).</summary>
/// <remarks>
/// One writer at a time. CDs that nobody has written are not valid (V = 0). Leaves of a table of two levels are made when the
/// first of their CDs is written, and stay.
/// </remarks>
public sealed unsafe class ContextDescriptorTableWriter : IDisposable
{
    private const int EntryLog2 = 6;
    private const int Level1Log2 = 3;
    private const int MostSubstreamIdBits = 20;

    private readonly FramePool pool;
    private readonly int substreamIdBits;
    private readonly int split;   // SubstreamID bits that a leaf resolves; 0 for a linear table.
    private readonly int root;
    private bool disposed;

    /// <summary>Makes a table without valid CDs.</summary>
    /// <param name="pool">Where it lies; the pool outlives this object.</param>
    /// <param name="substreamIdBits">S1CDMax: 0 for a lone CD, up to 20.</param>
    /// <param name="format">The shape.</param>
    /// <exception cref="ArgumentException">The number of bits is out of range, or a lone CD is to have two levels.</exception>
    /// <exception cref="InvalidOperationException">The pool has no room for the (first) table.</exception>
    public ContextDescriptorTableWriter(
        FramePool pool, int substreamIdBits = 0, ContextDescriptorTableFormat format = ContextDescriptorTableFormat.Linear)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentOutOfRangeException.ThrowIfNegative(substreamIdBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(substreamIdBits, MostSubstreamIdBits);
        if (format > ContextDescriptorTableFormat.TwoLevel64K) throw new ArgumentException(
            $"{format} is no shape of a CD table: pass Linear, TwoLevel4K or TwoLevel64K.", nameof(format));
        if (substreamIdBits == 0 && format != ContextDescriptorTableFormat.Linear) throw new ArgumentException(
            "A lone CD has no levels: pass Linear, or substream bits above 0.", nameof(format));
        this.pool = pool;
        this.substreamIdBits = substreamIdBits;
        Format = format;
        split = format switch { ContextDescriptorTableFormat.TwoLevel4K => 6, ContextDescriptorTableFormat.TwoLevel64K => 10, _ => 0 };
        int sizeLog2 = split == 0 ? substreamIdBits + EntryLog2 : Math.Max(0, substreamIdBits - split) + Level1Log2;
        if (!pool.TryTakeFrame(sizeLog2, out root)) throw new InvalidOperationException(
            $"The pool has no {1UL << sizeLog2} bytes for a table of {substreamIdBits} SubstreamID bits: use a larger pool or two levels.");
    }

    /// <summary>The shape.</summary>
    public ContextDescriptorTableFormat Format { get; }

    /// <summary>Physical address of the CD or of the (first) table: S1ContextPtr.</summary>
    public ulong Address => pool.AddressOf(root);

    /// <summary>An STE with S1ContextPtr, S1Fmt and S1CDMax of this table. The rest is the caller's.</summary>
    public StreamTableEntry ApplyTo(in StreamTableEntry entry) => entry
        .With(StreamTableEntryField.S1ContextPtr, Address)
        .With(StreamTableEntryField.S1Fmt, (ulong)Format)
        .With(StreamTableEntryField.S1CDMax, (ulong)substreamIdBits);

    /// <summary>The CD of a substream; false when the table does not reach it, or its leaf was never needed.</summary>
    /// <param name="substream">Any SubstreamID; 0 for the lone CD.</param>
    /// <param name="descriptor">The CD as it lies in memory.</param>
    public bool TryRead(SubstreamId substream, out ContextDescriptor descriptor)
    {
        descriptor = default;
        if (disposed || BitField.Exceeds(substream.Value, substreamIdBits)) return false;
        ulong* words = Find(substream);
        if (words != null) descriptor = new ContextDescriptor(new ReadOnlySpan<ulong>(words, EightWords.Count));
        return words != null;
    }

    /// <summary>Brings a CD to a value, in the shortest sequence of stores that is safe while hardware uses it.</summary>
    /// <param name="substream">The substream; 0 for the lone CD.</param>
    /// <param name="descriptor">What its CD shall be; the default value takes it away.</param>
    /// <param name="synchronization">Invalidates the CD between the steps; once with Leaf = 0 when a leaf is made.</param>
    /// <exception cref="ObjectDisposedException">The writer is disposed.</exception>
    public EntryUpdateResult Write<TSynchronization>(
        SubstreamId substream, in ContextDescriptor descriptor, ref TSynchronization synchronization)
        where TSynchronization : IEntrySynchronization
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (BitField.Exceeds(substream.Value, substreamIdBits)) return new EntryUpdateResult(PageTableStatus.OutOfRange, false, 0);
        int linked = 0;
        ulong* words = Find(substream);
        if (words == null)
        {
            if (!TryAddLeaf(substream)) return new EntryUpdateResult(PageTableStatus.OutOfFrames, false, 0);
            synchronization.Synchronize(leaf: false);
            linked = 1;
            words = Find(substream);
        }

        Span<ulong> target = stackalloc ulong[EightWords.Count];
        descriptor.CopyTo(target);
        var inMemory = new HostEntry<TSynchronization>(words, ref synchronization);
        EntryUpdateResult result = EntryUpdate.Write<ContextDescriptorUse, HostEntry<TSynchronization>>(ref inMemory, target);
        return result with { Synchronizations = result.Synchronizations + linked };
    }

    /// <summary>Gives all tables back. No hardware may know them any more. Later calls do nothing.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        for (long index = 0; split != 0 && index < 1L << Math.Max(0, substreamIdBits - split); index++)
        {
            var descriptor = new Level1ContextDescriptor(pool.HostOf(root)[index]);
            if (descriptor.IsValid) pool.ReturnFrame(pool.FrameOf(descriptor.L2Ptr));
        }

        pool.ReturnFrame(root);
    }

    private ulong* Find(SubstreamId substream)
    {
        if (split == 0) return pool.HostOf(root) + ((long)substream.Value * EightWords.Count);
        var descriptor = new Level1ContextDescriptor(pool.HostOf(root)[substream.Value >> split]);
        if (!descriptor.IsValid) return null;
        uint index = substream.Value & ((1u << split) - 1);
        return pool.HostOf(pool.FrameOf(descriptor.L2Ptr)) + ((long)index * EightWords.Count);
    }

    private bool TryAddLeaf(SubstreamId substream)
    {
        if (!pool.TryTakeFrame(split + EntryLog2, out int table)) return false;
        var descriptor = new Level1ContextDescriptor(pool.AddressOf(table)).With(Level1ContextDescriptorField.V, 1);
        Volatile.Write(ref pool.HostOf(root)[substream.Value >> split], descriptor.Word);   // After the leaf was zeroed.
        return true;
    }
}
