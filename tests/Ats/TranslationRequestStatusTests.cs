using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;
using Field = Smmu.Fast.Formats.StreamTableEntryField;

namespace Smmu.Fast.Tests.Ats;

/// <summary>How Translation Requests end where no translation is asked for: ATS off, or configuration in error (3.9.1.2).</summary>
public class TranslationRequestStatusTests
{
    private const uint Recording = AtsScene.RecordAtsErrors | AtsScene.RecordInvalidStreams;

    [Fact]
    [Rule("ATS-01")]
    [Rule("EVT-33")]
    public void ARequestIsUnsupportedAndRecordedWhileTranslationIsOff()
    {
        using var scene = new AtsScene(control: 0);
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        Assert.Equal(BadRequest(AccessKind.Read), scene.TakeOnlyEvent());
        Assert.Equal(0x5UL, (ulong)BadRequest(AccessKind.Read).Type);

        scene.Machine.Write(RegisterOffset.CR0, 0);   // No Event queue to write to.
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        scene.AssertNoEvent();
    }

    [Fact]
    [Rule("ATS-02")]
    [Rule("EVT-10")]
    [Rule("STE-37")]
    [Rule("STE-38")]
    [Rule("ORD-20")]
    public void ARequestIsUnsupportedAndRecordedWhereTheEntryAllowsNone()
    {
        using var scene = new AtsScene(control2: Recording);
        scene.AttachStage1(entry: full => full.With(Field.EATS, 0));
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        Assert.Equal(BadRequest(AccessKind.Read), scene.TakeOnlyEvent());

        for (ulong ats = 0; ats < 4; ats++)
        {
            scene.SetStream(Entries.Bypass.With(Field.EATS, ats));
            scene.AssertStatus(AtsStatus.UnsupportedRequest);
            Assert.Equal(BadRequest(AccessKind.Read), scene.TakeOnlyEvent());
        }
    }

    [Fact]
    [Rule("EVT-10")]
    [Rule("ATS-16")]
    public void TheRecordTellsWhatWasWantedAndAPasidWhatKind()
    {
        const AccessKind Wanted = AccessKind.Atomic | AccessKind.Instruction | AccessKind.Privileged;
        using var scene = new AtsScene();
        scene.AttachSubstream(entry: full => full.With(Field.EATS, 0).With(Field.PRIVCFG, 2).With(Field.INSTCFG, 2));
        scene.Request(wanted: Wanted, substream: 1);
        Assert.Equal(BadRequest(Wanted, new SubstreamId(1)), scene.TakeOnlyEvent());
        scene.Request(wanted: Wanted);
        Assert.Equal(BadRequest(AccessKind.Atomic), scene.TakeOnlyEvent());
    }

    [Fact]
    [Rule("ATS-03")]
    [Rule("STE-06")]
    public void ARequestOfAStreamThatAbortsIsUnsupportedWithoutARecord()
    {
        using var scene = new AtsScene(control2: Recording);
        for (ulong config = 0; config < 4; config++)
        {
            scene.SetStream(Entries.Valid(config).With(Field.EATS, 1));
            scene.AssertStatus(AtsStatus.UnsupportedRequest);
            scene.AssertNoEvent();
        }
    }

    [Fact]
    [Rule("ATS-04")]
    [Rule("ATS-40")]
    [Rule("STE-40")]
    [Rule("STE-41")]
    [Rule("CACHE-18")]
    [Rule("EN-24")]
    public void SplitStageCountsOnlyWhileTranslatedTransactionsAreChecked()
    {
        using var scene = new AtsScene();
        var (stage1, stage2) = scene.AttachNested(ats: 2);
        stage1.Map(AtsScene.Iova, 0x5000_0000);
        stage2.Map(0x5000_0000, 0x4100_0000, StreamScene.Stage2ReadWrite);
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        Assert.Equal(EventType.BadAtsTranslationRequest, scene.TakeOnlyEvent().Type);

        scene.Control(AtsScene.Translation | AtsScene.CheckTranslated);
        scene.Forget();
        scene.AssertGranted(AtsGrants.Read | AtsGrants.Write);

        scene.Control(AtsScene.Translation);
        scene.Forget();
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        Assert.Equal(EventType.BadAtsTranslationRequest, scene.TakeOnlyEvent().Type);

        scene.AttachStage1(entry: full => full.With(Field.EATS, 3));
        scene.Control(AtsScene.Translation | AtsScene.CheckTranslated);
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        Assert.Equal(EventType.BadAtsTranslationRequest, scene.TakeOnlyEvent().Type);
    }

    [Fact]
    [Rule("ATS-05")]
    [Rule("STV-15")]
    public void AnEntryWhoseAtsDoesNotFitItsStagesIsIllegal()
    {
        using var scene = new AtsScene(control: AtsScene.Translation | AtsScene.CheckTranslated);
        var (stage1, _) = scene.AttachNested(ats: 1);
        stage1.Map(AtsScene.Iova, GuestMachine.RamBase);
        var nested = ReadStream(scene);
        scene.AssertGranted(AtsGrants.Read | AtsGrants.Write);
        foreach (var illegal in new[]
        {
            nested.With(Field.S2S, 1),
            nested.With(Field.EATS, 2).With(Field.S2S, 1),
            nested.With(Field.EATS, 2).With(Field.Config, 0b101),
            nested.With(Field.EATS, 2).With(Field.Config, 0b110),
        })
        {
            scene.SetStream(illegal);
            scene.AssertStatus(AtsStatus.CompleterAbort);
            Assert.Equal(EventType.BadStreamTableEntry, Ordinary(scene));
        }

        Assert.True(IsLegal(nested.With(Field.EATS, 3).With(Field.S2S, 1), AtsScene.Everything));
        Assert.False(IsLegal(
            nested.With(Field.EATS, 3).With(Field.S2S, 1), AtsScene.Everything.With(SmmuFeatureField.DPT, 1)));
        Assert.False(IsLegal(nested.With(Field.EATS, 2), AtsScene.Everything.With(SmmuFeatureField.NS1ATS, 1)));
    }

    [Fact]
    [Rule("ATS-06")]
    [Rule("STE-42")]
    public void AtsOfAnEntryCountsForNothingWithoutTheFeature()
    {
        using var scene = new AtsScene(
            AtsScene.Everything.With(SmmuFeatureField.ATS, 0).With(SmmuFeatureField.PRI, 0)
                .With(SmmuFeatureField.ATSRECERR, 0));
        var space = scene.AttachStage1(entry: full => full.With(Field.EATS, 2));
        space.Map(AtsScene.Iova, 0x4100_0000);
        Assert.Equal(EventType.None, Ordinary(scene));
        scene.AssertStatus(AtsStatus.UnsupportedRequest);   // Nobody is there to answer.
        Assert.Equal(TranslationOutcome.Aborted, scene.Translated(0x4100_0000).Outcome);
        scene.AssertNoEvent();

        using var bypass = new AtsScene();
        bypass.SetStream(Entries.Bypass.With(Field.EATS, 2).With(Field.S2S, 1));
        Assert.Equal(EventType.None, Ordinary(bypass));
    }

    [Fact]
    [Rule("ATS-07")]
    [Rule("ATS-08")]
    [Rule("STE-03")]
    [Rule("STE-67")]
    [Rule("CTL-46")]
    [Rule("ORD-19")]
    [Rule("ORD-20")]
    public void ConfigurationErrorsAbortAndAreRecordedOnRequest()
    {
        foreach (bool records in new[] { false, true })
        {
            using var scene = new AtsScene(control2: records ? Recording : AtsScene.RecordInvalidStreams);
            foreach (var (cause, type, substream, stream) in Errors())
            {
                cause(scene);
                scene.Forget();
                foreach (var wanted in new[] { AccessKind.Read, AccessKind.Atomic })
                {
                    var completion = scene.Request(
                        wanted: wanted, substream: substream, stream: stream);
                    Assert.Equal(AtsStatus.CompleterAbort, completion.Status);
                    if (!records)
                    {
                        scene.AssertNoEvent();
                        continue;
                    }

                    var record = scene.TakeOnlyEvent();
                    Assert.Equal(type, record.Type);
                    Assert.Equal(type == EventType.WalkExternalAbort, record.RnW);
                }
            }
        }
    }

    [Fact]
    [Rule("ATS-08")]
    public void AStreamOutsideOfTheTableIsRecordedWithBothFlagsOnly()
    {
        using var scene = new AtsScene(control2: AtsScene.RecordAtsErrors);
        scene.AssertStatus(AtsStatus.CompleterAbort, stream: 99);
        scene.AssertNoEvent();
    }

    [Fact]
    public void ErrorsOfTheContextStayUnseenWhereAtsIsOff()
    {
        using var scene = new AtsScene(control2: Recording);
        scene.SetStream(Entries.Stage1(StreamScene.Nowhere));
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        Assert.Equal(EventType.BadAtsTranslationRequest, scene.TakeOnlyEvent().Type);
    }

    [Fact]
    public void UnknownMarksOfARequestAreRefused()
    {
        using var scene = new AtsScene();
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Request(wanted: (AccessKind)0x10));
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Request(substream: 1 << 20));
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Translated(0, AccessKind.Privileged));
    }

    private static List<(Action<AtsScene> Cause, EventType Type, uint? Substream, uint Stream)> Errors() =>
    [
        (_ => { }, EventType.BadStreamId, null, 99),
        (scene => scene.SetStream(default), EventType.BadStreamTableEntry, null, AtsScene.Stream),
        (scene => scene.AttachStage1(entry: full => full.With(Field.STRW, 1)),
            EventType.BadStreamTableEntry, null, AtsScene.Stream),
        (scene => scene.AttachStage1(), EventType.BadSubstreamId, 1, AtsScene.Stream),
        (scene => scene.AttachSubstream(entry: full => full.With(Field.S1DSS, 0)),
            EventType.StreamDisabled, null, AtsScene.Stream),
        (scene => scene.SetStream(Entries.Stage1(StreamScene.Nowhere).With(Field.EATS, 1)),
            EventType.ContextDescriptorFetch, null, AtsScene.Stream),
        (scene => scene.AttachStage1(context => context.With(ContextDescriptorField.V, 0)),
            EventType.BadContextDescriptor, null, AtsScene.Stream),
        (scene => scene.AttachStage1(context => context.With(ContextDescriptorField.TTB0, StreamScene.Nowhere)),
            EventType.WalkExternalAbort, null, AtsScene.Stream),
        (PutStreamTableNowhere, EventType.StreamTableEntryFetch, null, AtsScene.Stream),
    ];

    private static void PutStreamTableNowhere(AtsScene scene)
    {
        scene.Control(0);
        scene.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, StreamScene.Nowhere);
        scene.Control(AtsScene.Translation);
    }

    private static EventRecord BadRequest(AccessKind wanted, SubstreamId? substream = null) =>
        EventRecord.BadAtsTranslationRequest(
            new StreamId(AtsScene.Stream), substream, AtsScene.Iova, span: 1, wanted | AccessKind.Read);

    private static StreamTableEntry ReadStream(AtsScene scene)
    {
        Span<ulong> words = stackalloc ulong[8];
        for (int i = 0; i < 8; i++)
        {
            words[i] = scene.Machine.Read64(scene.Machine.StreamEntry(AtsScene.Stream) + ((ulong)i * 8));
        }

        return new StreamTableEntry(words);
    }

    private static bool IsLegal(StreamTableEntry entry, SmmuFeatures features) =>
        Smmu.Fast.Streams.StreamTableEntryRules.IsLegal(in entry, features, StreamWorld.NonSecureEl1);

    private static EventType Ordinary(AtsScene scene)
    {
        var result = scene.Smmu.Translate(new StreamId(AtsScene.Stream), null, AtsScene.Iova, AccessKind.Read);
        while (scene.Machine.TryTakeEvent(out _))
        {
        }

        return result.Event;
    }
}
