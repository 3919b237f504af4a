using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>An STE says what becomes of the accesses of its stream.</summary>
public class StreamTableEntryTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Ipa = 0x23_4567_8000;
    private const ulong Output = 0x5678_9000;
    private const ulong Writable = Stage1Space.ReadWrite;

    private static readonly StreamTableEntry Everywhere1 = new([
        ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue,
        ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue]);

    [Fact]
    [Rule("STE-01")]
    [Rule("STR-11")]
    [Rule("STV-01")]
    public void AnInvalidEntryAbortsWhateverItHolds()
    {
        using var scene = new StreamScene();
        for (ulong config = 0; config < 8; config++)
        {
            scene.SetStream(1, Everywhere1.With(StreamTableEntryField.V, 0).With(StreamTableEntryField.Config, config));
            scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova);
        }

        scene.SetStream(1, Entries.Bypass.With(StreamTableEntryField.V, 0));
        scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova);
    }

    [Fact]
    [Rule("STE-02")]
    [Rule("EVT-09")]
    [Rule("EVT-02")]
    public void AnIllegalEntryLeavesTheRecordOfAnInvalidOne()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Entries.Stage1(0).With(StreamTableEntryField.STRW, 1));
        scene.SetStream(2, default);

        var illegal = scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova, AccessKind.Write, substream: 0xabcde);
        var invalid = scene.AssertFaults(EventType.BadStreamTableEntry, 2, Iova, AccessKind.Write, substream: 0xabcde);
        var withoutSubstream = scene.AssertFaults(EventType.BadStreamTableEntry, 1, Iova);

        Assert.Equal(new EventRecord(0x0000_0001_abcd_e804, 0, 0, 0), illegal);
        Assert.Equal(new EventRecord(0x0000_0002_abcd_e804, 0, 0, 0), invalid);
        Assert.Equal(new EventRecord(0x0000_0001_0000_0004, 0, 0, 0), withoutSubstream);
    }

    [Theory]
    [InlineData(0b000u)]
    [InlineData(0b001u)]
    [InlineData(0b010u)]
    [InlineData(0b011u)]
    [Rule("STE-05")]
    [Rule("STV-02")]
    [Rule("ORD-03")]
    [Rule("EVT-34")]
    [Rule("STR-12")]
    public void ConfigWithoutItsTopBitAbortsSilentlyWhateverElseTheEntryHolds(uint config)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Everywhere1.With(StreamTableEntryField.Config, config));

        scene.AssertAbortsSilently(1, Iova);
        scene.AssertAbortsSilently(1, ulong.MaxValue, AccessKind.Write, substream: 0xfffff);
    }

    [Fact]
    [Rule("STE-07")]
    [Rule("STR-12")]
    public void ABypassedStreamPassesWithTheOverridesOfItsEntry()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Entries.Bypass);
        scene.SetStream(2, Entries.Bypass
            .With(StreamTableEntryField.MTCFG, 1)
            .With(StreamTableEntryField.MemAttr, 0b1010)   // Inner and outer Write-Through.
            .With(StreamTableEntryField.SHCFG, 3)
            .With(StreamTableEntryField.ALLOCCFG, 0b1100));

        var plain = scene.AssertReaches(Iova, 1, Iova, AccessKind.Atomic);
        var overridden = scene.AssertReaches(Iova, 2, Iova, AccessKind.Atomic);

        Assert.Equal(TranslationOutcome.StreamBypassed, plain.Outcome);
        Assert.Equal(AccessPermissions.All, plain.Permissions);
        Assert.Equal(new MemoryAttributes(0xff, 0), plain.Attributes);
        Assert.Equal(new MemoryAttributes(0xaa, 3), overridden.Attributes);   // Write-Through, read-allocate.
    }

    [Fact]
    [Rule("STE-08")]
    [Rule("STR-12")]
    [Rule("CD-41")]
    [Rule("STE-09")]
    public void ConfigChoosesTheStages()
    {
        using var scene = new StreamScene();
        var (context, stage2) = BuildBothStages(scene);
        var nested = Nested(context, stage2);
        scene.SetStream(1, Entries.Stage1(context));
        scene.SetStream(2, Stage2(stage2));
        scene.SetStream(3, nested);
        scene.SetStream(4, nested.With(StreamTableEntryField.Config, 0b101));
        scene.SetStream(5, nested.With(StreamTableEntryField.Config, 0b110));
        scene.SetStream(6, nested.With(StreamTableEntryField.Config, 0b100));

        scene.AssertReaches(Ipa + 0x12, 1, Iova + 0x12);      // Stage 1, its tables in physical memory.
        scene.AssertReaches(Output + 0x12, 2, Ipa + 0x12);    // Stage 2.
        scene.AssertReaches(Output + 0x12, 3, Iova + 0x12);   // Both.
        scene.AssertReaches(Ipa + 0x12, 4, Iova + 0x12);
        scene.AssertReaches(Output + 0x12, 5, Ipa + 0x12);
        scene.AssertReaches(Iova + 0x12, 6, Iova + 0x12);
    }

    [Fact]
    [Rule("CD-41")]
    [Rule("STR-27")]
    [Rule("CDT-10")]
    [Rule("WN-02")]
    public void WithStage2OnEverythingThatStage1PointsToIsIntermediate()
    {
        // The stage 1 structures lie at IPAs that differ from where they are in physical memory.
        const ulong Shift = 0x10_0000_0000;
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        ulong leafTable = Table(scene), middleTable = Table(scene);
        scene.Machine.Write64(space.Root + (((Iova >> 30) & 0x1ff) * 8), (middleTable + Shift) | 3);
        scene.Machine.Write64(middleTable + (((Iova >> 21) & 0x1ff) * 8), (leafTable + Shift) | 3);
        scene.Machine.Write64(leafTable + (((Iova >> 12) & 0x1ff) * 8), Ipa | Writable | 3);
        ulong context = scene.NewContext(space.Descriptor().With(ContextDescriptorField.TTB0, space.Root + Shift));
        var stage2 = scene.NewIntermediateSpace();
        foreach (ulong page in (ulong[])[space.Root, middleTable, leafTable, context & ~0xfffUL])
        {
            stage2.Map(page + Shift, page, Stage2ReadWrite);
        }

        stage2.Map(Ipa, Output, Stage2ReadWrite);
        scene.SetStream(1, Nested(context + Shift, stage2));

        scene.AssertReaches(Output, 1, Iova);
    }

    [Fact]
    [Rule("STE-09")]
    [Rule("STV-03")]
    public void FieldsOfADisabledStageAreIgnored()
    {
        using var scene = new StreamScene();
        var (context, stage2) = BuildBothStages(scene);
        StreamTableEntryField[] stage1Fields =
        [
            StreamTableEntryField.S1Fmt, StreamTableEntryField.S1ContextPtr, StreamTableEntryField.S1CDMax,
            StreamTableEntryField.S1DSS, StreamTableEntryField.S1CIR, StreamTableEntryField.S1COR,
            StreamTableEntryField.S1CSH, StreamTableEntryField.S1STALLD, StreamTableEntryField.S1MPAM,
            StreamTableEntryField.S1PIE, StreamTableEntryField.STRW,
        ];
        StreamTableEntryField[] stage2Fields =
        [
            StreamTableEntryField.S2T0SZ, StreamTableEntryField.S2SL0, StreamTableEntryField.S2TG, StreamTableEntryField.S2PS,
            StreamTableEntryField.S2ENDI, StreamTableEntryField.S2AFFD, StreamTableEntryField.S2PTW, StreamTableEntryField.S2HD,
            StreamTableEntryField.S2HA, StreamTableEntryField.S2S, StreamTableEntryField.S2R, StreamTableEntryField.S2TTB,
            StreamTableEntryField.S2DS, StreamTableEntryField.S2FWB, StreamTableEntryField.S2SL0_2,
        ];

        scene.SetStream(1, Filled(Entries.Bypass, stage1Fields, stage2Fields));
        scene.SetStream(2, Filled(Entries.Stage1(context), stage2Fields));
        scene.SetStream(3, Filled(Stage2(stage2), stage1Fields));

        scene.AssertReaches(Iova, 1, Iova);
        scene.AssertReaches(Ipa, 2, Iova);
        scene.AssertReaches(Output, 3, Ipa);
    }

    [Fact]
    [Rule("STE-10")]
    public void BitsThatSoftwareOwnsOrNobodyHasChangeNothing()
    {
        using var scene = new StreamScene();
        scene.AttachPage(1, Iova, Output);
        var entry = scene.AssertReaches(Output, 1, Iova);
        Span<ulong> words = stackalloc ulong[8];
        ReadEntry(scene, 1).CopyTo(words);
        words[0] |= 7UL << 56;
        words[1] |= (0xfUL << 20) | (7UL << 41) | (0xfffUL << 52);
        words[2] |= 0xffffUL << 16;
        scene.SetStream(1, new StreamTableEntry(words));

        var again = scene.AssertReaches(Output, 1, Iova);

        Assert.Equal(entry.Attributes, again.Attributes);
        Assert.Equal(entry.Permissions, again.Permissions);
    }

    [Fact]
    [Rule("STE-34")]
    [Rule("STE-32")]
    [Rule("EVT-03")]
    [Rule("PERM-02")]
    public void PermissionsAreJudgedAfterTheOverridesOfPrivilegeAndInstruction()
    {
        const ulong PrivilegedOnly = Writable & ~(1UL << 6);
        const ulong NeverExecute = 3UL << 53;
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Output, PrivilegedOnly | NeverExecute);
        scene.Machine.AttachStage1(1, space);
        var entry = ReadEntry(scene, 1);

        scene.AssertFaults(EventType.Permission, 1, Iova);
        scene.AssertReaches(Output, 1, Iova, AccessKind.Read | AccessKind.Privileged);

        scene.SetStream(1, entry.With(StreamTableEntryField.PRIVCFG, 3));
        scene.AssertReaches(Output, 1, Iova);
        Assert.Equal((true, true, true), Marks(scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Read | AccessKind.Instruction)));

        scene.SetStream(1, entry.With(StreamTableEntryField.PRIVCFG, 2));
        var record = scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Read | AccessKind.Privileged);
        Assert.Equal((false, false, true), Marks(record));

        scene.SetStream(1, entry.With(StreamTableEntryField.PRIVCFG, 3).With(StreamTableEntryField.INSTCFG, 2));
        scene.AssertReaches(Output, 1, Iova, AccessKind.Read | AccessKind.Instruction);

        scene.SetStream(1, entry.With(StreamTableEntryField.PRIVCFG, 3).With(StreamTableEntryField.INSTCFG, 3));
        Assert.Equal((true, true, true), Marks(scene.AssertFaults(EventType.Permission, 1, Iova)));
        scene.AssertReaches(Output, 1, Iova, AccessKind.Write);   // Writes are data.
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("SPEC-06")]
    [Rule("ATT-07")]
    public void WhereReadsCountAsInstructionsAnAtomicStillNeedsToReadData(bool byPort)
    {
        const ulong WriteAndExecute = Stage2ReadWrite & ~(1UL << 6);
        using var scene = new StreamScene();
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Iova, Output, WriteAndExecute);
        scene.SetStream(1, Stage2(stage2).With(StreamTableEntryField.INSTCFG, 3));
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        var access = (AccessKind kind) => byPort ? port.Translate(Iova, kind) : scene.Access(1, Iova, kind);

        Assert.True(access(AccessKind.Read).IsSuccess);   // What one of them leaves in caches is not for the next.
        Assert.True(access(AccessKind.Write).IsSuccess);
        Assert.Equal(EventType.Permission, access(AccessKind.Atomic).Event);
        Assert.True(access(AccessKind.Write).IsSuccess);
    }

    [Fact]
    [Rule("STE-35")]
    [Rule("ID-37")]
    public void WithoutOverridesInTheIdRegistersAllIsIncoming()
    {
        using var scene = new StreamScene(
            Everything.With(SmmuFeatureField.ATTR_TYPES_OVR, 0).With(SmmuFeatureField.ATTR_PERMS_OVR, 0));
        scene.SetStream(1, Entries.Bypass
            .With(StreamTableEntryField.MTCFG, 1)
            .With(StreamTableEntryField.MemAttr, 0)
            .With(StreamTableEntryField.SHCFG, 3)
            .With(StreamTableEntryField.ALLOCCFG, 0b1001));
        scene.AttachPage(2, Iova, Output);
        scene.SetStream(2, ReadEntry(scene, 2)
            .With(StreamTableEntryField.PRIVCFG, 3).With(StreamTableEntryField.INSTCFG, 3));

        Assert.Equal(new MemoryAttributes(0xff, 0), scene.AssertReaches(Iova, 1, Iova).Attributes);
        Assert.Equal((false, false, true), Marks(scene.AssertFaults(EventType.Translation, 2, Iova + 0x1000)));
    }

    private static (ulong Context, Stage1Space Stage2) BuildBothStages(StreamScene scene)
    {
        var space = scene.NewSpace();
        space.Map(Iova, Ipa);
        ulong context = scene.NewContext(space.Descriptor());
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(Ipa, Output, Stage2ReadWrite);
        stage2.Map(GuestMachine.RamBase, GuestMachine.RamBase, Stage2ReadWrite, level: 2);   // The structures of stage 1.
        return (context, stage2);
    }

    private static ulong Table(StreamScene scene) => scene.Machine.Allocate(4096);

    private static (bool Privileged, bool Instruction, bool Read) Marks(EventRecord record) =>
        (record.PnU, record.InD, record.RnW);

    private static StreamTableEntry ReadEntry(StreamScene scene, uint stream)
    {
        Span<ulong> words = stackalloc ulong[8];
        for (int i = 0; i < 8; i++) words[i] = scene.Machine.Read64(scene.Machine.StreamEntry(stream) + ((ulong)i * 8));
        return new StreamTableEntry(words);
    }

    private static StreamTableEntry Filled(StreamTableEntry entry, params ReadOnlySpan<StreamTableEntryField[]> groups)
    {
        foreach (var fields in groups)
        {
            foreach (var field in fields) entry = entry.With(field, Everywhere1.Get(field));
        }

        return entry;
    }
}
