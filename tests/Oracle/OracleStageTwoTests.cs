using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>Stage 2 alone and under stage 1: hand-computed cases of 3.4, 5.2, 7.3 and D8.2.</summary>
public class OracleStageTwoTests
{
    private readonly OracleScene scene = new();

    [Fact]
    public void ConcatenatedTablesAreIndexedAsOne()
    {
        scene.Store(OracleScene.Stage2Ste());
        scene.Memory[OracleScene.Stage2Level1 + 8 * 0x200] = 0x40_0000_07FD;   // IPA bit 39: the first entry of the second table.

        var result = scene.Translate(0x80_0012_3456, OracleScene.Read);

        Assert.Equal((0x40_0012_3456UL, 30), (result.OutputAddress, result.LeafSizeLog2));
    }

    [Fact]
    public void AnIpaBeyondItsRangeIsAStage2TranslationFault()
    {
        scene.Store(OracleScene.Stage2Ste());

        var expected = new OracleEvent(0x10, OracleScene.Word1(read: true, s2: true), 0x100_0000_0FFF, 0x100_0000_0000);
        Assert.Equal(expected, scene.EventOf(0x100_0000_0FFF, OracleScene.UserRead));
    }

    [Fact]
    public void AnIpaBeyondTheIasIsAStage1AddressSizeFaultThatNothingHides()
    {
        scene.Store(OracleScene.Stage2Ste().Clear(186).Set(185));

        var result = scene.Translate(0x1_0000_0000_0000, OracleScene.Read);

        Assert.Equal(OracleOutcome.Aborted, result.Outcome);
        Assert.Equal(new OracleEvent(0x11, OracleScene.Word1(privileged: true, read: true), 0x1_0000_0000_0000, 0), result.Event);
    }

    [Theory]
    [InlineData(0x0UL, OracleEventKind.Translation)]
    [InlineData(0x100_4000_07FDUL, OracleEventKind.AddressSize)]
    [InlineData(0x3FDUL, OracleEventKind.AccessFlag)]
    [InlineData(0x77DUL, OracleEventKind.Permission)]   // S2AP 01 and a write.
    public void EachDescriptorFaultHasItsKind(ulong descriptor, OracleEventKind expected)
    {
        scene.Store(OracleScene.Stage2Ste());
        scene.Memory[OracleScene.Stage2Level1] = descriptor;

        var record = new OracleEvent((ulong)expected, OracleScene.Word1(s2: true), 0x5678, 0x5000);
        Assert.Equal(record, scene.EventOf(0x5678, OracleScene.UserWrite));
    }

    [Theory]
    [InlineData(0b00, false, false)]
    [InlineData(0b01, true, false)]
    [InlineData(0b10, false, true)]
    [InlineData(0b11, true, true)]
    public void S2ApPermitsReadsAndWritesOnTheirOwn(ulong s2ap, bool read, bool write)
    {
        scene.Store(OracleScene.Stage2Ste());
        scene.Memory[OracleScene.Stage2Level1] = 0x73D | (s2ap << 6);

        Assert.Equal(read, scene.Translate(0, OracleScene.UserRead).Outcome == OracleOutcome.Success);
        Assert.Equal(write, scene.Translate(0, OracleScene.Write).Outcome == OracleOutcome.Success);
    }

    [Theory]
    [InlineData(0b00, true, true)]
    [InlineData(0b01, false, true)]
    [InlineData(0b10, false, false)]
    [InlineData(0b11, true, false)]
    public void XnxTellsThePrivilegesApart(ulong xn, bool privileged, bool unprivileged)
    {
        scene.Store(OracleScene.Stage2Ste());
        scene.Memory[OracleScene.Stage2Level1] = 0x73D | (xn << 53);   // No data access: execution needs none.

        Assert.Equal(privileged, scene.Translate(0, OracleScene.Fetch).Outcome == OracleOutcome.Success);
        Assert.Equal(unprivileged, scene.Translate(0, OracleScene.UserFetch).Outcome == OracleOutcome.Success);
    }

    [Fact]
    public void AnAtomicThatMayOnlyWriteIsRecordedAsARead()
    {
        scene.Store(OracleScene.Stage2Ste());
        scene.Memory[OracleScene.Stage2Level1] = 0x73D | (0b10 << 6);
        Assert.Equal(OracleScene.Word1(read: true, s2: true), scene.EventOf(0, new OracleAccess(OracleDirection.Atomic)).Word1);

        scene.Memory[OracleScene.Stage2Level1] = 0x73D;

        Assert.Equal(OracleScene.Word1(s2: true), scene.EventOf(0, new OracleAccess(OracleDirection.Atomic)).Word1);
    }

    [Fact]
    public void AnAbortOfAStage2DescriptorSaysWhatWasTranslated()
    {
        scene.Store(OracleScene.NestedSte());
        scene.Memory.AbortReadsOf(OracleScene.Stage2Level1);

        ulong word1 = OracleScene.Word1(read: true, s2: true, faultClass: OracleFaultClass.ContextFetch);
        Assert.Equal(new OracleEvent(0x0B, word1, 0x44, OracleScene.Stage2Level1), scene.EventOf(0x44, OracleScene.UserRead));
    }

    [Fact]
    public void BothStagesTranslateAndTheSmallerLeafCounts()
    {
        SetUpNested();
        scene.Memory[OracleScene.Stage1Level1] = 0x401;   // 1GB block at IPA 0.
        scene.Memory[OracleScene.Stage2Level2 + 8 * 9] = 0x23_4000_07FD;

        var result = scene.Translate(0x120_0123, OracleScene.Write);

        Assert.Equal((0x23_4000_0123UL, 21), (result.OutputAddress, result.LeafSizeLog2));
    }

    [Fact]
    public void AStage2FaultOfATableIsOfClassTtWithTheAddressOfTheDescriptor()
    {
        SetUpNested();
        scene.Memory[OracleScene.Stage1Level1] = 0x3000_0003;   // Next table at an IPA that the test unmaps.
        scene.Memory[OracleScene.Stage2Level2 + 8 * 0x180] = 0;

        var expected = new OracleEvent(0x10, OracleScene.Word1(s2: true, faultClass: OracleFaultClass.TableWalk), 0x20_0000, 0x3000_0000);
        Assert.Equal(expected, scene.EventOf(0x20_0000, OracleScene.UserWrite));
    }

    [Fact]
    public void AStage2FaultOfTheContextDescriptorIsOfClassCd()
    {
        scene.Store(OracleScene.NestedSte());

        ulong word1 = OracleScene.Word1(s2: true, faultClass: OracleFaultClass.ContextFetch);
        Assert.Equal(new OracleEvent(0x10, word1, 0x20_0000, OracleScene.Context), scene.EventOf(0x20_0000, OracleScene.UserWrite));
    }

    [Fact]
    public void ProtectedTableWalksRefuseDeviceMemory()
    {
        SetUpNested(OracleScene.NestedSte().Set(182));
        scene.Memory[OracleScene.Stage2Level2] = 0x7C1 | 0b0001 << 2;   // Device-nGnRE.

        var record = scene.EventOf(0, OracleScene.UserRead);

        Assert.Equal(OracleEventKind.Permission, record.Kind);
        Assert.Equal(OracleScene.Word1(read: true, s2: true, faultClass: OracleFaultClass.ContextFetch), record.Word1);
    }

    [Fact]
    public void Stage1PermissionsAreJudgedBeforeStage2Translates()
    {
        SetUpNested();
        scene.Memory[OracleScene.Stage1Level1] = 0x401;   // 1GB block at IPA 0.
        scene.Memory[OracleScene.Stage2Level2 + 8 * 0x180] = 0;

        var record = scene.EventOf(0x3000_0000, OracleScene.UserRead);   // AP 00 denies users at stage 1.

        Assert.Equal((OracleEventKind.Permission, OracleScene.Word1(read: true)), (record.Kind, record.Word1));
    }

    [Fact]
    public void AContextPointerBeyondTheIasGoesToStage2OrIsIllegal()
    {
        var ste = OracleScene.NestedSte().Set(55, 6, (1UL << 50) >> 6);
        scene.Store(ste);
        Assert.Equal(OracleEventKind.Translation, scene.EventOf(0, OracleScene.Read).Kind);

        var strict = new OracleScene(choices: new OracleChoices { ContextPointerBeyondIntermediateSizeIsIllegal = true });
        strict.Store(ste);

        Assert.Equal(OracleEventKind.BadStreamTableEntry, strict.EventOf(0, OracleScene.Read).Kind);
    }

    private void SetUpNested(RawStructure? ste = null)
    {
        scene.MapStage2OneToOne();
        scene.Store(ste ?? OracleScene.NestedSte());
        OracleScene.Cd().StoreTo(scene.Memory, OracleScene.Context);
    }
}
