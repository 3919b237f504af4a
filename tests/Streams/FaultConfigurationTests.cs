using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>CD.A, R and S, and STE.S2R and S2S, decide what a client and what software see of a fault.</summary>
public class FaultConfigurationTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = GuestMachine.RamBase + (3 << 20);

    private static readonly EventType[] Governed =
        [EventType.Translation, EventType.AddressSize, EventType.AccessFlag, EventType.Permission];

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [Rule("ARS-02")]
    [Rule("ARS-03")]
    [Rule("ARS-04")]
    [Rule("ARS-05")]
    [Rule("ARS-06")]
    [Rule("CD-21")]
    [Rule("FLT-02")]
    [Rule("FLT-03")]
    [Rule("FLT-04")]
    public void AAndRDecideOnAbortAndRecordOfEachStage1Fault(bool abort, bool record)
    {
        foreach (var type in Governed)
        {
            using var scene = new StreamScene();
            AttachFaulty(scene, type, abort, record);
            using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
            var expected = abort ? TranslationOutcome.Faulted : TranslationOutcome.FaultedReadZeroWriteIgnored;

            var result = port.Translate(Iova, AccessKind.Write);

            Assert.Equal((expected, type), (result.Outcome, result.Event));
            AssertRecorded(scene, record, type);

            byte[] bytes = [1, 2, 3, 4];
            bool isRead = port.Read(Iova, bytes, AccessKind.Privileged);
            AssertRecorded(scene, record, type);
            bool isWritten = port.Write(Iova, [9, 9, 9, 9]);
            AssertRecorded(scene, record, type);

            Assert.Equal((!abort, !abort), (isRead, isWritten));
            Assert.Equal(abort ? [1, 2, 3, 4] : [0, 0, 0, 0], bytes);
            Assert.Equal(0UL, scene.Machine.Read64(Output));
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [Rule("CD-21")]
    public void AClientThatCannotWaitHasItsStallsAbortedAndRecordedWhateverAAndRSay(bool abort, bool record)
    {
        foreach (var type in Governed)
        {
            using var scene = new StreamScene();
            AttachFaulty(scene, type, abort, record, stall: true);

            Assert.False(scene.AssertFaults(type, 1, Iova, AccessKind.Write).Stall);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("ARS-02")]
    [Rule("STE-60")]
    [Rule("FLT-02")]
    [Rule("FLT-05")]
    public void Stage2FaultsAbortAndS2RAloneDecidesOnTheRecord(bool record)
    {
        foreach (var type in Governed)
        {
            using var scene = new StreamScene();
            var stage2 = scene.NewIntermediateSpace();
            stage2.Map(GuestMachine.RamBase, GuestMachine.RamBase, Stage2ReadWrite, level: 2);
            var (output, attributes) = FaultyLeaf(type, Stage2ReadWrite, Stage2ReadWrite & ~(3UL << 6));
            if (type != EventType.Translation) stage2.Map(Iova, output, attributes);
            var space = scene.NewSpace();
            space.Map(Iova, Iova);
            ulong context = scene.NewContext(space.Descriptor()
                .With(ContextDescriptorField.A, 0).With(ContextDescriptorField.R, record ? 0u : 1));
            var flags = (StreamTableEntry entry) => entry
                .With(StreamTableEntryField.S2R, record ? 1u : 0).With(StreamTableEntryField.S2PS, 0);
            scene.SetStream(1, flags(Stage2(stage2)));
            scene.SetStream(2, flags(Nested(context, stage2)));

            foreach (uint stream in (uint[])[1, 2])
            {
                var result = scene.Access(stream, Iova);
                Assert.Equal((TranslationOutcome.Faulted, type), (result.Outcome, result.Event));
                AssertRecorded(scene, record, type);
            }
        }
    }

    [Fact]
    [Rule("ARS-01")]
    [Rule("ARS-13")]
    [Rule("FLT-01")]
    [Rule("W1-29")]
    public void ErrorsThatNoFlagGovernsAbortAndAreRecordedAndDoNotStall()
    {
        using var scene = new StreamScene();
        var silent = scene.NewSpace().Descriptor()
            .With(ContextDescriptorField.A, 0).With(ContextDescriptorField.R, 0);
        var stalling = silent.With(ContextDescriptorField.S, 1);
        uint stream = 1;
        foreach (var descriptor in (ContextDescriptor[])[silent, stalling])
        {
            ulong context = scene.NewContext(descriptor.With(ContextDescriptorField.TTB0, Nowhere));
            ulong bad = scene.NewContext(descriptor.With(ContextDescriptorField.AA64, 0));
            scene.SetStream(stream, Entries.Stage1(context));
            scene.SetStream(stream + 1, Entries.Stage1(bad));
            AssertUngoverned(scene, EventType.WalkExternalAbort, stream);
            AssertUngoverned(scene, EventType.BadContextDescriptor, stream + 1);
            AssertUngoverned(scene, EventType.BadSubstreamId, stream, substream: 1);
            stream += 2;
        }

        var stage2 = scene.NewIntermediateSpace();
        foreach (ulong stalls in (ulong[])[0, 1])
        {
            var entry = Nested(Nowhere, stage2)
                .With(StreamTableEntryField.S2R, 0).With(StreamTableEntryField.S2S, stalls);
            stage2.Map(Nowhere, Nowhere, Stage2ReadWrite);
            scene.SetStream(1, entry);
            AssertUngoverned(scene, EventType.ContextDescriptorFetch, 1);
            scene.SetStream(1, entry.With(StreamTableEntryField.S2TTB, Nowhere));
            AssertUngoverned(scene, EventType.WalkExternalAbort, 1);
            scene.SetStream(1, entry.With(StreamTableEntryField.S1CDMax, 4));
            AssertUngoverned(scene, EventType.StreamDisabled, 1);
            scene.SetStream(1, entry.With(StreamTableEntryField.S2TG, 3));
            AssertUngoverned(scene, EventType.BadStreamTableEntry, 1);
        }

        AssertUngoverned(scene, EventType.BadStreamId, 1 << 20);
        scene.UseTable(Nowhere, 8);
        AssertUngoverned(scene, EventType.StreamTableEntryFetch, 1);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [Rule("ARS-09")]
    [Rule("FLT-06")]
    public void Stage2FaultsOfFetchesAreUnderS2RAndNotUnderTheContext(bool ofTable, bool record)
    {
        using var scene = new StreamScene();
        var stage2 = scene.NewIntermediateSpace();
        ulong context = scene.Machine.Allocate(4096);
        scene.Machine.SetContext(context, scene.NewSpace().Descriptor()
            .With(ContextDescriptorField.A, 0).With(ContextDescriptorField.R, record ? 0u : 1));
        if (ofTable) stage2.Map(context, context, Stage2ReadWrite);
        scene.SetStream(1, Nested(context, stage2).With(StreamTableEntryField.S2R, record ? 1u : 0));

        var result = scene.Access(1, Iova);

        Assert.Equal((TranslationOutcome.Faulted, EventType.Translation), (result.Outcome, result.Event));
        if (!record)
        {
            scene.AssertNoEvent();
            return;
        }

        var taken = scene.TakeOnlyEvent();
        Assert.Equal(
            (true, ofTable ? FaultClass.TranslationTable : FaultClass.ContextDescriptor), (taken.S2, taken.Class));
    }

    [Fact]
    [Rule("ARS-11")]
    [Rule("FLT-08")]
    public void AnAddressTooLargeToBypassIsRecordedWhateverItsStreamAsksFor()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Entries.Bypass);
        scene.SetStream(2, Stage2(scene.NewIntermediateSpace()).With(StreamTableEntryField.S2R, 0));

        scene.AssertFaults(EventType.AddressSize, 1, 1UL << 48);
        scene.AssertFaults(EventType.AddressSize, 2, 1UL << 48);
    }

    private static void AttachFaulty(StreamScene scene, EventType type, bool abort, bool record, bool stall = false)
    {
        var space = scene.NewSpace();
        var (output, attributes) = FaultyLeaf(type, Stage1Space.ReadWrite, Stage1Space.ReadOnly);
        if (type != EventType.Translation) space.Map(Iova, output, attributes);
        ulong context = scene.NewContext(space.Descriptor()
            .With(ContextDescriptorField.IPS, 0)
            .With(ContextDescriptorField.PAN, 1)   // So that the privileged read of a read-only page is refused too.
            .With(ContextDescriptorField.A, abort ? 1u : 0).With(ContextDescriptorField.R, record ? 1u : 0)
            .With(ContextDescriptorField.S, stall ? 1u : 0));
        scene.SetStream(1, Entries.Stage1(context));
    }

    private static (ulong Output, ulong Attributes) FaultyLeaf(EventType type, ulong permitted, ulong denied) => type switch
    {
        EventType.AddressSize => (1UL << 40, permitted),
        EventType.AccessFlag => (Output, permitted & ~(1UL << 10)),
        EventType.Permission => (Output, denied),
        _ => (Output, permitted),
    };

    private static void AssertRecorded(StreamScene scene, bool record, EventType type)
    {
        if (record) Assert.Equal(type, scene.TakeOnlyEvent().Type);
        else scene.AssertNoEvent();
    }

    private static void AssertUngoverned(StreamScene scene, EventType type, uint stream, uint? substream = null) =>
        Assert.False(scene.AssertFaults(type, stream, Iova, AccessKind.Read, substream).Stall);
}
