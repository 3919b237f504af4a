using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;
using Field = Smmu.Fast.Formats.StreamTableEntryField;

namespace Smmu.Fast.Tests.Ats;

/// <summary>What becomes of transactions with addresses that an endpoint has translated (IHI 0070, 3.9.1.3 and 13.6.3).</summary>
public class TranslatedTransactionTests
{
    private const uint Checked = AtsScene.Translation | AtsScene.CheckTranslated;
    private const ulong Ipa = 0x5000_0000;
    private const ulong Output = 0x4100_0000;

    private static readonly StreamId Stream = new(AtsScene.Stream);

    [Fact]
    [Rule("ATS-26")]
    [Rule("EVT-12")]
    [Rule("EVT-33")]
    public void WhileTranslationIsOffTheyAreForbidden()
    {
        using var scene = new AtsScene(control: 0);
        Assert.Equal(
            EventRecord.TranslationForbidden(Stream, Output, AccessKind.Write),
            scene.AssertFaults(EventType.TranslationForbidden, Output, AccessKind.Write));
        Assert.Equal(
            EventRecord.TranslationForbidden(Stream, Output, AccessKind.Read),
            scene.AssertFaults(EventType.TranslationForbidden, Output));
    }

    [Fact]
    [Rule("ATS-27")]
    [Rule("CTL-18")]
    [Rule("ATT-54")]
    public void UncheckedTheyPassWithoutALookUpOfTheirStream()
    {
        using var scene = new AtsScene();
        scene.SetStream(Entries.Abort);
        scene.AssertPasses(0x1234_5678, 0x1234_5678);
        scene.Machine.SetStream(AtsScene.Stream, default);
        scene.AssertPasses(Output, Output);
        Assert.Equal(0UL, scene.Smmu.GetStatistics().ConfigurationLookups);

        var result = scene.Translated(Output, AccessKind.Write, stream: 99);
        Assert.True(result.IsSuccess);
        Assert.Equal(new MemoryAttributes(0xff, 0), result.Attributes);
    }

    [Fact]
    [Rule("ATS-28")]
    [Rule("STE-06")]
    public void CheckedTheyAbortSilentlyWhereTheStreamAborts()
    {
        using var scene = new AtsScene(control: Checked, control2: AtsScene.RecordAtsErrors);
        scene.SetStream(Entries.Abort.With(Field.EATS, 1));
        scene.AssertAbortsUnrecorded(Output);
    }

    [Fact]
    [Rule("ATS-29")]
    [Rule("CTL-18")]
    [Rule("STE-37")]
    [Rule("STE-38")]
    public void CheckedTheyAreForbiddenWhereAtsIsOff()
    {
        using var scene = new AtsScene(control: Checked);
        scene.SetStream(Entries.Bypass.With(Field.EATS, 1));
        scene.AssertFaults(EventType.TranslationForbidden, Output);
        foreach (ulong ats in new ulong[] { 0, 3 })
        {
            scene.AttachStage1(entry: full => full.With(Field.EATS, ats));
            scene.AssertFaults(EventType.TranslationForbidden, Output);
        }
    }

    [Fact]
    [Rule("ATS-30")]
    [Rule("ATT-54")]
    [Rule("ATT-08")]
    [Rule("STE-39")]
    public void UnderFullAtsTheyPassUnchanged()
    {
        using var scene = new AtsScene(control: Checked);
        scene.AttachStage1(entry: full => full
            .With(Field.MTCFG, 1).With(Field.MemAttr, 0b0101).With(Field.SHCFG, 3).With(Field.INSTCFG, 3));
        for (int round = 0; round < 2; round++) scene.AssertPasses(Output + 8, Output + 8);
        Assert.Equal(new MemoryAttributes(0xff, 0), scene.Translated(Output).Attributes);

        scene.SetStream(StreamScene.Stage2(scene.NewIntermediateSpace()).With(Field.EATS, 1));
        scene.AssertPasses(0x9999_0000, 0x9999_0000);
    }

    [Fact]
    [Rule("ATT-08")]
    public void UnderSplitStageAtsTheirMemoryTypeIsNotOverridden()
    {
        using var scene = new AtsScene(control: Checked);
        var (_, stage2) = scene.AttachNested(ats: 2, entry: nested => nested
            .With(Field.MTCFG, 1).With(Field.MemAttr, 0b0101).With(Field.SHCFG, 2));
        stage2.Map(Ipa, Output, StreamScene.Stage2ReadWrite);
        const byte InnerShareable = 3;
        Assert.Equal(new MemoryAttributes(0xff, InnerShareable), scene.Translated(Ipa).Attributes);
    }

    [Fact]
    [Rule("ATS-31")]
    [Rule("ATT-53")]
    [Rule("STE-40")]
    [Rule("ORD-21")]
    public void UnderSplitStageAtsTheyGoThroughStage2()
    {
        using var scene = new AtsScene(control: Checked);
        var (_, stage2) = scene.AttachNested(ats: 2);
        stage2.Map(Ipa, Output, StreamScene.Stage2ReadWrite);
        stage2.Map(Ipa + 0x1000, Output, StreamScene.Stage2ReadWrite & ~AtsScene.WriteControl);
        for (int round = 0; round < 2; round++) scene.AssertPasses(Output + 0x18, Ipa + 0x18);

        var unmapped = scene.AssertFaults(EventType.Translation, Ipa + 0x2000, AccessKind.Write);
        Assert.Equal(
            (true, FaultClass.Input, Ipa + 0x2000, false),
            (unmapped.S2, unmapped.Class, unmapped.IntermediatePhysicalAddress, unmapped.RnW));
        scene.AssertFaults(EventType.Permission, Ipa + 0x1000, AccessKind.Write);
        var tooLarge = scene.AssertFaults(EventType.AddressSize, 1UL << 48);
        Assert.False(tooLarge.S2);

        scene.SetStream(ReadWithoutRecords(scene));
        scene.AssertAbortsUnrecorded(Ipa + 0x2000);
    }

    [Fact]
    [Rule("ATT-53")]
    [Rule("ATS-35")]
    public void TheyCountAsUnprivilegedDataButForTheOverrides()
    {
        const ulong ExecuteNever = 1UL << 54;
        const ulong ByPrivilege = 1UL << 53;
        using var scene = new AtsScene(AtsScene.Everything.With(SmmuFeatureField.XNX, 1), control: Checked);
        var (_, stage2) = scene.AttachNested(ats: 2);
        stage2.Map(Ipa, Output, StreamScene.Stage2ReadWrite | ExecuteNever);
        stage2.Map(Ipa + 0x1000, Output, StreamScene.Stage2ReadWrite | ByPrivilege);   // Unprivileged may execute.
        var marks = AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged;
        Assert.True(scene.Translated(Ipa, marks).IsSuccess);
        Assert.True(scene.Translated(Ipa + 0x1000, marks).IsSuccess);
        scene.AssertNoEvent();

        Change(scene, entry => entry.With(Field.INSTCFG, 3));
        var record = scene.AssertFaults(EventType.Permission, Ipa);
        Assert.Equal((false, false, true), (record.SSV, record.PnU, record.InD));
        Assert.True(scene.Translated(Ipa + 0x1000).IsSuccess);

        Change(scene, entry => entry.With(Field.PRIVCFG, 3));
        record = scene.AssertFaults(EventType.Permission, Ipa + 0x1000);
        Assert.True(record.PnU);
    }

    [Fact]
    [Rule("ATS-32")]
    [Rule("STE-04")]
    [Rule("ATS-37")]
    public void ConfigurationErrorsAbortAndAreRecordedOnRequestWhateverTheOtherFlagSays()
    {
        foreach (bool records in new[] { false, true })
        {
            using var scene = new AtsScene(control: Checked, control2: records ? AtsScene.RecordAtsErrors : 0);
            AssertError(EventType.BadStreamId, stream: 99);
            scene.Machine.SetStream(AtsScene.Stream, default);
            AssertError(EventType.BadStreamTableEntry);
            scene.AttachStage1(entry: full => full.With(Field.STRW, 1).With(Field.EATS, 0));
            AssertError(EventType.BadStreamTableEntry);   // Before F_TRANSL_FORBIDDEN.
            scene.AttachSubstream(entry: full => full.With(Field.S1DSS, 0));
            AssertError(EventType.StreamDisabled);

            void AssertError(EventType type, uint stream = AtsScene.Stream)
            {
                if (records) scene.AssertFaults(type, Output, stream: stream);
                else scene.AssertAbortsUnrecorded(Output, stream);
            }
        }
    }

    [Fact]
    [Rule("ATS-37")]
    public void ErrorsComeInTheirOrder()
    {
        using var scene = new AtsScene(control: Checked, control2: AtsScene.RecordAtsErrors);
        scene.AttachSubstream(entry: full => full.With(Field.S1DSS, 0).With(Field.EATS, 0));
        scene.AssertFaults(EventType.TranslationForbidden, 1UL << 60);

        scene.AttachNested(ats: 2, entry: nested => nested.With(Field.S1CDMax, 1).With(Field.S1DSS, 0));
        scene.AssertFaults(EventType.StreamDisabled, 1UL << 60);

        scene.AttachNested(ats: 2);
        Assert.False(scene.AssertFaults(EventType.AddressSize, 1UL << 60).S2);
        Assert.True(scene.AssertFaults(EventType.Translation, Ipa).S2);
    }

    [Fact]
    [Rule("ATS-35")]
    public void NoContextIsReadForThem()
    {
        using var scene = new AtsScene(control: Checked, control2: AtsScene.RecordAtsErrors);
        scene.SetStream(Entries.Stage1(StreamScene.Nowhere).With(Field.EATS, 1));
        scene.AssertPasses(Output, Output);
    }

    [Fact]
    [Rule("ATS-34")]
    public void AnAddressAboveTheOutputSizeAbortsSilently()
    {
        using var scene = new AtsScene();
        scene.AttachStage1();
        foreach (uint control in new[] { AtsScene.Translation, Checked })
        {
            scene.Control(control);
            scene.AssertPasses((1UL << 48) - 8, (1UL << 48) - 8);
            Assert.Equal(TranslationOutcome.Aborted, scene.Translated(1UL << 48).Outcome);
            Assert.Equal(TranslationOutcome.Aborted, scene.Translated(Output | (1UL << 63)).Outcome);
            scene.AssertNoEvent();
        }
    }

    [Fact]
    [Rule("CACHE-15")]
    public void AChangeOfAtsCountsAfterAConfigurationInvalidationAlone()
    {
        using var scene = new AtsScene(control: Checked);
        var space = scene.AttachStage1();
        space.Map(AtsScene.Iova, Output);
        scene.AssertGranted(AtsGrants.Read | AtsGrants.Write);
        scene.AssertPasses(Output, Output);
        scene.Machine.SetStream(AtsScene.Stream, ReadStream(scene).With(Field.EATS, 0));
        scene.Machine.SubmitAndSync(Command.CfgiSte(Stream));
        scene.AssertStatus(AtsStatus.UnsupportedRequest);
        Assert.Equal(EventType.BadAtsTranslationRequest, scene.TakeOnlyEvent().Type);
        scene.AssertFaults(EventType.TranslationForbidden, Output);
    }

    [Fact]
    public void APortReadsAndWritesTranslatedAddresses()
    {
        using var scene = new AtsScene(control: Checked);
        scene.AttachStage1();
        using var port = scene.Smmu.OpenPort(Stream);
        ulong page = scene.Machine.Allocate(8192);
        byte[] bytes = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];
        Assert.True(port.WriteTranslated(page + 4000, bytes));
        byte[] read = new byte[bytes.Length];
        Assert.True(port.ReadTranslated(page + 4000, read));
        Assert.Equal(bytes, read);
        Assert.False(port.WriteTranslated(StreamScene.Nowhere, bytes));
        Assert.False(port.ReadTranslated(StreamScene.Nowhere, read));
        scene.SetStream(Entries.Bypass);
        Assert.False(port.WriteTranslated(page, bytes));
        Assert.Equal(EventType.TranslationForbidden, scene.TakeOnlyEvent().Type);
    }

    private static StreamTableEntry ReadStream(AtsScene scene)
    {
        Span<ulong> words = stackalloc ulong[8];
        for (int i = 0; i < 8; i++)
        {
            words[i] = scene.Machine.Read64(scene.Machine.StreamEntry(AtsScene.Stream) + ((ulong)i * 8));
        }

        return new StreamTableEntry(words);
    }

    private static StreamTableEntry ReadWithoutRecords(AtsScene scene) => ReadStream(scene).With(Field.S2R, 0);

    private static void Change(AtsScene scene, Func<StreamTableEntry, StreamTableEntry> change) =>
        scene.SetStream(change(ReadStream(scene)));
}
