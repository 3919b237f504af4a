using System.Numerics;

namespace Smmu.Fast.Iommufd;

/// <summary>Numbers of a few bits that are taken and given back: the lowest free one first, and never 0. Thread-safe.</summary>
internal sealed class TagPool
{
    private readonly Lock gate = new();
    private readonly ulong[] taken;

    /// <summary>Makes one with all numbers free but 0.</summary>
    /// <param name="bits">6 to 16.</param>
    public TagPool(int bits)
    {
        taken = new ulong[(1 << bits) / 64];
        taken[0] = 1;
    }

    /// <summary>Takes the lowest free number.</summary>
    public bool TryTake(out ushort tag)
    {
        tag = 0;
        lock (gate)
        {
            int word = taken.AsSpan().IndexOfAnyExcept(ulong.MaxValue);
            if (word < 0) return false;
            int bit = BitOperations.TrailingZeroCount(~taken[word]);
            taken[word] |= 1UL << bit;
            tag = (ushort)((word * 64) + bit);
            return true;
        }
    }

    /// <summary>Takes one number; false when it is taken.</summary>
    public bool TryTake(ushort tag)
    {
        lock (gate)
        {
            if (IsTakenLocked(tag)) return false;
            taken[tag >> 6] |= 1UL << (tag & 63);
            return true;
        }
    }

    /// <summary>True for a number that somebody has.</summary>
    public bool IsTaken(ushort tag)
    {
        lock (gate) return tag != 0 && IsTakenLocked(tag);
    }

    /// <summary>Gives a number back.</summary>
    public void Return(ushort tag)
    {
        lock (gate) taken[tag >> 6] &= ~(1UL << (tag & 63));
    }

    // A number out of range is as good as taken by somebody who never gives it back.
    private bool IsTakenLocked(ushort tag) => tag >> 6 >= taken.Length || (taken[tag >> 6] & (1UL << (tag & 63))) != 0;
}
