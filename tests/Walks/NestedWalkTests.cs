using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Walks;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Both stages: stage 1 tables and outputs are IPAs, and stage 2 translates each before it is used.</summary>
public class NestedWalkTests
{
    private const ulong Va = 0x0000_0040_4040_4000;
    private const ulong Ipa = 0x20_0000_0000;
    private const ulong Physical = 0x3_0000_0000;

    [Fact]
    [Rule("WN-01")]
    [Rule("WN-06")]
    [Rule("WN-20")]
    public void EveryTableAndTheOutputGoThroughStage2()
    {
        var scene = Mapped();

        var result = scene.Walk(Va + 0x123);

        AssertTranslates(Physical + 0x123, result);
        Assert.Equal(Ipa + 0x123, result.Ipa);
        Assert.Equal(4 + (5 * 3), result.DescriptorReads);   // Stage 2 starts at level 1.
        Assert.Equal((12, 12, 12), (result.LeafSizeLog2, result.Stage1LeafSizeLog2, result.Stage2LeafSizeLog2));
        scene.Memory[scene.Path[2]] = 0;   // The last thing mapped was the output at stage 2.
        AssertFault2(EventType.Translation, FaultClass.Input, Ipa, scene.Walk(Va + 0x123));
    }

    [Theory]
    [InlineData(2, 3, 21, 12)]
    [InlineData(3, 2, 12, 21)]
    [InlineData(2, 2, 21, 21)]
    [InlineData(1, 2, 30, 21)]
    [Rule("WN-20")]
    [Rule("ATT-52")]
    public void TheSmallerLeafOfTheStagesIsTheSize(int level1, int level2, int size1, int size2)
    {
        var scene = Nested();
        scene.Map1(0x4000_0000, 0x20_4000_0000, level1);
        scene.Map2(0x20_4000_0000, Physical, level2);

        var result = scene.Walk(0x4000_0123);

        AssertTranslates(Physical + 0x123, result);
        Assert.Equal((size1, size2), (result.Stage1LeafSizeLog2, result.Stage2LeafSizeLog2));
        Assert.Equal(Math.Min(size1, size2), result.LeafSizeLog2);
    }

    [Theory]
    [InlineData(EventType.Translation)]
    [InlineData(EventType.AccessFlag)]
    [InlineData(EventType.Permission)]
    [InlineData(EventType.AddressSize)]
    [InlineData(EventType.WalkExternalAbort)]
    [Rule("WN-04")]
    [Rule("WN-07")]
    [Rule("WN-14")]
    [Rule("WN-19")]
    [Rule("EVT-20")]
    [Rule("EVT-21")]
    [Rule("ORD-12")]
    public void AStage2FaultOfATableIsOfClassTtWithTheAddressOfTheDescriptor(EventType type)
    {
        for (int level = 0; level <= 3; level++)
        {
            var scene = Mapped();
            ulong descriptorIpa = scene.TableIpa(Va, level);
            ulong leaf = scene.LeafOfStage2(descriptorIpa);
            if (type == EventType.Translation) scene.Memory[leaf] = 0;
            if (type == EventType.AccessFlag) scene.Memory[leaf] &= ~AccessFlag;
            if (type == EventType.Permission) scene.Memory[leaf] &= ~Stage2Read;
            if (type == EventType.AddressSize) scene.Memory[leaf] |= 1UL << 47;
            if (type == EventType.AddressSize) scene.Regime.Stage2.OutputSizeBits = 47;
            if (type == EventType.WalkExternalAbort) scene.Memory[scene.Path[0]] = 0x7000_0000_0003;

            var result = scene.Walk(Va, AccessKind.Write);

            ulong expectedIpa = type == EventType.WalkExternalAbort ? scene.TableIpa(Va, 0) : descriptorIpa;
            AssertFault2(type, FaultClass.TranslationTable, expectedIpa & ~0xfffUL, result);
            Assert.True(result.TableRead);   // The access of the device is a write, that of the table a read.
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Rule("WN-18")]
    [Rule("EVT-17")]
    [Rule("EVT-37")]
    public void AnAbortOfTheDescriptorItselfIsAFaultOfStage1(int level)
    {
        var scene = Mapped();
        ulong descriptorIpa = scene.TableIpa(Va, level);
        ulong leaf = scene.LeafOfStage2(descriptorIpa);
        scene.Memory[leaf] = 0x7000_0000_0000 | Stage2Flags | 0b11;

        var result = scene.Walk(Va);

        AssertFault1(EventType.WalkExternalAbort, level, result);
        Assert.Equal(0x7000_0000_0000 | (descriptorIpa & 0xfff), result.FetchAddress);
    }

    [Fact]
    [Rule("WN-03")]
    [Rule("ORD-13")]
    public void TheOutputOfStage1IsCheckedAgainstIpsBeforeStage2SeesIt()
    {
        var scene = Nested();
        scene.Map1(Va, 0x100_0000_0000);   // One beyond the 40 bits of stage 2.
        AssertFault2(EventType.Translation, FaultClass.Input, 0x100_0000_0000, scene.Walk(Va));

        scene.Regime.Stage1.OutputSizeBits = 40;
        AssertFault1(EventType.AddressSize, 3, scene.Walk(Va));
    }

    [Fact]
    [Rule("PERM-33")]
    [Rule("PERM-35")]
    [Rule("ORD-13")]
    [Rule("EVT-37")]
    [Rule("EVT-19")]
    public void AFaultOfTheStage1LeafComesBeforeAnyOfTheOutput()
    {
        var scene = Nested();
        ulong leaf = scene.Map1(Va, Ipa, flags: Stage1Flags | ReadOnly);
        AssertFault2(EventType.Translation, FaultClass.Input, Ipa, scene.Walk(Va));
        AssertFault1(EventType.Permission, 3, scene.Walk(Va, AccessKind.Write));

        scene.Map2(Ipa, Physical, flags: Stage2Flags & ~Stage2Write);
        AssertFault1(EventType.Permission, 3, scene.Walk(Va, AccessKind.Write));
        scene.Memory[leaf] &= ~ReadOnly;
        AssertFault2(EventType.Permission, FaultClass.Input, Ipa, scene.Walk(Va, AccessKind.Write));
        Assert.False(scene.Walk(Va, AccessKind.Write).TableRead);
        scene.Memory[leaf] &= ~AccessFlag;
        AssertFault1(EventType.AccessFlag, 3, scene.Walk(Va, AccessKind.Write));
    }

    [Fact]
    [Rule("PERM-34")]
    public void PermissionsAreThoseOfBothStages()
    {
        var scene = Nested();
        scene.Map1(Va, Ipa, flags: AccessFlag | Unprivileged | ReadOnly);                      // rx / rx
        scene.Map2(Ipa, Physical, flags: Stage2Flags | (0b01UL << 53));
        scene.Regime.Stage2.ExecuteNeverByPrivilege = true;                                   // rw / rwx

        Stage1PermissionTests.AssertPermits(scene, Va, "r", "rx");
    }

    [Fact]
    [Rule("WN-09")]
    public void S2ptwRefusesTablesInWhatStage2MapsAsDevice()
    {
        var scene = Mapped();
        ulong leaf = scene.LeafOfStage2(scene.TableIpa(Va, 2));
        scene.Memory[leaf] &= ~Stage2WriteBack;
        AssertTranslates(Physical, scene.Walk(Va));

        scene.Regime.Stage2.ProtectedTableWalk = true;

        AssertFault2(EventType.Permission, FaultClass.TranslationTable, scene.TableIpa(Va, 2) & ~0xfffUL, scene.Walk(Va));
        Assert.True(scene.Walk(Va).TableRead);
    }

    [Fact]
    public void ATableLargerThanAStage2PageIsTranslatedPieceByPiece()
    {
        // A 64KB table over 4KB pages that lie in any order.
        var scene = Nested(stage1GranuleLog2: 16, sizeOffset: 22, startLevel: 2);
        ulong va = 0x1234_0000;
        ulong leaf = scene.Map1(va, Ipa);
        scene.Map2(Ipa, Physical);
        ulong elsewhere = scene.Memory.Allocate(12);
        scene.Memory[elsewhere + (leaf & 0xfff)] = scene.Memory[leaf];
        scene.Memory[leaf] = 0;
        scene.Map2(leaf + TableIpaOffset & ~0xfffUL, elsewhere);

        var result = scene.Walk(va);

        AssertTranslates(Physical, result);
        Assert.False(result.LastTable.IsSet);   // It has no single physical address.
    }

    [Fact]
    public void TheTraceTellsEachStage2TranslationAndItsEnd()
    {
        var scene = Mapped();
        var trace = new Stage2Recorder { Seen = [] };

        scene.Walk(Va, AccessKind.Write, ref trace);

        var expected = new List<(ulong, FaultClass, AccessKind, ulong)>();
        for (int level = 0; level <= 3; level++)
        {
            ulong ipa = scene.TableIpa(Va, level);
            expected.Add((ipa, FaultClass.TranslationTable, AccessKind.Read, ipa - TableIpaOffset));
        }

        expected.Add((Ipa, FaultClass.Input, AccessKind.Write, Physical));
        Assert.Equal(expected, trace.Seen);
    }

    private static WalkScene Mapped()
    {
        var scene = Nested();
        scene.Map1(Va, Ipa);
        scene.Map2(Ipa, Physical);
        return scene;
    }

    private struct Stage2Recorder : IWalkTrace
    {
        public static bool IsEnabled => true;

        public List<(ulong Ipa, FaultClass Class, AccessKind Access, ulong Physical)> Seen;
        private (ulong Ipa, FaultClass Class, AccessKind Access) open;

        public readonly void OnDescriptor(
            TranslationStage stage, int level, ulong address, ulong descriptor, DescriptorMeaning meaning)
        {
        }

        public void OnStage2Begin(ulong ipa, FaultClass faultClass, AccessKind access) => open = (ipa, faultClass, access);

        public readonly void OnStage2End(EventType fault, ulong physicalAddress) =>
            Seen.Add((open.Ipa, open.Class, open.Access, physicalAddress));

        public readonly void OnFlagUpdate(
            TranslationStage stage, int level, ulong address, ulong before, ulong after, bool written)
        {
        }
    }
}
