using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>What the SMMU remembers of STEs, CDs and translations goes with the commands that name it, and faults are not kept.</summary>
public class ConfigurationCacheTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5678_0000;

    public static TheoryData<string> CoveringCommands => ["CFGI_STE", "CFGI_STE_RANGE", "CFGI_ALL"];

    [Theory]
    [MemberData(nameof(CoveringCommands))]
    [Rule("STB-14")]
    [Rule("STE-65")]
    public void AChangedEntryAppliesAfterEachCommandThatCoversIt(string name)
    {
        using var scene = new StreamScene();
        scene.SetStream(5, Entries.Bypass);
        scene.AssertReaches(Iova, 5, Iova);

        scene.Machine.SetStream(5, Entries.Abort);
        scene.Machine.SubmitAndSync(Covering(name, 5));
        scene.AssertAbortsSilently(5, Iova);

        scene.Machine.SetStream(5, default);
        scene.Machine.SubmitAndSync(Covering(name, 5));
        scene.AssertFaults(EventType.BadStreamTableEntry, 5, Iova);

        scene.Machine.SetStream(5, Entries.Bypass);
        scene.Machine.SubmitAndSync(Covering(name, 5));
        scene.AssertReaches(Iova, 5, Iova);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("STB-15")]
    public void ASpanThatAppearsIsSeenWithoutAnyCommand(bool recordInvalidStreams)
    {
        using var scene = new StreamScene(recordInvalidStreams: recordInvalidStreams);
        var machine = scene.Machine;
        ulong level1 = machine.Allocate(4096), level2 = machine.Allocate(4096);
        scene.UseTable(level1, 8 | (6 << 6) | (1 << 16));
        if (recordInvalidStreams) scene.AssertFaults(EventType.BadStreamId, 1);
        else scene.AssertAbortsSilently(1);

        machine.Write64(level2 + 64, [0b1001, 1UL << 44]);
        machine.Write64(level1, level2 | 7);
        scene.AssertReaches(Iova, 1, Iova);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("STB-15")]
    public void ASpanThatMovesIsSeenAfterInvalidationOfItsStreams(bool leaf)
    {
        using var scene = new StreamScene();
        var machine = scene.Machine;
        ulong level1 = machine.Allocate(4096), first = machine.Allocate(4096), second = machine.Allocate(4096);
        machine.Write64(first + 64, 0b1001);
        machine.Write64(level1, first | 7);
        scene.UseTable(level1, 8 | (6 << 6) | (1 << 16));
        scene.AssertReaches(Iova, 1, Iova);

        machine.Write64(level1, second | 7);
        machine.SubmitAndSync(Command.CfgiSte(new StreamId(1), leaf));
        scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova);
    }

    [Fact]
    [Rule("STB-17")]
    [Rule("STB-18")]
    public void StreamsOfAContiguousGroupKeepEntriesOfTheirOwn()
    {
        using var scene = new StreamScene();
        for (uint stream = 4; stream < 8; stream++)
        {
            scene.Machine.SetStream(stream, Entries.Bypass.With(StreamTableEntryField.CONT, 2));
            scene.AssertReaches(Iova, stream, Iova);
        }

        scene.Machine.SetStream(6, Entries.Abort);
        scene.Machine.SubmitAndSync(Command.CfgiSte(new StreamId(6)));
        scene.AssertAbortsSilently(6, Iova);
        scene.AssertReaches(Iova, 5, Iova);
        scene.AssertReaches(Iova, 7, Iova);
    }

    [Fact]
    [Rule("CDT-17")]
    public void AContextThatStreamsShareIsKeptForEachStreamAndSubstream()
    {
        using var scene = new StreamScene();
        var machine = scene.Machine;
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        ulong table = machine.Allocate(64 << 4, 64 << 4);
        for (uint i = 0; i < 2; i++) machine.SetContext(table + (i * 64), space.Descriptor());
        var entry = Entries.Stage1(table).With(StreamTableEntryField.S1CDMax, 4);
        scene.SetStream(1, entry);
        scene.SetStream(2, entry);
        (uint Stream, uint Substream)[] users = [(1, 0), (1, 1), (2, 0), (2, 1)];

        foreach (var (stream, substream) in users) Assert.Equal(0UL, HitsOf(stream, substream));
        foreach (var (stream, substream) in users) Assert.Equal(1UL, HitsOf(stream, substream));

        machine.SetContext(table + 64, default);
        machine.SubmitAndSync(
            Command.CfgiCd(new StreamId(1), new SubstreamId(1)), Command.CfgiCd(new StreamId(2), new SubstreamId(1)));
        foreach (uint stream in (uint[])[1, 2])
        {
            scene.AssertReaches(Output, stream, Iova, substream: 0);
            scene.AssertFaults(EventType.BadContextDescriptor, stream, Iova, substream: 1);
        }

        ulong HitsOf(uint stream, uint substream)
        {
            ulong before = machine.Smmu.GetStatistics().ConfigurationHits;
            scene.AssertReaches(Output, stream, Iova, substream: substream);
            return machine.Smmu.GetStatistics().ConfigurationHits - before;
        }
    }

    [Fact]
    [Rule("CDT-18")]
    [Rule("STB-10")]
    public void FailedFetchesAreTriedAgainByTheNextAccess()
    {
        using var scene = new StreamScene();
        var machine = scene.Machine;
        var space = scene.NewSpace();
        space.Map(Iova, Iova);
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(GuestMachine.RamBase, GuestMachine.RamBase, Stage2ReadWrite, level: 2);
        stage2.Map(Iova, Output, Stage2ReadWrite);
        scene.SetStream(1, Entries.Stage1(Nowhere));
        scene.SetStream(2, Nested(Nowhere, stage2));
        scene.AssertFaults(EventType.ContextDescriptorFetch, 1, Iova);
        scene.AssertFaults(EventType.Translation, 2, Iova);

        machine.Memory.AddOwned(Nowhere, 1 << 16);
        machine.SetContext(Nowhere, space.Descriptor());
        stage2.Map(Nowhere, Nowhere, Stage2ReadWrite);

        scene.AssertReaches(Iova, 1, Iova);
        scene.AssertReaches(Output, 2, Iova);
    }

    [Fact]
    [Rule("STE-66")]
    public void InvalidatingAnEntryInvalidatesItsContextsToo()
    {
        using var scene = new StreamScene();
        var space = scene.AttachPage(1, Iova, Output);
        ulong context = scene.NewContext(space.Descriptor());
        scene.SetStream(1, Entries.Stage1(context));
        scene.AssertReaches(Output, 1, Iova);

        scene.Machine.SetContext(context, space.Descriptor().With(ContextDescriptorField.V, 0));
        scene.Machine.SubmitAndSync(Command.CfgiSte(new StreamId(1)));

        scene.AssertFaults(EventType.BadContextDescriptor, 1, Iova);
    }

    [Theory]
    [InlineData(0b101u)]
    [InlineData(0b110u)]
    [InlineData(0b111u)]
    [Rule("STE-65")]
    [Rule("CACHE-15")]
    public void FieldsThatNoTlbMayHoldApplyWithoutTlbInvalidation(uint config)
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Iova);
        ulong context = scene.NewContext(space.Descriptor());
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(GuestMachine.RamBase, GuestMachine.RamBase, Stage2ReadWrite, level: 2);
        stage2.Map(Iova, Iova, Stage2ReadWrite & ~(3UL << 8));   // Non-shareable: the input decides.
        var entry = Nested(context, stage2).With(StreamTableEntryField.Config, config);
        scene.SetStream(1, entry);
        var plain = scene.AssertReaches(Iova, 1, Iova).Attributes;

        Change(entry.With(StreamTableEntryField.ALLOCCFG, 0b1000));   // No allocation.
        byte expected = config == 0b110 ? (byte)0xcc : (byte)(plain.Type & 0xcc);
        Assert.Equal(expected, scene.AssertReaches(Iova, 1, Iova).Attributes.Type);

        Change(entry.With(StreamTableEntryField.MTCFG, 1).With(StreamTableEntryField.SHCFG, 2));   // Device-nGnRnE.
        var replaced = scene.AssertReaches(Iova, 1, Iova).Attributes;
        Assert.Equal(config == 0b110 ? new MemoryAttributes(0, 2) : plain, replaced);

        Change(entry.With(StreamTableEntryField.PRIVCFG, 3).With(StreamTableEntryField.INSTCFG, 3));
        var fetch = scene.Access(1, Iova);   // A privileged fetch of what EL0 may write.
        Assert.Equal(config == 0b110 ? EventType.None : EventType.Permission, fetch.Event);
        if (config != 0b110) scene.TakeOnlyEvent();

        Change(entry);
        Assert.Equal(plain, scene.AssertReaches(Iova, 1, Iova).Attributes);

        void Change(StreamTableEntry changed)
        {
            scene.Machine.SetStream(1, changed);
            scene.Machine.SubmitAndSync(Command.CfgiSte(new StreamId(1)));
        }
    }

    [Fact]
    [Rule("STR-37")]
    [Rule("CACHE-15")]
    public void StreamsThatShareTranslationsKeepAttributeOverridesOfTheirOwn()
    {
        using var scene = new StreamScene();
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, Stage2ReadWrite);
        scene.SetStream(1, Stage2(stage2));
        scene.SetStream(2, Stage2(stage2).With(StreamTableEntryField.MTCFG, 1));

        for (int round = 0; round < 2; round++)
        {
            Assert.Equal(0xff, scene.AssertReaches(Output, 1, Iova).Attributes.Type);
            Assert.Equal(0x00, scene.AssertReaches(Output, 2, Iova).Attributes.Type);
        }
    }

    [Fact]
    [Rule("ORD-15")]
    [Rule("ORD-16")]
    [Rule("ORD-17")]
    public void AWarmTlbJudgesEachAccessAndKeepsNoFault()
    {
        const ulong Dirtyable = Stage1Space.ReadOnly | (1UL << 51);
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        ulong context = scene.NewContext(
            space.Descriptor().With(ContextDescriptorField.HA, 1).With(ContextDescriptorField.HD, 1));
        scene.SetStream(1, Entries.Stage1(context));

        scene.AssertFaults(EventType.Translation, 1, Iova);
        space.Map(Iova, Output, Stage1Space.ReadOnly | (1UL << 54));
        scene.AssertReaches(Output, 1, Iova);   // Invalid to valid needs no command.
        scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Write);
        scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Atomic);
        scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Read | AccessKind.Instruction);
        var warm = scene.AssertReaches(Output + 0x123, 1, Iova + 0x123);

        scene.Forget();
        var cold = scene.AssertReaches(Output + 0x123, 1, Iova + 0x123);
        Assert.Equal((cold.Attributes, cold.Permissions, cold.LeafSize), (warm.Attributes, warm.Permissions, warm.LeafSize));

        // A write that finds a writable-clean entry makes it dirty first.
        space.Map(Iova + 0x1000, Output, Dirtyable);
        scene.AssertReaches(Output, 1, Iova + 0x1000);
        Assert.NotEqual(0UL, scene.Machine.Read64(space.Slot(Iova + 0x1000, 3)) & (1 << 7));
        scene.AssertReaches(Output, 1, Iova + 0x1000, AccessKind.Write);
        Assert.Equal(0UL, scene.Machine.Read64(space.Slot(Iova + 0x1000, 3)) & (1 << 7));
    }

    [Fact]
    [Rule("ORD-16")]
    public void APortJudgesEachAccessThatItsOwnTableAnswers()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Output, Stage1Space.ReadOnly | (1UL << 54));
        scene.SetStream(1, Entries.Stage1(scene.NewContext(space.Descriptor())));
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));

        for (int round = 0; round < 2; round++)
        {
            Assert.True(port.Translate(Iova, AccessKind.Read).IsSuccess);
            Assert.Equal(EventType.Permission, port.Translate(Iova, AccessKind.Write).Event);
            Assert.Equal(EventType.Permission, port.Translate(Iova, AccessKind.Read | AccessKind.Instruction).Event);
        }
    }

    [Fact]
    [Rule("ORD-18")]
    public void StreamsThatAgreeInTheirTagsShareTranslations()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        ulong context = scene.NewContext(space.Descriptor());
        scene.SetStream(1, Entries.Stage1(context));
        scene.SetStream(2, Entries.Stage1(context));
        scene.AssertReaches(Output, 1, Iova);
        var before = scene.Machine.Smmu.GetStatistics();

        scene.AssertReaches(Output, 2, Iova);

        var after = scene.Machine.Smmu.GetStatistics();
        Assert.Equal((before.TlbHits + 1, before.Walks), (after.TlbHits, after.Walks));
    }

    private static Command Covering(string name, uint stream) => name switch
    {
        "CFGI_STE" => Command.CfgiSte(new StreamId(stream)),
        "CFGI_STE_RANGE" => Command.CfgiSteRange(new StreamId(stream & ~3u), 1),
        _ => Command.CfgiAll(),
    };
}
