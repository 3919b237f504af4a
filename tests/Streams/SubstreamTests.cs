using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>A SubstreamID, or that there is none, chooses the CD, stops the access, or lets it skip stage 1.</summary>
public class SubstreamTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5670_0000;   // Context n maps Iova n pages further on.
    private const int Log2Contexts = 4;

    [Theory]
    [InlineData(0b100u)]
    [InlineData(0b110u)]
    [Rule("STE-11")]
    [Rule("STR-14")]
    public void AStreamWithoutStage1RefusesSubstreams(uint config)
    {
        using var scene = new StreamScene();
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, Stage2ReadWrite);
        scene.SetStream(1, Stage2(stage2).With(StreamTableEntryField.Config, config).With(StreamTableEntryField.S1CDMax, 4));

        AssertRefused(scene, 0);
        AssertRefused(scene, 3);
        scene.AssertReaches(config == 0b100 ? Iova : Output, 1, Iova);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("STE-12")]
    [Rule("STR-13")]
    public void AStreamWithALoneContextRefusesSubstreams(bool implementsSubstreams)
    {
        using var scene = new StreamScene(implementsSubstreams ? Everything : Everything.With(SmmuFeatureField.SSIDSIZE, 0));
        scene.AttachPage(1, Iova, Output);
        if (!implementsSubstreams) scene.SetStream(1, WithContexts(scene).With(StreamTableEntryField.S1DSS, 2));

        AssertRefused(scene, 0);
        AssertRefused(scene, 3);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("STE-14")]
    [Rule("STR-13")]
    [Rule("STR-26")]
    [Rule("CDT-01")]
    [Rule("ID-32")]
    public void WithoutSubstreamsThePointerLeadsToOneContextAndFormatAndDssAreIgnored(bool implementsSubstreams)
    {
        using var scene = new StreamScene(implementsSubstreams ? Everything : Everything.With(SmmuFeatureField.SSIDSIZE, 0));
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        scene.Machine.Allocate(64, 4096);
        ulong context = scene.NewContext(space.Descriptor());   // 64 bytes into a page: tables would be aligned further.
        for (ulong format = 0; format < 4; format++)
        {
            for (ulong dss = 0; dss < 4; dss++)
            {
                scene.SetStream(1, Entries.Stage1(context)
                    .With(StreamTableEntryField.S1Fmt, format)
                    .With(StreamTableEntryField.S1DSS, dss)
                    .With(StreamTableEntryField.S1CDMax, implementsSubstreams ? 0u : 9));
                scene.AssertReaches(Output, 1, Iova);
            }
        }
    }

    [Fact]
    [Rule("STR-26")]
    public void DssSaysNothingOfStreamsWithoutStage1()
    {
        using var scene = new StreamScene();
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, Stage2ReadWrite);
        for (ulong dss = 0; dss < 4; dss++)
        {
            scene.SetStream(1, Entries.Bypass.With(StreamTableEntryField.S1DSS, dss).With(StreamTableEntryField.S1CDMax, 4));
            scene.AssertReaches(Iova, 1, Iova);
            scene.SetStream(1, Stage2(stage2).With(StreamTableEntryField.S1DSS, dss).With(StreamTableEntryField.S1CDMax, 4));
            scene.AssertReaches(Output, 1, Iova);
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(3u)]
    [Rule("STE-13")]
    [Rule("STR-16")]
    [Rule("EVT-13")]
    public void ASubstreamBeyondTheTableIsRefused(uint format)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, WithContexts(scene, format));

        scene.AssertReaches(Output + (15 << 12), 1, Iova, substream: 15);
        AssertRefused(scene, 16);
        AssertRefused(scene, 0xfffff);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(3u)]
    [Rule("STE-15")]
    [Rule("STR-23")]
    [Rule("EVT-11")]
    public void AnAccessWithoutSubstreamIsDisabledByDss0And3(uint dss)
    {
        using var scene = new StreamScene();
        scene.SetStream(0x77, WithContexts(scene).With(StreamTableEntryField.S1DSS, dss));

        var record = scene.AssertFaults(EventType.StreamDisabled, 0x77, Iova, AccessKind.Write);

        Assert.Equal(new EventRecord(0x0000_0077_0000_0006, 0, 0, 0), record);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(3u)]
    [Rule("STE-19")]
    public void Substream0IsAnOrdinaryOneUnlessDssIs2(uint dss)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, WithContexts(scene).With(StreamTableEntryField.S1DSS, dss));

        scene.AssertReaches(Output, 1, Iova, substream: 0);
        scene.AssertReaches(Output + (1 << 12), 1, Iova, substream: 1);
    }

    [Fact]
    [Rule("STE-16")]
    [Rule("STR-24")]
    public void Dss1LetsAnAccessWithoutSubstreamSkipStage1()
    {
        using var scene = new StreamScene();
        var entry = WithContexts(scene)
            .With(StreamTableEntryField.S1DSS, 1).With(StreamTableEntryField.MTCFG, 1).With(StreamTableEntryField.MemAttr, 0b0101);
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, 0x77_0000, Stage2ReadWrite);
        stage2.Map(GuestMachine.RamBase, GuestMachine.RamBase, Stage2ReadWrite, level: 2);
        scene.SetStream(1, entry);
        scene.SetStream(2, WithStage2(entry, stage2));

        var bypassed = scene.AssertReaches(Iova, 1, Iova);
        var translated = scene.AssertReaches(0x77_0000, 2, Iova);

        Assert.Equal(TranslationOutcome.StreamBypassed, bypassed.Outcome);
        Assert.Equal(new MemoryAttributes(0x44, 2), bypassed.Attributes);   // The override: Non-cacheable.
        Assert.Equal(TranslationOutcome.Translated, translated.Outcome);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("STE-17")]
    public void SkippingStage1ReadsNoContext(bool hasStage2)
    {
        using var scene = new StreamScene();
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, Stage2ReadWrite);
        var entry = Entries.Stage1(Nowhere)
            .With(StreamTableEntryField.S1CDMax, Log2Contexts).With(StreamTableEntryField.S1DSS, 1);
        scene.SetStream(1, hasStage2 ? WithStage2(entry, stage2) : entry);

        scene.AssertReaches(hasStage2 ? Output : Iova, 1, Iova);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [Rule("STE-18")]
    [Rule("STR-25")]
    public void Dss2GivesContext0ToAccessesWithoutSubstreamAlone(uint format)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, WithContexts(scene, format).With(StreamTableEntryField.S1DSS, 2));

        scene.AssertReaches(Output, 1, Iova);
        scene.AssertReaches(Output + (2 << 12), 1, Iova, substream: 2);
        var record = scene.AssertFaults(EventType.StreamDisabled, 1, Iova, substream: 0);
        Assert.Equal(new EventRecord(0x0000_0001_0000_0006, 0, 0, 0), record);
    }

    [Fact]
    [Rule("STR-33")]
    [Rule("STE-16")]
    public void EachAccessOfAStreamIsDecidedByItsOwnSubstream()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, WithContexts(scene).With(StreamTableEntryField.S1DSS, 1));

        for (int round = 0; round < 2; round++)   // Cold and warm.
        {
            scene.AssertReaches(Iova, 1, Iova);
            scene.AssertReaches(Output + (5 << 12), 1, Iova, substream: 5);
            scene.AssertReaches(Output + (6 << 12), 1, Iova, substream: 6);
            AssertRefused(scene, 16);
        }
    }

    [Fact]
    [Rule("STR-34")]
    public void ARequesterIdAndAPasidAreTheStreamAndTheSubstreamOfUnprivilegedData()
    {
        const uint RequesterId = 0x00a8;   // Bus 0, device 21, function 0.
        const ulong PrivilegedOnly = Stage1Space.ReadWrite & ~(1UL << 6);
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Output, PrivilegedOnly);
        space.Map(Iova + 0x1000, Output, Stage1Space.ReadWrite | (3UL << 53));   // Never executable.
        ulong context = scene.NewContext(space.Descriptor());
        scene.SetStream(RequesterId, Entries.Stage1(context));
        scene.SetStream(RequesterId + 1, WithContexts(scene));
        using var withoutPasid = scene.Machine.Smmu.OpenPort(new StreamId(RequesterId));
        using var withPasid = scene.Machine.Smmu.OpenPort(new StreamId(RequesterId + 1), new SubstreamId(7));

        Assert.Equal(EventType.Permission, withoutPasid.Translate(Iova, AccessKind.Read).Event);
        var record = scene.TakeOnlyEvent();
        Assert.Equal(
            (RequesterId, false, false, false), (record.StreamId.Value, record.SSV, record.PnU, record.InD));
        Assert.Equal(Output, withoutPasid.Translate(Iova + 0x1000, AccessKind.Read).Address.Value);
        Assert.Equal(Output + (7 << 12), withPasid.Translate(Iova, AccessKind.Read).Address.Value);
    }

    [Fact]
    [Rule("STR-35")]
    public void APasidWiderThanTheSmmuTakesIsRefused()
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.SSIDSIZE, Log2Contexts));
        scene.SetStream(1, WithContexts(scene));

        scene.AssertReaches(Output + (7 << 12), 1, Iova, substream: 7);
        AssertRefused(scene, (1 << 16) | 7);
    }

    [Fact]
    [Rule("STR-36")]
    [Rule("ORD-01")]
    public void WhileTheSmmuIsOffSubstreamsMeanNothingAndNothingIsRead()
    {
        using var scene = new StreamScene();
        scene.UseTable(Nowhere, 8);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue);

        var result = scene.AssertReaches(Iova, 0xffff_ffff, Iova, AccessKind.Write, substream: 0xfffff);
        Assert.Equal(TranslationOutcome.DeviceBypassed, result.Outcome);
    }

    private static void AssertRefused(StreamScene scene, uint substream)
    {
        // No SSV: the SubstreamID counts by itself.
        var record = scene.AssertFaults(EventType.BadSubstreamId, 1, Iova, AccessKind.Write, substream);
        Assert.Equal(new EventRecord(0x0000_0001_0000_0008 | ((ulong)substream << 12), 0, 0, 0), record);
    }

    // 16 contexts, in each of the shapes of tables.
    private static StreamTableEntry WithContexts(StreamScene scene, uint format = 0)
    {
        ulong table = scene.Machine.Allocate(64 << Log2Contexts, 1 << 16);
        for (uint i = 0; i < 1 << Log2Contexts; i++)
        {
            var space = scene.NewSpace((ushort)(i + 1));
            space.Map(Iova, Output + (i << 12));
            scene.Machine.SetContext(table + (i * 64), space.Descriptor());
        }

        if (format is 1 or 2)
        {
            ulong level1 = scene.Machine.Allocate(64, 64);
            scene.Machine.Write64(level1, table | 1);
            table = level1;
        }

        return Entries.Stage1(table)
            .With(StreamTableEntryField.S1Fmt, format).With(StreamTableEntryField.S1CDMax, Log2Contexts);
    }

    private static StreamTableEntry WithStage2(StreamTableEntry entry, Stage1Space space)
    {
        var nested = Nested(entry.S1ContextPtr, space);
        Span<ulong> words = stackalloc ulong[8], stage2 = stackalloc ulong[8];
        entry.With(StreamTableEntryField.Config, 0b111).CopyTo(words);
        nested.CopyTo(stage2);
        words[2] = stage2[2];
        words[3] = stage2[3];
        return new StreamTableEntry(words);
    }
}
