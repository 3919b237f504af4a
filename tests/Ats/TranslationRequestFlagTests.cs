using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;
using Field = Smmu.Fast.Formats.StreamTableEntryField;

namespace Smmu.Fast.Tests.Ats;

/// <summary>Hardware updates by Translation Requests: they stand for the accesses that will follow (IHI 0070, 3.13.7).</summary>
public class TranslationRequestFlagTests
{
    private const AtsGrants R = AtsGrants.Read;
    private const AtsGrants RW = AtsGrants.Read | AtsGrants.Write;
    private const ulong Ipa = 0x5000_0000;
    private const ulong Output = 0x4100_0000;
    private const ulong OldClean = AtsScene.Clean & ~AtsScene.AccessFlag;
    private const ulong Stage2Clean =
        (StreamScene.Stage2ReadWrite & ~AtsScene.WriteControl) | AtsScene.DirtyBitModifier;

    [Fact]
    [Rule("ATS-17")]
    [Rule("ATS-18")]
    [Rule("AFD-38")]
    [Rule("AFD-39")]
    [Rule("HTTU-19")]
    [Rule("ATT-45")]
    public void ARequestForWritesMakesACleanPageDirtyAndOthersOnlySetTheAccessFlag()
    {
        using var scene = new AtsScene();
        var space = scene.AttachStage1(WithUpdates);
        space.Map(AtsScene.Iova, Output, OldClean);
        ulong slot = space.Slot(AtsScene.Iova, 3);
        ulong untouched = scene.Machine.Read64(slot);
        scene.AssertGranted(R);
        Assert.Equal(untouched | AtsScene.AccessFlag, scene.Machine.Read64(slot));
        scene.AssertGranted(R);

        scene.AssertGranted(RW, wanted: AccessKind.Write);
        Assert.Equal((untouched | AtsScene.AccessFlag) & ~AtsScene.WriteControl, scene.Machine.Read64(slot));
        scene.Forget();
        scene.AssertGranted(RW);   // Dirty already: nothing speaks against the write.
    }

    [Fact]
    [Rule("HTTU-19")]
    [Rule("AFD-15")]
    public void ARequestThatIsGrantedNothingLeavesThePageAsItIs()
    {
        using var scene = new AtsScene();
        var space = scene.AttachStage1(WithUpdates);
        space.Map(AtsScene.Iova, Output, OldClean & ~AtsScene.Unprivileged);
        ulong untouched = scene.Machine.Read64(space.Slot(AtsScene.Iova, 3));
        scene.AssertNothing(wanted: AccessKind.Atomic);
        Assert.Equal(untouched, scene.Machine.Read64(space.Slot(AtsScene.Iova, 3)));
    }

    [Fact]
    [Rule("AFD-41")]
    [Rule("HTTU-21")]
    [Rule("ATS-18")]
    public void WithoutDirtyUpdatesACleanPageIsReadOnly()
    {
        using var scene = new AtsScene();
        var space = scene.AttachStage1(context => context.With(ContextDescriptorField.HA, 1));
        space.Map(AtsScene.Iova, Output, OldClean);
        scene.AssertGranted(R, wanted: AccessKind.Atomic);
        Assert.Equal(
            AtsScene.AccessFlag | AtsScene.WriteControl,
            scene.Machine.Read64(space.Slot(AtsScene.Iova, 3)) & (AtsScene.AccessFlag | AtsScene.WriteControl));
    }

    [Fact]
    [Rule("AFD-42")]
    [Rule("HTTU-22")]
    public void WithoutUpdatesAPageThatWasNotAccessedGrantsNothing()
    {
        using var scene = new AtsScene(AtsScene.Everything.With(SmmuFeatureField.HTTU, 0));
        var space = scene.AttachStage1();
        space.Map(AtsScene.Iova, Output, OldClean);
        scene.AssertNothing(wanted: AccessKind.Atomic);

        scene.SetStream(Entries.Stage1(scene.NewContext(space, context => context.With(ContextDescriptorField.AFFD, 1)))
            .With(Field.EATS, 1));
        scene.AssertGranted(R, wanted: AccessKind.Atomic);
        Assert.Equal(0UL, scene.Machine.Read64(space.Slot(AtsScene.Iova, 3)) & AtsScene.AccessFlag);
    }

    [Fact]
    [Rule("AFD-40")]
    [Rule("HTTU-20")]
    public void AReadOnlyPageOfStage1DirtiesNeitherStage()
    {
        using var scene = new AtsScene();
        var (stage1, stage2) = scene.AttachNested(context: WithUpdates, entry: WithUpdates);
        stage1.Map(AtsScene.Iova, Ipa, Stage1Space.ReadOnly);
        stage2.Map(Ipa, Output, Stage2Clean);
        ulong first = scene.Machine.Read64(stage1.Slot(AtsScene.Iova, 3));
        ulong second = scene.Machine.Read64(stage2.Slot(Ipa, 3));
        scene.AssertGranted(R, wanted: AccessKind.Atomic);
        Assert.Equal((first, second), (
            scene.Machine.Read64(stage1.Slot(AtsScene.Iova, 3)), scene.Machine.Read64(stage2.Slot(Ipa, 3))));
    }

    [Fact]
    [Rule("AFD-39")]
    [Rule("ATS-18")]
    public void AReadOnlyPageOfStage2LeavesThatOfStage1Clean()
    {
        using var scene = new AtsScene();
        var (stage1, stage2) = scene.AttachNested(context: WithUpdates, entry: WithUpdates);
        stage1.Map(AtsScene.Iova, Ipa, AtsScene.Clean);
        stage2.Map(Ipa, Output, StreamScene.Stage2ReadWrite & ~AtsScene.WriteControl);
        scene.AssertGranted(R, wanted: AccessKind.Atomic);
        Assert.NotEqual(0UL, scene.Machine.Read64(stage1.Slot(AtsScene.Iova, 3)) & AtsScene.WriteControl);

        stage2.Map(Ipa, Output, Stage2Clean);
        scene.AssertGranted(RW, wanted: AccessKind.Atomic);
        Assert.Equal(0UL, scene.Machine.Read64(stage1.Slot(AtsScene.Iova, 3)) & AtsScene.WriteControl);
        Assert.NotEqual(0UL, scene.Machine.Read64(stage2.Slot(Ipa, 3)) & AtsScene.WriteControl);
    }

    [Fact]
    [Rule("ATS-11")]
    public void AnUpdateThatStage2RefusesGrantsNothing()
    {
        using var scene = new AtsScene();
        var (stage1, stage2) = scene.AttachNested(context: WithUpdates);
        stage1.Map(AtsScene.Iova, Ipa, AtsScene.Clean);
        stage2.Map(Ipa, Output, StreamScene.Stage2ReadWrite);
        for (ulong at = GuestMachine.RamBase; at < GuestMachine.RamBase + (8 << 20); at += 2 << 20)
        {
            stage2.Map(at, at, StreamScene.Stage2ReadWrite & ~AtsScene.WriteControl, level: 2);
        }

        scene.AssertNothing(wanted: AccessKind.Write);
        scene.AssertGranted(R);
    }

    [Fact]
    [Rule("HTTU-23")]
    public void SplitStageUpdatesStage2AtTheRequestForWhatItGrants()
    {
        using var scene = new AtsScene(control: AtsScene.Translation | AtsScene.CheckTranslated);
        var (stage1, stage2) = scene.AttachNested(ats: 2, entry: WithUpdates);
        stage1.Map(AtsScene.Iova, Ipa);
        stage2.Map(Ipa, Output, Stage2Clean & ~AtsScene.AccessFlag);
        ulong slot = stage2.Slot(Ipa, 3);
        scene.AssertGranted(R);
        Assert.Equal(AtsScene.AccessFlag, scene.Machine.Read64(slot) & (AtsScene.AccessFlag | AtsScene.WriteControl));
        scene.AssertGranted(RW, wanted: AccessKind.Atomic);
        Assert.NotEqual(0UL, scene.Machine.Read64(slot) & AtsScene.WriteControl);

        stage2.Map(Ipa, Output, Stage2Clean & ~AtsScene.AccessFlag);   // Software takes the flags back.
        scene.Forget();
        scene.AssertPasses(Output, Ipa);
        Assert.NotEqual(0UL, scene.Machine.Read64(slot) & AtsScene.WriteControl);
    }

    private static ContextDescriptor WithUpdates(ContextDescriptor context) =>
        context.With(ContextDescriptorField.HA, 1).With(ContextDescriptorField.HD, 1);

    private static StreamTableEntry WithUpdates(StreamTableEntry entry) =>
        entry.With(Field.S2HA, 1).With(Field.S2HD, 1);
}
