using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>Commands have the architecture's opcodes and fields, and what is built is what is read.</summary>
public class CommandTests
{
    private const string Opcodes = """
        01 PREFETCH_CONFIG; 02 PREFETCH_ADDR; 03 CFGI_STE; 04 CFGI_STE_RANGE; 05 CFGI_CD; 06 CFGI_CD_ALL; 07 CFGI_VMS_PIDM;
        10 TLBI_NH_ALL; 11 TLBI_NH_ASID; 12 TLBI_NH_VA; 13 TLBI_NH_VAA; 18 TLBI_EL3_ALL; 1A TLBI_EL3_VA; 20 TLBI_EL2_ALL;
        21 TLBI_EL2_ASID; 22 TLBI_EL2_VA; 23 TLBI_EL2_VAA; 28 TLBI_S12_VMALL; 2A TLBI_S2_IPA; 30 TLBI_NSNH_ALL; 40 ATC_INV;
        41 PRI_RESP; 44 RESUME; 45 STALL_TERM; 46 SYNC; 50 TLBI_S_EL2_ALL; 51 TLBI_S_EL2_ASID; 52 TLBI_S_EL2_VA;
        53 TLBI_S_EL2_VAA; 58 TLBI_S_S12_VMALL; 5A TLBI_S_S2_IPA; 60 TLBI_SNH_ALL; 70 DPTI_ALL; 73 DPTI_PA
        """;

    // The properties that read their bits shifted down to bit 0.
    private const string Fields = """
        [7:0] Opcode; [9] Global; [10] SSec; [11] SSV; [31:12] SubstreamId; [63:32] StreamId; [47:32] Vmid; [63:48] Asid;
        [64] Leaf; [16:12] NUM; [25:20] SCALE; [71] TTL128; [73:72] TTL; [75:74] TG; [65] NS; [68:64] Range;
        [68:64] PrefetchSize; [73:69] Stride; [69:64] Size; [75:72] DptiSize; [72:64] PRGIndex; [77:76] Resp; [12] Ac; [13] Ab;
        [79:64] StallTag; [13:12] CS; [23:22] MSH; [27:24] MSIAttr; [63:32] MSIData; [127] MSI_NS
        """;

    // The properties whose bits lie where an address has them.
    private const string AddressFields = "[127:76] Address; [119:76] IntermediatePhysicalAddress; [119:66] MSIAddress";

    private static readonly InvalidationRange Range = new(TG: 1, NUM: 31, SCALE: 0x27, TTL: 2, TTL128: true);
    private static readonly StreamId Stream = new(0x8765_4321);
    private static readonly SubstreamId Substream = new(0xabcde);
    private static readonly Vmid Vmid = new(0x1234);
    private static readonly Asid Asid = new(0x5678);

    public static TheoryData<Command, ulong, ulong> Examples => new()
    {
        { Command.PrefetchConfig(Stream), 0x8765_4321_0000_0001, 0 },
        { Command.PrefetchConfig(Stream, Substream, secure: true), 0x8765_4321_abcd_ec01, 0 },
        {
            Command.PrefetchAddress(Stream, 0xffff_0000_1234_5000, 31, 30, Substream),
            0x8765_4321_abcd_e802,
            0xffff_0000_1234_53df
        },
        { Command.CfgiSte(Stream), 0x8765_4321_0000_0003, 1 },
        { Command.CfgiSte(Stream, leaf: false, secure: true), 0x8765_4321_0000_0403, 0 },
        { Command.CfgiSteRange(Stream, 7), 0x8765_4321_0000_0004, 7 },
        { Command.CfgiAll(), 0x0000_0000_0000_0004, 31 },
        { Command.CfgiCd(Stream, Substream), 0x8765_4321_abcd_e005, 1 },
        { Command.CfgiCd(Stream, Substream, leaf: false), 0x8765_4321_abcd_e005, 0 },
        { Command.CfgiCdAll(Stream), 0x8765_4321_0000_0006, 0 },
        { Command.CfgiVmsPidm(Vmid), 0x0000_1234_0000_0007, 0 },
        { Command.TlbiNhAll(Vmid), 0x0000_1234_0000_0010, 0 },
        { Command.TlbiNhAsid(Vmid, Asid), 0x5678_1234_0000_0011, 0 },
        { Command.TlbiNhVa(Vmid, Asid, 0xffff_8000_0000_1000), 0x5678_1234_0000_0012, 0xffff_8000_0000_1001 },
        { Command.TlbiNhVa(Vmid, Asid, 0x1000, leaf: false, Range), 0x5678_1234_0271_f012, 0x1680 },
        { Command.TlbiNhVaa(Vmid, 0x1000, leaf: true, Range), 0x0000_1234_0271_f013, 0x1681 },
        { Command.TlbiEl3All(), 0x18, 0 },
        { Command.TlbiEl3Va(0x1000, leaf: true, Range), 0x0000_0000_0271_f01a, 0x1681 },
        { Command.TlbiEl2All(), 0x20, 0 },
        { Command.TlbiEl2Asid(Asid), 0x5678_0000_0000_0021, 0 },
        { Command.TlbiEl2Va(Asid, 0x1000, leaf: true, Range), 0x5678_0000_0271_f022, 0x1681 },
        { Command.TlbiEl2Vaa(0x1000, leaf: false), 0x23, 0x1000 },
        { Command.TlbiS12Vmall(Vmid), 0x0000_1234_0000_0028, 0 },
        { Command.TlbiS2Ipa(Vmid, 0x00ff_ffff_ffff_f000), 0x0000_1234_0000_002a, 0x00ff_ffff_ffff_f001 },
        { Command.TlbiNsnhAll(), 0x30, 0 },
        { Command.AtcInv(Stream, 0xffff_0000_1234_5000, 52), 0x8765_4321_0000_0040, 0xffff_0000_1234_5034 },
        { Command.AtcInv(Stream, 0x5000, 1, Substream, global: true), 0x8765_4321_abcd_ea40, 0x5001 },
        { Command.PriResp(Stream, 0x1ff, PageResponse.Success), 0x8765_4321_0000_0041, 0x21ff },
        { Command.PriResp(Stream, 0x001, PageResponse.InvalidRequest, Substream), 0x8765_4321_abcd_e841, 0x1001 },
        { Command.ResumeRetry(Stream, 0xbeef), 0x8765_4321_0000_1044, 0xbeef },
        { Command.ResumeTerminate(Stream, 0xbeef), 0x8765_4321_0000_2044, 0xbeef },
        { Command.ResumeTerminate(Stream, 0xbeef, abort: false, secure: true), 0x8765_4321_0000_0444, 0xbeef },
        { Command.StallTerm(Stream), 0x8765_4321_0000_0045, 0 },
        { Command.Sync(), 0x46, 0 },
        { Command.Sync(CompletionSignal.Event), 0x2046, 0 },
        {
            Command.SyncWithMsi(new PhysicalAddress(0x0080_0000_0808_0040), 0xfeed_f00d),
            0xfeed_f00d_0fc0_1046,
            0x0080_0000_0808_0040
        },
        { Command.TlbiSEl2All(), 0x50, 0 },
        { Command.TlbiSEl2Asid(Asid), 0x5678_0000_0000_0051, 0 },
        { Command.TlbiSEl2Va(Asid, 0x1000), 0x5678_0000_0000_0052, 0x1001 },
        { Command.TlbiSEl2Vaa(0x1000), 0x53, 0x1001 },
        { Command.TlbiSS12Vmall(Vmid), 0x0000_1234_0000_0058, 0 },
        { Command.TlbiSS2Ipa(Vmid, 0x1000, nonSecure: true), 0x0000_1234_0000_005a, 0x1003 },
        { Command.TlbiSnhAll(), 0x60, 0 },
        { Command.DptiAll(), 0x70, 0 },
        { Command.DptiPa(new PhysicalAddress(0x00ff_ffff_ffff_f000), 9), 0x73, 0x00ff_ffff_ffff_f901 },
    };

    [Theory]
    [MemberData(nameof(Examples))]
    [Rule("CMD-GEN-01")]
    [Rule("CMD-GEN-03")]
    public void FactoriesPlaceEveryFieldWhereTheArchitectureHasIt(Command command, ulong word0, ulong word1) =>
        Assert.Equal((word0, word1), (command.Word0, command.Word1));

    [Theory]
    [MemberData(nameof(Examples))]
    public void FactoriesTouchNoBitOutsideOfTheFieldsOfTheirCommand(Command command, ulong word0, ulong word1)
    {
        ulong[] rest = [word0 & ~0xffUL, word1];
        foreach (StructureField field in command.Fields) field.Set(rest, 0);

        Assert.True(command.IsDefined);
        Assert.Equal([0UL, 0UL], rest);
    }

    [Fact]
    public void EveryOpcodeHasAFactory() => Assert.Equal(
        Enum.GetValues<CommandOpcode>().Order(),
        Examples.Select(static row => ((Command)row[0]).Opcode).Distinct().Order());

    [Fact]
    [Rule("CMD-GEN-01")]
    public void TheOpcodesAreThoseOfTheArchitectureAndNoOthers()
    {
        Dictionary<byte, string> expected = Opcodes
            .Split(';', StringSplitOptions.TrimEntries)
            .Select(static entry => entry.Split(' '))
            .ToDictionary(static entry => Convert.ToByte(entry[0], 16), static entry => "CMD_" + entry[1]);
        Assert.Equal(34, expected.Count);

        for (int opcode = 0; opcode < 256; opcode++)
        {
            var command = new Command((ulong)opcode, 0);
            Assert.Equal(expected.ContainsKey((byte)opcode), command.IsDefined);
            Assert.Equal(command.IsDefined, Enum.IsDefined(command.Opcode));
            string name = command.ToString().Split(' ')[0];
            Assert.Equal(expected.GetValueOrDefault((byte)opcode, "illegal"), name);
        }
    }

    [Fact]
    [Rule("CMD-GEN-03")]
    public void EveryPropertyReadsExactlyItsBits()
    {
        List<FieldMap> plain = FieldMap.Parse(Fields);
        List<FieldMap> addresses = FieldMap.Parse(AddressFields);
        for (int bit = 0; bit < 128; bit++)
        {
            object command = new Command(bit < 64 ? 1UL << bit : 0, bit < 64 ? 0 : 1UL << (bit - 64));
            foreach (FieldMap field in plain.Concat(addresses))
            {
                ulong expected = bit < field.Low || bit > field.High ? 0
                    : 1UL << (addresses.Contains(field) ? bit - 64 : bit - field.Low);
                Assert.Equal(expected, FieldMap.Number(command, field.Name));
            }
        }
    }

    [Fact]
    [Rule("CMD-GEN-01")]
    public void ACommandIsSixteenLittleEndianBytes()
    {
        Assert.Equal(16, Command.SizeBytes);
        Assert.Equal(Command.SizeBytes, Unsafe.SizeOf<Command>());
        byte[] bytes = [0x11, 0, 0, 0, 0x34, 0x12, 0x78, 0x56, 0, 0, 0, 0, 0, 0, 0, 0];
        Assert.Equal(Command.TlbiNhAsid(Vmid, Asid), MemoryMarshal.Read<Command>(bytes));
    }

    [Fact]
    public void FactoriesRefuseWhatAFieldCannotHold()
    {
        Assert.Throws<ArgumentOutOfRangeException>(static () => Command.TlbiNhVa(Vmid, Asid, 0x1001));
        Assert.Throws<ArgumentOutOfRangeException>(static () => Command.TlbiS2Ipa(Vmid, 1UL << 56));
        Assert.Throws<ArgumentOutOfRangeException>(static () => Command.CfgiCd(Stream, new SubstreamId(1 << 20)));
        Assert.Throws<ArgumentOutOfRangeException>(static () => Command.CfgiSteRange(Stream, 32));
        Assert.Throws<ArgumentOutOfRangeException>(static () => Command.SyncWithMsi(new PhysicalAddress(2), 0));
    }

    [Fact]
    public void TextNamesTheCommandAndItsFields()
    {
        Assert.Equal("CMD_CFGI_STE StreamID=0x8 Leaf", Command.CfgiSte(new StreamId(8)).ToString());
        Assert.Equal("illegal command 0x80", new Command(0x80, 0).ToString());
    }
}
