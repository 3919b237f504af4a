using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Queues;

/// <summary>
/// STRTAB_BASE and STRTAB_BASE_CFG (IHI 0070, 6.3.24 and 6.3.25). An STE is seen to be found when the stream passes
/// untranslated; memory without an STE is zero, and faults.
/// </summary>
public class StreamTableRegisterTests
{
    private const uint TwoLevel = 1 << 16;
    private const int SplitShift = 6;
    private const uint InvalidStreamRecord = 2;

    [Fact]
    [Rule("RQ-01")]
    public void BaseHoldsAddressAndHintAndNothingElse()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.OAS, 7));

        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, ulong.MaxValue);

        Assert.Equal(0x40ff_ffff_ffff_ffc0u, machine.Smmu.ReadRegister64(0x80));
    }

    [Fact]
    [Rule("RQ-08")]
    public void ConfigurationHoldsSizeSplitAndFormatAndNothingElse()
    {
        using var machine = new GuestMachine();

        machine.Write(RegisterOffset.STRTAB_BASE_CFG, uint.MaxValue);

        Assert.Equal(0x3_07ffu, machine.Read(0x88));
    }

    [Fact]
    [Rule("RQ-02")]
    public void TableRegistersAreFixedWhileTheSmmuIsEnabled()
    {
        using var machine = new GuestMachine();
        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, 0x4000_0000);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 5);

        machine.Enable(ControlBits.Smmu);
        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, 0x5000_0000);
        machine.Write(RegisterOffset.STRTAB_BASE + 4, 7);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 6);
        Assert.Equal(0x4000_0000u, machine.Smmu.ReadRegister64(RegisterOffset.STRTAB_BASE));
        Assert.Equal(5u, machine.Read(RegisterOffset.STRTAB_BASE_CFG));

        machine.Enable(ControlBits.None);
        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, 0x5000_0000);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 6);
        Assert.Equal(0x5000_0000u, machine.Smmu.ReadRegister64(RegisterOffset.STRTAB_BASE));
        Assert.Equal(6u, machine.Read(RegisterOffset.STRTAB_BASE_CFG));
    }

    [Fact]
    [Rule("RQ-02")]
    public void PresetTableRegistersAreNeverWritable()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.TABLES_PRESET, 1));

        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, 0x4000_0000);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 5);

        Assert.Equal(0u, machine.Smmu.ReadRegister64(RegisterOffset.STRTAB_BASE));
        Assert.Equal(0u, machine.Read(RegisterOffset.STRTAB_BASE_CFG));
    }

    [Fact]
    [Rule("RQ-03")]
    public void AddressBitsAboveTheOutputSizeLeadNowhere()
    {
        using var machine = new GuestMachine();
        ulong table = TableWith(machine, stream: 3);

        Start(machine, table | (1UL << 48) | (1UL << 55), log2Size: 8);

        Assert.True(Finds(machine, 3));
    }

    [Fact]
    [Rule("RQ-04")]
    public void LinearTableIsAlignedToItsSize()
    {
        using var machine = new GuestMachine();
        ulong table = TableWith(machine, stream: 3);

        Start(machine, table + (1 << 13) + (1 << 6), log2Size: 8);

        Assert.True(Finds(machine, 3));
    }

    [Theory]
    [Rule("RQ-05")]
    [InlineData(14, 8, 0x1c0, true)]     // 64 descriptors: 512 bytes.
    [InlineData(14, 8, 0x200, false)]
    [InlineData(8, 8, 0x40, false)]      // One descriptor, but never less than 64 bytes.
    [InlineData(11, 8, 0x40, false)]
    [InlineData(12, 8, 0x40, true)]
    public void TwoLevelTableIsAlignedToItsLevelOne(uint log2Size, uint split, uint displacement, bool isRoundedOff)
    {
        using var machine = new GuestMachine();
        ulong table = machine.Allocate(4096);
        ulong inside = machine.Allocate(1 << 14, 1 << 14);
        machine.SetContext(inside, default);
        machine.Write64(table, inside | 1);   // One STE.
        machine.Write64(inside, [Word0(Entries.Bypass), Word1(Entries.Bypass)]);

        Start(machine, table + displacement, log2Size | (split << SplitShift) | TwoLevel);

        Assert.Equal(isRoundedOff, Finds(machine, 0));
    }

    [Fact]
    [Rule("RQ-06")]
    public void AlignmentGoesByTheSizeAsWrittenEvenBeyondTheStreamIds()
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.SIDSIZE, 6));
        ulong table = TableWith(machine, stream: 3);

        Start(machine, table + (1 << 15), log2Size: 10);

        Assert.True(Finds(machine, 3));
    }

    [Fact]
    [Rule("RQ-07")]
    public void AllocationHintChangesNoAnswer()
    {
        using var machine = new GuestMachine();
        ulong table = TableWith(machine, stream: 3);
        Start(machine, table, log2Size: 8);
        var plain = machine.Smmu.Translate(new StreamId(3), null, 0x1234, AccessKind.Read);

        machine.Enable(ControlBits.None);
        Start(machine, table | (1UL << 62), log2Size: 8);
        var hinted = machine.Smmu.Translate(new StreamId(3), null, 0x1234, AccessKind.Read);

        Assert.Equal(TranslationOutcome.StreamBypassed, hinted.Outcome);
        Assert.Equal((plain.Address, plain.Attributes), (hinted.Address, hinted.Attributes));
    }

    [Theory]
    [Rule("RQ-09")]
    [InlineData(0b00, true)]
    [InlineData(0b01, false)]
    [InlineData(0b10, true)]
    [InlineData(0b11, true)]
    public void OnlyFormatOneHasTwoLevels(uint format, bool isLinear)
    {
        using var machine = new GuestMachine();
        ulong table = TableWith(machine, stream: 3);

        Start(machine, table, 8 | (format << 16));

        Assert.Equal(isLinear, Finds(machine, 3));
    }

    [Fact]
    [Rule("RQ-09")]
    public void WithoutTwoLevelTablesTheFormatIsReserved()
    {
        var features = SmmuFeatures.Default.With(SmmuFeatureField.ST_LEVEL, 0).With(SmmuFeatureField.SIDSIZE, 6);
        using var machine = new GuestMachine(features);
        ulong table = TableWith(machine, stream: 3);

        Start(machine, table, 6 | TwoLevel);

        Assert.Equal(0u, machine.Read(RegisterOffset.STRTAB_BASE_CFG) & 0x3_0000);
        Assert.True(Finds(machine, 3));
    }

    [Theory]
    [Rule("RQ-10")]
    [InlineData(6, 6)]
    [InlineData(8, 8)]
    [InlineData(10, 10)]
    [InlineData(0, 6)]
    [InlineData(7, 6)]
    [InlineData(9, 6)]
    [InlineData(31, 6)]
    public void SplitSaysHowManyBitsTheSecondLevelResolves(uint split, int bits)
    {
        using var machine = new GuestMachine();
        uint last = (2u << bits) - 1;   // The last stream below the second descriptor.
        ulong table = TwoLevelTableWith(machine, last, bits, span: bits + 1);

        Start(machine, table, 12 | (split << SplitShift) | TwoLevel);

        Assert.True(Finds(machine, last));
    }

    [Theory]
    [Rule("RQ-11")]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(8)]
    [InlineData(10)]
    public void SplitMeansNothingToALinearTable(uint split)
    {
        using var machine = new GuestMachine();
        ulong table = TableWith(machine, stream: 200);

        Start(machine, table, 8 | (split << SplitShift));

        Assert.True(Finds(machine, 200));
    }

    [Theory]
    [Rule("RQ-12")]
    [InlineData(4, 16, 16)]
    [InlineData(8, 6, 64)]
    [InlineData(0, 16, 1)]
    public void SmallerOfTableAndStreamIdSizeBoundsTheStreams(uint log2Size, uint streamIdBits, uint streams)
    {
        using var machine = new GuestMachine(SmmuFeatures.Default.With(SmmuFeatureField.SIDSIZE, streamIdBits));
        ulong table = TableWith(machine, streams - 1);
        machine.Write64(table + (streams * 64), [Word0(Entries.Bypass), Word1(Entries.Bypass)]);

        Start(machine, table, log2Size);

        Assert.True(Finds(machine, streams - 1));
        Assert.Equal(EventType.BadStreamId, EventOf(machine, streams));
    }

    [Fact]
    [Rule("RQ-13")]
    public void SizeReadsBackAsItWasWritten()
    {
        using var machine = new GuestMachine();

        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 40);

        Assert.Equal(40u, machine.Read(RegisterOffset.STRTAB_BASE_CFG));
    }

    [Theory]
    [Rule("RQ-14")]
    [InlineData(true)]
    [InlineData(false)]
    public void StreamBeyondTheTableAbortsAndIsRecordedIfAskedFor(bool isRecorded)
    {
        using var machine = new GuestMachine();
        machine.SetUpStreamTable(log2Streams: 4);
        machine.Start(isRecorded);
        Assert.Equal(isRecorded ? InvalidStreamRecord : 0, machine.Read(RegisterOffset.CR2));

        var result = machine.Smmu.Translate(new StreamId(16), null, 0x1000, AccessKind.Read);

        Assert.False(result.IsSuccess);
        Assert.Equal(isRecorded, machine.TryTakeEvent(out var record));
        if (isRecorded) Assert.Equal((EventType.BadStreamId, new StreamId(16)), (record.Type, record.StreamId));
    }

    [Fact]
    [Rule("RQ-15")]
    public void LevelOneHasADescriptorOfEightBytesForEachSecondLevel()
    {
        using var machine = new GuestMachine();
        ulong table = TwoLevelTableWith(machine, stream: 1023, bits: 8, span: 9);
        machine.Write64(table + (4 * 8), machine.Read64(table + (3 * 8)));   // The fifth does not belong to the table.

        Start(machine, table, 10 | (8 << SplitShift) | TwoLevel);

        Assert.True(Finds(machine, 1023));
        Assert.Equal(EventType.BadStreamId, EventOf(machine, 1024 + 255));
    }

    [Fact]
    [Rule("RQ-15")]
    [Rule("RQ-16")]
    public void OneDescriptorServesATableSmallerThanItsSplit()
    {
        using var machine = new GuestMachine();
        ulong table = TwoLevelTableWith(machine, stream: 15, bits: 8, span: 9);
        ulong entries = machine.Read64(table) & ~0x3fUL;
        machine.Write64(entries + (16 * 64), [Word0(Entries.Bypass), Word1(Entries.Bypass)]);

        Start(machine, table, 4 | (8 << SplitShift) | TwoLevel);

        Assert.True(Finds(machine, 15));
        Assert.Equal(EventType.BadStreamId, EventOf(machine, 16));
    }

    // 1 MiB of zeroes with one STE that lets the stream pass.
    private static ulong TableWith(GuestMachine machine, uint stream)
    {
        ulong table = machine.Allocate(1 << 20, 1 << 20);
        machine.Write64(table + (stream * 64UL), [Word0(Entries.Bypass), Word1(Entries.Bypass)]);
        return table;
    }

    private static ulong TwoLevelTableWith(GuestMachine machine, uint stream, int bits, int span)
    {
        ulong table = machine.Allocate(1 << 16, 1 << 16);
        ulong entries = TableWith(machine, stream & ((1u << bits) - 1));
        machine.Write64(table + ((stream >> bits) * 8UL), entries | (uint)span);
        return table;
    }

    private static void Start(GuestMachine machine, ulong tableBase, uint log2Size)
    {
        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, tableBase);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, log2Size);
        machine.Write(RegisterOffset.CR2, InvalidStreamRecord);
        machine.Enable(ControlBits.Smmu);
    }

    private static bool Finds(GuestMachine machine, uint stream) =>
        machine.Smmu.Translate(new StreamId(stream), null, 0x1000, AccessKind.Read).Outcome
            == TranslationOutcome.StreamBypassed;

    private static EventType EventOf(GuestMachine machine, uint stream) =>
        machine.Smmu.Translate(new StreamId(stream), null, 0x1000, AccessKind.Read).Event;

    private static ulong Word0(StreamTableEntry entry) => Words(entry)[0];

    private static ulong Word1(StreamTableEntry entry) => Words(entry)[1];

    private static ulong[] Words(StreamTableEntry entry)
    {
        ulong[] words = new ulong[8];
        entry.CopyTo(words);
        return words;
    }
}
