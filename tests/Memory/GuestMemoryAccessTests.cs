using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>An access reaches a region or the bus, whole or in parts, or aborts; nothing a guest chooses does more.</summary>
public sealed unsafe class GuestMemoryAccessTests : IDisposable
{
    private const ulong Page = GuestMemory.PageBytes;
    private const ulong Ram = 0x8000_0000;
    private const ulong Hole = 0x9000_0000;

    private readonly RecordingBus bus = new() { AbortsFrom = 0xA000_0000 };
    private readonly GuestMemory memory;

    public GuestMemoryAccessTests()
    {
        memory = new GuestMemory(bus);
        memory.AddOwned(Ram, 2 * Page);
        memory.AddOwned(Ram + (2 * Page), Page);   // A neighbour with other host memory.
    }

    public void Dispose() => memory.Dispose();

    [Fact]
    public void WordsOutsideOfRegionsGoToTheBus()
    {
        bus[Hole] = 0x21;
        bus[Hole + 7] = 0x43;
        Assert.True(memory.TryRead64(Hole, out ulong value));
        Assert.Equal(0x4300_0000_0000_0021UL, value);
        Assert.True(memory.TryRead64InScope(Hole, out value));
        Assert.Equal(0x4300_0000_0000_0021UL, value);
        Assert.True(memory.TryWrite32(Hole + 0x10, 0xAABBCCDD));
        Assert.True(memory.TryWrite64(Hole + 0x18, 0x1122_3344_5566_7788));
        Assert.Equal((0xDD, 0xAA, 0x88, 0x11), (bus[Hole + 0x10], bus[Hole + 0x13], bus[Hole + 0x18], bus[Hole + 0x1F]));
        Assert.Equal([(false, Hole, 8), (false, Hole, 8), (true, Hole + 0x10, 4), (true, Hole + 0x18, 8)], bus.Accesses);
    }

    [Fact]
    public void WhatTheBusRefusesAborts()
    {
        ulong* words = stackalloc ulong[2];
        Assert.False(memory.TryRead64(bus.AbortsFrom, out ulong value));
        Assert.Equal(0UL, value);
        Assert.False(memory.TryWrite32(bus.AbortsFrom, 1));
        Assert.False(memory.TryWrite64(bus.AbortsFrom, 1));
        Assert.False(memory.TryReadStructure(bus.AbortsFrom, words, 2));
        Assert.False(memory.TryWriteStructure(bus.AbortsFrom, words, 2));
        Assert.False(memory.TryCompareExchange64(bus.AbortsFrom, 0, 1, out _));
        Assert.False(memory.Read(bus.AbortsFrom, new byte[3]));
        Assert.False(memory.Write(bus.AbortsFrom, new byte[3]));
        Assert.Equal(8, bus.Accesses.Count);
    }

    [Fact]
    public void WithoutABusAccessesOutsideOfRegionsAbort()
    {
        using var bare = new GuestMemory();
        bare.AddOwned(Ram, Page);
        ulong* words = stackalloc ulong[2];
        Assert.False(bare.TryRead64(Hole, out _));
        Assert.False(bare.TryRead64InScope(Hole, out _));
        Assert.False(bare.TryWrite32(Hole, 1));
        Assert.False(bare.TryReadStructure(Hole, words, 2));
        Assert.False(bare.TryReadStructure(Ram + Page - 8, words, 2));
        Assert.False(bare.TryWriteStructure(Ram + Page - 8, words, 2));
        Assert.False(bare.TryCompareExchange64(Hole, 0, 1, out _));
        Assert.False(bare.Read(Ram + Page - 1, new byte[2]));
        Assert.Equal(MemoryStatus.Aborted, bare.TryReadStructureDirect(Hole, words, 2));
        Assert.Equal(MemoryStatus.Aborted, bare.TryWriteStructureDirect(Hole, words, 2));
        Assert.Equal(MemoryStatus.Aborted, bare.TryWrite32Direct(Hole, 2));
    }

    [Fact]
    public void StructuresRoundTripWordForWord()
    {
        ulong* source = stackalloc ulong[8];
        ulong* found = stackalloc ulong[8];
        for (int i = 0; i < 8; i++) source[i] = 0x0101_0101_0101_0101UL * (ulong)(i + 1);
        ulong[] addresses =
            [Ram, Ram + Page - 32, Ram + (2 * Page) - 64, Ram + (2 * Page) - 24, Ram + (3 * Page) - 8, Ram - 8, Hole];
        foreach (ulong pa in addresses)
        {
            Assert.True(memory.TryWriteStructure(pa, source, 8));
            Assert.True(memory.TryReadStructure(pa, found, 8));
            Assert.Equal(new Span<ulong>(source, 8), new Span<ulong>(found, 8));
            for (ulong i = 0; i < 8; i++)
            {
                Assert.True(memory.TryRead64(pa + (i * 8), out ulong word));
                Assert.Equal(source[i], word);
            }

            new Span<ulong>(found, 8).Clear();
        }
    }

    [Fact]
    public void AStructureOnTheBusIsOneAccess()
    {
        ulong* words = stackalloc ulong[4];
        Assert.True(memory.TryReadStructure(Hole, words, 4));
        Assert.True(memory.TryWriteStructure(Hole + 0x40, words, 4));
        Assert.Equal([(false, Hole, 32), (true, Hole + 0x40, 32)], bus.Accesses);
    }

    [Fact]
    public void CallersThatMustNotRunHostCodeAreToldBeforeAnythingHappened()
    {
        ulong* words = stackalloc ulong[2];
        words[0] = words[1] = ulong.MaxValue;
        Assert.Equal(MemoryStatus.NeedsHost, memory.TryReadStructureDirect(Hole, words, 2));
        Assert.Equal(MemoryStatus.NeedsHost, memory.TryWriteStructureDirect(Hole, words, 2));
        Assert.Equal(MemoryStatus.NeedsHost, memory.TryWrite32Direct(Hole, 1));
        Assert.Equal(MemoryStatus.NeedsHost, memory.TryReadStructureDirect(Ram + (3 * Page) - 8, words, 2));
        Assert.Equal(MemoryStatus.NeedsHost, memory.TryWriteStructureDirect(Ram + (3 * Page) - 8, words, 2));
        Assert.Empty(bus.Accesses);
        Assert.Equal(ulong.MaxValue, words[0]);
        Assert.True(memory.TryRead64(Ram + (3 * Page) - 8, out ulong untouched));
        Assert.Equal(0UL, untouched);

        Assert.Equal(MemoryStatus.Done, memory.TryWriteStructureDirect(Ram, words, 2));
        Assert.Equal(MemoryStatus.Done, memory.TryWrite32Direct(Ram + 4, 7));
        Assert.Equal(MemoryStatus.Done, memory.TryReadStructureDirect(Ram, words, 2));
        Assert.Equal((0x7_FFFF_FFFFUL, ulong.MaxValue), (words[0], words[1]));
    }

    [Fact]
    public void MisalignedWordsAbortAndTouchNothing()
    {
        ulong word = ulong.MaxValue;
        for (ulong offset = 1; offset < 8; offset++)
        {
            Assert.False(memory.TryRead64(Ram + offset, out _));
            Assert.False(memory.TryRead64InScope(Ram + offset, out _));
            Assert.False(memory.TryRead64(Hole + offset, out _));
            Assert.False(memory.TryWrite64(Ram + offset, 1));
            Assert.Equal(offset == 4, memory.TryWrite32(Ram + offset, 0));
            Assert.False(memory.TryCompareExchange64(Ram + offset, 0, 1, out _));
            Assert.Equal(MemoryStatus.Aborted, memory.TryReadStructureDirect(Ram + offset, &word, 1));
            Assert.False(memory.TryWriteStructure(Ram + offset, &word, 1));
        }

        Assert.Empty(bus.Accesses);
        Assert.True(memory.TryRead64(Ram, out ulong value));
        Assert.Equal(0UL, value);
    }

    [Fact]
    public void AccessesThatWrapPastTheEndAbortWhole()
    {
        using var wrapping = new GuestMemory(bus);
        wrapping.AddOwned(ulong.MaxValue - Page + 1, Page);
        wrapping.AddOwned(0, Page);
        ulong* words = stackalloc ulong[2];
        words[0] = words[1] = 9;
        Assert.False(wrapping.TryReadStructure(ulong.MaxValue - 7, words, 2));
        Assert.False(wrapping.TryWriteStructure(ulong.MaxValue - 7, words, 2));
        Assert.Equal(MemoryStatus.Aborted, wrapping.TryWriteStructureDirect(ulong.MaxValue - 7, words, 2));
        Assert.False(wrapping.Read(ulong.MaxValue, new byte[2]));
        Assert.False(wrapping.Write(ulong.MaxValue, [1, 2]));
        Assert.True(wrapping.Write(ulong.MaxValue, [1]));
        Assert.True(wrapping.Read(ulong.MaxValue, []));
        Assert.False(wrapping.TryReadStructure(0, words, 0));
        Assert.False(wrapping.TryReadStructure(0, words, -1));
        Assert.False(wrapping.TryReadStructure(0, words, int.MaxValue));
        Assert.Empty(bus.Accesses);
        Assert.True(wrapping.TryRead64(0, out ulong low));
        Assert.Equal(0UL, low);
    }

    [Fact]
    public void BytesCrossRegionsAndBusInOrder()
    {
        byte[] data = new byte[(3 * (int)Page) + 40];
        new Random(3).NextBytes(data);
        Assert.True(memory.Write(Ram - 13, data));
        byte[] found = new byte[data.Length];
        Assert.True(memory.Read(Ram - 13, found));
        Assert.Equal(data, found);
        Assert.Equal(
            [(true, Ram - 13, 13), (true, Ram + (3 * Page), 27), (false, Ram - 13, 13), (false, Ram + (3 * Page), 27)],
            bus.Accesses);
        Assert.Equal(data[12], bus[Ram - 1]);
    }

    [Fact]
    public void AWriteThatAbortsHasWrittenWhatLiesBelow()
    {
        using var bare = new GuestMemory();
        bare.AddOwned(Ram, Page);
        Assert.False(bare.Write(Ram + Page - 2, [1, 2, 3]));
        byte[] found = new byte[2];
        Assert.True(bare.Read(Ram + Page - 2, found));
        Assert.Equal([1, 2], found);
    }

    [Fact]
    public void AWordIsExchangedOnlyWhenItIsAsExpected()
    {
        foreach (ulong pa in new[] { Ram + 8, Hole + 8 })
        {
            Assert.True(memory.TryWrite64(pa, 5));
            Assert.True(memory.TryCompareExchange64(pa, 4, 9, out ulong observed));
            Assert.Equal(5UL, observed);
            Assert.True(memory.TryRead64(pa, out ulong value));
            Assert.Equal(5UL, value);
            Assert.True(memory.TryCompareExchange64(pa, 5, 9, out observed));
            Assert.Equal(5UL, observed);
            Assert.True(memory.TryRead64(pa, out value));
            Assert.Equal(9UL, value);
        }
    }

    [Fact]
    public void HostPointersReachToTheEndOfTheirRegion()
    {
        Assert.True(memory.TryGetHostSpan(Ram + 5, write: true, out byte* pointer, out ulong length));
        Assert.Equal((2 * Page) - 5, length);
        pointer[3] = 0x5A;
        Assert.True(memory.TryRead64(Ram + 8, out ulong value));
        Assert.Equal(0x5AUL, value);
        Assert.True(memory.TryGetHostSpan(Ram + (3 * Page) - 1, write: false, out _, out length));
        Assert.Equal(1UL, length);
        Assert.False(memory.TryGetHostSpan(Hole, write: false, out pointer, out length));
        Assert.True(pointer == null && length == 0);
    }

    [Fact]
    public void StoresThroughHostPointersAreRefusedWhereTheyWouldEscape()
    {
        var region = memory.AddOwned(0, Page);
        memory.MakeReadOnly(region);
        Assert.False(memory.TryGetHostSpan(0, write: true, out _, out _));
        Assert.True(memory.TryGetHostSpan(0, write: false, out _, out _));
        memory.MakeWritable(region);
        memory.Watch(region);
        Assert.False(memory.TryGetHostSpan(0, write: true, out _, out _));
        Assert.True(memory.TryGetHostSpan(0, write: false, out _, out _));
        memory.StopWatching(region);
        Assert.True(memory.TryGetHostSpan(0, write: true, out _, out _));
    }

    [Fact]
    public void WarmAccessesAllocateNothing()
    {
        ulong* words = stackalloc ulong[8];
        byte[] bytes = new byte[100];
        AccessAll();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) AccessAll();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void AccessAll()
        {
            memory.TryRead64(Ram, out _);
            memory.TryRead64InScope(Ram, out _);
            memory.TryReadStructure(Ram, words, 8);
            memory.TryWriteStructure(Ram, words, 8);
            memory.TryWrite32(Ram, 1);
            memory.TryCompareExchange64(Ram, 0, 1, out _);
            memory.Read(Ram + 3, bytes);
            memory.Write(Ram + 3, bytes);
        }
    }

    [Fact]
    public void TheBusMayChangeRegionsFromWithinAnAccess()
    {
        GuestMemory owner = null!;
        GuestRegion region = null!;
        using var reentrant = new GuestMemory(new RecordingBus { Called = Replace });
        owner = reentrant;
        region = reentrant.AddOwned(0, Page);
        Assert.True(reentrant.TryRead64(Hole, out _));
        Assert.True(reentrant.Write(Page - 1, [1, 2]));
        Assert.True(reentrant.TryRead64(Page - 8, out ulong fresh));
        Assert.Equal(0UL, fresh);

        void Replace()
        {
            owner.Remove(region);
            region = owner.AddOwned(0, Page);
        }
    }
}
