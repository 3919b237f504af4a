using System.Buffers.Binary;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Walks;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>What a descriptor means at its level, and what happens when it cannot be read.</summary>
public class DescriptorTests
{
    private const ulong Address = 0x0000_0040_4040_4000;

    [Theory]
    [InlineData(0b00UL)]
    [InlineData(0b10UL)]
    [InlineData(0xffff_ffff_ffff_fffeUL)]
    [Rule("DSC-01")]
    [Rule("ORD-10")]
    public void BitZeroClearIsInvalidWhateverElseIsSet(ulong descriptor)
    {
        for (int level = 0; level <= 3; level++)
        {
            var scene = Stage1();
            scene.Map1(Address, 0x10_0000);
            scene.Memory[scene.Path[level]] = descriptor;

            AssertFault1(EventType.Translation, level, scene.Walk(Address));
        }
    }

    [Theory]
    [InlineData(12, 0, 3)]
    [InlineData(14, 1, 3)]
    [InlineData(16, 2, 3)]
    [Rule("DSC-02")]
    [Rule("DSC-06")]
    public void AtLevel3TheBlockEncodingIsReserved(int granuleLog2, int startLevel, int level)
    {
        var scene = Stage1(granuleLog2, sizeOffset: granuleLog2 == 12 ? 16 : 22, startLevel);
        ulong leaf = scene.Map1(Address, 0x10_0000);
        scene.Memory[leaf] &= ~0b10UL;

        AssertFault1(EventType.Translation, level, scene.Walk(Address));
    }

    [Theory]
    [InlineData(12, -1, false, 48, 0)]
    [InlineData(12, -1, true, 52, 0)]
    [InlineData(12, 0, false, 48, 0)]
    [InlineData(12, 0, true, 52, 39)]
    [InlineData(12, 1, false, 48, 30)]
    [InlineData(12, 2, false, 48, 21)]
    [InlineData(14, 0, true, 52, 0)]
    [InlineData(14, 1, false, 48, 0)]
    [InlineData(14, 1, true, 52, 36)]
    [InlineData(14, 2, false, 48, 25)]
    [InlineData(16, 1, false, 48, 0)]
    [InlineData(16, 1, false, 52, 42)]
    [InlineData(16, 2, false, 48, 29)]
    [Rule("DSC-03")]
    [Rule("DSC-04")]
    [Rule("DSC-05")]
    [Rule("DSC-06")]
    public void BlocksExistAtTheLevelsOfTheGranuleOnly(int granuleLog2, int level, bool ds, int oas, int sizeLog2)
    {
        int stride = granuleLog2 - 3;
        int resolvedBelow = granuleLog2 + (stride * (3 - level));
        int sizeOffset = Math.Max(12, 64 - resolvedBelow - 2);
        var scene = Stage1(granuleLog2, sizeOffset, level);
        scene.Regime.OutputSizeBits = (byte)oas;
        scene.Regime.Stage1.OutputSizeBits = (byte)oas;
        scene.Regime.Stage1.LargeAddresses = ds;
        scene.Map1(0, 0, level, AccessFlag | Unprivileged);

        var result = scene.Walk(0x7123);

        if (sizeLog2 == 0)
        {
            AssertFault1(EventType.Translation, level, result);
        }
        else
        {
            AssertTranslates(0x7123, result);
            Assert.Equal(sizeLog2, result.LeafSizeLog2);
        }
    }

    [Fact]
    [Rule("DSC-13")]
    [Rule("DSC-15")]
    [Rule("DSC-18")]
    [Rule("DSC-35")]
    public void BitsWithoutMeaningForTheSmmuAreIgnoredInALeaf()
    {
        var scene = Stage1();
        ulong leaf = scene.Map1(Address, 0x4000_0000, level: 2);
        scene.Memory[leaf] |= (1UL << 5) | (1UL << 16) | (1UL << 50) | (0xfUL << 55) | (0xfUL << 59) | (1UL << 63);

        AssertTranslates(0x4000_4000, scene.Walk(Address));
    }

    [Fact]
    [Rule("DSC-20")]
    [Rule("DSC-22")]
    public void BitsWithoutMeaningInATableAreIgnored()
    {
        var scene = Stage1();
        scene.Map1(Address, 0x10_0000, tableFlags: 0xffc | (0xffUL << 51));

        var result = scene.Walk(Address, AccessKind.Write);

        AssertTranslates(0x10_0000, result);
        Assert.Equal(AccessPermissions.All & ~AccessPermissions.PrivilegedExecute, result.Permissions);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Rule("W1-29")]
    [Rule("EVT-17")]
    public void ATableReadThatMemoryAbortsIsReportedWithItsAddress(int level)
    {
        var scene = Stage1();
        scene.Map1(Address, 0x10_0000);
        ulong slot = (Address >> (12 + (9 * (3 - level))) & 0x1ff) * 8;
        if (level == 0) scene.Regime.Stage1.Range0.TableBase = 0x1_0000_0000;
        else scene.Memory[scene.Path[level - 1]] = 0x1_0000_0000 | 0b11;

        var result = scene.Walk(Address, AccessKind.Write);

        AssertFault1(EventType.WalkExternalAbort, level, result);
        Assert.Equal(0x1_0000_0000 + slot, result.FetchAddress);
    }

    [Fact]
    [Rule("W1-30")]
    public void BigEndianTablesAreSwapped()
    {
        var scene = Stage1();
        scene.Regime.Stage1.BigEndian = true;
        scene.Map1(Address, 0x10_0000);
        Assert.NotEqual(EventType.None, scene.Walk(Address).Event);

        scene.SwapPath();

        AssertTranslates(0x10_0000, scene.Walk(Address));
    }

    [Fact]
    [Rule("W1-31")]
    public void ADescriptorIsReadOnceAndWhole()
    {
        var scene = Stage1();
        scene.Map1(Address, 0x10_0000);
        var trace = new Rewriter { Memory = scene.Memory };

        // Whoever changes a descriptor after it was read changes nothing for this walk.
        AssertTranslates(0x10_0000, scene.Walk(Address, AccessKind.Read, ref trace));

        Assert.Equal(4, trace.Reads);
        AssertFault1(EventType.Translation, 0, scene.Walk(Address));
    }

    [Theory]
    [InlineData(StreamWorld.NonSecureEl1, 0, true)]
    [InlineData(StreamWorld.NonSecureEl1, 1UL << 11, false)]
    [InlineData(StreamWorld.NonSecureEl2E2h, 1UL << 11, false)]
    [InlineData(StreamWorld.NonSecureEl2, 1UL << 11, true)]
    [InlineData(StreamWorld.El3, 1UL << 11, true)]
    [Rule("W1-32")]
    [Rule("DSC-14")]
    public void NotGlobalTagsTheTranslationWithAnAsidInWorldsThatHaveOne(StreamWorld world, ulong flags, bool isGlobal)
    {
        var scene = Stage1();
        scene.Regime.World = world;
        scene.Map1(Address, 0x10_0000, flags: Stage1Flags | flags);

        Assert.Equal(isGlobal, scene.Walk(Address).IsGlobal);
    }

    [Theory]
    [InlineData(12, 3, 0, 16)]
    [InlineData(12, 2, 0, 25)]
    [InlineData(12, 1, 0, 34)]
    [InlineData(14, 3, 1, 21)]
    [InlineData(14, 2, 1, 30)]
    [InlineData(16, 3, 1, 21)]
    [InlineData(16, 2, 1, 34)]
    [Rule("DSC-28")]
    public void AContiguousRunIsReportedBesideTheLeaf(int granuleLog2, int level, int startLevel, int runLog2)
    {
        var scene = Stage1(granuleLog2, sizeOffset: 20, startLevel);
        ulong leaf = scene.Map1(0, 0, level, Stage1Flags | Contiguous);

        var result = scene.Walk(0);
        Assert.Equal(runLog2, result.Stage1RunSizeLog2);
        Assert.Equal(granuleLog2 + ((granuleLog2 - 3) * (3 - level)), result.LeafSizeLog2);

        scene.Memory[leaf] &= ~Contiguous;
        Assert.Equal(0, scene.Walk(0).Stage1RunSizeLog2);
    }

    [Theory]
    [InlineData(12, 0)]
    [InlineData(14, 1)]
    [InlineData(16, 1)]
    [Rule("DSC-29")]
    public void TheLargestBlocksHaveNoContiguousRuns(int granuleLog2, int level)
    {
        var scene = Stage1(granuleLog2, sizeOffset: 16, startLevel: granuleLog2 == 16 ? 1 : 0);
        scene.Regime.OutputSizeBits = 52;
        scene.Regime.Stage1.OutputSizeBits = 52;
        scene.Regime.Stage1.LargeAddresses = granuleLog2 != 16;
        scene.Map1(0, 0, level, AccessFlag | Unprivileged | Contiguous);

        var result = scene.Walk(0);

        AssertTranslates(0, result);
        Assert.Equal(0, result.Stage1RunSizeLog2);
    }

    [Fact]
    [Rule("DSC-31")]
    [Rule("DSC-32")]
    [Rule("DSC-33")]
    public void ARunThatLeavesItsRangeOrIsOutOfStepCountsAsSingleLeaves()
    {
        // 37 bits start at level 1, where a run of 1GB blocks is 16GB: it fits. Of 33 bits it would be twice the range.
        var narrow = Stage1(sizeOffset: 31, startLevel: 1);
        narrow.Map1(0, 0, level: 1, Stage1Flags | Contiguous);
        Assert.Equal(0, narrow.Walk(0).Stage1RunSizeLog2);
        var wide = Stage1(sizeOffset: 27, startLevel: 1);
        wide.Map1(0, 0, level: 1, Stage1Flags | Contiguous);
        Assert.Equal(34, wide.Walk(0).Stage1RunSizeLog2);

        // 16GB of output do not fit into 32 bits.
        wide.Regime.Stage1.OutputSizeBits = 32;
        Assert.Equal(0, wide.Walk(0).Stage1RunSizeLog2);

        var skewed = Stage1();
        skewed.Map1(0x3000, 0x10_4000, flags: Stage1Flags | Contiguous);
        AssertTranslates(0x10_4000, skewed.Walk(0x3000));
        Assert.Equal(0, skewed.Walk(0x3000).Stage1RunSizeLog2);
    }

    [Fact]
    public void TheTraceSeesEveryDescriptorAndWhatItWasTakenFor()
    {
        var scene = Stage1();
        ulong leaf = scene.Map1(Address, 0x4000_0000, level: 2);
        var trace = new Recorder { Seen = [] };

        scene.Walk(Address, AccessKind.Read, ref trace);

        Assert.Equal([(0, scene.Path[0], DescriptorMeaning.Table), (1, scene.Path[1], DescriptorMeaning.Table),
            (2, leaf, DescriptorMeaning.Block)], trace.Seen);
    }

    private struct Rewriter : IWalkTrace
    {
        public static bool IsEnabled => true;

        public WalkMemory Memory;
        public int Reads;

        public void OnDescriptor(TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning)
        {
            Reads++;
            Memory[address] = BinaryPrimitives.ReverseEndianness(descriptor) & ~1UL;
        }

        public readonly void OnStage2Begin(ulong ipa, FaultClass faultClass, AccessKind access)
        {
        }

        public readonly void OnStage2End(EventType fault, ulong physicalAddress)
        {
        }

        public readonly void OnFlagUpdate(
            TranslationStage stage, int level, ulong address, ulong before, ulong after, bool written)
        {
        }
    }

    private struct Recorder : IWalkTrace
    {
        public static bool IsEnabled => true;

        public List<(int Level, ulong Address, DescriptorMeaning Meaning)> Seen;

        public readonly void OnDescriptor(
            TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning) =>
            Seen.Add((level, address, meaning));

        public readonly void OnStage2Begin(ulong ipa, FaultClass faultClass, AccessKind access)
        {
        }

        public readonly void OnStage2End(EventType fault, ulong physicalAddress)
        {
        }

        public readonly void OnFlagUpdate(
            TranslationStage stage, int level, ulong address, ulong before, ulong after, bool written)
        {
        }
    }
}
