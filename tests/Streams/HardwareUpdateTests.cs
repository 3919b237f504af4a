using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;
using Feature = Smmu.Fast.Formats.SmmuFeatureField;

namespace Smmu.Fast.Tests.Streams;

/// <summary>Access flag and dirty state as a driver sees them: through caches, in memory that refuses, and by feature.</summary>
public class HardwareUpdateTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5678_9000;
    private const ulong AccessFlag = 1UL << 10;
    private const ulong DirtyBitModifier = 1UL << 51;
    private const ulong ReadOnly1 = 1UL << 7;
    private const ulong Writable2 = 1UL << 7;
    private const ulong Clean1 = Stage1Space.ReadOnly | DirtyBitModifier;
    private const ulong Clean2 = (Stage2ReadWrite & ~Writable2) | DirtyBitModifier;

    public static TheoryData<bool, bool> StagesAndPorts => new() { { true, true }, { true, false }, { false, true }, { false, false } };

    [Theory]
    [MemberData(nameof(StagesAndPorts))]
    [Rule("AFD-14")]
    public void ADescriptorWhoseAccessFlagStayedClearIsNotKept(bool isStage1, bool throughPort)
    {
        using var scene = new StreamScene();
        var space = Attach(scene, isStage1, update: false);
        ulong leaf = isStage1 ? Stage1Space.ReadWrite : Stage2ReadWrite;
        space.Map(Iova, Output, leaf & ~AccessFlag);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));

        Assert.Equal(EventType.AccessFlag, Access().Event);
        space.Map(Iova, Output, leaf);   // Without any command.

        Assert.Equal(Output, Access().Address.Value);

        TranslationResult Access() => throughPort ? port.Translate(Iova, AccessKind.Read) : scene.Access(1, Iova);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AnExplanationOfAWriteLeavesACleanPageClean(bool isStage1)
    {
        using var scene = new StreamScene();
        var space = Attach(scene, isStage1, update: true);
        space.Map(Iova, Output, isStage1 ? Clean1 : Clean2);
        ulong slot = space.Slot(Iova, 3);
        ulong clean = scene.Machine.Read64(slot);

        var explained = scene.Machine.Smmu.Explain(new StreamId(1), null, Iova, AccessKind.Write);

        Assert.Equal(EventType.Permission, explained.Result.Event);
        Assert.Equal(clean, scene.Machine.Read64(slot));
        scene.AssertReaches(Output, 1, Iova, AccessKind.Write);
        Assert.NotEqual(clean, scene.Machine.Read64(slot));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("AFD-15")]
    public void OnlyWhatAnAccessUsesIsMarkedAccessed(bool isStage1)
    {
        const ulong Pages = 32;
        using var scene = new StreamScene();
        var space = Attach(scene, isStage1, update: true);
        ulong leaf = (isStage1 ? Stage1Space.ReadWrite : Stage2ReadWrite) & ~AccessFlag;
        for (ulong page = 0; page < Pages; page++) space.Map(Iova + (page << 12), Output + (page << 12), leaf);

        scene.AssertReaches(Output + 0x5000, 1, Iova + 0x5000);
        scene.Machine.Smmu.Explain(new StreamId(1), null, Iova + 0x6000, AccessKind.Write);
        scene.Machine.SubmitAndSync(
            Command.PrefetchConfig(new StreamId(1)), Command.CfgiAll(), Command.TlbiNsnhAll());
        scene.AssertReaches(Output + 0x9000, 1, Iova + 0x9000, AccessKind.Write);

        for (ulong page = 0; page < Pages; page++)
        {
            bool isAccessed = (scene.Machine.Read64(space.Slot(Iova + (page << 12), 3)) & AccessFlag) != 0;
            Assert.Equal((page, page is 5 or 9), (page, isAccessed));
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [Rule("HTTU-01")]
    [Rule("AFD-28")]
    public void HttuSaysWhichFlagsTheHardwareUpdates(uint httu)
    {
        using var scene = new StreamScene(Everything.With(Feature.HTTU, httu), cachesEnabled: false);
        var space = scene.NewSpace();
        space.Map(Iova, Output, Clean1 & ~AccessFlag);
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, Clean2 & ~AccessFlag);
        ulong context = scene.Machine.Allocate(64, 64);
        scene.Machine.SetStream(1, Entries.Stage1(context));
        foreach (bool dirty in (bool[])[false, true])
        {
            scene.Machine.SetContext(context, space.Descriptor()
                .With(ContextDescriptorField.HA, 1).With(ContextDescriptorField.HD, dirty ? 1u : 0));
            scene.Machine.SetStream(2, Stage2(stage2)
                .With(StreamTableEntryField.S2HA, 1).With(StreamTableEntryField.S2HD, dirty ? 1u : 0));
            bool isLegal = httu >= (dirty ? 2 : 1);
            foreach (uint stream in (uint[])[1, 2])
            {
                var illegal = stream == 1 ? EventType.BadContextDescriptor : EventType.BadStreamTableEntry;
                Assert.Equal(isLegal ? EventType.None : illegal, scene.Access(stream, Iova).Event);
                var write = scene.Access(stream, Iova, AccessKind.Write).Event;
                Assert.Equal(!isLegal ? illegal : dirty ? EventType.None : EventType.Permission, write);
            }
        }

        ulong flags1 = scene.Machine.Read64(space.Slot(Iova, 3)), flags2 = scene.Machine.Read64(stage2.Slot(Iova, 3));
        Assert.Equal((httu >= 1, httu >= 1), ((flags1 & AccessFlag) != 0, (flags2 & AccessFlag) != 0));
        Assert.Equal((httu >= 2, httu >= 2), ((flags1 & ReadOnly1) == 0, (flags2 & Writable2) != 0));
    }

    [Theory]
    [MemberData(nameof(StagesAndPorts))]
    [Rule("AFD-30")]
    [Rule("HTTU-26")]
    public void AWriteToACachedCleanPageIsJudgedByWhatMemoryHoldsThen(bool isStage1, bool throughPort)
    {
        using var scene = new StreamScene();
        var space = Attach(scene, isStage1, update: true);
        ulong clean = isStage1 ? Clean1 : Clean2;
        for (ulong page = 0; page < 3; page++) space.Map(Iova + (page << 12), Output + (page << 12), clean);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        for (ulong page = 0; page < 3; page++) Assert.True(Access(page, AccessKind.Read).IsSuccess);
        space.Map(Iova + 0x1000, Output + 0x1000, clean & ~DirtyBitModifier);   // All of it without any command.
        space.Unmap(Iova + 0x2000);

        Assert.Equal(EventType.None, Access(0, AccessKind.Write).Event);
        Assert.Equal(EventType.Permission, Access(1, AccessKind.Write).Event);
        Assert.Equal(EventType.Translation, Access(2, AccessKind.Write).Event);

        ulong flag = isStage1 ? ReadOnly1 : Writable2;
        Assert.Equal((clean ^ flag) & flag, scene.Machine.Read64(space.Slot(Iova, 3)) & flag);
        Assert.Equal(clean & flag, scene.Machine.Read64(space.Slot(Iova + 0x1000, 3)) & flag);
        Assert.Equal(0UL, scene.Machine.Read64(space.Slot(Iova + 0x2000, 3)));

        TranslationResult Access(ulong page, AccessKind kind) => throughPort
            ? port.Translate(Iova + (page << 12), kind)
            : scene.Access(1, Iova + (page << 12), kind);
    }

    [Theory]
    [InlineData(true, AccessKind.Read)]
    [InlineData(true, AccessKind.Write)]
    [InlineData(false, AccessKind.Read)]
    [InlineData(false, AccessKind.Write)]
    [Rule("AFD-33")]
    [Rule("HTTU-13")]
    public void AnUpdateThatMemoryAbortsIsAnAbortOfTheWalk(bool isStage1, AccessKind access)
    {
        const ulong Rom = 0x2000_0000;
        using var scene = new StreamScene();
        var space = Attach(scene, isStage1, update: true);
        ulong clean = isStage1 ? Clean1 : Clean2;
        space.Map(Iova, Output, access == AccessKind.Read ? clean & ~AccessFlag : clean);
        var region = scene.Machine.Memory.AddOwned(Rom, 4096);
        ulong slot = Rom + (((Iova >> 12) & 0x1ff) * 8);
        ulong before = scene.Machine.Read64(space.Slot(Iova, 3));
        scene.Machine.Write64(slot, before);
        scene.Machine.Write64(space.Slot(Iova, 2), Rom | Stage1Space.TableOrPage);
        scene.Machine.Memory.MakeReadOnly(region);

        var record = scene.AssertFaults(EventType.WalkExternalAbort, 1, Iova, access);

        Assert.Equal((!isStage1, isStage1 ? FaultClass.TranslationTable : FaultClass.Input), (record.S2, record.Class));
        Assert.Equal((slot, Iova), (record.FetchAddress.Value, record.InputAddress));
        Assert.Equal(before, scene.Machine.Read64(slot));

        scene.Machine.Memory.MakeWritable(region);
        scene.AssertReaches(Output, 1, Iova, access);
        Assert.NotEqual(before, scene.Machine.Read64(slot));
    }

    [Fact]
    [Rule("AFD-34")]
    public void TablesOfEveryCacheabilityAreUpdated()
    {
        const ulong Shift = 0x10_0000_0000;
        ulong[] types = [0b0000, 0b0101, 0b0110, 0b1010, 0b1011, 0b1111];   // Device, NC, NC and WT, WT, WT and WB, WB.
        using var scene = new StreamScene(ramBytes: 16 << 20, cachesEnabled: false);
        foreach (ulong type in types)
        {
            for (ulong cacheability = 0; cacheability < 4; cacheability++)
            {
                var space = new TableTree(scene.Machine, 12, inputBits: 39, startLevel: 1, shift: Shift);
                ulong end = scene.Machine.Allocate(4096);
                space.Map(Iova, Iova, Clean1 & ~AccessFlag);
                ulong tables = scene.Machine.Allocate(4096);
                var stage2 = scene.NewIntermediateSpace();
                for (ulong page = end - 4096; page < tables; page += 4096)
                {
                    stage2.Map(page + Shift, page, (Stage2ReadWrite & ~(0xfUL << 2)) | (type << 2));
                }

                stage2.Map(Iova, Output, Clean2 & ~AccessFlag);
                ulong context = scene.NewContext(scene.NewSpace().Descriptor()
                    .With(ContextDescriptorField.TTB0, space.Root)
                    .With(ContextDescriptorField.IR0, cacheability).With(ContextDescriptorField.OR0, cacheability)
                    .With(ContextDescriptorField.SH0, cacheability)
                    .With(ContextDescriptorField.HA, 1).With(ContextDescriptorField.HD, 1));
                stage2.Map(context + Shift & ~0xfffUL, context & ~0xfffUL, Stage2ReadWrite);
                scene.Machine.SetStream(1, Nested(context + Shift, stage2)
                    .With(StreamTableEntryField.S2IR0, cacheability).With(StreamTableEntryField.S2OR0, cacheability)
                    .With(StreamTableEntryField.S2SH0, cacheability)
                    .With(StreamTableEntryField.S2HA, 1).With(StreamTableEntryField.S2HD, 1));

                scene.AssertReaches(Output, 1, Iova, AccessKind.Write);

                ulong leaf = tables - 4096 + (((Iova >> 12) & 0x1ff) * 8);   // The last table that the space took.
                Assert.Equal(AccessFlag, scene.Machine.Read64(leaf) & (AccessFlag | ReadOnly1));
                Assert.Equal(
                    AccessFlag | Writable2, scene.Machine.Read64(stage2.Slot(Iova, 3)) & (AccessFlag | Writable2));
            }
        }
    }

    private static Stage1Space Attach(StreamScene scene, bool isStage1, bool update)
    {
        ulong flag = update ? 1u : 0;
        var space = isStage1 ? scene.NewSpace() : scene.NewIntermediateSpace();
        scene.SetStream(1, isStage1
            ? Entries.Stage1(scene.NewContext(space.Descriptor()
                .With(ContextDescriptorField.HA, flag).With(ContextDescriptorField.HD, flag)))
            : Stage2(space).With(StreamTableEntryField.S2HA, flag).With(StreamTableEntryField.S2HD, flag));
        return space;
    }
}
