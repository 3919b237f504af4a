using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>STE.STRW and CR2.E2H choose the StreamWorld: which table bases count, and what tags translations.</summary>
public class StreamWorldTests
{
    private const ulong Low = 0x12_3456_7000;
    private const ulong High = 0xffff_ff92_3456_7000;
    private const ulong LowOutput = 0x5678_0000;
    private const ulong HighOutput = 0x5679_0000;
    private const ulong PrivilegedOnly = Stage1Space.ReadWrite & ~(1UL << 6);

    private enum World
    {
        El1,
        El2,
        El2E2h,
    }

    [Fact]
    [Rule("STE-20")]
    [Rule("STR-30")]
    [Rule("STE-24")]
    [Rule("STR-32")]
    public void StrwAndE2hChooseTheWorldOfAStage1Stream()
    {
        using var scene = new StreamScene();
        ulong context = NewContext(scene);

        AssertWorld(scene, World.El1, Entries.Stage1(context), e2h: false);
        AssertWorld(scene, World.El1, Entries.Stage1(context), e2h: true);
        AssertWorld(scene, World.El2, Entries.Stage1(context).With(StreamTableEntryField.STRW, 2), e2h: false);
        AssertWorld(scene, World.El2E2h, Entries.Stage1(context).With(StreamTableEntryField.STRW, 2), e2h: true);
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(3u)]
    [Rule("STR-30")]
    [Rule("STV-09")]
    public void ReservedStrwIsIllegalWhereItIsUsed(uint strw)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Entries.Stage1(NewContext(scene)).With(StreamTableEntryField.STRW, strw));

        scene.AssertFaults(EventType.BadStreamTableEntry, 1, Low);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(3u)]
    [Rule("STE-21")]
    [Rule("STR-29")]
    [Rule("STV-11")]
    public void StrwIsIgnoredWithStage2OnWithoutHypAndInBypass(uint strw)
    {
        using (var scene = new StreamScene())
        {
            ulong context = NewContext(scene);
            var stage2 = IdentityStage2(scene);
            foreach (bool e2h in (bool[])[false, true])
            {
                AssertWorld(scene, World.El1, Nested(context, stage2).With(StreamTableEntryField.STRW, strw), e2h);
            }

            scene.SetStream(1, Stage2(stage2).With(StreamTableEntryField.STRW, strw));
            scene.AssertReaches(LowOutput, 1, LowOutput);
            scene.SetStream(1, Entries.Bypass.With(StreamTableEntryField.STRW, strw));
            scene.AssertReaches(Low, 1, Low);
        }

        using (var scene = new StreamScene(Everything.With(SmmuFeatureField.Hyp, 0)))
        {
            AssertWorld(
                scene, World.El1, Entries.Stage1(NewContext(scene)).With(StreamTableEntryField.STRW, strw), e2h: true);
        }
    }

    [Fact]
    [Rule("STE-21")]
    public void StrwIsIgnoredWithoutStage1()
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.S1P, 0));
        scene.SetStream(1, Stage2(IdentityStage2(scene)).With(StreamTableEntryField.STRW, 3));

        scene.AssertReaches(LowOutput, 1, LowOutput);
    }

    [Fact]
    [Rule("STE-24")]
    [Rule("CD-22")]
    [Rule("ORD-18")]
    public void AsidsTagTranslationsWhereTheWorldHasThem()
    {
        foreach (var world in Enum.GetValues<World>())
        {
            using var scene = new StreamScene();
            var space = scene.NewSpace(7);
            space.Map(Low, LowOutput);
            var entry = Entries.Stage1(scene.NewContext(space.Descriptor()));
            scene.UseE2h(world == World.El2E2h);
            scene.SetStream(1, InWorld(entry, world));
            scene.SetStream(2, InWorld(entry.With(StreamTableEntryField.S1ContextPtr, scene.NewContext(space.Descriptor())), world));
            scene.SetStream(3, InWorld(
                entry.With(StreamTableEntryField.S1ContextPtr, scene.NewContext(
                    space.Descriptor().With(ContextDescriptorField.ASID, 8))),
                world));
            scene.AssertReaches(LowOutput, 1, Low);

            Assert.Equal(1, HitsOf(scene, () => scene.AssertReaches(LowOutput, 2, Low)));
            Assert.Equal(world == World.El2 ? 1 : 0, HitsOf(scene, () => scene.AssertReaches(LowOutput, 3, Low)));
        }
    }

    [Fact]
    [Rule("STE-25")]
    [Rule("STE-26")]
    [Rule("ORD-18")]
    public void VmidsTagTranslationsOfEl1WhereStage2IsImplemented()
    {
        foreach (bool stage2 in (bool[])[true, false])
        {
            foreach (var world in Enum.GetValues<World>())
            {
                using var scene = new StreamScene(Everything.With(SmmuFeatureField.S2P, stage2 ? 1u : 0));
                var space = scene.NewSpace();
                space.Map(Low, LowOutput);
                var entry = InWorld(Entries.Stage1(scene.NewContext(space.Descriptor())), world);
                scene.UseE2h(world == World.El2E2h);
                scene.SetStream(1, entry.With(StreamTableEntryField.S2VMID, 5));
                scene.SetStream(2, entry.With(StreamTableEntryField.S2VMID, 6));
                scene.AssertReaches(LowOutput, 1, Low);

                bool isTagged = stage2 && world == World.El1;
                Assert.Equal(isTagged ? 0 : 1, HitsOf(scene, () => scene.AssertReaches(LowOutput, 2, Low)));
            }
        }
    }

    [Fact]
    [Rule("ORD-18")]
    public void WorldsDoNotShareTranslations()
    {
        using var scene = new StreamScene(Everything.With(SmmuFeatureField.S2P, 0));
        var space = scene.NewSpace(0);
        space.Map(Low, LowOutput);
        var entry = Entries.Stage1(scene.NewContext(space.Descriptor()));
        scene.SetStream(1, entry);
        scene.SetStream(2, InWorld(entry, World.El2));
        scene.AssertReaches(LowOutput, 1, Low);

        Assert.Equal(0, HitsOf(scene, () => scene.AssertReaches(LowOutput, 2, Low)));
    }

    [Fact]
    [Rule("CD-15")]
    [Rule("CDV-24")]
    [Rule("CD-16")]
    [Rule("CD-07")]
    public void El2IgnoresTheUpperRangeAndWhatOnlyTwoPrivilegesNeed()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Low, LowOutput);   // Open to EL0, if there were one: PAN would refuse it.
        var descriptor = space.Descriptor()
            .With(ContextDescriptorField.T1SZ, 0).With(ContextDescriptorField.TG1, 0).With(ContextDescriptorField.EPD1, 0)
            .With(ContextDescriptorField.TTB1, ((1UL << 56) - 1) & ~0xfUL).With(ContextDescriptorField.TBI1, 1)
            .With(ContextDescriptorField.HAD1, 1).With(ContextDescriptorField.SH1, 3)
            .With(ContextDescriptorField.IR1, 3).With(ContextDescriptorField.OR1, 3)
            .With(ContextDescriptorField.PAN, 1).With(ContextDescriptorField.EPD0, 1);
        ulong context = scene.NewContext(descriptor);
        scene.SetStream(1, InWorld(Entries.Stage1(context), World.El2));
        scene.SetStream(2, Entries.Stage1(context));

        scene.AssertReaches(LowOutput, 1, Low, AccessKind.Read | AccessKind.Privileged);
        scene.AssertFaults(EventType.Translation, 1, 0xff80_0000_0000_0000 | Low);
        scene.AssertFaults(EventType.BadContextDescriptor, 2, Low);
    }

    [Theory]
    [InlineData(AccessKind.Write)]
    [InlineData(AccessKind.Write | AccessKind.Privileged)]
    [Rule("PERM-05")]
    public void InEl2TheRecordKeepsThePrivilegeThatTheAccessCameWith(AccessKind access)
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Low, LowOutput, PrivilegedOnly | (1UL << 7));   // AP[2]: read-only.
        scene.SetStream(1, InWorld(Entries.Stage1(scene.NewContext(space.Descriptor())), World.El2));
        scene.AssertReaches(LowOutput, 1, Low);

        var record = scene.AssertFaults(EventType.Permission, 1, Low, access);

        Assert.Equal((access & AccessKind.Privileged) != 0, record.PnU);
    }

    // In EL1 and EL2-E2H both halves translate and EL0 is kept out; in EL2 only the lower half, and there is no EL0.
    private static void AssertWorld(StreamScene scene, World world, StreamTableEntry entry, bool e2h)
    {
        scene.UseE2h(e2h);
        scene.SetStream(1, entry);
        scene.AssertReaches(LowOutput, 1, Low, AccessKind.Read | AccessKind.Privileged);
        if (world == World.El2)
        {
            scene.AssertReaches(LowOutput, 1, Low);
            scene.AssertFaults(EventType.Translation, 1, High, AccessKind.Read | AccessKind.Privileged);
        }
        else
        {
            scene.AssertFaults(EventType.Permission, 1, Low);
            scene.AssertReaches(HighOutput, 1, High, AccessKind.Read | AccessKind.Privileged);
        }

        // EL1 has a VMID, EL2-E2H has none.
        if (world != World.El2 && scene.Features.S2P)
        {
            scene.SetStream(2, entry.With(StreamTableEntryField.S2VMID, 99));
            scene.AssertReaches(LowOutput, 1, Low, AccessKind.Read | AccessKind.Privileged);
            int hits = HitsOf(scene, () => scene.AssertReaches(LowOutput, 2, Low, AccessKind.Read | AccessKind.Privileged));
            Assert.Equal(world == World.El1 ? 0 : 1, hits);
        }
    }

    private static ulong NewContext(StreamScene scene)
    {
        var lower = scene.NewSpace();
        var upper = scene.NewSpace();
        lower.Map(Low, LowOutput, PrivilegedOnly);
        upper.Map(High & ((1UL << 39) - 1), HighOutput, PrivilegedOnly);
        return scene.NewContext(lower.Descriptor()
            .With(ContextDescriptorField.EPD1, 0)
            .With(ContextDescriptorField.T1SZ, (ulong)upper.SizeOffset)
            .With(ContextDescriptorField.TG1, 2)
            .With(ContextDescriptorField.TTB1, upper.Root));
    }

    private static Stage1Space IdentityStage2(StreamScene scene)
    {
        var space = scene.NewIntermediateSpace();
        space.Map(GuestMachine.RamBase, GuestMachine.RamBase, Stage2ReadWrite, level: 2);
        space.Map(LowOutput, LowOutput, Stage2ReadWrite);
        space.Map(HighOutput, HighOutput, Stage2ReadWrite);
        return space;
    }

    private static StreamTableEntry InWorld(StreamTableEntry entry, World world) =>
        entry.With(StreamTableEntryField.STRW, world == World.El1 ? 0u : 2);

    private static int HitsOf(StreamScene scene, Action access)
    {
        ulong before = scene.Machine.Smmu.GetStatistics().TlbHits;
        access();
        return (int)(scene.Machine.Smmu.GetStatistics().TlbHits - before);
    }
}
