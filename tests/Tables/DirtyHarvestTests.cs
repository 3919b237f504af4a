using Smmu.Fast.Formats;
using Smmu.Fast.Tables;
using Smmu.Fast.Tests.Memory;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Tables;

/// <summary>Every page that hardware has marked is reported, once, also while it goes on marking.</summary>
public sealed unsafe class DirtyHarvestTests
{
    private const ulong Page = 0x1000;
    private const ulong Block = 0x20_0000;
    private const ulong WriteControl = 1UL << 7;
    private const ulong AccessFlag = 1UL << 10;

    public static TheoryData<PageTableStage> Stages => [PageTableStage.Stage1, PageTableStage.Stage2];

    [Theory]
    [MemberData(nameof(Stages))]
    public void WrittenPagesAreReportedAndThenCleanAgain(PageTableStage stage)
    {
        using var scene = Pages(stage);
        scene.Map(Block, 0, 2 * Block, scene.Managed(DirtyState.Clean));
        ulong[] written = [0, 1, 63, 64, 511, 512, 700, 1023];
        foreach (ulong page in written) Assert.True(scene.Walk(Block + (page * Page), AccessKind.Write).IsSuccess);
        Assert.True(scene.Walk(Block + (5 * Page), AccessKind.Read).IsSuccess);   // Reads mark nothing.

        Assert.Equal(written, Harvest(scene, Block, 2 * Block, clear: false, out PageTableChange change));
        Assert.True(change.IsEmpty);
        Assert.Equal(written, Harvest(scene, Block, 2 * Block, clear: true, out change));
        Assert.Equal(new AddressRange(Block, 2 * Block), change.LeavesOf(3));
        Assert.Empty(Harvest(scene, Block, 2 * Block, clear: true, out change));
        Assert.True(change.IsEmpty);

        Assert.True(scene.Walk(Block, AccessKind.Write).IsSuccess);   // Writable all the time, and marked again.
        Assert.Equal([0ul], Harvest(scene, Block, 2 * Block, clear: true, out _));
    }

    [Theory]
    [MemberData(nameof(Stages))]
    public void OnlyLeavesWhoseStateHardwareKeepsAreReported(PageTableStage stage)
    {
        using var scene = Pages(stage);
        scene.Map(0, 0, Page, scene.ReadWrite);
        scene.Map(Page, 0, Page, scene.Managed(DirtyState.Dirty));
        scene.Map(2 * Page, 0, Page, scene.Managed(DirtyState.Clean));
        Assert.Equal([1ul], Harvest(scene, 0, Block, clear: true, out _));
        Assert.True(scene.Walk(0, AccessKind.Write).IsSuccess);   // Still writable: not ours to clear.
    }

    [Theory]
    [MemberData(nameof(Stages))]
    public void ABlockIsReportedInAllItsPages(PageTableStage stage)
    {
        using var scene = new TablesScene(new PageTableOptions { Stage = stage, InputBits = 40 });
        scene.Map(Block, Block, Block, scene.Managed(DirtyState.Clean));
        Assert.True(scene.Walk(Block + (9 * Page), AccessKind.Write).IsSuccess);
        Assert.Equal(512, Harvest(scene, Block, Block, clear: true, out PageTableChange change).Count);
        Assert.Equal(new AddressRange(Block, Block), change.LeavesOf(2));
        Assert.Empty(Harvest(scene, 0, 4 * Block, clear: true, out _));
    }

    [Theory]
    [InlineData(12, 16)]
    [InlineData(14, 128)]
    [InlineData(16, 32)]
    public void ARunCountsAsAWholeSinceHardwareMarksOneMemberForAll(int granule, int members)
    {
        using var scene = new TablesScene(new PageTableOptions { GranuleLog2 = granule });
        ulong page = 1UL << granule;
        ulong run = (ulong)members * page;
        scene.Map(run, run, 3 * run, scene.Managed(DirtyState.Clean));
        Assert.True(scene.Walk((2 * run) + (5 * page), AccessKind.Write).IsSuccess);

        var found = Harvest(scene, run, 3 * run, clear: true, out PageTableChange change, granule);

        Assert.Equal(Enumerable.Range(members, members).Select(index => (ulong)index), found);
        Assert.Equal(new AddressRange(2 * run, run), change.LeavesOf(3));
        Assert.Empty(Harvest(scene, run, 3 * run, clear: true, out _, granule));
    }

    [Fact]
    public void ALeafBeyondTheRangeKeepsItsMark()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, Block, scene.Managed(DirtyState.Dirty));
        Assert.Equal(3, Harvest(scene, 4 * Page, 3 * Page, clear: true, out PageTableChange change).Count);
        Assert.True(change.IsEmpty);
        Assert.Equal(512, Harvest(scene, 0, Block, clear: true, out _).Count);
    }

    [Fact]
    public void BitsMayStandForMoreOrLessThanAPage()
    {
        using var scene = Pages(PageTableStage.Stage1);
        scene.Map(0, 0, Block, scene.Managed(DirtyState.Clean));
        Assert.True(scene.Walk(17 * Page, AccessKind.Write).IsSuccess);
        Assert.Equal([1ul], Harvest(scene, 0, Block, clear: false, out _, pageLog2: 16));
        Assert.Equal([68ul, 69, 70, 71], Harvest(scene, 0, Block, clear: false, out _, pageLog2: 10));
    }

    [Fact]
    public void ABitmapThatIsTooSmallIsRefused()
    {
        using var scene = Pages(PageTableStage.Stage1);
        PageTableChange change = default;
        Assert.Equal(PageTableStatus.BitmapTooSmall, scene.Table.HarvestDirty(0, Block, new ulong[7], 12, true, ref change));
        Assert.Equal(PageTableStatus.Done, scene.Table.HarvestDirty(0, Block, new ulong[8], 12, true, ref change));
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Table.HarvestDirty(0, Block, new ulong[8], 2, true, ref change));
    }

    [Theory]
    [MemberData(nameof(Stages))]
    public void NoMarkOfRacingHardwareIsLostOrReportedTwice(PageTableStage stage)
    {
        const int PageCount = 256;
        using var scene = Pages(stage);
        ulong attributes = scene.Managed(DirtyState.Clean).Bits & ~AccessFlag;
        scene.Map(0, 0, PageCount * Page, new LeafAttributes(attributes));
        ulong* descriptors = Descriptors(scene, 0);
        ulong dirtyBit = stage == PageTableStage.Stage1 ? 0 : WriteControl;
        var marks = new int[PageCount];
        var reports = new int[PageCount];
        bool isOver = false;

        var hardware = new Worker(() =>
        {
            var random = new Random(5);
            for (int left = TestScale.Of(20_000), idle = 0; left > 0;)
            {
                int page = random.Next(PageCount);
                ulong seen = Volatile.Read(ref descriptors[page]);
                if ((seen & WriteControl) == dirtyBit)
                {
                    if (++idle % 1024 == 0) Thread.Yield();   // Everything may be marked until the next harvest.
                    continue;
                }

                ulong marked = (seen & ~WriteControl) | dirtyBit | AccessFlag;
                if (Interlocked.CompareExchange(ref descriptors[page], marked, seen) != seen) continue;
                marks[page]++;
                left--;
            }

            Volatile.Write(ref isOver, true);
        });
        for (bool last = false; !last;)
        {
            last = Volatile.Read(ref isOver);
            foreach (ulong page in Harvest(scene, 0, PageCount * Page, clear: true, out _)) reports[page]++;
        }

        hardware.Join();
        Assert.NotEqual(0, marks.Sum());
        Assert.Equal(marks, reports);
        for (int page = 0; page < PageCount; page++) Assert.NotEqual(0ul, descriptors[page] & AccessFlag);
    }

    [Theory]
    [MemberData(nameof(Stages))]
    public void NoAccessFlagThatRacingHardwareSetsIsLost(PageTableStage stage)
    {
        const int PageCount = 64;
        using var scene = Pages(stage);
        var attributes = new LeafAttributes(scene.Managed(DirtyState.Dirty).Bits & ~AccessFlag);
        int turn = 0;
        int rounds = TestScale.Of(5_000);
        ulong* descriptors = null;
        var hardware = new Worker(() =>
        {
            for (int round = 1; round <= rounds; round++)
            {
                Await(ref turn, (2 * round) - 1);
                Thread.SpinWait(round % 16);   // Ahead of the harvest, behind it, and beside it.
                for (int page = 0; page < PageCount; page++) Interlocked.Or(ref descriptors[page], AccessFlag);
                Volatile.Write(ref turn, 2 * round);
            }
        });
        for (int round = 1; round <= rounds; round++)
        {
            scene.Map(0, 0, PageCount * Page, attributes);
            descriptors = Descriptors(scene, 0);
            Volatile.Write(ref turn, (2 * round) - 1);
            Assert.Equal(PageCount, Harvest(scene, 0, PageCount * Page, clear: true, out _).Count);
            Await(ref turn, 2 * round);
            for (int page = 0; page < PageCount; page++) Assert.NotEqual(0ul, descriptors[page] & AccessFlag);
            Assert.Empty(Harvest(scene, 0, PageCount * Page, clear: true, out _));
            scene.Unmap(0, PageCount * Page, keepTables: true);
        }

        hardware.Join();
    }

    [Fact]
    public void ABlockThatHardwareMarksWhileItIsSplitStaysMarkedInItsPages()
    {
        using var scene = new TablesScene(new PageTableOptions { InputBits = 32, PageSizes = Page | Block }, poolBytes: 1 << 20);
        int turn = 0;
        int rounds = TestScale.Of(2_000);
        int delay = 0;
        bool isMarked = false;
        ulong clean = 0;
        ulong* slot = null;
        var hardware = new Worker(() =>
        {
            for (int round = 1; round <= rounds; round++)
            {
                Await(ref turn, (2 * round) - 1);
                for (int spent = 0; spent < delay; spent++) Volatile.Read(ref turn);
                isMarked = Interlocked.CompareExchange(ref *slot, clean & ~WriteControl, clean) == clean;
                delay = Math.Max(0, delay + (isMarked ? 5 : -5));   // So that marks meet the store of the table.
                Volatile.Write(ref turn, 2 * round);
            }
        });
        for (int round = 1; round <= rounds; round++)
        {
            scene.Map(0, 0, Block, scene.Managed(DirtyState.Clean));
            slot = HostOf(scene, *HostOf(scene, scene.Table.Root) & 0xffff_ffff_f000);   // Level 2, where the block is.
            clean = *slot;
            Volatile.Write(ref turn, (2 * round) - 1);
            scene.Unmap(0, Page);
            Await(ref turn, 2 * round);

            Assert.Equal(isMarked ? 511 : 0, Harvest(scene, 0, Block, clear: false, out _).Count);
            scene.Unmap(0, Block);
            scene.Reclaim();
        }

        hardware.Join();
    }

    [Fact]
    public void ARunThatIsBrokenIsMarkedAsHardwareMayHaveWrittenAnyMember()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, 32 * Page, scene.Managed(DirtyState.Clean));
        scene.Unmap(3 * Page, Page);
        var found = Harvest(scene, 0, 32 * Page, clear: true, out _);
        Assert.Equal(Enumerable.Range(0, 16).Where(page => page != 3).Select(page => (ulong)page), found);
    }

    // Without sleep, so that the threads start side by side.
    private static void Await(ref int turn, int value)
    {
        for (uint tries = 1; Volatile.Read(ref turn) != value; tries++)
        {
            if (tries % 1024 == 0) Thread.Yield();
        }
    }

    private static TablesScene Pages(PageTableStage stage) =>
        new(new PageTableOptions { Stage = stage, InputBits = 40, PageSizes = Page });

    private static List<ulong> Harvest(
        TablesScene scene, ulong iova, ulong bytes, bool clear, out PageTableChange change, int pageLog2 = 12)
    {
        var bitmap = new ulong[((bytes >> pageLog2) + 63) / 64];
        change = default;
        Assert.Equal(PageTableStatus.Done, scene.Table.HarvestDirty(iova, bytes, bitmap, pageLog2, clear, ref change));
        var found = new List<ulong>();
        for (int bit = 0; bit < bitmap.Length * 64; bit++)
        {
            if ((bitmap[bit / 64] >> bit & 1) != 0) found.Add((ulong)bit);
        }

        return found;
    }

    private static ulong* Descriptors(TablesScene scene, ulong iova)
    {
        ulong table = scene.Table.Root;
        for (int level = scene.Table.StartLevel; level < 3; level++)
        {
            int shift = TranslationTableDescriptor.LeafSizeLog2(level, 12);
            table = HostOf(scene, table)[iova >> shift & 511] & 0xffff_ffff_f000;
        }

        return HostOf(scene, table);
    }

    private static ulong* HostOf(TablesScene scene, ulong address) => scene.Pool.HostOf(scene.Pool.FrameOf(address));
}
