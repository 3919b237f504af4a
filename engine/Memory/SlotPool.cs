using Smmu.Fast.Foundation;

namespace Smmu.Fast.Memory;

/// <summary>Owns a fixed number of unmanaged slots, all born in the constructor.</summary>
/// <remarks>It has no gate of its own: who shares one holds a gate around <see cref="TryTake"/> and
/// <see cref="Return"/>.</remarks>
internal sealed unsafe class SlotPool<T> : IDisposable where T : unmanaged
{
    private readonly NativeBlock slotBlock;
    private readonly NativeBlock freeBlock;
    private readonly NativeBlock takenBlock;
    private readonly T* slots;      // Line-aligned, so that a line-sized slot never straddles two.
    private readonly int* free;     // A stack: the slot returned last is still in the cache, and goes out first.
    private readonly ulong* taken;  // One bit a slot.
    private int freeCount;

    /// <summary>Makes <paramref name="capacity"/> zeroed slots.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is not above 0.</exception>
    public SlotPool(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Capacity = capacity;
        slotBlock = NativeBlock.Of<T>(capacity);
        freeBlock = NativeBlock.Of<int>(capacity);
        takenBlock = NativeBlock.Of<ulong>((capacity + 63L) / 64);
        slots = (T*)slotBlock.Pointer;
        free = (int*)freeBlock.Pointer;
        taken = (ulong*)takenBlock.Pointer;
        for (; freeCount < capacity; freeCount++) free[freeCount] = capacity - 1 - freeCount;
    }

    /// <summary>Slots there are.</summary>
    public int Capacity { get; }

    /// <summary>Slots that nobody has.</summary>
    public int FreeCount => freeCount;

    /// <summary>The slot of an index below <see cref="Capacity"/>; it keeps what its last owner left in it.</summary>
    public T* this[int index]
    {
        get
        {
            Invariant.Holds((uint)index < (uint)Capacity);
            return slots + index;
        }
    }

    /// <summary>Takes a slot; false, and -1, when all are out, which callers must expect.</summary>
    public bool TryTake(out int index)
    {
        if (freeCount == 0)
        {
            index = -1;
            return false;
        }

        index = free[--freeCount];
        taken[index >> 6] |= 1UL << index;
        return true;
    }

    /// <summary>Gives a slot back.</summary>
    public void Return(int index)
    {
        Invariant.Holds(IsTaken(index));
        taken[index >> 6] &= ~(1UL << index);
        free[freeCount++] = index;
    }

    /// <summary>True when the index is that of a slot somebody has.</summary>
    public bool IsTaken(int index) => (uint)index < (uint)Capacity && (taken[index >> 6] >> index & 1) != 0;

    /// <summary>Frees the slots; nobody may have one any more.</summary>
    public void Dispose()
    {
        Invariant.Holds(freeCount == Capacity);
        slotBlock.Dispose();
        freeBlock.Dispose();
        takenBlock.Dispose();
    }
}
