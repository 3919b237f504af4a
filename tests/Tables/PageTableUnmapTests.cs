using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>An unmap takes exactly its range, says what to invalidate, and holds tables back until that is done.</summary>
public class PageTableUnmapTests
{
    private const ulong Page = 0x1000;
    private const ulong Run = 16 * Page;
    private const ulong Block = 0x20_0000;
    private const ulong Gigabyte = 0x4000_0000;

    [Fact]
    public void APageInsideAGigabyteIsTakenExactly()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(Gigabyte, 0, Gigabyte);
        ulong hole = Gigabyte + (5 * Block) + (7 * Page);

        PageTableChange change = scene.Unmap(hole, Page);

        Assert.Equal(Page, change.UnmappedBytes);
        Assert.Equal(new AddressRange(Gigabyte, Gigabyte), change.LeavesOf(1));
        Assert.True(change.LeavesOf(2).Bytes >= Block);   // A run of the new blocks has lost its hint.
        Assert.True(change.LeavesOf(3).First <= hole);
        Assert.True(change.Tables.IsEmpty);
        Assert.Equal(4, scene.Table.TableCount);
        scene.AssertLeadsTo(null, hole);
        scene.AssertLeadsTo(hole - Gigabyte - 1, hole - 1);
        scene.AssertLeadsTo(hole - Gigabyte + Page, hole + Page);
        scene.AssertLeadsTo(Gigabyte - 1, (2 * Gigabyte) - 1);
        scene.Audit();
    }

    [Fact]
    public void ARunLosesItsHintAndNothingElse()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, 3 * Run);

        PageTableChange change = scene.Unmap(Run + Page, Page);

        Assert.Equal(new AddressRange(Run, Run), change.LeavesOf(3));
        scene.AssertLeadsTo(null, Run + Page);
        for (ulong at = Run; at < 2 * Run; at += Page)
        {
            if (at != Run + Page) scene.AssertLeadsTo(at, at);
            Assert.Equal(0, scene.Walk(at).Stage1RunSizeLog2);
        }

        Assert.Equal(16, scene.Walk(0).Stage1RunSizeLog2);
        Assert.Equal(16, scene.Walk(2 * Run).Stage1RunSizeLog2);
        scene.Audit();
    }

    [Fact]
    public void ARunThatGoesAsAWholeIsNotBroken()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, 4 * Run);
        PageTableChange change = scene.Unmap(Run, 2 * Run);
        Assert.Equal(new AddressRange(Run, 2 * Run), change.LeavesOf(3));
        Assert.Equal(16, scene.Walk(0).Stage1RunSizeLog2);
        Assert.Equal(16, scene.Walk(3 * Run).Stage1RunSizeLog2);
        scene.Audit();
    }

    [Fact]
    public void ARunOfBlocksIsBrokenBeforeOneOfThemIsSplit()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, 16 * Block);
        PageTableChange change = scene.Unmap((3 * Block) + Page, Block);
        Assert.Equal(new AddressRange(0, 16 * Block), change.LeavesOf(2));
        Assert.Equal((15 * Block), scene.Table.MappedBytes);
        Assert.Equal(0, scene.Walk(0).Stage1RunSizeLog2);
        scene.AssertLeadsTo(3 * Block, 3 * Block);
        scene.AssertLeadsTo(null, (4 * Block) + Page - 1);
        scene.AssertLeadsTo((4 * Block) + Page, (4 * Block) + Page);
        scene.Audit();
    }

    [Fact]
    public void WhatIsNotMappedNeedsNoInvalidation()
    {
        using var scene = new TablesScene(new PageTableOptions());
        PageTableChange change = scene.Unmap(0, Gigabyte);
        Assert.True(change.IsEmpty);
        Assert.Equal(0ul, change.UnmappedBytes);

        scene.Map(0, 0, Page);
        change = scene.Unmap(Page, Block - Page);
        Assert.True(change.IsEmpty);
        Assert.Equal(1, scene.Table.LiveDescriptors(0, 3));
    }

    [Fact]
    public void TheChangeNamesWhatWasThereAndNotTheHolesAround()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(20 * Page, 0, 3 * Page);
        scene.Map(Gigabyte, 0, Block);
        PageTableChange change = scene.Unmap(0, 2 * Gigabyte, keepTables: true);
        Assert.Equal(new AddressRange(20 * Page, 3 * Page), change.LeavesOf(3));
        Assert.Equal(new AddressRange(Gigabyte, Block), change.LeavesOf(2));
        Assert.True(change.LeavesOf(1).IsEmpty);
        Assert.True(change.Tables.IsEmpty);
    }

    [Fact]
    public void EmptyTablesWaitUntilTheyAreReturned()
    {
        using var scene = new TablesScene(new PageTableOptions());
        ulong free = scene.Pool.FreeBytes;
        scene.Map(Block, 0, 2 * Page);
        Assert.Equal(free - (3 * Page), scene.Pool.FreeBytes);

        scene.Unmap(Block, Page);
        Assert.Equal(4, scene.Table.TableCount);   // One page still lives.
        PageTableChange change = scene.Unmap(Block + Page, Page);

        Assert.Equal(new AddressRange(0, 1UL << 39), change.Tables);
        Assert.Equal(1, scene.Table.TableCount);
        Assert.Equal(free - (3 * Page), scene.Pool.FreeBytes);   // Hardware may still know them.
        UnlinkedTables unlinked = scene.Table.TakeUnlinked();
        Assert.Equal(3, unlinked.Count);
        Assert.Equal(0, scene.Table.TakeUnlinked().Count);
        scene.Pool.Return(unlinked);
        Assert.Equal(free, scene.Pool.FreeBytes);
        Assert.Throws<ArgumentException>(() => scene.Pool.Return(unlinked));
    }

    [Fact]
    public void WholeTablesGoWithEverythingBelowThem()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(Page, Page, (2 * Gigabyte) - Page);
        scene.Map(3 * Gigabyte, 0, Page);
        int tables = scene.Table.TableCount;

        PageTableChange change = scene.Unmap(0, 3 * Gigabyte);

        Assert.Equal((2 * Gigabyte) - Page, change.UnmappedBytes);
        Assert.Equal(tables - 4, scene.Reclaim());   // The path to the page that stays.
        Assert.Equal(new AddressRange(Gigabyte, Gigabyte), change.LeavesOf(1));
        Assert.Equal(new AddressRange(Block, Gigabyte - Block), change.LeavesOf(2));
        Assert.Equal(new AddressRange(0, Block), change.LeavesOf(3));
        Assert.Equal(0ul, change.Tables.First);
        scene.AssertLeadsTo(0, 3 * Gigabyte);
        scene.Audit();
    }

    [Fact]
    public void KeptTablesAreUnlinkedOnRequestUnlessTheyHoldSomething()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, Page);
        scene.Map(Block, 0, Page);
        scene.Unmap(0, Page, keepTables: true);
        Assert.Equal(5, scene.Table.TableCount);
        Assert.Equal(0, scene.Table.LiveDescriptors(0, 3));

        PageTableChange change = default;
        Assert.Equal(PageTableStatus.Done, scene.Table.UnlinkEmptyTables(0, Gigabyte, ref change));

        Assert.Equal(new AddressRange(0, Block), change.Tables);
        Assert.Equal(1, scene.Reclaim());
        scene.AssertLeadsTo(0, Block);
        scene.Audit();
    }

    [Fact]
    public void AnUnmapWithoutRoomForItsSplitsChangesNothing()
    {
        using var scene = new TablesScene(new PageTableOptions(), poolBytes: 5 * Page);
        scene.Map(0, 0, 2 * Gigabyte);   // First table, level 1; three frames are left.
        PageTableChange change = default;

        // A block boundary inside each gigabyte would do with two; a page boundary inside each needs four.
        Assert.Equal(PageTableStatus.OutOfFrames, scene.Table.Unmap(Page, (2 * Gigabyte) - (2 * Page), ref change));
        Assert.True(change.IsEmpty);
        scene.AssertLeadsTo(Gigabyte, Gigabyte);
        Assert.Equal(2, scene.Table.TableCount);

        Assert.Equal(PageTableStatus.Done, scene.Table.Unmap(Block, (2 * Gigabyte) - (2 * Block), ref change));
        scene.AssertLeadsTo(null, Gigabyte);
        scene.AssertLeadsTo((2 * Gigabyte) - 1, (2 * Gigabyte) - 1);
        scene.Audit();
    }

    [Theory]
    [InlineData(0x800, 0x1000, PageTableStatus.Unaligned)]
    [InlineData(0, 0, PageTableStatus.Unaligned)]
    [InlineData((1UL << 48) - 0x1000, 0x2000, PageTableStatus.OutOfRange)]
    [InlineData(1UL << 60, 0x1000, PageTableStatus.OutOfRange)]
    public void WhatCannotBeIsAnswered(ulong iova, ulong bytes, PageTableStatus expected)
    {
        using var scene = new TablesScene(new PageTableOptions());
        PageTableChange change = default;
        Assert.Equal(expected, scene.Table.Unmap(iova, bytes, ref change));
        Assert.Equal(expected, scene.Table.UnlinkEmptyTables(iova, bytes, ref change));
        Assert.Equal(expected, scene.Table.HarvestDirty(iova, bytes, new ulong[8], 12, true, ref change));
    }

    [Fact]
    public void NothingIsAllocatedOnceATableIsThere()
    {
        using var scene = new TablesScene(new PageTableOptions());
        var bitmap = new ulong[64];
        ulong found = 0;
        Work();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) Work();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(found > 0);

        void Work()
        {
            PageTableChange change = default;
            scene.Table.Map(Page, 0, 4 * Block, LeafAttributes.Stage1(LeafPermissions.Write, dirty: DirtyState.Dirty));
            scene.Table.HarvestDirty(0, 4 * Block, bitmap, 12, true, ref change);
            scene.Table.Unmap(2 * Page, Block, ref change);
            if (scene.Table.TryFind(Page, out PageMapping mapping)) found += (ulong)mapping.SizeLog2;
            scene.Table.Unmap(0, Gigabyte, ref change);
            scene.Pool.Return(scene.Table.TakeUnlinked());
        }
    }
}
