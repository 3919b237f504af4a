using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Streams;

/// <summary>A StreamID leads to its STE through the table that STRTAB_BASE and STRTAB_BASE_CFG describe, or nowhere.</summary>
public class StreamTableTests
{
    private const uint TwoLevel = 1 << 16;

    [Fact]
    [Rule("STB-01")]
    [Rule("STR-04")]
    public void ALinearTableHasTheEntryAt64BytesAStream()
    {
        using var scene = new StreamScene();
        ulong table = scene.Machine.Allocate(64 << 8, 64 << 8);
        Store(scene, table + (0x5a * 64), Entries.Bypass);
        scene.UseTable(table, 8);

        scene.AssertReaches(0x1234, 0x5a, 0x1234);
        scene.AssertFaults(EventType.BadStreamTableEntry, 0x59);
        scene.AssertFaults(EventType.BadStreamTableEntry, 0x5b);
    }

    [Fact]
    [Rule("STR-04")]
    public void TheBaseOfALinearTableIsRoundedDownToTheTablesSize()
    {
        using var scene = new StreamScene();
        ulong table = scene.Machine.Allocate(64 << 8, 64 << 8);
        Store(scene, table + (3 * 64), Entries.Bypass);
        scene.UseTable(table | 0x3fc0, 8);

        scene.AssertReaches(0x1000, 3, 0x1000);
    }

    [Theory]
    [InlineData(6u)]
    [InlineData(8u)]
    [InlineData(10u)]
    [Rule("STB-02")]
    [Rule("STR-05")]
    public void ATwoLevelTableIsIndexedByTheStreamIdAboveAndBelowSplit(uint split)
    {
        using var scene = new StreamScene();
        uint stream = (5u << (int)split) + 37;
        ulong level1 = NewTwoLevel(scene, split, out uint configuration);
        ulong level2 = AddLeaf(scene, level1, 5, (int)split + 1);
        Store(scene, level2 + (37 * 64), Entries.Bypass);
        scene.UseTable(level1, configuration);

        scene.AssertReaches(0x4000, stream, 0x4000);
        scene.AssertFaults(EventType.BadStreamTableEntry, stream + 1);
        scene.AssertFaults(EventType.BadStreamId, (4u << (int)split) + 37);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(7u)]
    [InlineData(9u)]
    [InlineData(31u)]
    [Rule("STR-05")]
    public void AReservedSplitActsAs6(uint split)
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);
        Store(scene, AddLeaf(scene, level1, 5, 7) + (9 * 64), Entries.Bypass);
        scene.UseTable(level1, (configuration & ~(31u << 6)) | (split << 6));

        scene.AssertReaches(0x4000, (5 << 6) + 9, 0x4000);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(2u)]
    [InlineData(3u)]
    [Rule("STR-02")]
    public void EveryFormatButTwoLevelIsLinear(uint format)
    {
        using var scene = new StreamScene();
        ulong table = scene.Machine.Allocate(64 << 8, 64 << 8);
        Store(scene, table + (7 * 64), Entries.Bypass);
        scene.UseTable(table, 8 | (6 << 6) | (format << 16));

        scene.AssertReaches(0x1000, 7, 0x1000);
    }

    [Fact]
    [Rule("STR-02")]
    public void TheTableRegistersKeepTheirFieldsAndNothingElse()
    {
        using var scene = new StreamScene();
        var machine = scene.Machine;
        machine.Enable(ControlBits.None);
        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, ulong.MaxValue);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, uint.MaxValue);

        const ulong AllocateHint = 1UL << 62;
        ulong addressBelowOas = ((1UL << 48) - 1) & ~0x3fUL;
        Assert.Equal(AllocateHint | addressBelowOas, machine.Smmu.ReadRegister64(RegisterOffset.STRTAB_BASE));
        Assert.Equal(0x3_07ffu, machine.Read(RegisterOffset.STRTAB_BASE_CFG));
    }

    [Fact]
    [Rule("STR-09")]
    public void WithoutTwoLevelTablesTheTableIsLinearAndFormatAndSplitReadAsZero()
    {
        using var scene = new StreamScene(StreamScene.Everything.With(SmmuFeatureField.ST_LEVEL, 0));
        ulong table = scene.Machine.Allocate(64 << 8, 64 << 8);
        Store(scene, table + (7 * 64), Entries.Bypass);
        scene.UseTable(table, 8 | (6 << 6) | TwoLevel);

        scene.AssertReaches(0x1000, 7, 0x1000);
        Assert.Equal(8u, scene.Machine.Read(RegisterOffset.STRTAB_BASE_CFG));
    }

    [Fact]
    [Rule("STR-09")]
    public void ManyStreamIdBitsComeWithTwoLevelTables()
    {
        var features = SmmuFeatures.Default;

        Assert.True(features.SIDSIZE >= 7);
        Assert.NotEqual(0, features.ST_LEVEL);
    }

    [Fact]
    [Rule("STB-04")]
    [Rule("STR-06")]
    public void ReservedBitsOfALevel1DescriptorAreIgnored()
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);
        Store(scene, AddLeaf(scene, level1, 2, 7), Entries.Bypass);
        ulong slot = level1 + (2 * 8);
        scene.Machine.Write64(slot, scene.Machine.Read64(slot) | (0xffUL << 56) | (1 << 5));
        scene.UseTable(level1, configuration);

        scene.AssertReaches(0x1000, 2 << 6, 0x1000);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(12)]
    [InlineData(31)]
    [Rule("STB-05")]
    [Rule("STR-06")]
    public void ASpanOf0OrAbove11GivesNoSecondLevel(int span)
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 10, out uint configuration);
        Store(scene, AddLeaf(scene, level1, 0, 11), Entries.Bypass);
        scene.Machine.Write64(level1, (scene.Machine.Read64(level1) & ~0x1fUL) | (uint)span);
        scene.UseTable(level1, configuration);

        scene.AssertFaults(EventType.BadStreamId, 0);
    }

    [Fact]
    [Rule("STB-05")]
    [Rule("STB-07")]
    [Rule("STR-07")]
    public void ASpanCoversAsManyStreamsAsItSaysAndNoMore()
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 10, out uint configuration);
        ulong level2 = scene.Machine.Allocate(64 << 10, 64 << 10);
        for (uint i = 0; i < 1 << 10; i++) Store(scene, level2 + (i * 64), Entries.Bypass);
        scene.UseTable(level1, configuration);

        for (int span = 1; span <= 11; span++)
        {
            scene.Machine.Write64(level1, level2 | (uint)span);
            scene.Forget();
            uint streams = 1u << (span - 1);
            scene.AssertReaches(0x1000, streams - 1, 0x1000);
            if (span <= 10) scene.AssertFaults(EventType.BadStreamId, streams);
        }
    }

    [Theory]
    [InlineData(6, 8)]
    [InlineData(6, 11)]
    [InlineData(8, 10)]
    [Rule("STB-06")]
    [Rule("STR-07")]
    public void ASpanThatExceedsTheSplitMakesEveryStreamOfItInvalid(int split, int span)
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, (uint)split, out uint configuration);
        ulong level2 = AddLeaf(scene, level1, 0, span);
        Store(scene, level2, Entries.Bypass);
        Store(scene, level2 + 64, Entries.Bypass);
        scene.UseTable(level1, configuration);

        scene.AssertFaults(EventType.BadStreamId, 0);
        scene.AssertFaults(EventType.BadStreamId, 1);
    }

    [Fact]
    [Rule("STB-08")]
    [Rule("STR-08")]
    public void TheSecondLevelIsAlignedToItsSize()
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);
        ulong level2 = scene.Machine.Allocate(64 << 6, 64 << 6);
        Store(scene, level2 + (5 * 64), Entries.Bypass);
        scene.Machine.Write64(level1, level2 | 0xfc0 | 7);
        scene.UseTable(level1, configuration);

        scene.AssertReaches(0x1000, 5, 0x1000);
    }

    [Fact]
    [Rule("STR-05")]
    public void TheFirstLevelIsAlignedToItsSize()
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);   // 2^16 streams: 2^10 descriptors, 8 KiB.
        Store(scene, AddLeaf(scene, level1, 1, 7), Entries.Bypass);
        scene.UseTable(level1 | 0x1fc0, configuration);

        scene.AssertReaches(0x1000, 1 << 6, 0x1000);
    }

    [Theory]
    [InlineData(6u)]
    [InlineData(8u)]
    [InlineData(10u)]
    [Rule("STB-03")]
    public void WithASplitAboveTheTablesSizeOnlyTheFirstDescriptorCounts(uint split)
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, split, out _);
        Store(scene, AddLeaf(scene, level1, 0, 7) + (63 * 64), Entries.Bypass);
        scene.UseTable(level1, 6 | (split << 6) | TwoLevel);

        scene.AssertReaches(0x1000, 63, 0x1000);
        scene.AssertFaults(EventType.BadStreamId, 64);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("STB-09")]
    [Rule("STR-03")]
    [Rule("STR-06")]
    [Rule("STR-07")]
    [Rule("EVT-07")]
    public void AnInvalidStreamIdAbortsAndIsRecordedOnlyWhenAskedFor(bool recorded)
    {
        using var scene = new StreamScene(recordInvalidStreams: recorded);
        AssertInvalid(scene, 1 << 8, recorded);   // Beyond the linear table.
        AssertInvalid(scene, uint.MaxValue, recorded);

        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);
        Store(scene, AddLeaf(scene, level1, 1, 3), Entries.Bypass);
        scene.UseTable(level1, configuration);
        AssertInvalid(scene, 0, recorded);                    // No span.
        AssertInvalid(scene, (1 << 6) + 4, recorded);         // Beyond the span.
        AssertInvalid(scene, 1 << 16, recorded);              // Beyond the table.
        scene.AssertReaches(0x1000, 1 << 6, 0x1000);
    }

    [Fact]
    [Rule("STR-03")]
    public void TheTableIsNeverLargerThanTheStreamIdsThatExist()
    {
        using var scene = new StreamScene(StreamScene.Everything.With(SmmuFeatureField.SIDSIZE, 8));
        ulong table = scene.Machine.Allocate(64 << 10, 64 << 10);
        for (uint i = 0; i < 1 << 10; i++) Store(scene, table + (i * 64), Entries.Bypass);
        scene.UseTable(table, 10);

        scene.AssertReaches(0x1000, 255, 0x1000);
        scene.AssertFaults(EventType.BadStreamId, 256);
    }

    [Fact]
    [Rule("STB-10")]
    [Rule("STR-10")]
    [Rule("EVT-08")]
    public void AnAbortedReadOfAnEntryIsRecordedWithItsAddress()
    {
        using var scene = new StreamScene();
        scene.UseTable(StreamScene.Nowhere, 8);

        var record = scene.AssertFaults(EventType.StreamTableEntryFetch, 5, 0x1234, AccessKind.Write, 9);

        Assert.Equal(new EventRecord(0x0000_0005_0000_9803, 0, 0, StreamScene.Nowhere + (5 * 64)), record);
    }

    [Fact]
    [Rule("STB-10")]
    [Rule("STR-10")]
    [Rule("EVT-08")]
    public void AnAbortedReadOfALevel1DescriptorIsRecordedWithItsAddress()
    {
        using var scene = new StreamScene();
        scene.UseTable(StreamScene.Nowhere, 16 | (6 << 6) | TwoLevel);

        var record = scene.AssertFaults(EventType.StreamTableEntryFetch, 0x105);

        Assert.Equal(new EventRecord(0x0000_0105_0000_0003, 0, 0, StreamScene.Nowhere + (4 * 8)), record);
    }

    [Fact]
    [Rule("STB-10")]
    [Rule("STR-10")]
    public void AnAbortedReadOfASecondLevelEntryIsRecordedWithItsAddress()
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);
        scene.Machine.Write64(level1 + (4 * 8), StreamScene.Nowhere | 7);
        scene.UseTable(level1, configuration);

        var record = scene.AssertFaults(EventType.StreamTableEntryFetch, 0x105);

        Assert.Equal(StreamScene.Nowhere + (5 * 64), record.FetchAddress.Value);
    }

    [Fact]
    [Rule("STB-11")]
    public void AnEntryAboveOasIsNotFetched()
    {
        using var scene = new StreamScene();
        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);
        scene.Machine.Write64(level1, (1UL << 48) | GuestMachine.RamBase | 7);
        scene.UseTable(level1, configuration);

        var record = scene.AssertFaults(EventType.StreamTableEntryFetch, 1);

        Assert.Equal(GuestMachine.RamBase + 64, record.FetchAddress.Value);   // Its bits above the OAS are RES0.
    }

    [Fact]
    [Rule("STB-12")]
    public void TheTableIsLittleEndianOnAnSmmuWithBigEndianTranslationTables()
    {
        using var scene = new StreamScene(StreamScene.Everything.With(SmmuFeatureField.TTENDIAN, 3));
        ulong level1 = NewTwoLevel(scene, 6, out uint configuration);
        byte[] entry = [0b1001, .. new byte[63]];
        ulong level2 = scene.Machine.Allocate(64 << 6, 64 << 6);
        byte[] descriptor = [(byte)(level2 | 7), (byte)(level2 >> 8), (byte)(level2 >> 16), (byte)(level2 >> 24), 0, 0, 0, 0];
        Assert.True(scene.Machine.Memory.Write(level1, descriptor));
        Assert.True(scene.Machine.Memory.Write(level2, entry));
        scene.UseTable(level1, configuration);

        scene.AssertReaches(0x1000, 0, 0x1000);
    }

    private static ulong NewTwoLevel(StreamScene scene, uint split, out uint configuration)
    {
        const int Log2Streams = 16;
        configuration = Log2Streams | (split << 6) | TwoLevel;
        ulong bytes = 8UL << (Log2Streams - (int)split);
        return scene.Machine.Allocate(bytes, bytes);
    }

    private static ulong AddLeaf(StreamScene scene, ulong level1, uint index, int span)
    {
        ulong bytes = 64UL << (span - 1);
        ulong level2 = scene.Machine.Allocate(bytes, bytes);
        scene.Machine.Write64(level1 + (index * 8), level2 | (uint)span);
        return level2;
    }

    private static void Store(StreamScene scene, ulong address, StreamTableEntry entry)
    {
        Span<ulong> words = stackalloc ulong[8];
        entry.CopyTo(words);
        scene.Machine.Write64(address, words);
    }

    private static void AssertInvalid(StreamScene scene, uint stream, bool recorded)
    {
        if (!recorded)
        {
            scene.AssertAbortsSilently(stream, 0x5000, AccessKind.Write, substream: 3);
            return;
        }

        var record = scene.AssertFaults(EventType.BadStreamId, stream, 0x5000, AccessKind.Write, substream: 3);
        Assert.Equal(new EventRecord(((ulong)stream << 32) | 0x3802, 0, 0, 0), record);
    }
}
