using Smmu.Fast.Memory;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>Pieces are zeroed, aligned and nobody else's; running out is an answer, and what is returned becomes whole again.</summary>
public sealed class FramePoolTests : IDisposable
{
    private const ulong Address = 0x8000_5000;   // Aligned to nothing but frames.
    private const ulong Bytes = 0x40_0000;

    private readonly GuestMemory memory = new();
    private readonly GuestRegion region;
    private readonly FramePool pool;

    public FramePoolTests()
    {
        region = memory.AddOwned(Address, Bytes);
        pool = new FramePool(region);
    }

    public void Dispose()
    {
        pool.Dispose();
        memory.Dispose();
    }

    [Fact]
    public void PiecesAreZeroedAlignedAndDisjointWhateverIsTakenAndReturned()
    {
        var random = new Random(3);
        var taken = new List<(ulong Address, int Log2)>();
        Span<byte> dirt = stackalloc byte[64];
        Span<byte> seen = stackalloc byte[64];
        dirt.Fill(0xa5);
        int refused = 0;
        for (int step = 0; step < 2_000; step++)
        {
            if (random.Next(5) < 3)
            {
                int log2 = random.Next(10, 20);
                long available = pool.Available(log2);
                Assert.Equal(available > 0, pool.TryTake(log2, out ulong piece));
                refused += available > 0 ? 0 : 1;
                if (available == 0) continue;
                Assert.Equal(0ul, piece & ((1UL << log2) - 1));
                Assert.InRange(piece, Address, Address + Bytes - (1UL << Math.Max(log2, 12)));
                Assert.DoesNotContain(taken, other => piece < other.Address + Size(other.Log2) && other.Address < piece + Size(log2));
                ulong end = piece + Size(log2) - 64;
                Assert.True(memory.Read(piece, seen) && seen.IndexOfAnyExcept((byte)0) < 0);
                Assert.True(memory.Read(end, seen) && seen.IndexOfAnyExcept((byte)0) < 0);
                Assert.True(memory.Write(piece, dirt) && memory.Write(end, dirt));
                taken.Add((piece, log2));
            }
            else if (taken.Count > 0)
            {
                int index = random.Next(taken.Count);
                pool.Return(taken[index].Address);
                taken.RemoveAt(index);
            }

            Assert.Equal(Bytes - (ulong)taken.Sum(piece => (long)Size(piece.Log2)), pool.FreeBytes);
        }

        Assert.True(refused > 0);
        foreach (var piece in taken) pool.Return(piece.Address);
        Assert.Equal(Bytes, pool.FreeBytes);
        Assert.True(pool.TryTake(21, out _));   // Whole again.

        static ulong Size(int log2) => 1UL << Math.Max(log2, 12);
    }

    [Fact]
    public void TakingFromAnEmptyPoolIsAnswered()
    {
        while (pool.TryTake(12, out _))
        {
        }

        Assert.Equal(0ul, pool.FreeBytes);
        Assert.Equal(0, pool.Available(12));
        Assert.False(pool.TryTake(40, out ulong address));
        Assert.Equal(0ul, address);
    }

    [Fact]
    public void ReturningWhatNobodyHasIsRefused()
    {
        Assert.True(pool.TryTake(14, out ulong piece));
        Assert.Throws<ArgumentException>(() => pool.Return(piece + 0x1000));
        Assert.Throws<ArgumentException>(() => pool.Return(piece + 8));
        Assert.Throws<ArgumentException>(() => pool.Return(0));
        Assert.Throws<ArgumentException>(() => pool.Return(Address + Bytes));
        pool.Return(piece);
        Assert.Throws<ArgumentException>(() => pool.Return(piece));
    }

    [Theory]
    [InlineData(Address - 0x1000, 0x1000)]
    [InlineData(Address + 8, 0x1000)]
    [InlineData(Address, 0)]
    [InlineData(Address, 0x800)]
    [InlineData(Address + Bytes - 0x1000, 0x2000)]
    public void APartThatIsNotOfTheRegionIsRefused(ulong address, ulong bytes) =>
        Assert.Throws<ArgumentException>(() => new FramePool(region, address, bytes));

    [Fact]
    public void AReadOnlyRegionIsRefused()
    {
        memory.MakeReadOnly(region);
        Assert.Throws<ArgumentException>(() => new FramePool(region));
    }
}
