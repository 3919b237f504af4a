using System.Runtime.CompilerServices;

namespace Smmu.Fast.Formats;

/// <summary>Arithmetic of the PROD and CONS indexes of circular queues (IHI 0070, 3.5.1).</summary>
/// <remarks>
/// A pointer of a queue of 2^log2 entries has the index in bits [log2 - 1:0] and a wrap flag in bit log2, so that all entries
/// can be outstanding. log2 is the effective LOG2SIZE, 0 to 19; bits of a pointer above the wrap flag never matter.
/// </remarks>
public static class QueuePointer
{
    /// <summary>The largest LOG2SIZE.</summary>
    public const int MaxLog2 = 19;

    /// <summary>The bits of a pointer that are in use: index and wrap flag.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint UsedMask(int log2) => (2u << log2) - 1;

    /// <summary>The index of the entry.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint IndexOf(uint pointer, int log2) => pointer & ((1u << log2) - 1);

    /// <summary>The pointer one entry further on: past the last index the wrap flag turns over.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Next(uint pointer, int log2) => (pointer + 1) & UsedMask(log2);

    /// <summary>The pointer <paramref name="count"/> entries further on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Advance(uint pointer, uint count, int log2) => (pointer + count) & UsedMask(log2);

    /// <summary>True when no entry is outstanding: index and wrap flag agree.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsEmpty(uint producer, uint consumer, int log2) =>
        ((producer ^ consumer) & UsedMask(log2)) == 0;

    /// <summary>True when all entries are outstanding: the index agrees, the wrap flag does not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsFull(uint producer, uint consumer, int log2) =>
        ((producer ^ consumer) & UsedMask(log2)) == 1u << log2;

    /// <summary>Entries outstanding; above 2^log2 when the pointers contradict each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Count(uint producer, uint consumer, int log2) => (producer - consumer) & UsedMask(log2);

    /// <summary>False when the consumer is ahead of the producer, or more than a whole queue behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsConsistent(uint producer, uint consumer, int log2) =>
        Count(producer, consumer, log2) <= 1u << log2;
}
