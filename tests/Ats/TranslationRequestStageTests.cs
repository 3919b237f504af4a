using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;
using Field = Smmu.Fast.Formats.StreamTableEntryField;

namespace Smmu.Fast.Tests.Ats;

/// <summary>Where Translation Requests lead through one stage, two, or none, and what their faults become (3.9.1.2, 13.6).</summary>
public class TranslationRequestStageTests
{
    private const AtsGrants ReadWrite = AtsGrants.Read | AtsGrants.Write;
    private const ulong Ipa = 0x5000_0000;
    private const ulong Output = 0x4100_0000;
    private const ulong Stage2ReadWrite = StreamScene.Stage2ReadWrite;

    private static readonly StreamId Stream = new(AtsScene.Stream);

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 1, 0)]
    [InlineData(0, 1, 1)]
    [Rule("ATS-09")]
    [Rule("ATS-10")]
    [Rule("ATS-41")]
    [Rule("ARS-12")]
    [Rule("FLT-27")]
    [Rule("ATT-48")]
    public void FaultsOfAPageGrantNothingWhateverTheFaultFlagsSay(uint stalls, uint aborts, uint records)
    {
        using var scene = new AtsScene(control: AtsScene.Translation | AtsScene.PageRequestQueue);
        var space = scene.AttachStage1(context => context
            .With(ContextDescriptorField.S, stalls)
            .With(ContextDescriptorField.A, aborts)
            .With(ContextDescriptorField.R, records));
        space.Map(AtsScene.Iova + 0x1000, Output, Stage1Space.ReadWrite & ~AtsScene.AccessFlag);
        space.Map(AtsScene.Iova + 0x2000, 1UL << 47);
        scene.SetStream(Entries.Stage1(scene.NewContext(space, context => context
            .With(ContextDescriptorField.S, stalls)
            .With(ContextDescriptorField.A, aborts)
            .With(ContextDescriptorField.R, records)
            .With(ContextDescriptorField.IPS, 2))).With(Field.EATS, 1));

        scene.AssertNothing();                                // F_TRANSLATION
        scene.AssertNothing(AtsScene.Iova + 0x1000);          // F_ACCESS
        scene.AssertNothing(AtsScene.Iova + 0x2000);          // F_ADDR_SIZE
        scene.AssertNothing(1UL << 60, AccessKind.Write);
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.PRIQ_PROD));
    }

    [Fact]
    [Rule("ATS-09")]
    [Rule("ATS-11")]
    public void FaultsOfStage2GrantNothingWhereverTheyAriseOnTheWay()
    {
        const ulong NoPermission = AtsScene.AccessFlag | (0xfUL << 2) | (3UL << 8);
        using var scene = new AtsScene();
        var (stage1, stage2) = scene.AttachNested();
        stage1.Map(AtsScene.Iova, Ipa);
        scene.AssertNothing();                                                               // The final address.
        stage2.Map(Ipa, Output, Stage2ReadWrite & ~AtsScene.AccessFlag);
        scene.AssertNothing();
        stage2.Map(Ipa, 1UL << 47, Stage2ReadWrite);
        scene.SetStream(StreamScene.Nested(scene.NewContext(stage1), stage2).With(Field.EATS, 1).With(Field.S2PS, 2));
        scene.AssertNothing();
        stage2.Map(Ipa, Output, Stage2ReadWrite);
        scene.AssertGranted(ReadWrite);

        foreach (bool isMapped in new[] { false, true })
        {
            var (_, intermediate) = scene.AttachNested(context: context => context.With(ContextDescriptorField.TTB0, Ipa));
            if (isMapped) intermediate.Map(Ipa, Output, NoPermission);
            scene.AssertNothing();                                                           // A stage 1 table.

            scene.SetStream(StreamScene.Nested(Ipa, intermediate).With(Field.EATS, 1));
            scene.AssertNothing();                                                           // The CD.
            scene.AssertNothing(wanted: AccessKind.Write);
        }
    }

    [Theory]
    [InlineData(1, 1, 12)]
    [InlineData(0, 1, 14)]
    [InlineData(0, 0, 16)]
    [Rule("ATS-10")]
    [Rule("ATS-12")]
    public void AnAnswerWithoutAccessIsForOneSmallestGranule(uint small, uint medium, int log2)
    {
        var features = AtsScene.Everything
            .With(SmmuFeatureField.GRAN4K, small).With(SmmuFeatureField.GRAN16K, medium);
        using var scene = new AtsScene(features);
        var space = new Stage1Space(scene.Machine, asid: 1, sizeOffset: 25, granuleLog2: log2);
        scene.SetStream(Entries.Stage1(scene.NewContext(space)).With(Field.EATS, 1));
        var completion = scene.Request();
        Assert.Equal((AtsStatus.Success, AtsGrants.None, 1UL << log2), (completion.Status, completion.Grants, completion.Size));
    }

    [Fact]
    [Rule("ATS-20")]
    [Rule("ATS-25")]
    [Rule("ATT-49")]
    [Rule("STE-39")]
    public void FullAtsReturnsTheOutputOfTheLastStageAndItsSize()
    {
        const ulong Megabyte = 1 << 20;
        const ulong HighAttributes = 0xffUL << 55;   // PBHA and what software keeps there.
        using var scene = new AtsScene();
        var space = scene.AttachStage1();
        space.Map(AtsScene.Iova, Output, Stage1Space.ReadWrite | HighAttributes);
        space.Map(1UL << 30, 0x4120_0000, level: 2);
        var page = scene.AssertGranted(ReadWrite, AtsScene.Iova + 0x123);
        Assert.Equal((Output + 0x123, 4096UL), (page.TranslatedAddress, page.Size));
        var block = scene.AssertGranted(ReadWrite, (1UL << 30) + Megabyte + 8);
        Assert.Equal((0x4120_0000UL + Megabyte + 8, 2 * Megabyte), (block.TranslatedAddress, block.Size));

        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(0x6000_0000, 0x4140_0000, Stage2ReadWrite, level: 2);
        scene.SetStream(StreamScene.Stage2(stage2).With(Field.EATS, 1));
        var alone = scene.AssertGranted(ReadWrite, 0x6000_1000);
        Assert.Equal((0x4140_1000UL, 2 * Megabyte), (alone.TranslatedAddress, alone.Size));
        scene.AssertNothing(1UL << 60);   // Above the input size: F_ADDR_SIZE of a stage 1 that is not there.
    }

    [Theory]
    [InlineData(2, 3, 12)]
    [InlineData(3, 2, 12)]
    [InlineData(2, 2, 21)]
    [Rule("ATS-20")]
    [Rule("ATS-24")]
    [Rule("ATT-52")]
    [Rule("ATT-53")]
    [Rule("STE-40")]
    public void ANestedAnswerHasTheSmallerSize(int level1, int level2, int log2)
    {
        const ulong Iova = 0x1_0020_0000;
        const ulong Offset = 0x10;
        using var scene = new AtsScene(control: AtsScene.Translation | AtsScene.CheckTranslated);
        foreach (ulong ats in new ulong[] { 1, 2 })
        {
            var (stage1, stage2) = scene.AttachNested(ats);
            stage1.Map(Iova, Ipa, level: level1);
            stage2.Map(Ipa, 0x4140_0000, Stage2ReadWrite & ~(ats == 2 ? AtsScene.WriteControl : 0), level: level2);
            for (int round = 0; round < 2; round++)
            {
                var completion = scene.Request(Iova + Offset, AccessKind.Atomic);
                Assert.Equal(1UL << log2, completion.Size);
                Assert.Equal(ats == 1 ? 0x4140_0000UL + Offset : Ipa + Offset, completion.TranslatedAddress);
                Assert.Equal(ats == 1 ? ReadWrite : AtsGrants.Read, completion.Grants);
                Assert.Equal(completion, scene.Request(Iova + Offset));
            }
        }
    }

    [Fact]
    [Rule("ATS-19")]
    public void Stage2IsNotWalkedForAnAddressThatStage1GrantsNothingAt()
    {
        using var scene = new AtsScene(control2: AtsScene.RecordAtsErrors);
        var (stage1, stage2) = scene.AttachNested(entry: nested => nested.With(Field.S2HA, 1));
        stage1.Map(AtsScene.Iova, Ipa, Stage1Space.ReadWrite & ~AtsScene.Unprivileged);
        stage2.Map(Ipa, Output, Stage2ReadWrite & ~AtsScene.AccessFlag);
        scene.AssertNothing(wanted: AccessKind.Atomic);
        Assert.Equal(0UL, scene.Machine.Read64(stage2.Slot(Ipa, 3)) & AtsScene.AccessFlag);

        stage2.Map(1UL << 32, StreamScene.Nowhere, level: 1, attributes: 0b10);   // A table in no memory.
        stage1.Map(AtsScene.Iova, 1UL << 32, Stage1Space.ReadWrite & ~AtsScene.Unprivileged);
        scene.Forget();
        scene.AssertNothing(wanted: AccessKind.Atomic);
        stage1.Map(AtsScene.Iova, 1UL << 32);
        scene.Forget();
        scene.AssertStatus(AtsStatus.CompleterAbort);
    }

    [Fact]
    [Rule("ATS-21")]
    [Rule("ATT-50")]
    public void SkippingTheOnlyStageAnswersWithEveryAddressItself()
    {
        using var scene = new AtsScene();
        scene.AttachSubstream(entry: full => full.With(Field.PRIVCFG, 3).With(Field.INSTCFG, 3));
        var completion = scene.AssertGranted(ReadWrite & ~AtsGrants.Read, 0x1234_5678_9abc);   // No data reads by INSTCFG.
        Assert.Equal((0x1234_5678_9abcUL, 1UL << 48), (completion.TranslatedAddress, completion.Size));

        scene.AttachSubstream();
        completion = scene.AssertGranted(ReadWrite, 0x1234_5678_9abc);
        Assert.Equal((0x1234_5678_9abcUL, false), (completion.TranslatedAddress, completion.U));
        scene.AssertNothing(1UL << 48);
    }

    [Theory]
    [InlineData(1UL, Output)]
    [InlineData(2UL, Ipa)]
    [Rule("ATS-22")]
    [Rule("ATS-23")]
    [Rule("ATT-51")]
    public void SkippingStage1OfTwoAnswersWithStage2AloneOrItsInput(ulong ats, ulong answer)
    {
        using var scene = new AtsScene(control: AtsScene.Translation | AtsScene.CheckTranslated);
        var (_, stage2) = scene.AttachNested(ats, entry: nested => nested.With(Field.S1CDMax, 1).With(Field.S1DSS, 1));
        stage2.Map(Ipa, Output, Stage2ReadWrite & ~AtsScene.WriteControl);
        for (int round = 0; round < 2; round++)
        {
            var completion = scene.AssertGranted(AtsGrants.Read, Ipa + 0x40, AccessKind.Atomic);
            Assert.Equal((answer + 0x40, 4096UL), (completion.TranslatedAddress, completion.Size));
        }

        scene.AssertNothing(Ipa + 0x1000);
        scene.AssertNothing(1UL << 48);
    }

    [Fact]
    [Rule("ATS-39")]
    [Rule("ATS-41")]
    [Rule("CACHE-26")]
    public void TheTlbAnswersRequestsAndIsFilledByThemUntilItIsInvalidated()
    {
        using var scene = new AtsScene();
        var space = scene.AttachStage1();
        space.Map(AtsScene.Iova, Output);
        scene.AssertGranted(ReadWrite, wanted: AccessKind.Atomic);
        ulong walks = scene.Smmu.GetStatistics().Walks;
        space.Map(AtsScene.Iova, Output + 0x1000);
        Assert.Equal(Output, scene.AssertGranted(ReadWrite, wanted: AccessKind.Atomic).TranslatedAddress);
        Assert.Equal(Output, scene.Smmu.Translate(Stream, null, AtsScene.Iova, AccessKind.Read).Address.Value);
        Assert.Equal(walks, scene.Smmu.GetStatistics().Walks);

        scene.Machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(1), AtsScene.Iova));
        Assert.Equal(Output + 0x1000, scene.AssertGranted(ReadWrite, wanted: AccessKind.Atomic).TranslatedAddress);

        scene.Machine.SubmitAndSync(Command.TlbiNhAll(default));
        Assert.Equal(Output + 0x1000, scene.Smmu.Translate(Stream, null, AtsScene.Iova, AccessKind.Read).Address.Value);
        walks = scene.Smmu.GetStatistics().Walks;
        Assert.Equal(Output + 0x1000, scene.AssertGranted(ReadWrite).TranslatedAddress);   // Filled by an ordinary access.
        Assert.Equal(walks, scene.Smmu.GetStatistics().Walks);
    }

    [Fact]
    [Rule("ATS-39")]
    public void ARequestIsInTheScopeOfItsPortThatCmdSyncWaitsFor()
    {
        using var scene = new AtsScene();
        scene.AttachStage1().Map(AtsScene.Iova, Output);
        using var port = scene.Smmu.OpenPort(Stream);
        using (var scope = port.Enter())
        {
            Assert.Equal(Output, scope.RequestTranslation(AtsScene.Iova, AccessKind.Read).TranslatedAddress);
            scene.Machine.SubmitAndSync(Command.TlbiNhAll(default));
            Assert.False(scene.Machine.IsCommandQueueEmpty);
        }

        Assert.True(scene.Machine.IsCommandQueueEmpty);
        Assert.Equal(Output, port.RequestTranslation(AtsScene.Iova, AccessKind.Read).TranslatedAddress);
        Assert.True(port.TranslateTranslated(Output, AccessKind.Write).IsSuccess);
    }

    [Fact]
    public void WithoutCachesTheAnswersAreTheSame()
    {
        using var scene = new AtsScene(caches: false);
        var (stage1, stage2) = scene.AttachNested();
        stage1.Map(AtsScene.Iova, Ipa);
        stage2.Map(Ipa, Output, Stage2ReadWrite);
        Assert.Equal(Output, scene.AssertGranted(ReadWrite, wanted: AccessKind.Write).TranslatedAddress);
        stage2.Map(Ipa, Output + 0x1000, Stage2ReadWrite);
        Assert.Equal(Output + 0x1000, scene.AssertGranted(ReadWrite, wanted: AccessKind.Write).TranslatedAddress);
        scene.Control(AtsScene.Translation | AtsScene.CheckTranslated);
        scene.AssertPasses(Output, Output);
    }
}
