using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>Stage 1 permissions against table D8-65 and the controls of 5.4.</summary>
public class OraclePermissionTests
{
    private const ulong Unprivileged = 1UL << 6;
    private const ulong ReadOnly = 1UL << 7;
    private const ulong PrivilegedExecuteNever = 1UL << 53;
    private const ulong UnprivilegedExecuteNever = 1UL << 54;
    private readonly OracleScene scene = new();

    // Permissions are spelled "privileged/unprivileged".
    [Theory]
    [InlineData(0, "RWX/--X", "RW-/--X")]
    [InlineData(Unprivileged, "RW-/RWX", "RW-/RW-")]
    [InlineData(ReadOnly, "R-X/--X", "R-X/--X")]
    [InlineData(ReadOnly | Unprivileged, "R-X/R-X", "R-X/R-X")]
    [InlineData(PrivilegedExecuteNever, "RW-/--X", "RW-/--X")]
    [InlineData(PrivilegedExecuteNever | Unprivileged, "RW-/RWX", "RW-/RW-")]
    [InlineData(PrivilegedExecuteNever | ReadOnly, "R--/--X", "R--/--X")]
    [InlineData(UnprivilegedExecuteNever, "RWX/---", "RW-/---")]
    [InlineData(UnprivilegedExecuteNever | ReadOnly | Unprivileged, "R-X/R--", "R-X/R--")]
    [InlineData(UnprivilegedExecuteNever | PrivilegedExecuteNever, "RW-/---", "RW-/---")]
    public void TheSummaryOfDirectPermissionsHolds(ulong descriptor, string plain, string withWxn)
    {
        Assert.Equal(plain, PermissionsOf(descriptor, OracleScene.Cd()));
        Assert.Equal(withWxn, PermissionsOf(descriptor, OracleScene.Cd().Set(36)));
    }

    [Theory]
    [InlineData(0b01, Unprivileged, "RWX/--X")]
    [InlineData(0b10, Unprivileged, "R-X/R-X")]
    [InlineData(0b11, Unprivileged, "R-X/--X")]
    public void TablesRestrictWhatIsBelowThem(ulong aptable, ulong descriptor, string expected)
    {
        Assert.Equal(expected, PermissionsOf(descriptor, OracleScene.Cd(), table: aptable << 61));
        Assert.Equal("RW-/RWX", PermissionsOf(descriptor, OracleScene.Cd().Set(65), table: aptable << 61));   // HAD0.
    }

    [Fact]
    public void TablesCanForbidExecution()
    {
        Assert.Equal("RW-/--X", PermissionsOf(0, OracleScene.Cd(), table: 1UL << 59));
        Assert.Equal("RWX/---", PermissionsOf(0, OracleScene.Cd(), table: 1UL << 60));
    }

    [Fact]
    public void PanTakesDataAccessFromThePrivileged()
    {
        Assert.Equal("--X/R-X", PermissionsOf(ReadOnly | Unprivileged, OracleScene.Cd().Set(40)));
        Assert.Equal("RWX/--X", PermissionsOf(0, OracleScene.Cd().Set(40)));
    }

    [Fact]
    public void EL2KnowsOnePrivilege()
    {
        // PXN, AP[1] and PAN count for nothing; bit 54 is XN.
        Assert.Equal("RWX/RWX", PermissionsOf(PrivilegedExecuteNever, OracleScene.Cd().Set(40), strw: 0b10));
        Assert.Equal("RW-/RW-", PermissionsOf(UnprivilegedExecuteNever, OracleScene.Cd(), strw: 0b10));
        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.UserWrite).Outcome);
    }

    [Fact]
    public void EL2HasTheLowerHalfAlone()
    {
        // EPD0 counts for nothing, nor do the fields of the upper half, which are illegal here.
        Assert.Equal("RWX/RWX", PermissionsOf(0, OracleScene.Cd().Set(14).Clear(30), strw: 0b10));
        Assert.Equal(OracleEventKind.Translation, scene.EventOf(0xFFFF_FFFF_FFFF_F000, OracleScene.Read).Kind);
    }

    [Fact]
    public void EL2WithHostExtensionsKnowsTwo()
    {
        scene.Smmu.WriteRegister(0x20, 0);
        scene.Smmu.WriteRegister(0x2C, 1);
        scene.Smmu.WriteRegister(0x20, 1);

        Assert.Equal("RW-/--X", PermissionsOf(PrivilegedExecuteNever, OracleScene.Cd(), strw: 0b10));
    }

    [Fact]
    public void OverridesAreJudgedAndRecorded()
    {
        PermissionsOf(0, OracleScene.Cd());
        scene.Store(OracleScene.Stage1Ste().Set(113, 112, 0b10).Set(115, 114, 0b11));   // Unprivileged, instruction.

        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.Read).Outcome);
        Assert.Equal(OracleScene.Word1(), scene.EventOf(0, OracleScene.Write).Word1);   // A write is data.

        PermissionsOf(UnprivilegedExecuteNever, OracleScene.Cd());
        scene.Store(OracleScene.Stage1Ste().Set(113, 112, 0b10).Set(115, 114, 0b11));

        Assert.Equal(OracleScene.Word1(instruction: true, read: true), scene.EventOf(0, OracleScene.Read).Word1);
    }

    // A level 2 block under a level 1 table.
    private string PermissionsOf(ulong descriptor, RawStructure cd, ulong table = 0, ulong strw = 0)
    {
        scene.Store(OracleScene.Stage1Ste().Set(95, 94, strw));
        cd.StoreTo(scene.Memory, OracleScene.Context);
        scene.Memory[OracleScene.Stage1Level1] = OracleScene.Stage1Level2 | 0b11 | table;
        scene.Memory[OracleScene.Stage1Level2] = descriptor | 0x401;

        OracleAccess[] probes =
        [
            OracleScene.Read, OracleScene.Write, OracleScene.Fetch, OracleScene.UserRead, OracleScene.UserWrite, OracleScene.UserFetch,
        ];
        var results = probes.Select(access => scene.Translate(0, access)).ToArray();
        var letters = results.Select((result, i) => result.Outcome == OracleOutcome.Success ? "RWXRWX"[i] : '-');
        string judged = string.Concat(letters).Insert(3, "/");

        // What the result says of a mapping has to be what the accesses meet.
        var found = results.FirstOrDefault(result => result.Outcome == OracleOutcome.Success);
        if (found is not null) Assert.Equal(judged, Spell(found.Privileged) + "/" + Spell(found.Unprivileged));
        return judged;
    }

    private static string Spell(OraclePermissions permissions) =>
        (permissions.Read ? "R" : "-") + (permissions.Write ? "W" : "-") + (permissions.Execute ? "X" : "-");
}
