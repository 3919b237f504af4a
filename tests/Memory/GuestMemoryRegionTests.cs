using System.IO.MemoryMappedFiles;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>Regions come and go at run time; what the host gets wrong is refused before anything has changed.</summary>
public sealed unsafe class GuestMemoryRegionTests
{
    private const ulong Page = GuestMemory.PageBytes;
    private const ulong Top = ulong.MaxValue - Page + 1;

    [Fact]
    public void OwnedMemoryIsZeroedAndTheHostSeesItThroughItsPointer()
    {
        using var memory = new GuestMemory();
        var region = memory.AddOwned(0x8000_0000, 2 * Page);
        Assert.True(memory.TryRead64(0x8000_0000 + Page, out ulong zero));
        Assert.Equal(0UL, zero);
        Assert.True(memory.TryWrite64(0x8000_0008, 0x1122_3344_5566_7788));
        Assert.Equal(0x88, region.HostPointer[8]);   // Little-endian.
        Assert.Equal(0x11, region.HostPointer[15]);
    }

    [Fact]
    public void EachAddressFindsItsRegionAmongMany()
    {
        using var memory = new GuestMemory(maxRegions: 100);
        var order = Enumerable.Range(0, 100).ToArray();
        new Random(1).Shuffle(order);
        foreach (int i in order) memory.AddOwned(((ulong)i * 4 * Page) + Page, (1 + ((ulong)i % 3)) * Page);
        for (ulong i = 0; i < 100; i++)
        {
            ulong first = (i * 4 * Page) + Page;
            ulong last = first + ((1 + (i % 3)) * Page) - 8;
            Assert.True(memory.TryWrite64(first, i));
            Assert.True(memory.TryWrite64(last, ~i));
            Assert.False(memory.TryRead64(first - 8, out _));
            Assert.Equal(i % 3 == 2, memory.TryRead64((i * 4 * Page) + (3 * Page), out _));
        }

        for (ulong i = 0; i < 100; i++)
        {
            Assert.True(memory.TryRead64((i * 4 * Page) + Page, out ulong value));
            Assert.Equal(i, value);
        }
    }

    [Fact]
    public void ARegionMayEndAtTheTopOfTheAddressSpace()
    {
        using var memory = new GuestMemory();
        memory.AddOwned(Top, Page);
        memory.AddOwned(0, Page);
        Assert.True(memory.TryWrite64(ulong.MaxValue - 7, 5));
        Assert.True(memory.Write(ulong.MaxValue, [7]));
        Assert.True(memory.TryRead64(ulong.MaxValue - 7, out ulong value));
        Assert.Equal((7UL << 56) | 5, value);
        Assert.True(memory.TryRead64(0, out ulong zero));
        Assert.Equal(0UL, zero);
    }

    [Fact]
    public void BorrowedMemoryIsTheHostsOwn()
    {
        using var block = new NativeBlock(Page, 4096);
        using var memory = new GuestMemory();
        var region = memory.AddBorrowed(0x1000, block.Pointer, Page);
        Assert.True(memory.TryWrite32(0x1004, 42));
        Assert.Equal(42u, *(uint*)(block.Pointer + 4));
        memory.Remove(region);
        Assert.False(memory.TryWrite32(0x1004, 43));
        Assert.Equal(42u, *(uint*)(block.Pointer + 4));
    }

    [Fact]
    public void ABufferIsPinnedForAsLongAsItIsLent()
    {
        byte[] buffer = GC.AllocateArray<byte>((int)Page);
        var memory = new GuestMemory();
        var region = memory.AddBorrowed(0x1000, buffer.AsMemory());
        GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        Assert.True(memory.Write(0x1010, [1, 2, 3]));
        Assert.Equal([1, 2, 3], buffer[0x10..0x13]);
        Assert.True(region.HostPointer == (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref buffer[0]));
        memory.Dispose();
    }

    [Fact]
    public void AMemoryMappedFileStaysOpenUntilItsRegionIsRemoved()
    {
        using var file = MemoryMappedFile.CreateNew(null, 4 * (long)Page);
        var view = file.CreateViewAccessor();
        using var memory = new GuestMemory();
        var region = memory.AddBorrowed(0x1000, view.SafeMemoryMappedViewHandle, (ulong)view.PointerOffset + Page, Page);
        view.Write((long)Page + 8, 77UL);
        Assert.True(memory.TryRead64(0x1008, out ulong value));
        Assert.Equal(77UL, value);

        view.Dispose();
        Assert.True(memory.TryWrite64(0x1008, 78));   // Would fault if the view were gone.
        Assert.False(view.SafeMemoryMappedViewHandle.DangerousGetHandle() == 0);
        memory.Remove(region);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.AddBorrowed(0, view.SafeMemoryMappedViewHandle, 4 * Page, Page));
    }

    [Fact]
    public void StoresIntoReadOnlyMemoryAbortAndLeaveItAsItWas()
    {
        using var memory = new GuestMemory(new RecordingBus());
        var region = memory.AddOwned(0x1000, Page);
        Assert.True(memory.TryWrite64(0x1000, 5));
        memory.MakeReadOnly(region);
        Assert.True(region.IsReadOnly);

        ulong word = 6;
        Assert.False(memory.TryWrite64(0x1000, 6));
        Assert.False(memory.TryWrite32(0x1000, 6));
        Assert.False(memory.TryWriteStructure(0x1000, &word, 1));
        Assert.False(memory.Write(0x1000, [6]));
        Assert.False(memory.TryCompareExchange64(0x1000, 5, 6, out _));
        Assert.Equal(MemoryStatus.Aborted, memory.TryWrite32Direct(0x1000, 6));
        Assert.Equal(MemoryStatus.Aborted, memory.TryWriteStructureDirect(0x1000, &word, 1));
        Assert.True(memory.TryRead64(0x1000, out ulong value));
        Assert.Equal(5UL, value);

        memory.MakeWritable(region);
        Assert.False(region.IsReadOnly);
        Assert.True(memory.TryWrite64(0x1000, 6));
        Assert.True(memory.AddOwned(0x4000, Page, readOnly: true).IsReadOnly);
        Assert.False(memory.TryWrite64(0x4000, 1));
    }

    [Fact]
    public void EveryChangeThatRevokesPointersShowsInTheGeneration()
    {
        using var memory = new GuestMemory();
        ulong last = memory.Generation;
        var region = memory.AddOwned(0, Page);
        Assert.Equal(last, memory.Generation);
        foreach (Action change in new Action[]
        {
            () => memory.MakeReadOnly(region), () => memory.MakeWritable(region), () => memory.Watch(region),
            () => memory.StopWatching(region), () => memory.Remove(region),
        })
        {
            change();
            Assert.NotEqual(last, memory.Generation);
            last = memory.Generation;
        }
    }

    [Fact]
    public void RangesThatCannotBeRegionsAreRefused()
    {
        using var block = new NativeBlock(2 * Page, 4096);
        byte* host = block.Pointer;
        using var memory = new GuestMemory();
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.AddOwned(0, 0));
        Assert.Throws<ArgumentException>(() => memory.AddOwned(0x800, Page));
        Assert.Throws<ArgumentException>(() => memory.AddOwned(0, Page + 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.AddOwned(Top, 2 * Page));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.AddOwned(Page, Top));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.AddOwned(0, Top));   // Fits the guest, not the process.
        Assert.Throws<ArgumentNullException>(() => memory.AddBorrowed(0, null, Page));
        Assert.Throws<ArgumentException>(() => memory.AddBorrowed(0, host + 4, Page));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.AddBorrowed(0, host, Top));
        Assert.Throws<ArgumentException>(() => memory.AddBorrowed(0, new byte[100].AsMemory()));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.AddBorrowed(0, Memory<byte>.Empty));
        Assert.Throws<ArgumentException>(() => memory.AddBorrowed(0, new byte[Page + 1].AsMemory(1)));
        Assert.False(memory.TryRead64(0, out _));
    }

    [Fact]
    public void OverlapsAreRefusedAndNeighboursAreNot()
    {
        using var memory = new GuestMemory();
        memory.AddOwned(4 * Page, 2 * Page);
        Assert.Throws<ArgumentException>(() => memory.AddOwned(4 * Page, Page));
        Assert.Throws<ArgumentException>(() => memory.AddOwned(5 * Page, 2 * Page));
        Assert.Throws<ArgumentException>(() => memory.AddOwned(3 * Page, 2 * Page));
        Assert.Throws<ArgumentException>(() => memory.AddOwned(0, 64 * Page));
        memory.AddOwned(3 * Page, Page);
        memory.AddOwned(6 * Page, Page);
        memory.AddOwned(Top, Page);
        Assert.Throws<ArgumentException>(() => memory.AddOwned(Top, Page));
    }

    [Fact]
    public void WhatWasRefusedAmongBorrowedBuffersIsNotKept()
    {
        using var file = MemoryMappedFile.CreateNew(null, (long)Page);
        var view = file.CreateViewAccessor();
        using var memory = new GuestMemory();
        memory.AddOwned(0, Page);
        Assert.Throws<ArgumentException>(() => memory.AddBorrowed(0, view.SafeMemoryMappedViewHandle, 0, Page));
        view.Dispose();
        bool isHeld = false;
        Assert.Throws<ObjectDisposedException>(() => view.SafeMemoryMappedViewHandle.DangerousAddRef(ref isHeld));
    }

    [Fact]
    public void TheNumberOfRegionsIsALimitThatCanBeRaised()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new GuestMemory(maxRegions: 0));
        using var memory = new GuestMemory(maxRegions: 2);
        var first = memory.AddOwned(0, Page);
        memory.AddOwned(Page, Page);
        var full = Assert.Throws<InvalidOperationException>(() => memory.AddOwned(2 * Page, Page));
        Assert.Contains("maxRegions", full.Message);
        memory.Remove(first);
        memory.AddOwned(2 * Page, Page);
        Assert.False(memory.TryRead64(0, out _));

        using var larger = new GuestMemory();
        for (ulong i = 0; i < GuestMemory.DefaultMaxRegions; i++) larger.AddOwned(i * Page, Page);
        Assert.Throws<InvalidOperationException>(() => larger.AddOwned(1 << 30, Page));
    }

    [Fact]
    public void RegionsOfOthersAndOfThePastAreRefused()
    {
        using var memory = new GuestMemory();
        using var other = new GuestMemory(maxRegions: 1);
        var foreign = memory.AddOwned(0, Page);
        foreign = memory.AddOwned(Page, Page);
        other.AddOwned(0, Page);
        Assert.Throws<InvalidOperationException>(() => other.Remove(foreign));
        Assert.Throws<ArgumentNullException>(() => memory.Remove(null!));

        memory.Remove(foreign);
        memory.AddOwned(Page, Page);   // Takes the slot over.
        Assert.Throws<InvalidOperationException>(() => memory.Remove(foreign));
        Assert.Throws<InvalidOperationException>(() => memory.MakeReadOnly(foreign));
        Assert.Throws<InvalidOperationException>(() => memory.Watch(foreign));
        Assert.True(memory.TryRead64(Page, out _));
    }

    [Fact]
    public void ADisposedMemoryRefusesTheHostAndAbortsTheRest()
    {
        var memory = new GuestMemory();
        var region = memory.AddOwned(0, Page);
        memory.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.AddOwned(0, Page));
        Assert.Throws<ObjectDisposedException>(() => memory.Remove(region));
        Assert.Throws<ObjectDisposedException>(() => memory.Read(0, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => memory.Write(0, new byte[1]));
        Assert.False(memory.TryRead64(0, out _));
        Assert.False(memory.TryWrite32(0, 1));
    }
}
