using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Streams.StreamScene;

namespace Smmu.Fast.Tests.Streams;

/// <summary>A SubstreamID leads to its CD through a table of one or two levels, physical or behind stage 2.</summary>
public class ContextTableTests
{
    private const ulong Iova = 0x12_3456_7000;
    private const ulong Output = 0x5670_0000;

    [Theory]
    [InlineData(0u)]
    [InlineData(3u)]
    [Rule("CDT-02")]
    [Rule("STR-17")]
    public void ALinearTableHasTheContextAt64BytesASubstream(uint format)
    {
        using var scene = new StreamScene();
        ulong table = scene.Machine.Allocate(64 << 8, 64 << 8);
        PutContext(scene, table + (0x5a * 64));
        scene.SetStream(1, TableOf(table, format, log2Contexts: 8));

        scene.AssertReaches(Output, 1, Iova, substream: 0x5a);
        scene.AssertFaults(EventType.BadContextDescriptor, 1, Iova, substream: 0x59);
        scene.AssertFaults(EventType.BadContextDescriptor, 1, Iova, substream: 0x5b);
    }

    [Fact]
    [Rule("CDT-03")]
    [Rule("STR-17")]
    public void ALinearTableIsAlignedToItsSize()
    {
        using var scene = new StreamScene();
        ulong table = scene.Machine.Allocate(64 << 8, 64 << 8);
        PutContext(scene, table + (3 * 64));
        scene.SetStream(1, TableOf(table | 0x3fc0, 0, log2Contexts: 8));

        scene.AssertReaches(Output, 1, Iova, substream: 3);
    }

    [Theory]
    [InlineData(1u, 6)]
    [InlineData(2u, 10)]
    [Rule("CDT-04")]
    [Rule("CDT-05")]
    [Rule("STR-18")]
    [Rule("STR-19")]
    public void ATwoLevelTableIsIndexedByTheBitsAboveAndBelowItsLeaf(uint format, int leafBits)
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        ulong leaf = AddLeaf(scene, level1, index: 9, leafBits);
        uint substream = (9u << leafBits) + 37;
        PutContext(scene, leaf + (37 * 64));
        scene.SetStream(1, TableOf(level1, format, log2Contexts: leafBits + 4));

        scene.AssertReaches(Output, 1, Iova, substream: substream);
        scene.AssertFaults(EventType.BadContextDescriptor, 1, Iova, substream: substream + 1);
        scene.AssertFaults(EventType.BadSubstreamId, 1, Iova, substream: (8u << leafBits) + 37);
    }

    [Theory]
    [InlineData(1u, 6)]
    [InlineData(1u, 3)]
    [InlineData(2u, 10)]
    [InlineData(2u, 7)]
    [Rule("CDT-06")]
    [Rule("STR-18")]
    [Rule("STR-19")]
    public void ATableThatFitsIntoALeafUsesDescriptor0(uint format, int log2Contexts)
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        ulong leaf = AddLeaf(scene, level1, index: 0, format == 1 ? 6 : 10);
        uint last = (1u << log2Contexts) - 1;
        PutContext(scene, leaf + (last * 64));
        scene.SetStream(1, TableOf(level1, format, log2Contexts));

        scene.AssertReaches(Output, 1, Iova, substream: last);
        scene.AssertFaults(EventType.BadSubstreamId, 1, Iova, substream: last + 1);
    }

    [Theory]
    [InlineData(1u, 12)]
    [InlineData(2u, 16)]
    [Rule("CDT-07")]
    [Rule("STR-22")]
    public void TheFirstLevelIsAlignedToItsSize(uint format, int log2Contexts)
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);   // 64 descriptors: 512 bytes.
        PutContext(scene, AddLeaf(scene, level1, index: 0, format == 1 ? 6 : 10));
        scene.SetStream(1, TableOf(level1 | 0x1c0, format, log2Contexts));

        scene.AssertReaches(Output, 1, Iova, substream: 0);
    }

    [Fact]
    [Rule("CDT-08")]
    [Rule("STR-21")]
    public void ReservedBitsOfALevel1DescriptorAreIgnored()
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        ulong leaf = AddLeaf(scene, level1, index: 0, leafBits: 10);
        PutContext(scene, leaf);
        const ulong Reserved = (0xffUL << 56) | 0xffe;
        const ulong ReservedWithLargeLeaves = 0xf000;
        scene.Machine.Write64(level1, leaf | 1 | Reserved | ReservedWithLargeLeaves);
        scene.SetStream(1, TableOf(level1, 2, log2Contexts: 12));
        scene.AssertReaches(Output, 1, Iova, substream: 0);

        // With small leaves [15:12] are address.
        scene.Machine.Write64(level1, leaf | 1 | Reserved | 0x3000);
        PutContext(scene, leaf + 0x3000, Output + 0x1000);
        scene.SetStream(1, TableOf(level1, 1, log2Contexts: 12));
        scene.AssertReaches(Output + 0x1000, 1, Iova, substream: 0);
    }

    [Fact]
    [Rule("CDT-09")]
    [Rule("STR-21")]
    [Rule("EVT-13")]
    [Rule("ORD-05")]
    public void AnInvalidLevel1DescriptorIsABadSubstreamIdForAccessesWithoutSubstreamToo()
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        PutContext(scene, AddLeaf(scene, level1, index: 0, leafBits: 6));
        scene.Machine.Write64(level1, scene.Machine.Read64(level1) & ~1UL);
        scene.SetStream(1, TableOf(level1, 1, log2Contexts: 8).With(StreamTableEntryField.S1DSS, 2));

        var with = scene.AssertFaults(EventType.BadSubstreamId, 1, Iova, substream: 0xab);
        var without = scene.AssertFaults(EventType.BadSubstreamId, 1, Iova);

        Assert.Equal(new EventRecord(0x0000_0001_000a_b008, 0, 0, 0), with);
        Assert.Equal(new EventRecord(0x0000_0001_0000_0008, 0, 0, 0), without);
    }

    [Fact]
    [Rule("ORD-05")]
    public void Stage2OfALevel1DescriptorComesBeforeTheDescriptorIsJudged()
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);   // V = 0 in every descriptor.
        var stage2 = scene.NewIntermediateSpace();
        scene.SetStream(1, Nested(level1, stage2)
            .With(StreamTableEntryField.S1Fmt, 1).With(StreamTableEntryField.S1CDMax, 8));

        scene.AssertFaults(EventType.Translation, 1, Iova, substream: 1);

        stage2.Map(level1, level1, Stage2ReadWrite);
        scene.AssertFaults(EventType.BadSubstreamId, 1, Iova, substream: 1);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [Rule("CDT-11")]
    [Rule("STR-28")]
    [Rule("EVT-14")]
    public void AnAbortedReadIsRecordedWithItsAddress(uint format)
    {
        using var scene = new StreamScene();
        scene.SetStream(1, TableOf(Nowhere, format, log2Contexts: 8));

        var record = scene.AssertFaults(EventType.ContextDescriptorFetch, 1, Iova, AccessKind.Write, substream: 0x85);

        ulong address = Nowhere + (format == 0 ? 0x85u * 64 : 2 * 8);
        Assert.Equal(new EventRecord(0x0000_0001_0008_5809, 0, 0, address), record);
    }

    [Fact]
    [Rule("CDT-11")]
    [Rule("STR-28")]
    [Rule("EVT-14")]
    public void AnAbortedReadFromALeafIsRecordedWithItsAddressAndWithoutSubstreamIfThereIsNone()
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        scene.Machine.Write64(level1, Nowhere | 1);
        scene.SetStream(1, TableOf(level1, 1, log2Contexts: 8).With(StreamTableEntryField.S1DSS, 2));

        var record = scene.AssertFaults(EventType.ContextDescriptorFetch, 1, Iova);

        Assert.Equal(new EventRecord(0x0000_0001_0000_0009, 0, 0, Nowhere), record);
    }

    // 0: a linear table, 1: the first level of two, 2: the second level.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [Rule("EVT-14")]
    public void AnAbortedReadBehindStage2IsRecordedWithItsPhysicalAddress(int place)
    {
        const ulong TableIpa = 0x30_0000_0000, LeafIpa = 0x31_0000_0000;
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096, 4096);
        scene.Machine.Write64(level1 + (2 * 8), LeafIpa | 1);
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(TableIpa, place == 2 ? level1 : Nowhere, Stage2ReadWrite);
        stage2.Map(LeafIpa, Nowhere, Stage2ReadWrite);
        scene.SetStream(1, Nested(TableIpa, stage2)
            .With(StreamTableEntryField.S1Fmt, place == 0 ? 0u : 1).With(StreamTableEntryField.S1CDMax, 8));

        var record = scene.AssertFaults(EventType.ContextDescriptorFetch, 1, Iova, substream: place == 0 ? 0x05u : 0x85);

        ulong offset = place == 1 ? 2u * 8 : 5u * 64;
        Assert.Equal(Nowhere + offset, record.FetchAddress.Value);
    }

    [Fact]
    [Rule("STR-28")]
    [Rule("EVT-15")]
    [Rule("CDV-01")]
    public void AnInvalidContextIsABadOne()
    {
        using var scene = new StreamScene();
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        ulong context = scene.NewContext(space.Descriptor().With(ContextDescriptorField.V, 0));
        scene.SetStream(1, Entries.Stage1(context));
        scene.SetStream(2, TableOf(context, 0, 4));

        var without = scene.AssertFaults(EventType.BadContextDescriptor, 1, Iova, AccessKind.Write);
        var with = scene.AssertFaults(EventType.BadContextDescriptor, 2, Iova, AccessKind.Write, substream: 0);

        Assert.Equal(new EventRecord(0x0000_0001_0000_000a, 0, 0, 0), without);
        Assert.Equal(new EventRecord(0x0000_0002_0000_080a, 0, 0, 0), with);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Rule("CDT-12")]
    [Rule("STR-27")]
    [Rule("EVT-05")]
    [Rule("ARS-09")]
    public void AStage2FaultOfAReadHasClassCdAndTheAddressOfTheContext(bool atLevel1)
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        ulong leaf = AddLeaf(scene, level1, index: 0, leafBits: 6);
        PutContext(scene, leaf + (5 * 64));
        var stage2 = scene.NewIntermediateSpace();
        if (!atLevel1) stage2.Map(level1, level1, Stage2ReadWrite);
        var entry = Nested(level1, stage2)
            .With(StreamTableEntryField.S1Fmt, 1).With(StreamTableEntryField.S1CDMax, 8);
        scene.SetStream(1, entry);

        var record = scene.AssertFaults(EventType.Translation, 1, Iova, AccessKind.Write, substream: 5);

        const ulong Stage2 = 1UL << 39;   // S2; CLASS = 0 is CD; RnW = 0 is the client's write.
        Assert.Equal(new EventRecord(0x0000_0001_0000_5810, Stage2, Iova, atLevel1 ? level1 : leaf), record);

        scene.SetStream(1, entry.With(StreamTableEntryField.S2R, 0));
        Assert.Equal(TranslationOutcome.Faulted, scene.Access(1, Iova, substream: 5).Outcome);
        scene.AssertNoEvent();
    }

    [Fact]
    [Rule("STR-27")]
    [Rule("CDT-10")]
    [Rule("WN-02")]
    public void BothLevelsAreReadThroughStage2AsData()
    {
        const ulong Shift = 0x10_0000_0000;
        const ulong ReadOnlyNeverExecute = (Stage2ReadWrite & ~(2UL << 6)) | (2UL << 53);
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096), leaf = scene.Machine.Allocate(4096);
        scene.Machine.Write64(level1, (leaf + Shift) | 1);
        PutContext(scene, leaf + (5 * 64));
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(GuestMachine.RamBase, GuestMachine.RamBase, Stage2ReadWrite, level: 2);
        stage2.Map(GuestMachine.RamBase + (1 << 21), GuestMachine.RamBase + (1 << 21), Stage2ReadWrite, level: 2);
        stage2.Map(Output, Output, Stage2ReadWrite);
        stage2.Map(level1 + Shift, level1, ReadOnlyNeverExecute);
        stage2.Map(leaf + Shift, leaf, ReadOnlyNeverExecute);
        scene.SetStream(1, Nested(level1 + Shift, stage2)
            .With(StreamTableEntryField.S1Fmt, 1).With(StreamTableEntryField.S1CDMax, 8));

        scene.AssertReaches(Output, 1, Iova, AccessKind.Write, substream: 5);

        stage2.Map(leaf + Shift, leaf, ReadOnlyNeverExecute & ~(1UL << 6));   // No longer readable.
        scene.Forget();
        var record = scene.AssertFaults(EventType.Permission, 1, Iova, AccessKind.Write, substream: 5);
        Assert.Equal((true, FaultClass.ContextDescriptor), (record.S2, record.Class));
    }

    [Fact]
    [Rule("CDT-13")]
    [Rule("ADS-21")]
    [Rule("ASZ-20")]
    public void ALeafAboveOasIsABadSubstreamId()
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        scene.Machine.Write64(level1, (1UL << 48) | GuestMachine.RamBase | 1);
        scene.SetStream(1, TableOf(level1, 1, log2Contexts: 8));

        scene.AssertFaults(EventType.BadSubstreamId, 1, Iova, substream: 1);
    }

    [Fact]
    [Rule("CDT-13")]
    [Rule("ADS-20")]
    [Rule("ADS-21")]
    [Rule("ASZ-19")]
    public void BehindStage2AnAddressBeyondItsInputIsAStage2TranslationFault()
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        scene.Machine.Write64(level1, (1UL << 50) | 1);
        var stage2 = scene.NewIntermediateSpace();
        stage2.Map(level1, level1, Stage2ReadWrite);
        scene.SetStream(1, Nested(level1, stage2)
            .With(StreamTableEntryField.S1Fmt, 1).With(StreamTableEntryField.S1CDMax, 8));
        scene.SetStream(2, Nested(1UL << 50, stage2));

        foreach (uint stream in (uint[])[1, 2])
        {
            var record = scene.AssertFaults(EventType.Translation, stream, Iova, substream: stream == 1 ? 1u : null);
            Assert.Equal((true, FaultClass.ContextDescriptor), (record.S2, record.Class));
        }
    }

    [Fact]
    [Rule("EVT-27")]
    public void ARecordHasNoAddressBitsAboveTheOas()
    {
        using var scene = new StreamScene();
        scene.SetStream(1, Nested((1UL << 50) | 0x5000, scene.NewIntermediateSpace()));

        Assert.Equal(0x5000UL, scene.AssertFaults(EventType.Translation, 1, Iova).IntermediatePhysicalAddress);
    }

    [Fact]
    [Rule("CDT-14")]
    [Rule("ASZ-21")]
    public void TheOutputSizeOfAContextDoesNotBoundWhereItLies()
    {
        using var scene = new StreamScene(ramBytes: 4 << 20);
        const ulong High = 1UL << 40;   // Above IPS, below OAS.
        scene.Machine.Memory.AddOwned(High, 1 << 16);
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        scene.Machine.SetContext(High, space.Descriptor().With(ContextDescriptorField.IPS, 0));
        scene.SetStream(1, Entries.Stage1(High));

        scene.AssertReaches(Output, 1, Iova);
    }

    [Fact]
    [Rule("CDT-19")]
    public void ContextsAreLittleEndianWhateverTheySayOfTranslationTables()
    {
        using var scene = new StreamScene();
        ulong level1 = scene.Machine.Allocate(4096);
        ulong leaf = AddLeaf(scene, level1, index: 0, leafBits: 6);
        var space = scene.NewSpace();
        space.Map(Iova, Output);
        foreach (int level in (int[])[1, 2, 3])
        {
            ulong slot = space.Root;
            for (int above = 1; above < level; above++)
            {
                slot = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(
                    scene.Machine.Read64(slot + SlotOf(above))) & ~0xfffUL;
            }

            slot += SlotOf(level);
            scene.Machine.Write64(slot, System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(scene.Machine.Read64(slot)));
        }

        scene.Machine.SetContext(leaf + 64, space.Descriptor().With(ContextDescriptorField.ENDI, 1));
        scene.SetStream(1, TableOf(level1, 1, log2Contexts: 8));

        scene.AssertReaches(Output, 1, Iova, substream: 1);

        static ulong SlotOf(int level) => ((Iova >> (12 + (9 * (3 - level)))) & 0x1ff) * 8;
    }

    private static StreamTableEntry TableOf(ulong table, uint format, int log2Contexts) => Entries.Stage1(table)
        .With(StreamTableEntryField.S1Fmt, format)
        .With(StreamTableEntryField.S1CDMax, (ulong)log2Contexts);

    private static ulong AddLeaf(StreamScene scene, ulong level1, uint index, int leafBits)
    {
        ulong bytes = 64UL << leafBits;
        ulong leaf = scene.Machine.Allocate(bytes, bytes);
        scene.Machine.Write64(level1 + (index * 8), leaf | 1);
        return leaf;
    }

    private static void PutContext(StreamScene scene, ulong address, ulong output = Output)
    {
        var space = scene.NewSpace();
        space.Map(Iova, output);
        scene.Machine.SetContext(address, space.Descriptor());
    }
}
