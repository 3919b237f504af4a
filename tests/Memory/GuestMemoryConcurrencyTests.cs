using System.Runtime.InteropServices;
using Smmu.Fast.Memory;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Memory;

/// <summary>Readers never wait, words never tear, and what was revoked is used by nobody.</summary>
public sealed unsafe class GuestMemoryConcurrencyTests
{
    private const ulong Page = GuestMemory.PageBytes;
    private const ulong Poison = 0xDEAD_DEAD_DEAD_DEAD;

    private readonly long begun = Environment.TickCount64;

    [Fact]
    public void AccessesFindARemovedRegionEitherWholeOrNotAtAll()
    {
        const int Changes = 2_000;
        using var block = new NativeBlock(Page, 4096);
        using var memory = new GuestMemory();
        memory.AddOwned(1 << 30, 1 << 20);   // The largest: the window below is found by search.
        bool isOver = false;
        int hits = 0;
        int misses = 0;
        Worker[] readers = [new(Read), new(Read)];
        for (int i = 0; i < Changes || (IsLacking(ref hits) | IsLacking(ref misses)); i++)
        {
            Fill((ulong)i);
            var region = memory.AddBorrowed(0x1000, block.Pointer, Page);
            Thread.SpinWait(i % 64);
            memory.Remove(region);
            Fill(Poison);   // The host's again: an access that is not over would see this.
        }

        Volatile.Write(ref isOver, true);
        foreach (var reader in readers) reader.Join();

        void Fill(ulong value) => new Span<ulong>(block.Pointer, (int)Page / 8).Fill(value);

        void Read()
        {
            var words = new ulong[Page / 8];
            while (!Volatile.Read(ref isOver))
            {
                bool found;
                fixed (ulong* pointer = words) found = memory.TryReadStructure(0x1000, pointer, words.Length);
                if (!found)
                {
                    Interlocked.Increment(ref misses);
                    continue;
                }

                Interlocked.Increment(ref hits);
                Assert.NotEqual(Poison, words[0]);
                Assert.Equal(-1, words.AsSpan().IndexOfAnyExcept(words[0]));
            }
        }
    }

    [Fact]
    public void NoStoreArrivesOnceARegionIsReadOnly()
    {
        const int Changes = 500;
        using var memory = new GuestMemory();
        var region = memory.AddOwned(0, Page);
        bool isOver = false;
        int done = 0;
        var writer = new Worker(() =>
        {
            byte[] page = new byte[Page];
            for (byte value = 0; !Volatile.Read(ref isOver); value++)
            {
                page.AsSpan().Fill(value);
                if (memory.Write(0, page)) done++;
            }
        });
        for (int i = 0; i < Changes || IsLacking(ref done); i++)
        {
            memory.MakeReadOnly(region);
            byte[] before = new Span<byte>(region.HostPointer, (int)Page).ToArray();
            Thread.SpinWait(200);
            Assert.Equal(before, new Span<byte>(region.HostPointer, (int)Page).ToArray());
            memory.MakeWritable(region);
            Thread.SpinWait(200);
        }

        Volatile.Write(ref isOver, true);
        writer.Join();
    }

    [Fact]
    public void ACopyMadeFromHarvestedPagesEndsUpEqualToTheMemory()
    {
        const int Pages = 96;
        const int Stores = 100_000;
        using var memory = new GuestMemory();
        var region = memory.AddOwned(0, Pages * Page);
        memory.Watch(region);
        var writers = Enumerable.Range(0, 2).Select(seed => new Worker(() =>
        {
            var random = new Random(seed);
            for (int i = 1; i <= Stores; i++) memory.TryWrite64(((ulong)random.Next(Pages) * Page) + ((ulong)seed * 8), (ulong)i);
        })).ToArray();
        byte[] copy = new byte[Pages * Page];
        var dirty = new ulong[region.DirtyBitmapWords];
        bool wasLast = false;
        while (!wasLast)
        {
            wasLast = writers.All(writer => writer.IsOver);
            memory.HarvestDirty(region, dirty);
            for (int page = 0; page < Pages; page++)
            {
                if ((dirty[page / 64] >> page & 1) == 0) continue;
                Assert.True(memory.Read((ulong)page * Page, copy.AsSpan(page * (int)Page, (int)Page)));
            }
        }

        foreach (var writer in writers) writer.Join();
        Assert.True(new Span<byte>(region.HostPointer, copy.Length).SequenceEqual(copy));
    }

    [Fact]
    public void AStoreIsInTheCopyOfThisHarvestOrMarkedForTheNext()
    {
        const int Rounds = 20_000;
        using var memory = new GuestMemory();
        var region = memory.AddOwned(0, Page);
        memory.Watch(region);
        long released = 0;
        long done = 0;
        var writer = new Worker(() =>
        {
            var page = new ulong[Page / 8];   // Long enough for a harvest to fall between its first and its last word.
            for (long round = 1; round <= Rounds; round++)
            {
                AwaitRound(ref released, round);
                page.AsSpan().Fill((ulong)round);
                fixed (ulong* words = page) memory.TryWriteStructure(0, words, page.Length);
                Volatile.Write(ref done, round);
            }
        });
        ulong copy = 0;
        var dirty = new ulong[1];
        for (long round = 1; round <= Rounds; round++)
        {
            Volatile.Write(ref released, round);
            for (int i = 0; i < 4; i++) Harvest();
            AwaitRound(ref done, round);
            Harvest();
            Assert.Equal((ulong)round, copy);
        }

        writer.Join();

        void Harvest()
        {
            if (memory.HarvestDirty(region, dirty) != 0) Assert.True(memory.TryRead64(Page - 8, out copy));
        }

        static void AwaitRound(ref long reached, long round)
        {
            for (int spins = 1; Volatile.Read(ref reached) < round; spins++)
            {
                if (spins % 1024 == 0) Thread.Yield();
            }
        }
    }

    [Theory]
    [Rule("W1-31")]
    [InlineData(0, 8)]
    [InlineData(4, 12)]   // The aligned word is the last 8 bytes.
    [InlineData(1, 15)]
    [InlineData(0, 15)]
    [InlineData(0, 64)]
    public void ReadersNeverSeeHalfOfAWordThatIsWrittenAtOnce(int offset, int length)
    {
        const int Reads = 400_000;
        using var memory = new GuestMemory();
        memory.AddOwned(0, Page);
        ulong word = (ulong)(offset + 7) & ~7UL;
        bool isOver = false;
        var writer = new Worker(() =>
        {
            byte[] zeros = new byte[length];
            byte[] ones = [.. Enumerable.Repeat((byte)0xFF, length)];
            for (int i = 0; !Volatile.Read(ref isOver); i++)
                Assert.True(memory.Write((ulong)offset, (i & 1) == 0 ? ones : zeros));
        });
        int[] seen = new int[2];
        for (int i = 0; i < Reads || (IsLacking(ref seen[0]) | IsLacking(ref seen[1])); i++)
        {
            ulong direct = 0;
            ulong bytes = 0;
            Assert.True(memory.TryRead64(word, out ulong single));
            Assert.True(memory.TryReadStructure(word, &direct, 1));
            Assert.True(memory.Read(word, MemoryMarshal.AsBytes(new Span<ulong>(ref bytes))));
            Assert.True(memory.TryRead64InScope(word, out ulong scoped));
            foreach (ulong value in (ReadOnlySpan<ulong>)[single, direct, bytes, scoped])
            {
                if (value is not (0 or ulong.MaxValue)) Assert.Fail($"A torn word: 0x{value:X16}");
                seen[value & 1]++;
            }
        }

        Volatile.Write(ref isOver, true);
        writer.Join();
    }

    [Fact]
    public void ExchangesByTwoThreadsLoseNoIncrement()
    {
        const int Increments = 300_000;
        using var memory = new GuestMemory();
        memory.AddOwned(0, Page);
        using var start = new Barrier(2);
        Worker[] counters = [new(Count), new(Count)];
        foreach (var counter in counters) counter.Join();
        Assert.True(memory.TryRead64(8, out ulong sum));
        Assert.Equal(2UL * Increments, sum);

        void Count()
        {
            start.SignalAndWait();   // Else the first may be done before the second begins.
            for (int i = 0; i < Increments; i++)
            {
                ulong expected = 0;
                while (memory.TryCompareExchange64(8, expected, expected + 1, out ulong observed) && observed != expected)
                    expected = observed;
            }
        }
    }

    [Fact]
    public void MoreThreadsThanOneChunkOfSlotsAccessMemoryAtATime()
    {
        const int Threads = 300;
        using var memory = new GuestMemory();
        var region = memory.AddOwned(0, Page);
        using var all = new Barrier(Threads);
        int done = 0;
        Worker[] threads = [.. Enumerable.Range(0, Threads).Select(_ => new Worker(Access))];
        foreach (var thread in threads) thread.Join();
        Assert.Equal(Threads, done);
        memory.Remove(region);

        void Access()
        {
            bool isRead = memory.TryRead64(0, out ulong _);
            all.SignalAndWait();   // Each keeps its slot until all have one.
            if (isRead && memory.TryRead64(0, out _)) Interlocked.Increment(ref done);
        }
    }

    // On a busy machine the other thread may not have run at all: a test goes on until it has seen both sides.
    private bool IsLacking(ref int count)
    {
        if (Volatile.Read(ref count) != 0) return false;
        Assert.True(Environment.TickCount64 - begun < 60_000, "The other thread never got anywhere.");
        return true;
    }
}
