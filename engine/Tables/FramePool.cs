using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tables;

/// <summary>Hands out zeroed pieces of a memory region, in sizes of a power of two and aligned to their size, for tables.</summary>
/// <remarks>
/// A buddy allocator: every table of the architecture is aligned to its size, and one pool serves granules of all sizes,
/// concatenated tables, Stream tables and CD tables. All that it needs is taken in the constructor; running out is an answer.
/// <para>
/// It has no gate of its own: who shares a pool between tables that several threads write holds a gate around each of their
/// calls. What is written into pieces goes through the region's host pointer, so the region is not to be watched.
/// </para>
/// </remarks>
public sealed unsafe class FramePool : IDisposable
{
    /// <summary>log2 of the smallest piece in bytes.</summary>
    public const int FrameLog2 = 12;

    /// <summary>log2 of the largest piece in bytes.</summary>
    public const int LargestLog2 = 30;

    private const int Orders = LargestLog2 - FrameLog2 + 1;
    private const int None = -1;
    private const byte Inner = 0;          // Not the first frame of a piece.
    private const byte FreeOf = 0x40;      // The first of a free piece, with its order in the low bits.
    private const byte TakenOf = 0x80;     // The first of a piece that somebody has.

    private readonly NativeBlock block;
    private readonly Frame* frames;
    private readonly byte* host;
    private readonly ulong firstFrame;
    private readonly int count;
    private readonly int[] heads = new int[Orders];
    private readonly long[] pieces = new long[Orders];   // Free ones of each order.
    private uint orders;                                 // Orders that have one.

    /// <summary>Takes a whole region over.</summary>
    /// <param name="region">The memory; it stays part of its <see cref="GuestMemory"/> while the pool is in use.</param>
    /// <exception cref="ArgumentException">The region is read-only or holds 2^31 frames or more.</exception>
    public FramePool(GuestRegion region)
        : this(region, (region ?? throw new ArgumentNullException(nameof(region))).Address, region.Size)
    {
    }

    /// <summary>Takes a part of a region over.</summary>
    /// <param name="region">The memory; it stays part of its <see cref="GuestMemory"/> while the pool is in use.</param>
    /// <param name="address">Physical address of the first byte, a multiple of 4 KiB.</param>
    /// <param name="bytes">Size, above 0 and a multiple of 4 KiB.</param>
    /// <exception cref="ArgumentException">The part is unaligned, empty or exceeds the region, the region is read-only, or the
    /// part holds 2^31 frames or more.</exception>
    public FramePool(GuestRegion region, ulong address, ulong bytes)
    {
        ArgumentNullException.ThrowIfNull(region);
        ThrowIfBadPart(region, address, bytes);
        firstFrame = address >> FrameLog2;
        count = (int)(bytes >> FrameLog2);
        host = region.HostPointer + (address - region.Address);
        block = NativeBlock.Of<Frame>(count);
        frames = (Frame*)block.Pointer;
        Array.Fill(heads, None);
        for (int frame = 0; frame < count;)
        {
            int order = Math.Min(BitOperations.TrailingZeroCount(firstFrame + (ulong)frame), BitOperations.Log2((uint)(count - frame)));
            order = Math.Min(order, Orders - 1);
            Push(frame, order);
            frame += 1 << order;
        }

        FreeBytes = bytes;
    }

    /// <summary>Bytes that nobody has. Pieces of others may lie in between.</summary>
    public ulong FreeBytes { get; private set; }

    /// <summary>Pieces of a size that could be taken now, one after the other.</summary>
    /// <param name="sizeLog2">log2 of the size in bytes; below 12 counts as 12.</param>
    public long Available(int sizeLog2)
    {
        long available = 0;
        int order = OrderOf(sizeLog2);
        for (int larger = order; larger < Orders; larger++) available += pieces[larger] << (larger - order);
        return available;
    }

    /// <summary>Takes a zeroed piece, aligned to its size; false when there is none.</summary>
    /// <param name="sizeLog2">log2 of the size in bytes; below 12 counts as 12.</param>
    /// <param name="address">Physical address of its first byte; 0 when there is none.</param>
    public bool TryTake(int sizeLog2, out ulong address)
    {
        bool done = TryTakeFrame(sizeLog2, out int frame);
        address = done ? AddressOf(frame) : 0;
        return done;
    }

    /// <summary>Gives a piece back that no hardware can be using any more.</summary>
    /// <param name="address">What <see cref="TryTake"/> returned.</param>
    /// <exception cref="ArgumentException">Nobody has a piece of this pool that begins at the address.</exception>
    public void Return(ulong address)
    {
        ulong frame = (address >> FrameLog2) - firstFrame;
        if ((address & ((1UL << FrameLog2) - 1)) != 0 || frame >= (ulong)count || (frames[frame].Kind & TakenOf) == 0) ThrowNotTaken(address);
        ReturnFrame((int)frame);
    }

    /// <summary>Gives tables back that a page table has unlinked, once their invalidation is complete.</summary>
    /// <param name="tables">What <see cref="PageTable.TakeUnlinked"/> returned; give each value back once.</param>
    /// <exception cref="ArgumentException">The value was given back before, or belongs to another pool.</exception>
    public void Return(UnlinkedTables tables)
    {
        int frame = tables.First;
        for (int left = tables.Count; left > 0; left--)
        {
            if ((uint)frame >= (uint)count || (frames[frame].Kind & TakenOf) == 0) ThrowNotTaken(AddressOf(frame));
            int next = frames[frame].Next;
            ReturnFrame(frame);
            frame = next;
        }
    }

    /// <summary>Frees what the pool needed for itself; its memory is the region's. Nobody may use a piece any more.</summary>
    public void Dispose() => block.Dispose();

    /// <summary>What is known of the frame that a piece begins with; a table's handle is the index of its first frame.</summary>
    internal Frame* this[int frame]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            Invariant.Holds((uint)frame < (uint)count);
            return frames + frame;
        }
    }

    /// <summary>Host address of a frame.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong* HostOf(int frame)
    {
        Invariant.Holds((uint)frame < (uint)count);
        return (ulong*)(host + ((long)frame << FrameLog2));
    }

    /// <summary>Physical address of a frame.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong AddressOf(int frame) => (firstFrame + (ulong)frame) << FrameLog2;

    /// <summary>The frame that begins at a physical address of the pool.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal int FrameOf(ulong address) => (int)((address >> FrameLog2) - firstFrame);

    /// <summary><see cref="TryTake"/>, with the frame that the piece begins with.</summary>
    internal bool TryTakeFrame(int sizeLog2, out int frame)
    {
        int order = OrderOf(sizeLog2);
        uint fitting = order < Orders ? orders >> order : 0;
        frame = None;
        if (fitting == 0) return false;
        int from = order + BitOperations.TrailingZeroCount(fitting);
        frame = heads[from];
        Remove(frame, from);
        while (from > order)
        {
            from--;
            Push(frame + (1 << from), from);
        }

        frames[frame] = new Frame { Kind = (byte)(TakenOf | order), Next = None };
        NativeMemory.Clear(HostOf(frame), (nuint)1 << (FrameLog2 + order));
        FreeBytes -= 1UL << (FrameLog2 + order);
        return true;
    }

    /// <summary>Gives back the piece that begins with a frame.</summary>
    internal void ReturnFrame(int frame)
    {
        Invariant.Holds((frames[frame].Kind & TakenOf) != 0);
        int order = frames[frame].Kind & ~TakenOf;
        FreeBytes += 1UL << (FrameLog2 + order);
        frames[frame].Kind = Inner;
        for (; order < Orders - 1; order++)
        {
            ulong buddy = ((firstFrame + (ulong)frame) ^ (1UL << order)) - firstFrame;
            if (buddy >= (ulong)count || frames[buddy].Kind != (byte)(FreeOf | order)) break;
            Remove((int)buddy, order);
            frame = Math.Min(frame, (int)buddy);
        }

        Push(frame, order);
    }

    private static int OrderOf(int sizeLog2) => Math.Max(0, sizeLog2 - FrameLog2);

    private void Push(int frame, int order)
    {
        int next = heads[order];
        frames[frame] = new Frame { Kind = (byte)(FreeOf | order), Next = next, Previous = None };
        if (next != None) frames[next].Previous = frame;
        heads[order] = frame;
        pieces[order]++;
        orders |= 1u << order;
    }

    private void Remove(int frame, int order)
    {
        ref Frame leaving = ref frames[frame];
        if (leaving.Previous == None) heads[order] = leaving.Next;
        else frames[leaving.Previous].Next = leaving.Next;
        if (leaving.Next != None) frames[leaving.Next].Previous = leaving.Previous;
        leaving.Kind = Inner;
        if (--pieces[order] == 0) orders &= ~(1u << order);
    }

    private static void ThrowIfBadPart(GuestRegion region, ulong address, ulong bytes)
    {
        if (region.IsReadOnly) throw new ArgumentException(
            "The region is read-only, and tables have to be written: make it writable first.", nameof(region));
        if (bytes == 0 || ((address | bytes) & ((1UL << FrameLog2) - 1)) != 0) throw new ArgumentException(
            $"Address 0x{address:X} and size 0x{bytes:X} must be multiples of 4 KiB, and the size above 0.", nameof(bytes));
        if (address < region.Address || address - region.Address > region.Size || bytes > region.Size - (address - region.Address))
        {
            throw new ArgumentException(
                $"0x{bytes:X} bytes at 0x{address:X} exceed the region, which has 0x{region.Size:X} at 0x{region.Address:X}: "
                + "pass a part of it.", nameof(bytes));
        }

        if (bytes >> FrameLog2 > int.MaxValue) throw new ArgumentException(
            "A pool has at most 2^31 - 1 frames of 4 KiB: pass a smaller size.", nameof(bytes));
    }

    [DoesNotReturn]
    private static void ThrowNotTaken(ulong address) => throw new ArgumentException(
        $"Nobody has a piece of this pool at 0x{address:X}: return what was taken from it, and once.", nameof(address));

    /// <summary>A frame of 4 KiB; all but <see cref="Kind"/> counts for the first frame of a piece alone.</summary>
    internal struct Frame
    {
        public int Next;       // Of a free list, or of the tables that were unlinked.
        public int Previous;   // Of a free list.
        public int Live;       // Of a table: descriptors that are valid.
        public byte Kind;
    }
}
