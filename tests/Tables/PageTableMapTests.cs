using Smmu.Fast.Formats;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Tests.Tables;

/// <summary>Leaves are as large as alignment, size and options allow; what cannot be mapped is refused and leaves no trace.</summary>
public class PageTableMapTests
{
    private const ulong Page = 0x1000;
    private const ulong Run = 16 * Page;
    private const ulong Block = 0x20_0000;
    private const ulong Gigabyte = 0x4000_0000;

    [Theory]
    [InlineData(12, 43, 1)]   // 16 tables of level 1.
    [InlineData(12, 44, 0)]
    [InlineData(14, 40, 2)]   // 16 tables of level 2.
    [InlineData(14, 41, 1)]
    [InlineData(16, 46, 2)]
    [InlineData(16, 47, 1)]
    public void TheFirstStage2LevelIsConcatenatedUpToSixteenTables(int granule, int input, int level)
    {
        using var scene = new TablesScene(new PageTableOptions
        {
            Stage = PageTableStage.Stage2,
            GranuleLog2 = granule,
            InputBits = input,
            OutputBits = 48,
        });

        Assert.Equal(level, scene.Table.StartLevel);
    }

    [Fact]
    public void LeavesAndRunsAreAsLargeAsAlignmentAndSizeAllow()
    {
        using var scene = new TablesScene(new PageTableOptions());

        // 1 page, 1 run of pages, 1 block, then a gigabyte, and back down.
        ulong iova = Gigabyte - Block - Run - Page;
        scene.Map(iova, iova, Page + Run + Block + Gigabyte + Block + Run + Page);

        Assert.Equal(new Dictionary<int, int> { [12] = 34, [21] = 2, [30] = 1 }, new TableAudit(scene, scene.Table).Check().Leaves);
        Assert.False(Descriptor(scene, iova).Contiguous);
        Assert.True(Descriptor(scene, iova + Page).Contiguous);
        Assert.True(Descriptor(scene, (2 * Gigabyte) + Block).Contiguous);
        Assert.False(Descriptor(scene, (2 * Gigabyte) + Block + Run).Contiguous);
        Assert.Equal(12, Walked(scene, iova));
        Assert.Equal(16, scene.Walk(iova + Page).Stage1RunSizeLog2);
    }

    [Theory]
    [InlineData(12, 2, 25)]
    [InlineData(12, 1, 34)]
    [InlineData(14, 3, 21)]
    [InlineData(14, 2, 30)]
    [InlineData(16, 3, 21)]
    [InlineData(16, 2, 34)]
    public void ARunIsMarkedWhereASingleLeafLacksNothingButNeighbours(int granule, int level, int runLog2)
    {
        using var scene = new TablesScene(new PageTableOptions { GranuleLog2 = granule });
        scene.Map(1UL << runLog2, 1UL << (runLog2 + 1), 1UL << runLog2);
        Assert.True(Descriptor(scene, 1UL << runLog2).Contiguous);
        Assert.Equal(level, scene.Walk(1UL << runLog2).Level);
        Assert.Equal(runLog2, scene.Walk((2UL << runLog2) - 1).Stage1RunSizeLog2);

        // Outputs out of step by one leaf: no run.
        ulong leaf = 1UL << TranslationTableDescriptor.LeafSizeLog2(level, granule);
        scene.Map(4UL << runLog2, (8UL << runLog2) + leaf, 1UL << runLog2);
        Assert.False(Descriptor(scene, 4UL << runLog2).Contiguous);
        Assert.Equal(0, scene.Walk(4UL << runLog2).Stage1RunSizeLog2);
    }

    [Theory]
    [InlineData(12, 39)]
    [InlineData(14, 36)]
    [InlineData(16, 42)]
    public void LargeAddressesBringLargerBlocks(int granule, int blockLog2)
    {
        var options = new PageTableOptions { GranuleLog2 = granule, InputBits = 52, OutputBits = 52, LargeAddresses = granule != 16 };
        using var scene = new TablesScene(options);
        ulong pa = 0xf_0000_0000_0000;
        scene.Map(1UL << blockLog2, pa, 1UL << blockLog2);
        Assert.Equal(blockLog2, Walked(scene, 1UL << blockLog2));
        scene.AssertLeadsTo(pa + 0x123, (1UL << blockLog2) + 0x123);
    }

    [Fact]
    public void APoolAboveTheLowAddressesIsReachedByTables()
    {
        var options = new PageTableOptions { InputBits = 52, OutputBits = 52, LargeAddresses = true };
        using var scene = new TablesScene(options, 1 << 20, poolAddress: 0xf_1234_5000_0000);
        scene.Map(0xf_ffff_ffff_f000, 0xa_bcde_f012_3000, Page);
        scene.AssertLeadsTo(0xa_bcde_f012_3010, 0xf_ffff_ffff_f010);
    }

    [Fact]
    public void PageSizesBoundTheLeaves()
    {
        using var pages = new TablesScene(new PageTableOptions { PageSizes = Page });
        pages.Map(0, 0, Block);
        Assert.Equal(512, new TableAudit(pages, pages.Table).Check().Leaves[12]);
        Assert.False(Descriptor(pages, 0).Contiguous);

        using var blocks = new TablesScene(new PageTableOptions { PageSizes = Block | Gigabyte });
        Assert.Equal(PageTableStatus.Unaligned, blocks.Table.Map(Page, Page, Block, blocks.ReadWrite));
        blocks.Map(Block, Block, Block);
        Assert.Equal(21, Walked(blocks, Block));

        using var runs = new TablesScene(new PageTableOptions { PageSizes = Run });
        Assert.Equal(16, runs.Table.SmallestPageLog2);
        Assert.Equal(PageTableStatus.Unaligned, runs.Table.Map(Page, Page, Run, runs.ReadWrite));
        runs.Map(0, 0, Block);
        Assert.True(Descriptor(runs, Block - Page).Contiguous);
        Assert.Equal(12, Walked(runs, 0));
    }

    [Theory]
    [InlineData(Page | Gigabyte)]
    [InlineData(Page | (Block * 16))]
    [InlineData(8)]
    public void PageSizesThatCannotBeSplitIntoOneAnotherAreRefused(ulong sizes)
    {
        var refusal = Assert.Throws<ArgumentException>(() => new TablesScene(new PageTableOptions { PageSizes = sizes }));
        Assert.Contains("PageSizes", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OptionsThatTheArchitectureLacksAreRefused()
    {
        Assert.All<PageTableOptions>(
            [
                new() { GranuleLog2 = 13 },
                new() { InputBits = 49 },
                new() { InputBits = 15 },
                new() { OutputBits = 47 },
                new() { OutputBits = 52 },
                new() { GranuleLog2 = 16, LargeAddresses = true },
                new() { Stage = PageTableStage.Stage2, UpperRange = true },
                new() { Stage = 0 },
            ],
            options => Assert.Throws<ArgumentException>(() => new TablesScene(options)));
    }

    [Theory]
    [InlineData(0x1800, 0x1000, 0x1000, PageTableStatus.Unaligned)]
    [InlineData(0x1000, 0x1800, 0x1000, PageTableStatus.Unaligned)]
    [InlineData(0x1000, 0x1000, 0x1800, PageTableStatus.Unaligned)]
    [InlineData(0x1000, 0x1000, 0, PageTableStatus.Unaligned)]
    [InlineData(1UL << 48, 0, 0x1000, PageTableStatus.OutOfRange)]
    [InlineData((1UL << 48) - 0x1000, 0, 0x2000, PageTableStatus.OutOfRange)]
    [InlineData(0xffff_ffff_ffff_f000, 0, 0x1000, PageTableStatus.OutOfRange)]
    [InlineData(0, 1UL << 48, 0x1000, PageTableStatus.OutOfRange)]
    [InlineData(0, (1UL << 48) - 0x1000, 0x2000, PageTableStatus.OutOfRange)]
    [InlineData(0x1000, 0xffff_ffff_ffff_f000, 0x1000, PageTableStatus.OutOfRange)]
    [InlineData(0x1000, 0, 0xffff_ffff_ffff_f000, PageTableStatus.OutOfRange)]
    public void WhatCannotBeIsAnswered(ulong iova, ulong pa, ulong bytes, PageTableStatus expected)
    {
        using var scene = new TablesScene(new PageTableOptions());
        Assert.Equal(expected, scene.Table.Map(iova, pa, bytes, scene.ReadWrite));
        Assert.Equal(1, scene.Table.TableCount);
        scene.Audit();
    }

    [Fact]
    public void AnUpperRangeBeginsWhereItsAddressesDo()
    {
        using var scene = new TablesScene(new PageTableOptions { InputBits = 39, UpperRange = true });
        Assert.Equal(0xffff_ff80_0000_0000, scene.Table.FirstAddress);
        Assert.Equal(PageTableStatus.OutOfRange, scene.Table.Map(0, 0, Page, scene.ReadWrite));
        Assert.Equal(PageTableStatus.OutOfRange, scene.Table.Map(scene.Table.FirstAddress - Page, 0, Page, scene.ReadWrite));
        scene.Map(0xffff_ffff_ffff_f000, 0x5000, Page);
        scene.AssertLeadsTo(0x5fff, ulong.MaxValue);
        PageTableChange change = scene.Unmap(0xffff_ffff_ffff_f000, Page);
        Assert.Equal(new AddressRange(0xffff_ffff_ffff_f000, Page), change.LeavesOf(3));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1UL << 12)]
    [InlineData(1UL << 48)]
    [InlineData(1UL << 52)]
    public void AttributesOfTypeAddressAndHintAreRefused(ulong bits)
    {
        using var scene = new TablesScene(new PageTableOptions());
        var attributes = new LeafAttributes(scene.ReadWrite.Bits | bits);
        Assert.Equal(PageTableStatus.BadAttributes, scene.Table.Map(0, 0, Page, attributes));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(7)]
    public void AnOverlapIsRefusedWhereverItLiesAndLeavesNothingBehind(int place)
    {
        using var scene = new TablesScene(new PageTableOptions { PageSizes = Page | Block });
        ulong taken = (4 * Block) + ((ulong)(place + 1) * 40 * Page);
        scene.Map(taken, 0, Page);
        int tables = scene.Table.TableCount;
        ulong free = scene.Pool.FreeBytes;

        Assert.Equal(PageTableStatus.AlreadyMapped, scene.Table.Map(Page, Page, 6 * Block, scene.ReadWrite));

        Assert.Equal((tables, Page, free), (scene.Table.TableCount, scene.Table.MappedBytes, scene.Pool.FreeBytes));
        scene.Audit();
        scene.AssertLeadsTo(null, taken - Page);
    }

    [Fact]
    public void PartsOfABlockAreTaken()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, Block);
        Assert.Equal(PageTableStatus.AlreadyMapped, scene.Table.Map(Page, 0, Page, scene.ReadWrite));
        Assert.Equal(PageTableStatus.AlreadyMapped, scene.Table.Map(0, 0, Gigabyte, scene.ReadWrite));
    }

    [Fact]
    public void AMapThatThePoolCannotHoldLeavesNothingBehind()
    {
        using var scene = new TablesScene(new PageTableOptions(), poolBytes: 8 * Page);   // 7 tables below the first.
        ulong bytes = 5 * Block;
        Assert.Equal(PageTableStatus.OutOfFrames, scene.Table.Map(Block - Page, 0, bytes + (2 * Page), scene.ReadWrite));
        Assert.Equal((1, 7 * Page), (scene.Table.TableCount, scene.Pool.FreeBytes));

        scene.Map(Block - Page, 0, (4 * Block) + Page);   // 2 upper tables and 5 of pages: all there is.
        Assert.Equal(0ul, scene.Pool.FreeBytes);
        Assert.Equal(PageTableStatus.OutOfFrames, scene.Table.Map(Gigabyte, 0, Page, scene.ReadWrite));
        scene.Audit();
    }

    [Fact]
    public void AnEmptyTableThatWasKeptIsFilledAgain()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, Page);
        scene.Unmap(0, Page, keepTables: true);
        int tables = scene.Table.TableCount;
        scene.Map(0, 0, 2 * Block);   // The first half in the table that is there, the second as a block.
        Assert.Equal(tables, scene.Table.TableCount);
        Assert.Equal((12, 21), (Walked(scene, 0), Walked(scene, Block)));
        scene.Audit();
    }

    [Theory]
    [InlineData(LeafPermissions.Read, false)]
    [InlineData(LeafPermissions.Read | LeafPermissions.Write, true)]
    public void Stage1AttributesPermitWhatTheyName(LeafPermissions permissions, bool write)
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, Page, LeafAttributes.Stage1(permissions));
        scene.Map(Page, 0, Page, LeafAttributes.Stage1(permissions | LeafPermissions.PrivilegedOnly));
        scene.Map(2 * Page, 0, Page, LeafAttributes.Stage1(permissions | LeafPermissions.Execute));
        Assert.Equal(write, scene.Walk(0, AccessKind.Write).IsSuccess);
        Assert.False(scene.Walk(0, AccessKind.Read | AccessKind.Instruction).IsSuccess);
        Assert.False(scene.Walk(Page).IsSuccess);
        Assert.True(scene.Walk(Page, AccessKind.Read | AccessKind.Privileged).IsSuccess);
        Assert.True(scene.Walk(2 * Page, AccessKind.Read | AccessKind.Instruction).IsSuccess);
        Assert.False(scene.Walk(0).IsGlobal);
    }

    [Theory]
    [InlineData(LeafPermissions.None)]
    [InlineData(LeafPermissions.Read)]
    [InlineData(LeafPermissions.Write)]
    [InlineData(LeafPermissions.Read | LeafPermissions.Write)]
    [InlineData(LeafPermissions.Read | LeafPermissions.Execute)]
    public void Stage2AttributesPermitWhatTheyName(LeafPermissions permissions)
    {
        using var scene = new TablesScene(new PageTableOptions { Stage = PageTableStage.Stage2, InputBits = 40 });
        scene.Map(0, 0, Page, LeafAttributes.Stage2(permissions));
        Assert.Equal((permissions & LeafPermissions.Read) != 0, scene.Walk(0).IsSuccess);
        Assert.Equal((permissions & LeafPermissions.Write) != 0, scene.Walk(0, AccessKind.Write).IsSuccess);
        Assert.Equal(
            (permissions & LeafPermissions.Execute) != 0, scene.Walk(0, AccessKind.Read | AccessKind.Instruction).IsSuccess);
    }

    [Fact]
    public void ADisposedTableRefusesWork()
    {
        var scene = new TablesScene(new PageTableOptions());
        scene.Map(0, 0, Gigabyte + Page);
        scene.Dispose();
        Assert.False(scene.Table.TryFind(0, out _));
        Assert.Throws<ObjectDisposedException>(() => scene.Table.Map(0, 0, Page, scene.ReadWrite));
    }

    private static int Walked(TablesScene scene, ulong iova) => scene.Walk(iova).LeafSizeLog2;

    private static TranslationTableDescriptor Descriptor(TablesScene scene, ulong iova)
    {
        Assert.True(scene.Table.TryFind(iova, out PageMapping mapping));
        return mapping.Descriptor;
    }
}
