using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>A process-wide count can only be compared while nothing else allocates.</summary>
[CollectionDefinition(nameof(NativeBlockTests), DisableParallelization = true)]
public sealed class AloneInTheProcess;

/// <summary>A block is zeroed, aligned, owned once, and counted.</summary>
[Collection(nameof(NativeBlockTests))]
public sealed unsafe class NativeBlockTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(100, 64)]
    [InlineData(4096, 4096)]
    [InlineData(3, 1 << 21)]
    public void ABlockIsAlignedAndZeroed(int sizeBytes, int alignment)
    {
        for (int round = 0; round < 8; round++)   // Later rounds may get memory that earlier ones dirtied.
        {
            using var block = new NativeBlock((ulong)sizeBytes, alignment);
            Assert.Equal(0u, (nuint)block.Pointer % (nuint)alignment);
            var bytes = new Span<byte>(block.Pointer, sizeBytes);
            Assert.Equal(-1, bytes.IndexOfAnyExcept((byte)0));
            bytes.Fill(0xA5);
        }
    }

    [Fact]
    public void LiveBlocksAndBytesAreCounted()
    {
        (long blocks, long bytes) = (NativeBlock.LiveBlocks, NativeBlock.LiveBytes);
        var block = NativeBlock.Of<ulong>(100);
        Assert.Equal((blocks + 1, bytes + 800), (NativeBlock.LiveBlocks, NativeBlock.LiveBytes));

        block.Dispose();
        block.Dispose();
        Assert.True(block.Pointer == null);
        Assert.Equal((blocks, bytes), (NativeBlock.LiveBlocks, NativeBlock.LiveBytes));
    }

    [Fact]
    public void ALargeBlockIsCommittedOnlyWhereItIsUsed()
    {
        long before = Environment.WorkingSet;
        using var block = new NativeBlock(8UL << 30, 4096);
        block.Pointer[8L << 29] = 1;
        Assert.InRange(Environment.WorkingSet - before, long.MinValue, 1L << 30);
    }

    [Fact]
    public void SizesThatMakeNoSenseAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBlock(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBlock(ulong.MaxValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBlock((ulong)long.MaxValue - 62));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBlock(64, 48));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBlock(64, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => NativeBlock.Of<ulong>(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => NativeBlock.Of<ulong>(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => NativeBlock.Of<ulong>(long.MaxValue / 4));   // Wraps to a small size.
    }

    [Fact]
    public void AMemoryReturnsEverythingItTook()
    {
        using (var warmUp = new GuestMemory()) Exercise(warmUp);   // The thread's access slot stays with the process.
        (long blocks, long bytes) = (NativeBlock.LiveBlocks, NativeBlock.LiveBytes);
        var memory = new GuestMemory();
        Exercise(memory);
        Assert.NotEqual(blocks, NativeBlock.LiveBlocks);

        memory.Dispose();
        memory.Dispose();
        Assert.Equal((blocks, bytes), (NativeBlock.LiveBlocks, NativeBlock.LiveBytes));
    }

    [Fact]
    public void TablesOfAMemoryWithoutUsersDoNotPileUp()
    {
        using var memory = new GuestMemory(maxRegions: 256);
        memory.AddOwned(0, 4096);
        long blocks = NativeBlock.LiveBlocks;
        for (ulong i = 1; i < 256; i++) memory.AddOwned(i * 4096, 4096);
        Assert.Equal(blocks + 255, NativeBlock.LiveBlocks);   // One a region, and one table as before.
    }

#if SMMU_ASSERT
    [Fact]
    public void AForgottenBlockIsReported()
    {
        long before = NativeBlock.ForgottenBlocks;
        Forget();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.True(NativeBlock.ForgottenBlocks > before);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Forget() => _ = new NativeBlock(64);
#endif

    private static void Exercise(GuestMemory memory)
    {
        var first = memory.AddOwned(0, 1 << 20);
        var second = memory.AddOwned(1 << 20, 4096);
        memory.AddOwned(1 << 22, 4096);
        memory.Watch(first);
        memory.Watch(second);
        memory.StopWatching(second);
        memory.Remove(second);
        Assert.True(memory.Write(0, new byte[64]));
    }
}
