using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Walks;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Flag updates through two stages: a stage 1 update is a write, and stage 2 has to allow it.</summary>
public class NestedFlagUpdateTests
{
    private const ulong Va = 0x0000_0040_4040_4000;
    private const ulong Ipa = 0x20_0000_0000;
    private const ulong Physical = 0x3_0000_0000;
    private const ulong Clean1 = AccessFlag | Unprivileged | ReadOnly | DirtyBitModifier;
    private const ulong Clean2 = AccessFlag | Stage2Read | Stage2WriteBack | DirtyBitModifier;

    [Fact]
    [Rule("AFD-13")]
    [Rule("HTTU-05")]
    [Rule("WN-16")]
    public void EveryChangedOnTheWayIsMarkedAccessed()
    {
        var scene = Scene(Stage1Flags, Stage2Flags & ~AccessFlag);
        var leaves = new List<ulong>();
        for (int level = 0; level <= 3; level++) leaves.Add(scene.LeafOfStage2(scene.TableIpa(Va, level)));
        foreach (ulong leaf in leaves) scene.Memory[leaf] = (scene.Memory[leaf] & ~(AccessFlag | Stage2Write)) | DirtyBitModifier;
        leaves.Add(scene.LeafOfStage2(Ipa));

        AssertTranslates(Physical, scene.Walk(Va, AccessKind.Write));

        Assert.All(leaves, leaf => Assert.NotEqual(0ul, scene.Memory[leaf] & AccessFlag));
        // No stage 1 descriptor was written, so no table page was made dirty.
        Assert.All(leaves[..4], leaf => Assert.Equal(0ul, scene.Memory[leaf] & Stage2Write));
    }

    [Theory]
    [InlineData(AccessKind.Read, Clean1 & ~AccessFlag)]
    [InlineData(AccessKind.Write, Clean1)]
    [Rule("AFD-31")]
    [Rule("WN-15")]
    public void AStage1UpdateMakesThePageOfItsTableDirty(AccessKind access, ulong stage1Flags)
    {
        var scene = Scene(stage1Flags, Clean2);
        ulong tableLeaf = scene.LeafOfStage2(scene.TableIpa(Va, 3));
        scene.Memory[tableLeaf] = (scene.Memory[tableLeaf] & ~Stage2Write) | DirtyBitModifier;
        ulong before = scene.Memory[tableLeaf];
        ulong finalBefore = scene.Memory[scene.LeafOfStage2(Ipa)];

        var result = scene.Walk(Va, access);

        AssertTranslates(Physical, result);
        Assert.Equal(before | Stage2Write, scene.Memory[tableLeaf]);
        bool isWrite = access == AccessKind.Write;
        Assert.Equal(finalBefore | (isWrite ? Stage2Write : 0), scene.Memory[scene.LeafOfStage2(Ipa)]);
        Assert.Equal(isWrite, (scene.Memory[scene.PhysicalOf(scene.TableIpa(Va, 3))] & ReadOnly) == 0);
    }

    [Theory]
    [InlineData(AccessKind.Read, Clean1 & ~AccessFlag)]
    [InlineData(AccessKind.Write, Clean1)]
    [Rule("AFD-31")]
    [Rule("HTTU-12")]
    [Rule("WN-13")]
    [Rule("WN-14")]
    [Rule("EVT-21")]
    [Rule("AFD-32")]
    public void AStage1UpdateThatStage2RefusesIsAPermissionFaultOfATableWrite(AccessKind access, ulong stage1Flags)
    {
        var scene = Scene(stage1Flags, 0);   // The output would fault too, but the table comes first.
        ulong tableIpa = scene.TableIpa(Va, 3);
        scene.Memory[scene.LeafOfStage2(tableIpa)] &= ~Stage2Write;
        ulong before = scene.Memory[scene.PhysicalOf(tableIpa)];

        var result = scene.Walk(Va, access);

        AssertFault2(EventType.Permission, FaultClass.TranslationTable, tableIpa & ~0xfffUL, result);
        Assert.False(result.TableRead);
        Assert.Equal(before, scene.Memory[scene.PhysicalOf(tableIpa)]);
    }

    [Theory]
    [InlineData(Stage2Flags & ~Stage2Write, EventType.Permission)]
    [InlineData(0UL, EventType.Translation)]
    [Rule("AFD-20")]
    [Rule("AFD-21")]
    [Rule("AFD-11")]
    public void AWriteThatStage2DeniesLeavesTheStage1LeafClean(ulong stage2Flags, EventType expected)
    {
        var scene = Scene(Clean1 & ~AccessFlag, stage2Flags);
        if (expected == EventType.Translation) scene.Memory[scene.LeafOfStage2(Ipa)] = 0;
        ulong leaf = scene.PhysicalOf(scene.TableIpa(Va, 3));
        ulong before = scene.Memory[leaf];

        AssertFault2(expected, FaultClass.Input, Ipa, scene.Walk(Va, AccessKind.Write));

        Assert.Equal(before, scene.Memory[leaf]);
    }

    [Fact]
    [Rule("AFD-20")]
    public void AWriteThatStage1DeniesLeavesTheChangedAlone()
    {
        var scene = Scene(Stage1Flags | ReadOnly, Clean2 & ~AccessFlag);
        ulong before = scene.Memory[scene.LeafOfStage2(Ipa)];

        AssertFault1(EventType.Permission, 3, scene.Walk(Va, AccessKind.Write));

        Assert.Equal(before, scene.Memory[scene.LeafOfStage2(Ipa)]);
    }

    [Fact]
    [Rule("AFD-13")]
    [Rule("AFD-31")]
    public void AWalkFromACachedTableStillAsksStage2ForTheWrite()
    {
        var scene = Scene(Stage1Flags, Stage2Flags);
        var start = scene.Walk(Va).LastTable;
        Assert.True(start.IsSet);
        ulong tableIpa = scene.TableIpa(Va, 3);
        scene.Memory[scene.PhysicalOf(tableIpa)] &= ~AccessFlag;
        scene.Memory[scene.LeafOfStage2(tableIpa)] &= ~Stage2Write;

        var result = scene.Walk(Va, AccessKind.Read, start);

        AssertFault2(EventType.Permission, FaultClass.TranslationTable, tableIpa & ~0xfffUL, result);
        Assert.False(result.TableRead);
        scene.Memory[scene.LeafOfStage2(tableIpa)] |= Stage2Write;
        AssertTranslates(Physical, scene.Walk(Va, AccessKind.Read, start));
        Assert.NotEqual(0ul, scene.Memory[scene.PhysicalOf(tableIpa)] & AccessFlag);
    }

    [Fact]
    public void ATableThatStage2MovesBetweenReadAndUpdateIsNotWrittenInItsOldPlace()
    {
        var scene = Scene(Clean1, Stage2Flags);
        ulong tableIpa = scene.TableIpa(Va, 3);
        ulong oldLeaf = scene.PhysicalOf(tableIpa);
        ulong newPage = scene.Memory.Allocate(12);
        ulong newLeaf = newPage + (oldLeaf & 0xfff);
        scene.Memory[newLeaf] = scene.Memory[oldLeaf];
        ulong before = scene.Memory[oldLeaf];
        var mover = new Mover
        {
            Memory = scene.Memory,
            Watched = oldLeaf,
            Changed = scene.LeafOfStage2(tableIpa),
            Replacement = newPage | Stage2Flags | 0b11,
        };

        AssertTranslates(Physical, scene.Walk(Va, AccessKind.Write, ref mover));

        Assert.Equal(before, scene.Memory[oldLeaf]);
        Assert.Equal(before & ~ReadOnly, scene.Memory[newLeaf]);
    }

    [Fact]
    [Rule("AFD-20")]
    [Rule("AFD-29")]
    public void AnOutputThatStage1TakesBackBeforeItsUpdateIsNeitherAccessedNorDirty()
    {
        const ulong OtherIpa = 0x20_0000_1000;
        var scene = Scene(Clean1, Clean2 & ~AccessFlag);
        scene.Map2(OtherIpa, Physical + 0x1000, flags: Clean2 & ~AccessFlag);
        ulong before = scene.Memory[scene.LeafOfStage2(Ipa)];
        ulong leaf = scene.PhysicalOf(scene.TableIpa(Va, 3));
        var mover = new Mover
        {
            Memory = scene.Memory,
            Watched = leaf,
            Changed = leaf,
            Replacement = OtherIpa | Stage1Flags | 0b11,
        };

        AssertTranslates(Physical + 0x1000, scene.Walk(Va, AccessKind.Write, ref mover));

        Assert.Equal(before, scene.Memory[scene.LeafOfStage2(Ipa)]);
        Assert.NotEqual(0ul, scene.Memory[scene.LeafOfStage2(OtherIpa)] & Stage2Write);
    }

    private static WalkScene Scene(ulong stage1Flags, ulong stage2Flags)
    {
        var scene = Nested();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        scene.Regime.Stage2.HardwareAccessFlag = true;
        scene.Regime.Stage2.HardwareDirtyState = true;
        scene.Map1(Va, Ipa, flags: stage1Flags);
        scene.Map2(Ipa, Physical, flags: stage2Flags);
        return scene;
    }

    /// <summary>Replaces a descriptor as soon as another one, or itself, was read.</summary>
    private struct Mover : IWalkTrace
    {
        public static bool IsEnabled => true;

        public WalkMemory Memory;
        public ulong Watched;
        public ulong Changed;
        public ulong Replacement;

        public readonly void OnDescriptor(
            TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning)
        {
            if (address == Watched) Memory[Changed] = Replacement;
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
}
