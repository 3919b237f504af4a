using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Direct permissions of stage 1, held against the tables of the architecture (Arm ARM, D8.4.1.2.6).</summary>
public class Stage1PermissionTests
{
    private const ulong Address = 0x4000_0000;
    private const ulong Pxn = 1UL << 53;
    private const ulong Uxn = 1UL << 54;
    private const ulong PxnTable = 1UL << 59;
    private const ulong UxnTable = 1UL << 60;
    private const ulong ApTable0 = 1UL << 61;
    private const ulong ApTable1 = 1UL << 62;

    // Rows of tables D8-65: UXN, PXN, AP[2:1], WXN, then what is permitted, privileged / unprivileged.
    [Theory]
    [InlineData(0, 0, 0b00, 0, "rwx", "x")]
    [InlineData(0, 0, 0b00, 1, "rw", "x")]
    [InlineData(0, 0, 0b01, 0, "rw", "rwx")]
    [InlineData(0, 0, 0b01, 1, "rw", "rw")]
    [InlineData(0, 0, 0b10, 0, "rx", "x")]
    [InlineData(0, 0, 0b10, 1, "rx", "x")]
    [InlineData(0, 0, 0b11, 0, "rx", "rx")]
    [InlineData(0, 0, 0b11, 1, "rx", "rx")]
    [InlineData(0, 1, 0b00, 0, "rw", "x")]
    [InlineData(0, 1, 0b00, 1, "rw", "x")]
    [InlineData(0, 1, 0b01, 0, "rw", "rwx")]
    [InlineData(0, 1, 0b01, 1, "rw", "rw")]
    [InlineData(0, 1, 0b10, 0, "r", "x")]
    [InlineData(0, 1, 0b11, 0, "r", "rx")]
    [InlineData(1, 0, 0b00, 0, "rwx", "")]
    [InlineData(1, 0, 0b00, 1, "rw", "")]
    [InlineData(1, 0, 0b01, 0, "rw", "rw")]
    [InlineData(1, 0, 0b10, 0, "rx", "")]
    [InlineData(1, 0, 0b11, 0, "rx", "r")]
    [InlineData(1, 1, 0b00, 0, "rw", "")]
    [InlineData(1, 1, 0b01, 0, "rw", "rw")]
    [InlineData(1, 1, 0b10, 0, "r", "")]
    [InlineData(1, 1, 0b11, 0, "r", "r")]
    [Rule("PERM-06")]
    [Rule("PERM-07")]
    [Rule("PERM-15")]
    [Rule("PERM-18")]
    [Rule("PERM-19")]
    [Rule("PERM-21")]
    [Rule("PERM-23")]
    public void WorldsOfTwoPrivilegesFollowTheTable(
        int uxn, int pxn, int ap, int wxn, string privileged, string unprivileged)
    {
        var scene = Stage1();
        scene.Regime.Stage1.WriteExecuteNever = wxn != 0;
        scene.Map1(Address, 0x10_0000,
            flags: AccessFlag | ((ulong)uxn << 54) | ((ulong)pxn << 53) | ((ulong)ap << 6));

        AssertPermits(scene, Address, privileged, unprivileged);
    }

    // Rows of table D8-66: XN, AP[2], WXN. AP[1] and PXN are noise here.
    [Theory]
    [InlineData(0, 0, 0, "rwx")]
    [InlineData(0, 0, 1, "rw")]
    [InlineData(0, 1, 0, "rx")]
    [InlineData(0, 1, 1, "rx")]
    [InlineData(1, 0, 0, "rw")]
    [InlineData(1, 1, 0, "r")]
    [Rule("PERM-05")]
    [Rule("PERM-10")]
    [Rule("PERM-16")]
    public void WorldsOfOnePrivilegeFollowTheirTableForEveryAccess(int xn, int readOnly, int wxn, string permitted)
    {
        foreach (var world in new[] { StreamWorld.NonSecureEl2, StreamWorld.SecureEl2, StreamWorld.El3 })
        {
            foreach (ulong noise in new[] { 0UL, Unprivileged, Pxn, Unprivileged | Pxn })
            {
                var scene = Stage1();
                scene.Regime.World = world;
                scene.Regime.Stage1.WriteExecuteNever = wxn != 0;
                scene.Regime.Stage1.PrivilegedAccessNever = true;
                scene.Map1(Address, 0x10_0000, flags: AccessFlag | noise | ((ulong)xn << 54) | ((ulong)readOnly << 7));

                AssertPermits(scene, Address, permitted, permitted);
            }
        }
    }

    [Theory]
    [InlineData(0UL, "rw", "rwx")]
    [InlineData(ApTable0, "rwx", "x")]
    [InlineData(ApTable1, "rx", "rx")]
    [InlineData(ApTable0 | ApTable1, "rx", "x")]
    [InlineData(UxnTable, "rw", "rw")]
    [InlineData(PxnTable | ApTable1, "r", "rx")]
    [InlineData(UxnTable | PxnTable | ApTable0 | ApTable1, "r", "")]
    [Rule("PERM-08")]
    [Rule("PERM-17")]
    [Rule("DSC-20")]
    public void AnyTableAboveRestrictsWhatLiesBelow(ulong restriction, string privileged, string unprivileged)
    {
        for (int level = 0; level <= 2; level++)
        {
            var scene = Stage1();
            scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged);
            scene.Memory[scene.Path[level]] |= restriction;

            AssertPermits(scene, Address, privileged, unprivileged);
        }
    }

    [Fact]
    [Rule("PERM-09")]
    [Rule("DSC-23")]
    public void RestrictionsOfAllTablesAddUpAndGrantNothing()
    {
        var scene = Stage1();
        scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged);
        scene.Memory[scene.Path[0]] |= ApTable0;
        scene.Memory[scene.Path[1]] |= ApTable1;
        scene.Memory[scene.Path[2]] |= UxnTable;
        AssertPermits(scene, Address, "rx", "");

        scene.Map1(Address, 0x10_0000, flags: AccessFlag | ReadOnly);   // The leaf is stricter than the tables.
        AssertPermits(scene, Address, "rx", "");
    }

    [Fact]
    [Rule("PERM-10")]
    [Rule("PERM-16")]
    [Rule("PERM-17")]
    public void WorldsOfOnePrivilegeIgnoreApTable0AndPxnTable()
    {
        var scene = Stage1();
        scene.Regime.World = StreamWorld.NonSecureEl2;
        scene.Map1(Address, 0x10_0000, flags: AccessFlag, tableFlags: ApTable0 | PxnTable);
        AssertPermits(scene, Address, "rwx", "rwx");

        scene.Memory[scene.Path[0]] |= ApTable1;
        AssertPermits(scene, Address, "rx", "rx");
        scene.Memory[scene.Path[1]] |= UxnTable;
        AssertPermits(scene, Address, "r", "r");
    }

    [Fact]
    [Rule("PERM-24")]
    public void HadIgnoresTheRestrictionsOfItsHalfOnly()
    {
        const ulong Upper = 0xffff_0000_4000_0000;
        var scene = Stage1();
        scene.Regime.Stage1.Range0.HierarchicalAttributesDisabled = true;
        ulong all = ApTable0 | ApTable1 | UxnTable | PxnTable;
        scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged, tableFlags: all);
        scene.Map1(Upper, 0x10_0000, flags: AccessFlag | Unprivileged, tableFlags: all);

        AssertPermits(scene, Address, "rw", "rwx");
        AssertPermits(scene, Upper, "r", "");
    }

    [Theory]
    [InlineData(0b01, 0UL, "", "rwx")]
    [InlineData(0b11, 0UL, "x", "rx")]
    [InlineData(0b00, 0UL, "rwx", "x")]
    [InlineData(0b10, 0UL, "rx", "x")]
    [InlineData(0b01, ApTable0, "rwx", "x")]   // The tables take the unprivileged access away, and PAN with it.
    [Rule("PERM-11")]
    [Rule("PERM-12")]
    public void PanDeniesPrivilegedDataWhereUnprivilegedDataIsPermitted(
        int ap, ulong tableFlags, string privileged, string unprivileged)
    {
        var scene = Stage1();
        scene.Regime.Stage1.PrivilegedAccessNever = true;
        scene.Map1(Address, 0x10_0000, flags: AccessFlag | ((ulong)ap << 6), tableFlags: tableFlags);

        AssertPermits(scene, Address, privileged, unprivileged);
    }

    [Fact]
    [Rule("PERM-11")]
    public void PanLooksPastApTableWhereHadIgnoresIt()
    {
        var scene = Stage1();
        scene.Regime.Stage1.PrivilegedAccessNever = true;
        scene.Regime.Stage1.Range0.HierarchicalAttributesDisabled = true;
        scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged, tableFlags: ApTable0);

        AssertPermits(scene, Address, "", "rwx");
    }

    [Fact]
    [Rule("PERM-20")]
    [Rule("AFD-26")]
    [Rule("PERM-14")]
    public void AWritableCleanPageCountsAsWritableForExecutionAndPan()
    {
        var scene = Stage1();
        scene.Regime.Stage1.HardwareAccessFlag = true;
        scene.Regime.Stage1.HardwareDirtyState = true;
        ulong clean = AccessFlag | DirtyBitModifier | ReadOnly;
        scene.Map1(Address, 0x10_0000, flags: clean | Unprivileged);
        AssertPermits(scene, Address, "r", "rx");

        scene.Regime.Stage1.WriteExecuteNever = true;
        AssertPermits(scene, Address, "r", "r");
        scene.Map1(Address, 0x10_0000, flags: clean);
        AssertPermits(scene, Address, "r", "x");

        scene.Regime.Stage1.WriteExecuteNever = false;
        AssertPermits(scene, Address, "rx", "x");
        scene.Regime.Stage1.PrivilegedAccessNever = true;
        scene.Map1(Address, 0x10_0000, flags: clean | Unprivileged);
        AssertPermits(scene, Address, "", "rx");

        scene.Regime.Stage1.HardwareDirtyState = false;   // Then DBM means nothing, and the page is read-only.
        scene.Regime.Stage1.PrivilegedAccessNever = false;
        scene.Regime.Stage1.WriteExecuteNever = true;
        AssertPermits(scene, Address, "rx", "rx");
    }

    [Theory]
    [InlineData("rw", EventType.None, false)]
    [InlineData("r", EventType.Permission, false)]
    [InlineData("w", EventType.Permission, true)]
    [InlineData("", EventType.Permission, false)]
    [Rule("PERM-03")]
    [Rule("PERM-04")]
    [Rule("EVT-39")]
    public void AnAtomicNeedsBothPermissionsAndWriteIsJudgedFirst(string permitted, EventType expected, bool asRead)
    {
        var scene = Stage2();   // Only stage 2 knows pages that are written and not read.
        ulong flags = AccessFlag | Stage2WriteBack
            | (permitted.Contains('r') ? Stage2Read : 0) | (permitted.Contains('w') ? Stage2Write : 0);
        scene.Map2(Address, 0x10_0000, flags: flags);

        var result = scene.Walk(Address, AccessKind.Atomic);

        Assert.Equal(expected, result.Event);
        Assert.Equal(asRead, result.RefusedAsRead);
    }

    [Fact]
    [Rule("PERM-01")]
    [Rule("ATT-02")]
    public void AWriteIsDataHoweverItIsMarked()
    {
        var scene = Stage1();
        scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged | Uxn);

        AssertTranslates(0x10_0000, scene.Walk(Address, AccessKind.Write | AccessKind.Instruction));
        Assert.Equal(EventType.Permission, scene.Walk(Address, AccessKind.Read | AccessKind.Instruction).Event);
    }

    [Fact]
    [Rule("PERM-25")]
    public void InstructionReadsOfDeviceMemoryAreNotRefusedForItsType()
    {
        var scene = Stage1();
        scene.Regime.Stage1.MemoryAttributes = 0;
        scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged | ReadOnly);

        var result = scene.Walk(Address, AccessKind.Read | AccessKind.Instruction);

        AssertTranslates(0x10_0000, result);
        Assert.True(result.Attributes.IsDevice);
    }

    [Fact]
    [Rule("PERM-35")]
    public void APermissionFaultIsReportedAtTheLevelOfTheLeaf()
    {
        var scene = Stage1();
        scene.Map1(Address, 0x4000_0000, level: 2, flags: AccessFlag | Unprivileged, tableFlags: ApTable1);

        AssertFault1(EventType.Permission, 2, scene.Walk(Address, AccessKind.Write));
    }

    /// <summary>Asks for every kind of access, and that the walk reports the same for a TLB to keep.</summary>
    internal static void AssertPermits(
        WalkScene scene, ulong address, string privileged, string unprivileged, bool reportedWithout = false)
    {
        AccessPermissions? reported = reportedWithout ? AccessPermissions.None : null;
        var expected = AccessPermissions.None;
        foreach (var (permitted, mark, shift) in new[]
            { (unprivileged, default, 0), (privileged, AccessKind.Privileged, 3) })
        {
            foreach (var (letter, access, bit) in new[]
                { ('r', AccessKind.Read, 1), ('w', AccessKind.Write, 2), ('x', AccessKind.Read | AccessKind.Instruction, 4) })
            {
                if (permitted.Contains(letter)) expected |= (AccessPermissions)(bit << shift);
                bool isCleanWrite = letter == 'w' && scene.Regime.Stage1.HardwareDirtyState;   // Would change the page.
                if (isCleanWrite) continue;
                var result = scene.Walk(address, access | mark);
                Assert.Equal(permitted.Contains(letter) ? EventType.None : EventType.Permission, result.Event);
                if (result.IsSuccess) reported = result.Permissions;
            }
        }

        Assert.Equal(expected, reported);
    }
}
