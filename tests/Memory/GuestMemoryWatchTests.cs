using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>Every store of the engine into a watched region is seen; loads, aborted stores and other regions are not.</summary>
public sealed unsafe class GuestMemoryWatchTests : IDisposable
{
    private const ulong Page = GuestMemory.PageBytes;
    private const ulong Base = 0x4000_0000;
    private const ulong Pages = 200;

    private readonly GuestMemory memory = new();
    private readonly GuestRegion region;
    private readonly List<(ulong Address, int Length)> calls = [];

    public GuestMemoryWatchTests()
    {
        region = memory.AddOwned(Base, Pages * Page);
        memory.AddOwned(0, Page);
    }

    public void Dispose() => memory.Dispose();

    [Fact]
    public void EachKindOfStoreMarksItsPageAndLoadsMarkNone()
    {
        ulong* words = stackalloc ulong[4];
        memory.Watch(region);
        Assert.True(region.IsWatched);
        memory.TryWrite64(Base, 1);
        memory.TryWrite32(Base + (3 * Page), 1);
        memory.TryWrite32Direct(Base + (5 * Page), 1);
        memory.TryWriteStructure(Base + (63 * Page), words, 4);
        memory.TryWriteStructureDirect(Base + (64 * Page), words, 4);
        memory.TryCompareExchange64(Base + (70 * Page), 0, 1, out _);
        memory.TryCompareExchange64(Base + (71 * Page), 9, 1, out _);   // Does not store.
        memory.Write(Base + (130 * Page), [1]);
        memory.TryRead64(Base + (8 * Page), out _);
        memory.TryReadStructure(Base + (9 * Page), words, 4);
        memory.Read(Base + (10 * Page), new byte[3]);
        memory.TryWrite64(0, 1);

        Assert.Equal([0, 3, 5, 63, 64, 70, 130], Harvest());
        Assert.Empty(Harvest());
        memory.TryWrite64(Base + (3 * Page), 1);
        Assert.Equal([3], Harvest());
    }

    [Fact]
    public void ALongWriteMarksEveryPageItTouchesAndNoOther()
    {
        memory.Watch(region);
        Assert.True(memory.Write(Base + (2 * Page) - 1, new byte[(int)(150 * Page) + 2]));
        Assert.Equal(Enumerable.Range(1, 152), Harvest());
        Assert.True(memory.Write(Base + (199 * Page), new byte[(int)Page]));
        Assert.Equal([199], Harvest());
    }

    [Fact]
    public void StoresThatAbortMarkNothing()
    {
        memory.Watch(region, marksDirty: true, Record);
        memory.MakeReadOnly(region);
        memory.TryWrite64(Base, 1);
        memory.Write(Base, [1]);
        memory.TryCompareExchange64(Base, 0, 1, out _);
        Assert.Empty(Harvest());
        Assert.Empty(calls);
    }

    [Fact]
    public void StoresCallBackWithTheirAddressAndLength()
    {
        ulong* words = stackalloc ulong[4];
        memory.Watch(region, marksDirty: false, Record);
        memory.TryWrite64(Base, 1);
        memory.TryWrite32(Base + 12, 1);
        memory.TryWriteStructure(Base + 0x40, words, 4);
        memory.TryCompareExchange64(Base + 0x80, 0, 1, out _);
        memory.TryCompareExchange64(Base + 0x80, 0, 1, out _);   // Finds 1.
        memory.Write(Base + (Pages * Page) - 3, [1, 2, 3]);
        memory.TryRead64(Base, out _);
        memory.TryWrite64(0, 1);
        Assert.Equal([(Base, 8), (Base + 12, 4), (Base + 0x40, 32), (Base + 0x80, 8), (Base + (Pages * Page) - 3, 3)], calls);
    }

    [Fact]
    public void AStoreThatWouldCallBackNeedsTheHost()
    {
        ulong word = 7;
        memory.Watch(region, marksDirty: true, Record);
        Assert.Equal(MemoryStatus.NeedsHost, memory.TryWriteStructureDirect(Base, &word, 1));
        Assert.Equal(MemoryStatus.NeedsHost, memory.TryWrite32Direct(Base, 7));
        Assert.Equal(MemoryStatus.Done, memory.TryReadStructureDirect(Base, &word, 1));
        Assert.Equal(0UL, word);
        Assert.Empty(calls);
        Assert.Empty(Harvest());
    }

    [Fact]
    public void ACallbackFindsTheStoreDoneAndMayChangeRegions()
    {
        ulong found = 0;
        memory.Watch(region, marksDirty: false, (address, _) =>
        {
            memory.TryRead64(address, out found);
            memory.StopWatching(region);
        });
        memory.TryWrite64(Base, 42);
        Assert.Equal(42UL, found);
        found = 0;
        memory.TryWrite64(Base, 43);
        Assert.Equal(0UL, found);
    }

    [Fact]
    public void AnotherWatchTakesThePlaceOfTheFirstButKeepsItsMarks()
    {
        memory.Watch(region);
        memory.TryWrite64(Base + Page, 1);
        memory.Watch(region, marksDirty: true, Record);
        memory.TryWrite64(Base + (2 * Page), 1);
        Assert.Equal([1, 2], Harvest());
        memory.Watch(region);
        memory.TryWrite64(Base, 1);
        Assert.Equal([(Base + (2 * Page), 8)], calls);

        memory.StopWatching(region);
        Assert.False(region.IsWatched);
        memory.TryWrite64(Base + (3 * Page), 1);
        memory.Watch(region);
        Assert.Empty(Harvest());
    }

    [Fact]
    public void OnlyPlainMemoryOfTheLargestRegionIsWrittenInPlace()
    {
        Assert.True(memory.FindPlain(Base, 8) == region.HostPointer);
        Assert.True(memory.FindPlain(Base + (Pages * Page) - 8, 8) == region.HostPointer + (Pages * Page) - 8);
        Assert.True(memory.FindPlain(Base + (Pages * Page) - 8, 32) == null);   // Runs on over the end.
        Assert.True(memory.FindPlain(Base - 8, 8) == null);
        Assert.True(memory.FindPlain(0, 8) == null);
        memory.Watch(region);
        Assert.True(memory.FindPlain(Base, 8) == null);
        memory.StopWatching(region);
        Assert.True(memory.FindPlain(Base, 8) != null);
        memory.Watch(region, marksDirty: false, (_, _) => { });
        Assert.True(memory.FindPlain(Base, 8) == null);
        memory.StopWatching(region);
        memory.MakeReadOnly(region);
        Assert.True(memory.FindPlain(Base, 8) == null);
    }

    [Fact]
    public void WatchesThatWatchNothingAndHarvestsWithoutMarksAreRefused()
    {
        Assert.Throws<ArgumentException>(() => memory.Watch(region, marksDirty: false));
        Assert.Throws<InvalidOperationException>(() => memory.HarvestDirty(region, new ulong[4]));
        memory.Watch(region, marksDirty: false, Record);
        Assert.Throws<InvalidOperationException>(() => memory.HarvestDirty(region, new ulong[4]));
        memory.Watch(region);
        Assert.Equal(4, region.DirtyBitmapWords);
        Assert.Throws<ArgumentException>(() => memory.HarvestDirty(region, new ulong[3]));
        memory.Remove(region);
        Assert.Throws<InvalidOperationException>(() => memory.HarvestDirty(region, new ulong[4]));
    }

    private void Record(ulong address, int length) => calls.Add((address, length));

    private int[] Harvest()
    {
        var words = new ulong[region.DirtyBitmapWords];
        long marked = memory.HarvestDirty(region, words);
        int[] pages = [.. Enumerable.Range(0, words.Length * 64).Where(page => (words[page / 64] >> page & 1) != 0)];
        Assert.Equal(pages.Length, marked);
        return pages;
    }
}
