using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Stage 2 alone: geometry with concatenated tables, permissions of S2AP and XN, faults with an IPA.</summary>
public class Stage2WalkTests
{
    private const ulong Ipa = 0x12_3456_7000;

    [Theory]
    [InlineData(12, 34, 2)]
    [InlineData(12, 25, 1)]
    [InlineData(12, 16, 0)]
    [InlineData(12, 45, 3)]
    [InlineData(12, 12, -1)]
    [InlineData(14, 40, 3)]
    [InlineData(14, 28, 2)]
    [InlineData(14, 17, 1)]
    [InlineData(14, 12, 0)]
    [InlineData(16, 38, 3)]
    [InlineData(16, 25, 2)]
    [InlineData(16, 16, 1)]
    [Rule("W2-02")]
    [Rule("W2-08")]
    public void TheWalkStartsAtTheLevelOfTheRegime(int granuleLog2, int sizeOffset, int startLevel)
    {
        var scene = Stage2(granuleLog2, sizeOffset, startLevel);
        scene.Regime.InputSizeBits = 52;
        scene.Regime.Stage2.LargeAddresses = sizeOffset < 16;
        ulong top = (1UL << (64 - sizeOffset)) - (1UL << granuleLog2);
        scene.Map2(top, 0x10_0000, flags: Stage2Flags & ~(3UL << 8));
        scene.Map2(0, 0x20_0000, flags: Stage2Flags & ~(3UL << 8));

        var result = scene.Walk(top + 0x123);

        AssertTranslates(0x10_0123, result);
        Assert.Equal(4 - startLevel, result.DescriptorReads);
        Assert.Equal(granuleLog2, result.LeafSizeLog2);
        Assert.Equal(granuleLog2, result.Stage2LeafSizeLog2);
        Assert.Equal(0, result.Stage1LeafSizeLog2);
        Assert.Equal(top + 0x123, result.Ipa);
        Assert.True(result.IsGlobal);
        AssertTranslates(0x20_0000, scene.Walk(0));
    }

    [Theory]
    [InlineData(12, 24, 1, 2)]    // 40 bits: two tables of level 1.
    [InlineData(12, 21, 1, 16)]   // 43 bits: sixteen.
    [InlineData(14, 16, 1, 2)]    // 48 bits: two tables of level 1, as level 0 is not allowed.
    [InlineData(16, 18, 2, 16)]
    [Rule("W2-03")]
    [Rule("W2-04")]
    [Rule("W2-06")]
    [Rule("W2-07")]
    public void ConcatenatedStartTablesAreOneLongTable(int granuleLog2, int sizeOffset, int startLevel, int tables)
    {
        var scene = Stage2(granuleLog2, sizeOffset, startLevel);
        scene.Regime.InputSizeBits = 52;
        ulong perTable = (1UL << (64 - sizeOffset)) / (ulong)tables;
        for (int i = 0; i < tables; i++) scene.Map2(perTable * (ulong)i, 0x10_0000 + ((ulong)i << 16));

        for (int i = 0; i < tables; i++) AssertTranslates(0x10_0000 + ((ulong)i << 16), scene.Walk(perTable * (ulong)i));
        ulong last = scene.Regime.Stage2.TableBase + ((ulong)(tables - 1) << granuleLog2);
        Assert.Equal(last, scene.Path[0]);
        AssertFault2(EventType.Translation, FaultClass.Input, perTable * (ulong)tables, scene.Walk(perTable * (ulong)tables));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [Rule("W2-10")]
    [Rule("ASZ-10")]
    [Rule("ADS-16")]
    [Rule("EVT-20")]
    public void AnOutputAboveTheEffectiveS2psIsAnAddressSizeFaultAtEveryLevel(int level)
    {
        var scene = Stage2();
        scene.Regime.Stage2.OutputSizeBits = 36;
        scene.Map2(Ipa, 0xf_ffff_f000);
        AssertTranslates(0xf_ffff_f000, scene.Walk(Ipa));
        scene.Memory[scene.Path[level - 1]] |= 1UL << 36;

        var result = scene.Walk(Ipa + 0x123);

        AssertFault2(EventType.AddressSize, FaultClass.Input, Ipa, result);
        Assert.Equal(level, result.Level);
    }

    [Theory]
    [InlineData(36)]
    [InlineData(40)]
    [Rule("ASZ-11")]
    [Rule("W2-10")]
    public void OfABlockLargerThanTheOutputSizeOnlyThePartThatHasOutputsTranslates(int outputSizeBits)
    {
        const ulong Block = 1UL << 42;   // The block of 64KB tables at level 1 has as many bits.
        var scene = Stage2(granuleLog2: 16, sizeOffset: 16, startLevel: 1);
        scene.Regime.OutputSizeBits = 52;
        scene.Regime.Stage2.OutputSizeBits = (byte)outputSizeBits;
        scene.Map2(Block, 0, level: 1);
        ulong last = (1UL << outputSizeBits) - 1;

        var result = scene.Walk(Block + last);

        AssertTranslates(last, result);
        Assert.Equal((outputSizeBits, 42), (result.LeafSizeLog2, result.Stage2LeafSizeLog2));
        AssertFault2(EventType.AddressSize, FaultClass.Input, Block + last + 1, scene.Walk(Block + last + 1));
    }

    [Fact]
    [Rule("W2-13")]
    [Rule("EVT-17")]
    public void ATableReadThatMemoryAbortsIsAWalkAbortOfStage2()
    {
        var scene = Stage2();
        scene.Map2(Ipa, 0x10_0000);
        scene.Memory[scene.Path[0]] = 0x1_0000_0000 | 0b11;

        var result = scene.Walk(Ipa);

        AssertFault2(EventType.WalkExternalAbort, FaultClass.Input, Ipa, result);
        Assert.Equal(0x1_0000_0000 + ((Ipa >> 21 & 0x1ff) * 8), result.FetchAddress);
    }

    [Fact]
    [Rule("W2-14")]
    public void TablesOfStage2RestrictNothing()
    {
        var scene = Stage2();
        scene.Map2(Ipa, 0x10_0000);
        scene.Memory[scene.Path[0]] |= 0b11111UL << 59;
        scene.Memory[scene.Path[1]] |= 0b11111UL << 59;

        Assert.Equal(AccessPermissions.All, scene.Walk(Ipa, AccessKind.Write).Permissions);
    }

    [Fact]
    [Rule("W2-15")]
    public void Bit11OfAStage2LeafIsNotNg()
    {
        var scene = Stage2();
        scene.Map2(Ipa, 0x10_0000, flags: Stage2Flags | (1UL << 11));

        Assert.True(scene.Walk(Ipa).IsGlobal);
    }

    [Fact]
    [Rule("W2-12")]
    public void BigEndianTablesAreSwapped()
    {
        var scene = Stage2();
        scene.Regime.Stage2.BigEndian = true;
        scene.Map2(Ipa, 0x10_0000);
        Assert.NotEqual(EventType.None, scene.Walk(Ipa).Event);

        scene.SwapPath();

        AssertTranslates(0x10_0000, scene.Walk(Ipa));
    }

    [Theory]
    [InlineData(0b00, "")]
    [InlineData(0b01, "r")]
    [InlineData(0b10, "w")]
    [InlineData(0b11, "rw")]
    [Rule("PERM-26")]
    [Rule("PERM-27")]
    [Rule("PERM-32")]
    [Rule("PERM-36")]
    [Rule("DSC-24")]
    public void S2apPermitsReadsAndWritesAlikeForBothPrivileges(int s2ap, string permitted)
    {
        var scene = Stage2();
        scene.Map2(Ipa, 0x10_0000, flags: (Stage2Flags & ~(3UL << 6)) | ((ulong)s2ap << 6) | (1UL << 54));

        Stage1PermissionTests.AssertPermits(scene, Ipa, permitted, permitted, reportedWithout: true);
    }

    [Theory]
    [InlineData(false, 0b00, "x", "x")]
    [InlineData(false, 0b01, "x", "x")]
    [InlineData(false, 0b10, "", "")]
    [InlineData(false, 0b11, "", "")]
    [InlineData(true, 0b00, "x", "x")]
    [InlineData(true, 0b01, "", "x")]
    [InlineData(true, 0b10, "", "")]
    [InlineData(true, 0b11, "x", "")]
    [Rule("PERM-28")]
    [Rule("PERM-29")]
    [Rule("PERM-30")]
    [Rule("PERM-31")]
    public void XnDecidesExecutionAndNeedsNoReadPermission(bool xnx, int xn, string privileged, string unprivileged)
    {
        var scene = Stage2();
        scene.Regime.Stage2.ExecuteNeverByPrivilege = xnx;
        scene.Map2(Ipa, 0x10_0000, flags: (Stage2Flags & ~(3UL << 6)) | ((ulong)xn << 53));

        Stage1PermissionTests.AssertPermits(scene, Ipa, privileged, unprivileged, reportedWithout: true);
    }

    [Fact]
    [Rule("AFD-03")]
    [Rule("HTTU-02")]
    public void AClearAccessFlagFaultsUnlessS2affdIgnoresIt()
    {
        var scene = Stage2();
        ulong leaf = scene.Map2(Ipa, 0x10_0000, flags: Stage2Flags & ~AccessFlag);
        ulong before = scene.Memory[leaf];

        AssertFault2(EventType.AccessFlag, FaultClass.Input, Ipa, scene.Walk(Ipa));
        scene.Regime.Stage2.AccessFlagFaultDisabled = true;
        AssertTranslates(0x10_0000, scene.Walk(Ipa));
        Assert.Equal(before, scene.Memory[leaf]);
    }

    [Theory]
    [InlineData(EventType.WalkExternalAbort)]
    [InlineData(EventType.Translation)]
    [InlineData(EventType.AddressSize)]
    [InlineData(EventType.AccessFlag)]
    [InlineData(EventType.Permission)]
    [Rule("WN-05")]
    [Rule("WN-07")]
    [Rule("EVT-20")]
    public void AFaultOfAFetchIsOfClassCd(EventType type)
    {
        var scene = Stage2();
        scene.Regime.Stage2.OutputSizeBits = 40;
        ulong leaf = scene.Map2(Ipa, 0x10_0000);
        if (type == EventType.WalkExternalAbort) scene.Memory[scene.Path[0]] = 0x1_0000_0003;
        if (type == EventType.Translation) scene.Memory[leaf] = 0;
        if (type == EventType.AddressSize) scene.Memory[leaf] |= 1UL << 40;
        if (type == EventType.AccessFlag) scene.Memory[leaf] &= ~AccessFlag;
        if (type == EventType.Permission) scene.Memory[leaf] &= ~Stage2Read;   // Execute-only and write-only do not help.

        var result = scene.Fetch(Ipa + 0x40);

        AssertFault2(type, FaultClass.ContextDescriptor, Ipa, result);
        Assert.False(result.TableRead);
        Assert.Equal(type == EventType.WalkExternalAbort, result.FetchAddress != 0);
    }

    [Fact]
    public void AFetchIsTranslatedWithItsOffset() => AssertTranslates(0x10_0040, Mapped().Fetch(Ipa + 0x40));

    [Theory]
    [InlineData(0b0000, false, true)]
    [InlineData(0b0011, false, true)]
    [InlineData(0b0101, false, false)]
    [InlineData(0b1111, false, false)]
    [InlineData(0b0001, true, true)]
    [InlineData(0b0101, true, false)]
    [InlineData(0b0111, true, false)]
    [Rule("WN-09")]
    [Rule("WN-11")]
    [Rule("ATT-30")]
    public void S2ptwRefusesFetchesFromWhatStage2MapsAsDevice(int memAttr, bool forcedWriteBack, bool refused)
    {
        var scene = Stage2();
        scene.Regime.Stage2.ForcedWriteBack = forcedWriteBack;
        scene.Map2(Ipa, 0x10_0000, flags: (Stage2Flags & ~Stage2WriteBack) | ((ulong)memAttr << 2));
        AssertTranslates(0x10_0000, scene.Fetch(Ipa));

        scene.Regime.Stage2.ProtectedTableWalk = true;

        if (refused) AssertFault2(EventType.Permission, FaultClass.ContextDescriptor, Ipa, scene.Fetch(Ipa));
        else AssertTranslates(0x10_0000, scene.Fetch(Ipa));
        AssertTranslates(0x10_0000, scene.Walk(Ipa));   // The accesses of devices are not table walks.
    }

    [Theory]
    [InlineData(3, 16)]
    [InlineData(2, 25)]
    [Rule("DSC-28")]
    public void AContiguousRunOfStage2IsReported(int level, int runLog2)
    {
        var scene = Stage2();
        scene.Map2(0, 0, level, Stage2Flags | Contiguous);

        Assert.Equal(runLog2, scene.Walk(0).Stage2RunSizeLog2);
    }

    private static WalkScene Mapped()
    {
        var scene = Stage2();
        scene.Map2(Ipa, 0x10_0000);
        return scene;
    }
}
