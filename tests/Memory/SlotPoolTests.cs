using System.Runtime.InteropServices;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>A pool hands out each slot once, says so when it has none, and takes them back.</summary>
public sealed unsafe class SlotPoolTests
{
    [Fact]
    public void EverySlotIsGivenOutOnceAndThenThePoolIsFull()
    {
        using var pool = new SlotPool<Slot>(70);
        var taken = new HashSet<int>();
        while (pool.TryTake(out int index)) Assert.True(taken.Add(index));

        Assert.Equal(Enumerable.Range(0, 70), taken.Order());
        Assert.False(pool.TryTake(out int none));
        Assert.Equal((-1, 0), (none, pool.FreeCount));
        foreach (int index in taken) pool.Return(index);
        Assert.Equal(70, pool.FreeCount);
    }

    [Fact]
    public void AReturnedSlotGoesOutAgainAndTheOthersStayTaken()
    {
        using var pool = new SlotPool<Slot>(3);
        Assert.True(pool.TryTake(out int first));
        Assert.True(pool.TryTake(out int second));
        pool.Return(first);
        Assert.False(pool.IsTaken(first));
        Assert.True(pool.IsTaken(second));
        Assert.True(pool.TryTake(out int again));
        Assert.Equal(first, again);
        pool.Return(again);
        pool.Return(second);
    }

    [Fact]
    public void SlotsBeginZeroedAndLineAlignedAndDoNotOverlap()
    {
        using var pool = new SlotPool<Slot>(5);
        for (int i = 0; i < pool.Capacity; i++)
        {
            Assert.Equal(0u, (nuint)pool[i] % 64);
            Assert.Equal((0UL, 0UL), (pool[i]->First, pool[i]->Last));
            *pool[i] = new Slot { First = (ulong)i, Last = ~(ulong)i };
        }

        for (int i = 0; i < pool.Capacity; i++) Assert.Equal(((ulong)i, ~(ulong)i), (pool[i]->First, pool[i]->Last));
    }

    [Fact]
    public void APoolWithoutSlotsIsRefused() => Assert.Throws<ArgumentOutOfRangeException>(() => new SlotPool<Slot>(0));

#if SMMU_ASSERT
    [Fact]
    public void ReturningWhatIsNotTakenBreaksAnInvariant()
    {
        using var pool = new SlotPool<Slot>(2);
        Assert.True(pool.TryTake(out int index));
        pool.Return(index);
        Assert.Throws<InvalidOperationException>(() => pool.Return(index));
        Assert.Throws<InvalidOperationException>(() => pool.Return(2));
        Assert.Throws<InvalidOperationException>(() => pool.Return(-1));
    }
#endif

    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct Slot
    {
        [FieldOffset(0)] public ulong First;
        [FieldOffset(56)] public ulong Last;
    }
}
