using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>TxSZ and the granule say where a stage 1 walk starts and how many bits each level resolves.</summary>
public class TableGeometryTests
{
    public static TheoryData<int, int, int> StartLevels()
    {
        var data = new TheoryData<int, int, int>();
        Add(data, 12, -1, 12, 15);
        Add(data, 12, 0, 16, 24);
        Add(data, 12, 1, 25, 33);
        Add(data, 12, 2, 34, 42);
        Add(data, 12, 3, 43, 48);
        Add(data, 14, 0, 12, 16);
        Add(data, 14, 1, 17, 27);
        Add(data, 14, 2, 28, 38);
        Add(data, 14, 3, 39, 48);
        Add(data, 16, 1, 12, 21);
        Add(data, 16, 2, 22, 34);
        Add(data, 16, 3, 35, 47);
        return data;
    }

    [Theory]
    [MemberData(nameof(StartLevels))]
    [Rule("W1-10")]
    [Rule("W1-11")]
    [Rule("W1-12")]
    [Rule("W1-13")]
    [Rule("W1-14")]
    [Rule("W1-18")]
    [Rule("W1-16")]
    public void TheWalkStartsAtTheLevelOfTheArchitecturesTables(int granuleLog2, int sizeOffset, int startLevel)
    {
        var scene = Stage1(granuleLog2, sizeOffset, startLevel);
        scene.Regime.Stage1.LargeAddresses = sizeOffset < 16 && granuleLog2 != 16;
        ulong page = 1UL << granuleLog2;
        ulong top = (1UL << (64 - sizeOffset)) - page;   // All index bits are ones: any bit lost or added goes elsewhere.
        ulong middle = top & 0x0005_5555_5555_5000 & ~(page - 1);
        const ulong Flags = AccessFlag | Unprivileged;   // With DS the bits of SH are address bits.
        scene.Map1(middle, 0x20_0000, flags: Flags);
        scene.Map1(top, 0x10_0000, flags: Flags);
        scene.Map1(0, 0x30_0000, flags: Flags);
        scene.Map1(ulong.MaxValue << (64 - sizeOffset), 0x40_0000, flags: Flags);

        var result = scene.Walk(top + 0xabc);

        AssertTranslates(0x10_0abc, result);
        Assert.Equal(4 - startLevel, result.DescriptorReads);
        if (middle != 0 && middle != top) AssertTranslates(0x20_0000, scene.Walk(middle));
        AssertTranslates(0x30_0000, scene.Walk(0));
        AssertTranslates(0x40_0000, scene.Walk(ulong.MaxValue << (64 - sizeOffset)));
        AssertFault1(EventType.Translation, 0, scene.Walk(1UL << (64 - sizeOffset)));
    }

    [Fact]
    [Rule("W1-15")]
    public void A48BitRangeOf16KilobytePagesStartsInATableOfTwoEntries()
    {
        var scene = Stage1(granuleLog2: 14, sizeOffset: 16, startLevel: 0);
        scene.Map1(0x0000_0000_0000_0000, 0x10_0000);
        scene.Map1(0x0000_8000_0000_0000, 0x20_0000);

        AssertTranslates(0x10_0000, scene.Walk(0));
        AssertTranslates(0x20_0000, scene.Walk(0x0000_8000_0000_0000));
        Assert.NotEqual(0ul, scene.Memory[scene.Regime.Stage1.Range0.TableBase + 8]);
    }

    [Fact]
    [Rule("W1-16")]
    public void AStage1StartTableOfManyBitsIsNeverConcatenated()
    {
        // 40 bits with 4KB: stage 2 may start at level 1 with two tables; stage 1 starts at level 0.
        var scene = Stage1(granuleLog2: 12, sizeOffset: 24, startLevel: 0);
        scene.Map1(0xff_ffff_f000, 0x10_0000);

        Assert.Equal(4, scene.Walk(0xff_ffff_f000).DescriptorReads);
    }

    [Fact]
    [Rule("W1-17")]
    public void AStartTableSmallerThanAPageMayLieInsideOfOne()
    {
        // 37 bits with 4KB: level 1 resolves 7 bits, so the table is 1KB.
        var scene = Stage1(sizeOffset: 27, startLevel: 1);
        ulong leaf = scene.Map1(0x1f_ffff_f000, 0x10_0000);
        ulong first = scene.Path[0];
        ulong moved = scene.Memory.Allocate(12) + 0x400;
        scene.Memory[moved + (first & 0xfff)] = scene.Memory[first];
        scene.Memory[first] = 0;
        scene.Regime.Stage1.Range0.TableBase = moved;

        AssertTranslates(0x10_0000, scene.Walk(0x1f_ffff_f000));
        Assert.NotEqual(0ul, leaf);
    }

    [Theory]
    [InlineData(12)]
    [InlineData(14)]
    [InlineData(16)]
    [Rule("W1-19")]
    [Rule("W1-20")]
    public void NextLevelTablesAreAlignedToTheGranuleAndNoMore(int granuleLog2)
    {
        var scene = Stage1(granuleLog2, sizeOffset: granuleLog2 == 16 ? 22 : granuleLog2 == 14 ? 28 : 34, startLevel: 2);
        ulong address = 5UL << granuleLog2;
        scene.Map1(address, 0x10_0000);
        ulong wanted = scene.Memory.Allocate(granuleLog2 + 1) + (1UL << granuleLog2);   // An odd multiple of the granule.
        ulong table = scene.Memory[scene.Path[0]] & ~0xfffUL;
        scene.Memory[wanted + 40] = scene.Memory[table + 40];
        scene.Memory[table + 40] = 0;

        scene.Memory[scene.Path[0]] = wanted | (granuleLog2 == 16 ? 0xffcUL : ((1UL << granuleLog2) - 1) & ~3UL) | 0b11;

        AssertTranslates(0x10_0000, scene.Walk(address));
    }

    private static void Add(TheoryData<int, int, int> data, int granuleLog2, int level, int first, int last)
    {
        for (int sizeOffset = first; sizeOffset <= last; sizeOffset++) data.Add(granuleLog2, sizeOffset, level);
    }
}
