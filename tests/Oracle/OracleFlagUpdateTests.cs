using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>Access flag and dirty state by hardware: 3.13 and D8.5.</summary>
public class OracleFlagUpdateTests
{
    private const ulong Flag = 1UL << 10;
    private const ulong Modifier = 1UL << 51;
    private const ulong ReadOnly = 1UL << 7;
    private readonly OracleScene scene = new();

    [Fact]
    public void AReadSetsTheAccessFlagAndNoMore()
    {
        SetUpStage1(ReadOnly | Modifier | 1, OracleScene.Cd().Set(43).Set(42));

        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.Read).Outcome);
        Assert.Equal(ReadOnly | Modifier | Flag | 1, scene.Memory[OracleScene.Stage1Level1]);
    }

    [Fact]
    public void AWriteMakesAWritableCleanLeafDirty()
    {
        SetUpStage1(ReadOnly | Modifier | 1, OracleScene.Cd().Set(43).Set(42));

        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.Write).Outcome);
        Assert.Equal(Modifier | Flag | 1, scene.Memory[OracleScene.Stage1Level1]);
    }

    [Theory]
    [InlineData(true, false, true)]     // HD alone without HA acts as neither: AF 1 is needed and the write is denied.
    [InlineData(false, true, true)]
    [InlineData(true, true, false)]     // Without DBM.
    public void AWriteIsDeniedWhereHardwareMayNotMakeItDirty(bool hd, bool ha, bool modifier)
    {
        ulong descriptor = ReadOnly | Flag | 1 | (modifier ? Modifier : 0);
        SetUpStage1(descriptor, OracleScene.Cd().Set(42, 42, hd ? 1UL : 0).Set(43, 43, ha ? 1UL : 0));

        Assert.Equal(OracleEventKind.Permission, scene.EventOf(0, OracleScene.Write).Kind);
        Assert.Equal(descriptor, scene.Memory[OracleScene.Stage1Level1]);
    }

    [Fact]
    public void ADeniedAccessUpdatesNothing()
    {
        SetUpStage1(ReadOnly | Modifier | 1, OracleScene.Cd().Set(43).Set(42));

        Assert.Equal(OracleEventKind.Permission, scene.EventOf(0, OracleScene.UserWrite).Kind);
        Assert.Equal(ReadOnly | Modifier | 1, scene.Memory[OracleScene.Stage1Level1]);
    }

    [Fact]
    public void AffdNeedsNoUpdate()
    {
        SetUpStage1(1, OracleScene.Cd().Set(35));

        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.Read).Outcome);
        Assert.Equal(1UL, scene.Memory[OracleScene.Stage1Level1]);
    }

    [Fact]
    public void AnAbortedUpdateIsAWalkAbort()
    {
        SetUpStage1(1, OracleScene.Cd().Set(43));
        scene.Memory.AbortWritesOf(OracleScene.Stage1Level1);

        var record = scene.EventOf(0x10, OracleScene.Read);

        Assert.Equal((OracleEventKind.WalkAbort, OracleScene.Stage1Level1), (record.Kind, record.Word3));
    }

    [Fact]
    public void BigEndianDescriptorsAreUpdatedInTheirOrder()
    {
        SetUpStage1(0x0100_0000_0000_0000, OracleScene.Cd().Set(43).Set(15));

        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.Read).Outcome);
        Assert.Equal(0x0104_0000_0000_0000UL, scene.Memory[OracleScene.Stage1Level1]);
    }

    [Fact]
    public void AWriteSetsS2ApAtStage2()
    {
        scene.Store(OracleScene.Stage2Ste().Set(184).Set(183));
        scene.Memory[OracleScene.Stage2Level1] = Modifier | 0x37D;   // S2AP 01, AF 0.

        Assert.Equal(OracleOutcome.Success, scene.Translate(0, OracleScene.Write).Outcome);
        Assert.Equal(Modifier | 0x7FD, scene.Memory[OracleScene.Stage2Level1]);
    }

    [Fact]
    public void TheUpdateOfAStage1DescriptorNeedsStage2Write()
    {
        SetUpNested(s2hd: false);

        var record = scene.EventOf(0x20_0000, OracleScene.Read);   // Through the table page, which stage 2 maps read-only.

        Assert.Equal(OracleEventKind.Permission, record.Kind);
        Assert.Equal(OracleScene.Word1(privileged: true, read: true, s2: true, faultClass: OracleFaultClass.TableWalk), record.Word1);
        Assert.Equal(OracleScene.Stage1Level1, record.Word3);
        Assert.Equal(1UL, scene.Memory[OracleScene.Stage1Level1]);
    }

    [Fact]
    public void TheUpdateOfAStage1DescriptorMakesItsStage2PageDirty()
    {
        SetUpNested(s2hd: true);

        Assert.Equal(OracleOutcome.Success, scene.Translate(0x20_0000, OracleScene.Read).Outcome);
        Assert.Equal(Flag | 1, scene.Memory[OracleScene.Stage1Level1]);
        Assert.Equal(Modifier | 0x7FD, scene.Memory[OracleScene.Stage2Level2]);
    }

    [Theory]
    [InlineData(false, 1UL)]
    [InlineData(true, Flag | 1)]
    public void AChoiceSaysWhetherStage1IsUpdatedAheadOfAStage2Fault(bool before, ulong expected)
    {
        var chosen = new OracleScene(choices: new OracleChoices { UpdateStageOneBeforeFinalStageTwo = before });
        chosen.MapStage2OneToOne();
        chosen.Memory[OracleScene.Stage2Level2 + 8] = 0;
        chosen.Store(OracleScene.NestedSte());
        OracleScene.Cd().Set(43).StoreTo(chosen.Memory, OracleScene.Context);
        chosen.Memory[OracleScene.Stage1Level1] = 1;

        Assert.Equal(OracleEventKind.Translation, chosen.EventOf(0x20_0000, OracleScene.Read).Kind);
        Assert.Equal(expected, chosen.Memory[OracleScene.Stage1Level1]);
    }

    [Fact]
    public void FetchingAContextDescriptorSetsTheStage2AccessFlagAlone()
    {
        scene.MapStage2OneToOne();
        scene.Memory[OracleScene.Stage2Level2] = Modifier | 0x37D;
        scene.Store(OracleScene.NestedSte().Set(184).Set(183));

        Assert.Equal(OracleEventKind.BadContextDescriptor, scene.EventOf(0, OracleScene.Write).Kind);
        Assert.Equal(Modifier | Flag | 0x37D, scene.Memory[OracleScene.Stage2Level2]);
    }

    private void SetUpStage1(ulong descriptor, RawStructure cd)
    {
        scene.Store(OracleScene.Stage1Ste());
        cd.StoreTo(scene.Memory, OracleScene.Context);
        scene.Memory[OracleScene.Stage1Level1] = descriptor;
    }

    // A stage 1 block without AF; stage 2 maps the tables read-only but writable-clean, and the rest writable.
    private void SetUpNested(bool s2hd)
    {
        scene.MapStage2OneToOne();
        scene.Memory[OracleScene.Stage2Level2] = Modifier | 0x77D;
        scene.Store(OracleScene.NestedSte().Set(184).Set(183, 183, s2hd ? 1UL : 0));
        SetUpStage1Block();
    }

    private void SetUpStage1Block()
    {
        OracleScene.Cd().Set(43).StoreTo(scene.Memory, OracleScene.Context);
        scene.Memory[OracleScene.Stage1Level1] = 1;
    }
}
