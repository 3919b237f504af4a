using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>Every event has exactly its fields, in their places; all other bits are zero.</summary>
public class EventRecordTests
{
    private const string Fields = """
        [7:0] Type; [11] SSV; [31:12] SubstreamId; [63:32] StreamId; [79:64] Reason; [95:64] ConflictReason; [80] GPCF;
        [79:64] StallTag; [95] Stall; [97] PnU; [98] InD; [99] RnW; [102] NSIPA; [103] S2; [105:104] Class; [106] DirtyBit;
        [107] AssuredOnly; [108] TTRnW; [109] Overlay; [67:64] RequestSpan; [115:108] HintSpan
        """;

    private const string AddressFields = "[191:128] InputAddress; [247:195] FetchAddress; [247:204] IntermediatePhysicalAddress";

    private const ulong Input = 0xff00_8765_4321_0fed;
    private const ulong Stream12 = 0x8765_4321_abcd_e800;   // StreamID, SubstreamID and SSV of Stream and Substream.
    private static readonly StreamId Stream = new(0x8765_4321);
    private static readonly SubstreamId Substream = new(0xabcde);
    private static readonly PhysicalAddress Fetch = new(0x00ff_ffff_ffff_fff8);

    private static readonly EventType[] FourFaults =
        [EventType.Translation, EventType.AddressSize, EventType.AccessFlag, EventType.Permission];

    [Fact]
    [Rule("EVT-01")]
    public void ARecordIsThirtyTwoLittleEndianBytes()
    {
        Assert.Equal(32, EventRecord.SizeBytes);
        Assert.Equal(EventRecord.SizeBytes, Unsafe.SizeOf<EventRecord>());
        byte[] bytes = new byte[32];
        bytes[0] = 0x10;
        bytes[4] = 0x08;
        bytes[16] = 0x34;
        bytes[17] = 0x12;

        var record = MemoryMarshal.Read<EventRecord>(bytes);

        Assert.Equal((EventType.Translation, new StreamId(8), 0x1234UL), (record.Type, record.StreamId, record.InputAddress));
    }

    [Fact]
    public void EveryPropertyReadsExactlyItsBits()
    {
        List<FieldMap> plain = FieldMap.Parse(Fields);
        List<FieldMap> addresses = FieldMap.Parse(AddressFields);
        ulong[] words = new ulong[4];
        for (int bit = 0; bit < 256; bit++)
        {
            Array.Clear(words);
            words[bit / 64] = 1UL << (bit % 64);
            object record = new EventRecord(words[0], words[1], words[2], words[3]);
            foreach (FieldMap field in plain.Concat(addresses))
            {
                ulong expected = bit < field.Low || bit > field.High ? 0
                    : 1UL << (addresses.Contains(field) ? bit % 64 : bit - field.Low);
                Assert.Equal(expected, FieldMap.Number(record, field.Name));
            }
        }
    }

    [Fact]
    [Rule("EVT-02")]
    public void WithoutSubstreamTheFieldIsZero()
    {
        EventRecord record = EventRecord.BadStreamTableEntry(Stream, null);

        Assert.Equal(new EventRecord(0x8765_4321_0000_0004, 0, 0, 0), record);
    }

    [Fact]
    [Rule("EVT-06")]
    public void UnsupportedUpstreamTransactionHasItsFields() => Assert.Equal(
        new EventRecord(Stream12 | 0x01, 0x0000_000e_0000_beef, Input, 0),
        EventRecord.UnsupportedUpstreamTransaction(
            Stream, Substream, Input, AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged, 0xbeef));

    [Fact]
    [Rule("EVT-09")]
    [Rule("EVT-15")]
    public void ConfigurationErrorsHaveStreamAndSubstreamOnly()
    {
        Assert.Equal(new EventRecord(Stream12 | 0x02, 0, 0, 0), EventRecord.BadStreamId(Stream, Substream));
        Assert.Equal(new EventRecord(Stream12 | 0x04, 0, 0, 0), EventRecord.BadStreamTableEntry(Stream, Substream));
        Assert.Equal(new EventRecord(Stream12 | 0x0a, 0, 0, 0), EventRecord.BadContextDescriptor(Stream, Substream));
    }

    [Fact]
    [Rule("EVT-08")]
    [Rule("EVT-14")]
    [Rule("EVT-26")]
    public void FetchFaultsHaveTheAddressThatFailed()
    {
        Assert.Equal(
            new EventRecord(Stream12 | 0x03, 0, 0, Fetch.Value), EventRecord.StreamTableEntryFetch(Stream, Substream, Fetch));
        Assert.Equal(
            new EventRecord(Stream12 | 0x09, 0x1_beef, 0, Fetch.Value),
            EventRecord.ContextDescriptorFetch(Stream, Substream, Fetch, 0xbeef, granuleProtection: true));
        Assert.Equal(
            new EventRecord(Stream12 | 0x25, 0xbeef, 0, Fetch.Value),
            EventRecord.VirtualMachineStructureFetch(Stream, Substream, Fetch, 0xbeef));
    }

    [Theory]
    [InlineData(AccessKind.Read, 0x8000_0007)]
    [InlineData(AccessKind.Read | AccessKind.Privileged, 0x9000_0007)]
    [InlineData(AccessKind.Read | AccessKind.Instruction, 0xa000_0007)]
    [InlineData(AccessKind.Atomic, 0xc000_0007)]
    [Rule("EVT-10")]
    public void BadAtsTranslationRequestTellsWhatWasAskedFor(AccessKind access, ulong word1) => Assert.Equal(
        new EventRecord(Stream12 | 0x05, word1, Input & ~0xfffUL, 0),
        EventRecord.BadAtsTranslationRequest(Stream, Substream, Input, 7, access));

    [Fact]
    public void BadAtsTranslationRequestReadsBack()
    {
        EventRecord record = EventRecord.BadAtsTranslationRequest(
            Stream, null, Input, 3, AccessKind.Atomic | AccessKind.Privileged);

        Assert.Equal(3, record.RequestSpan);
        Assert.Equal(AccessPermissions.PrivilegedRead | AccessPermissions.PrivilegedWrite, record.RequestPermissions);
    }

    [Fact]
    [Rule("EVT-11")]
    public void StreamDisabledHasTheStreamOnly() =>
        Assert.Equal(new EventRecord(0x8765_4321_0000_0006, 0, 0, 0), EventRecord.StreamDisabled(Stream));

    [Fact]
    [Rule("EVT-12")]
    public void TranslationForbiddenHasNoSubstream()
    {
        Assert.Equal(
            new EventRecord(0x8765_4321_0000_0007, 0x8_0000_0000, Input, 0),
            EventRecord.TranslationForbidden(Stream, Input, AccessKind.Read | AccessKind.Privileged));
        Assert.Equal(
            new EventRecord(0x8765_4321_0000_0007, 0, Input, 0),
            EventRecord.TranslationForbidden(Stream, Input, AccessKind.Write));
    }

    [Fact]
    [Rule("EVT-13")]
    public void BadSubstreamIdHasTheSubstreamWithoutSsv() =>
        Assert.Equal(new EventRecord(0x8765_4321_abcd_e008, 0, 0, 0), EventRecord.BadSubstreamId(Stream, Substream));

    [Theory]
    [InlineData(false, FaultClass.TranslationTable, 0x0000_0108_0001_beef)]
    [InlineData(true, FaultClass.ContextDescriptor, 0x0000_0088_0001_beef)]
    [InlineData(true, FaultClass.TranslationTable, 0x0000_0188_0001_beef)]
    [InlineData(true, FaultClass.Input, 0x0000_0288_0001_beef)]
    [Rule("EVT-16")]
    public void WalkExternalAbortHasTheDescriptor(bool stage2, FaultClass faultClass, ulong word1) => Assert.Equal(
        new EventRecord(Stream12 | 0x0b, word1, Input, Fetch.Value),
        EventRecord.WalkExternalAbort(
            Stream, Substream, Input, AccessKind.Read, stage2, faultClass, Fetch, 0xbeef, granuleProtection: true));

    [Fact]
    [Rule("EVT-18")]
    [Rule("EVT-19")]
    public void Stage1FaultsHaveClassInAndNoIpa() => Assert.All(
        FourFaults,
        static type => Assert.Equal(
            new EventRecord(Stream12 | (ulong)type, 0x0000_020a_0000_0000, Input, 0),
            EventRecord.Stage1Fault(type, Stream, Substream, Input, AccessKind.Read | AccessKind.Privileged)));

    [Fact]
    [Rule("EVT-18")]
    [Rule("EVT-20")]
    public void Stage2FaultsHaveThePageOfTheIpaAndItsClass() => Assert.All(
        FourFaults,
        static type =>
        {
            Assert.Equal(
                new EventRecord(Stream12 | (ulong)type, 0x0000_0080_8000_beef, Input, 0x00ff_ffff_ffff_f000),
                EventRecord.Stage2Fault(
                    type, Stream, Substream, Input, AccessKind.Write, FaultClass.ContextDescriptor, ulong.MaxValue, 0xbeef));
            Assert.Equal(
                new EventRecord(Stream12 | (ulong)type, 0x0000_0288_0000_0000, Input, 0x1000),
                EventRecord.Stage2Fault(type, Stream, Substream, Input, AccessKind.Read, FaultClass.Input, 0x1fff));
        });

    [Theory]
    [InlineData(FaultClass.TranslationTable, true, 0x0000_1188_0000_0000)]
    [InlineData(FaultClass.TranslationTable, false, 0x0000_0188_0000_0000)]
    [InlineData(FaultClass.Input, true, 0x0000_0288_0000_0000)]
    [Rule("EVT-21")]
    public void OnlyAPermissionFaultOfATableTellsItsAccess(FaultClass faultClass, bool tableRead, ulong word1)
    {
        EventRecord permission = EventRecord.Stage2Fault(
            EventType.Permission, Stream, Substream, Input, AccessKind.Read, faultClass, 0, tableRead: tableRead);
        EventRecord translation = EventRecord.Stage2Fault(
            EventType.Translation, Stream, Substream, Input, AccessKind.Read, faultClass, 0, tableRead: tableRead);

        Assert.Equal(word1, permission.Word1);
        Assert.False(translation.TTRnW);
    }

    [Theory]
    [InlineData(PermissionFaultCause.None, 0)]
    [InlineData(PermissionFaultCause.DirtyBit, 1 << 10)]
    [InlineData(PermissionFaultCause.AssuredOnly, 1 << 11)]
    [InlineData(PermissionFaultCause.Overlay, 1 << 13)]
    [Rule("EVT-22")]
    public void OnlyAPermissionFaultTellsItsCause(PermissionFaultCause cause, long bits)
    {
        ulong stage2 = EventRecord.Stage2Fault(
            EventType.Permission, Stream, null, Input, AccessKind.Write, FaultClass.ContextDescriptor, 0, cause: cause).Word1;
        ulong stage1 = EventRecord.Stage1Fault(
            EventType.Permission, Stream, null, Input, AccessKind.Write, cause: cause).Word1;
        ulong other = EventRecord.Stage1Fault(EventType.AccessFlag, Stream, null, Input, AccessKind.Write, cause: cause).Word1;

        Assert.Equal(((ulong)bits << 32) | (1UL << 39), stage2);
        Assert.Equal(((ulong)bits << 32) | (1UL << 41), stage1);
        Assert.Equal(1UL << 41, other);
    }

    [Theory]
    [InlineData(AccessKind.Read, true, false, false)]
    [InlineData(AccessKind.Read | AccessKind.Instruction, true, true, false)]
    [InlineData(AccessKind.Write | AccessKind.Instruction, false, false, false)]
    [InlineData(AccessKind.Atomic | AccessKind.Privileged, false, false, true)]
    public void WritesAndAtomicsAreDataWrites(AccessKind access, bool read, bool instruction, bool privileged)
    {
        EventRecord record = EventRecord.Stage1Fault(EventType.Translation, Stream, null, Input, access);

        Assert.Equal((read, instruction, privileged), (record.RnW, record.InD, record.PnU));
    }

    [Fact]
    [Rule("EVT-04")]
    public void InputAddressKeepsItsTag() =>
        Assert.Equal(Input, EventRecord.Stage1Fault(EventType.Translation, Stream, null, Input, AccessKind.Read).InputAddress);

    [Fact]
    [Rule("EVT-23")]
    [Rule("EVT-24")]
    public void ConflictsHaveALongReason()
    {
        Assert.Equal(
            new EventRecord(Stream12 | 0x20, 0x0000_0088_dead_beef, Input, 0x5000),
            EventRecord.TlbConflict(Stream, Substream, Input, AccessKind.Read, stage2: true, 0x5678, 0xdead_beef));
        Assert.Equal(
            new EventRecord(Stream12 | 0x21, 0xdead_beef, 0, 0),
            EventRecord.ConfigurationConflict(Stream, Substream, 0xdead_beef));
    }

    [Theory]
    [InlineData(AccessPermissions.UnprivilegedExecute, 1)]
    [InlineData(AccessPermissions.UnprivilegedWrite, 2)]
    [InlineData(AccessPermissions.UnprivilegedRead, 3)]
    [InlineData(AccessPermissions.PrivilegedExecute, 5)]
    [InlineData(AccessPermissions.PrivilegedWrite, 6)]
    [InlineData(AccessPermissions.PrivilegedRead, 7)]
    [Rule("EVT-25")]
    public void PageRequestTellsThePermissionsThatWouldHelp(AccessPermissions permission, int bit)
    {
        EventRecord record = EventRecord.PageRequest(Stream, Substream, Input, 0xff, permission);

        Assert.Equal(
            new EventRecord(Stream12 | 0x24, (0xff000UL | (1UL << bit)) << 32, Input & ~0xfffUL, 0), record);
        Assert.Equal(permission, record.HintPermissions);
        Assert.Equal(0xff, record.HintSpan);
    }

    [Fact]
    [Rule("EVT-28")]
    public void NonSecureIpaIsToldAtStage2Only()
    {
        Assert.True(EventRecord.Stage2Fault(
            EventType.Translation, Stream, null, Input, AccessKind.Read, FaultClass.Input, 0, nonSecureIpa: true).NSIPA);
        Assert.False(EventRecord.WalkExternalAbort(
            Stream, null, Input, AccessKind.Read, false, FaultClass.TranslationTable, Fetch, nonSecureIpa: true).NSIPA);
    }

    [Fact]
    [Rule("EVT-01")]
    public void NoEventHasABitOutsideOfItsFields()
    {
        EventRecord[] fullest = EveryEventAtItsFullest();
        Assert.Equal(
            Enum.GetValues<EventType>().Except([EventType.None]).Order(), fullest.Select(static record => record.Type).Order());

        foreach (EventRecord record in fullest)
        {
            ulong[] rest = [record.Word0 & ~0xffUL, record.Word1, record.Word2, record.Word3];
            foreach (StructureField field in record.Fields) field.Set(rest, 0);
            Assert.Equal([0UL, 0UL, 0UL, 0UL], rest);
        }
    }

    [Fact]
    public void EveryEventHasAnArchitectureNameFieldsAndAText()
    {
        var names = new HashSet<string>();
        foreach (var type in Enum.GetValues<EventType>())
        {
            if (type == EventType.None) continue;
            var record = new EventRecord((ulong)type | (0x12UL << 32), 0, 0, 0);
            string name = Assert.IsType<string>(EventFields.NameOf(type));
            Assert.Matches("^[CEF]_[A-Z_]+$", name);
            Assert.True(names.Add(name), $"{name} is the name of two events.");
            Assert.Contains(record.Fields, field => field.Name == nameof(EventFields.StreamID));
            Assert.Contains(name, record.ToString(), StringComparison.Ordinal);
            Assert.Contains("0x12", record.ToString(), StringComparison.Ordinal);
        }

        Assert.Equal(19, names.Count);
        Assert.Null(EventFields.NameOf((EventType)0xff));
        Assert.Empty(new EventRecord(0xff, 0, 0, 0).Fields);
    }

    [Fact]
    public void TextTellsWhatHappenedToWhomAndWhere()
    {
        Assert.Equal(
            "F_TRANSLATION: stream 0x8, unprivileged write at 0x1000, stage 2 of a table access, IPA page 0x5000, "
            + "stalled with tag 0x3",
            EventRecord.Stage2Fault(
                EventType.Translation,
                new StreamId(8),
                null,
                0x1000,
                AccessKind.Write,
                FaultClass.TranslationTable,
                0x5678,
                stallTag: 3).ToString());
        Assert.Equal(
            "F_STE_FETCH: stream 0x8, substream 0x1, fetching 0x80000200",
            EventRecord.StreamTableEntryFetch(new StreamId(8), new SubstreamId(1), new PhysicalAddress(0x8000_0200)).ToString());
        Assert.Equal("unknown event 0xe0", new EventRecord(0xe0, 0, 0, 0).ToString());
    }

    private static EventRecord[] EveryEventAtItsFullest()
    {
        const AccessKind access = AccessKind.Read | AccessKind.Instruction | AccessKind.Privileged;
        const PermissionFaultCause causes =
            PermissionFaultCause.DirtyBit | PermissionFaultCause.AssuredOnly | PermissionFaultCause.Overlay;
        var everywhere = new PhysicalAddress(ulong.MaxValue);
        const ulong all = ulong.MaxValue;
        return
        [
            EventRecord.UnsupportedUpstreamTransaction(Stream, Substream, all, access, 0xffff),
            EventRecord.BadStreamId(Stream, Substream),
            EventRecord.StreamTableEntryFetch(Stream, Substream, everywhere, 0xffff, true),
            EventRecord.BadStreamTableEntry(Stream, Substream),
            EventRecord.BadAtsTranslationRequest(Stream, Substream, all, 0xff, access | AccessKind.Write),
            EventRecord.StreamDisabled(Stream),
            EventRecord.TranslationForbidden(Stream, all, access),
            EventRecord.BadSubstreamId(Stream, Substream),
            EventRecord.ContextDescriptorFetch(Stream, Substream, everywhere, 0xffff, true),
            EventRecord.BadContextDescriptor(Stream, Substream),
            EventRecord.WalkExternalAbort(
                Stream, Substream, all, access, true, FaultClass.Input, everywhere, 0xffff, true, true),
            .. FourFaults.Select(type => EventRecord.Stage2Fault(
                type, Stream, Substream, all, access, FaultClass.TranslationTable, all, 0xffff, true, causes, true)),
            EventRecord.TlbConflict(Stream, Substream, all, access, true, all, uint.MaxValue),
            EventRecord.ConfigurationConflict(Stream, Substream, uint.MaxValue),
            EventRecord.PageRequest(Stream, Substream, all, 0xff, AccessPermissions.All),
            EventRecord.VirtualMachineStructureFetch(Stream, Substream, everywhere, 0xffff, true),
        ];
    }
}
