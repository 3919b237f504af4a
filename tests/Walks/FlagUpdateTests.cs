using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Access flag and dirty state of one stage: when they fault, when they are written, and when they must not be.</summary>
public class FlagUpdateTests
{
    private const ulong Address = 0x4000_0000;
    private const ulong Output = 0x10_0000;
    private const ulong Clean1 = AccessFlag | Unprivileged | ReadOnly | DirtyBitModifier;
    private const ulong Clean2 = AccessFlag | Stage2Read | Stage2WriteBack | DirtyBitModifier;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("AFD-01")]
    [Rule("HTTU-02")]
    [Rule("ORD-11")]
    [Rule("AFD-06")]
    [Rule("HTTU-16")]
    public void AClearAccessFlagFaultsBeforeThePermissionIsJudged(bool hardwareDirtyState)
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareDirtyState = hardwareDirtyState;   // Without HA it has no say in the Access flag.
        ulong leaf = scene.Map1(Address, Output, flags: ReadOnly);
        ulong before = scene.Memory[leaf];

        AssertFault1(EventType.AccessFlag, 3, scene.Walk(Address));
        AssertFault1(EventType.AccessFlag, 3, scene.Walk(Address, AccessKind.Write));
        Assert.Equal(before, scene.Memory[leaf]);
    }

    [Fact]
    [Rule("AFD-02")]
    public void AffdTakesAClearAccessFlagForSetAndWritesNothing()
    {
        var scene = Stage1();
        scene.Regime.Stage1.AccessFlagFaultDisabled = true;
        ulong leaf = scene.Map1(Address, Output, flags: Unprivileged);
        ulong before = scene.Memory[leaf];

        AssertTranslates(Output, scene.Walk(Address, AccessKind.Write));
        Assert.Equal(before, scene.Memory[leaf]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("AFD-08")]
    [Rule("AFD-09")]
    [Rule("AFD-12")]
    [Rule("AFD-23")]
    [Rule("HTTU-03")]
    [Rule("HTTU-06")]
    [Rule("HTTU-10")]
    public void HaSetsTheAccessFlagAndNothingElse(bool affd)
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        scene.Regime.Stage1.AccessFlagFaultDisabled = affd;
        ulong leaf = scene.Map1(Address, Output, flags: Clean1 & ~AccessFlag);
        ulong before = scene.Memory[leaf];

        foreach (var access in new[] { AccessKind.Read, AccessKind.Read | AccessKind.Instruction, AccessKind.Read })
        {
            var result = scene.Walk(Address, access);
            AssertTranslates(Output, result);
            Assert.Equal(AccessPermissions.None, result.Permissions & AccessPermissions.UnprivilegedWrite);
            Assert.Equal(before | AccessFlag, scene.Memory[leaf]);
        }
    }

    [Theory]
    [InlineData(AccessKind.Write, false)]
    [InlineData(AccessKind.Atomic, false)]
    [InlineData(AccessKind.Write | AccessKind.Privileged, false)]
    [InlineData(AccessKind.Write, true)]
    [Rule("AFD-16")]
    [Rule("AFD-22")]
    [Rule("AFD-24")]
    [Rule("HTTU-07")]
    public void AWriteMakesAWritableCleanPageDirty(AccessKind access, bool accessFlagClear)
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        ulong leaf = scene.Map1(Address, Output, flags: accessFlagClear ? Clean1 & ~AccessFlag : Clean1);

        var result = scene.Walk(Address, access);

        AssertTranslates(Output, result);
        Assert.Equal(Output | AccessFlag | Unprivileged | DirtyBitModifier | 0b11, scene.Memory[leaf]);
        Assert.Equal(AccessPermissions.All & ~AccessPermissions.PrivilegedExecute, result.Permissions);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [Rule("AFD-05")]
    [Rule("AFD-18")]
    [Rule("AFD-10")]
    [Rule("HTTU-08")]
    [Rule("HTTU-14")]
    public void WithoutHdOrDbmAWriteToAReadOnlyPageFaultsAndChangesNothing(bool dbm, bool hd)
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = hd;
        ulong leaf = scene.Map1(Address, Output, flags: Unprivileged | ReadOnly | (dbm ? DirtyBitModifier : 0));
        ulong before = scene.Memory[leaf];

        AssertFault1(EventType.Permission, 3, scene.Walk(Address, AccessKind.Write));
        Assert.Equal(before, scene.Memory[leaf]);
    }

    [Theory]
    [InlineData("APTable", AccessKind.Write)]
    [InlineData("AP[1]", AccessKind.Write)]
    [InlineData("PAN", AccessKind.Write | AccessKind.Privileged)]
    [Rule("AFD-19")]
    [Rule("AFD-20")]
    [Rule("HTTU-09")]
    public void AWriteThatSomethingElseDeniesDirtiesNothing(string cause, AccessKind access)
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        scene.Regime.Stage1.PrivilegedAccessNever = cause == "PAN";
        ulong flags = (cause == "AP[1]" ? Clean1 & ~Unprivileged : Clean1) & ~AccessFlag;
        ulong leaf = scene.Map1(Address, Output, flags: flags, tableFlags: cause == "APTable" ? 1UL << 62 : 0);
        ulong before = scene.Memory[leaf];

        AssertFault1(EventType.Permission, 3, scene.Walk(Address, access));
        Assert.Equal(before, scene.Memory[leaf]);
    }

    [Fact]
    [Rule("AFD-16")]
    public void WorldsOfOnePrivilegeDirtyPagesToo()
    {
        var scene = Stage1();
        scene.Regime.World = StreamWorld.NonSecureEl2;
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        ulong leaf = scene.Map1(Address, Output, flags: Clean1 & ~Unprivileged);

        AssertTranslates(Output, scene.Walk(Address, AccessKind.Write));
        Assert.Equal(0ul, scene.Memory[leaf] & ReadOnly);
    }

    [Theory]
    [InlineData(AccessKind.Read, 0UL)]
    [InlineData(AccessKind.Write, Stage2Write)]
    [Rule("AFD-03")]
    [Rule("AFD-17")]
    [Rule("AFD-13")]
    public void Stage2SetsItsFlagsWithTheOppositePolarity(AccessKind access, ulong written)
    {
        var scene = Stage2();
        scene.Regime.Stage2.HardwareAccessFlag = true;
        scene.Regime.Stage2.HardwareDirtyState = true;
        ulong leaf = scene.Map2(Address, Output, flags: Clean2 & ~AccessFlag);
        ulong before = scene.Memory[leaf];

        var result = scene.Walk(Address, access);

        AssertTranslates(Output, result);
        Assert.Equal(before | AccessFlag | written, scene.Memory[leaf]);
        Assert.Equal(written != 0, (result.Permissions & AccessPermissions.PrivilegedWrite) != 0);
    }

    [Fact]
    [Rule("AFD-18")]
    public void AtStage2DbmAndHdAreBothNeeded()
    {
        var scene = Stage2();
        scene.Regime.Stage2.HardwareAccessFlag = true;
        ulong leaf = scene.Map2(Address, Output, flags: Clean2 & ~AccessFlag);
        ulong before = scene.Memory[leaf];
        AssertFault2(EventType.Permission, FaultClass.Input, Address, scene.Walk(Address, AccessKind.Write));
        Assert.Equal(before, scene.Memory[leaf]);

        scene.Regime.Stage2.HardwareDirtyState = true;
        scene.Memory[leaf] = before &= ~DirtyBitModifier;
        AssertFault2(EventType.Permission, FaultClass.Input, Address, scene.Walk(Address, AccessKind.Write));
        Assert.Equal(before, scene.Memory[leaf]);
    }

    [Fact]
    [Rule("AFD-13")]
    [Rule("AFD-25")]
    [Rule("HTTU-05")]
    [Rule("HTTU-11")]
    public void AFetchSetsTheAccessFlagAndNeverTheDirtyState()
    {
        var scene = Stage2();
        scene.Regime.Stage2.HardwareAccessFlag = true;
        scene.Regime.Stage2.HardwareDirtyState = true;
        ulong leaf = scene.Map2(Address, Output, flags: Clean2 & ~AccessFlag);
        ulong before = scene.Memory[leaf];

        AssertTranslates(Output, scene.Fetch(Address));

        Assert.Equal(before | AccessFlag, scene.Memory[leaf]);
    }

    [Fact]
    [Rule("AFD-35")]
    public void OnlyTheDescriptorThatTranslatesIsUpdated()
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        var leaves = new ulong[16];
        for (ulong i = 0; i < 16; i++)
        {
            leaves[i] = scene.Map1(Address + (i << 12), Output + (i << 12), flags: Unprivileged | Contiguous);
        }

        scene.Walk(Address + 0x5000);

        for (int i = 0; i < 16; i++) Assert.Equal(i == 5, (scene.Memory[leaves[i]] & AccessFlag) != 0);
    }

    [Fact]
    [Rule("AFD-36")]
    public void ABigEndianDescriptorIsWrittenBackBigEndian()
    {
        var scene = Stage1();
        scene.Regime.Stage1.BigEndian = true;
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        ulong leaf = scene.Map1(Address, Output, flags: Clean1 & ~AccessFlag);
        scene.SwapPath();

        AssertTranslates(Output, scene.Walk(Address, AccessKind.Write));
        scene.SwapPath();
        Assert.Equal(Output | AccessFlag | Unprivileged | DirtyBitModifier | 0b11, scene.Memory[leaf]);
    }

    [Fact]
    [Rule("AFD-36")]
    public void ABigEndianStage2DescriptorIsWrittenBackBigEndian()
    {
        var scene = Stage2();
        scene.Regime.Stage2.BigEndian = true;
        scene.Regime.Stage2.HardwareAccessFlag = true;
        scene.Regime.Stage2.HardwareDirtyState = true;
        ulong leaf = scene.Map2(Address, Output, flags: Clean2 & ~AccessFlag);
        scene.SwapPath();

        AssertTranslates(Output, scene.Walk(Address, AccessKind.Write));
        scene.SwapPath();
        Assert.Equal(Output | Clean2 | Stage2Write | 0b11, scene.Memory[leaf]);
    }

    [Fact]
    [Rule("AFD-08")]
    public void BlocksAreUpdatedLikePages()
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        ulong leaf = scene.Map1(Address, 0x4000_0000, level: 2, flags: Clean1 & ~AccessFlag);

        AssertTranslates(0x4000_0000, scene.Walk(Address, AccessKind.Write));
        Assert.Equal(0x4000_0000 | AccessFlag | Unprivileged | DirtyBitModifier | 0b01, scene.Memory[leaf]);
    }
}
