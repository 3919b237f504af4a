using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>The structures in memory have exactly the fields of the architecture, in exactly their places.</summary>
public class StructureLayoutTests
{
    private const string StreamTableEntryMap = """
        [0] V; [3:1] Config; [5:4] S1Fmt; [55:6] S1ContextPtr; [63:59] S1CDMax; [65:64] S1DSS; [67:66] S1CIR; [69:68] S1COR;
        [71:70] S1CSH; [72] S2HWU59; [73] S2HWU60; [74] S2HWU61; [75] S2HWU62; [76] DRE; [80:77] CONT; [81] DCP; [82] PPAR;
        [83] MEV; [87:84] SW_RESERVED; [88] S1PIE; [89] S2FWB; [90] S1MPAM; [91] S1STALLD; [93:92] EATS; [95:94] STRW;
        [99:96] MemAttr; [100] MTCFG; [104:101] ALLOCCFG; [109:108] SHCFG; [111:110] NSCFG; [113:112] PRIVCFG;
        [115:114] INSTCFG; [143:128] S2VMID; [165:160] S2T0SZ; [167:166] S2SL0; [169:168] S2IR0; [171:170] S2OR0;
        [173:172] S2SH0; [175:174] S2TG; [178:176] S2PS; [179] S2AA64; [180] S2ENDI; [181] S2AFFD; [182] S2PTW; [183] S2HD;
        [184] S2HA; [185] S2S; [186] S2R; [187] S2HAFT; [188] S2PIE; [189] S2POE; [191:190] DPT_VMATCH; [192] S2NSW;
        [193] S2NSA; [194] S2SL0_2; [195] S2DS; [247:196] S2TTB; [254:253] S2SKL; [287:272] PARTID; [293:288] S_S2T0SZ;
        [295:294] S_S2SL0; [303:302] S_S2TG; [319:304] MECID; [327:320] PMG; [328] MPAM_NS; [329] AssuredOnly; [330] TL0;
        [331] TL1; [375:332] VMSPtr; [384] S2SW; [385] S2SA; [386] S_S2SL0_2; [439:388] S_S2TTB; [446:445] S_S2SKL;
        [511:448] S2POI
        """;

    private const string ContextDescriptorMap = """
        [5:0] T0SZ; [7:6] TG0; [9:8] IR0; [11:10] OR0; [13:12] SH0; [14] EPD0; [15] ENDI; [21:16] T1SZ; [23:22] TG1;
        [25:24] IR1; [27:26] OR1; [29:28] SH1; [30] EPD1; [31] V; [34:32] IPS; [35] AFFD; [36] WXN; [37] UWXN; [38] TBI0;
        [39] TBI1; [40] PAN; [41] AA64; [42] HD; [43] HA; [44] S; [45] R; [46] A; [47] ASET; [63:48] ASID; [64] NSCFG0;
        [65] HAD0; [66] E0PD0; [67] HAFT; [119:68] TTB0; [122] PnCH; [123] EPAN; [124] HWU059; [125] HWU060; [126] HWU061;
        [127] HWU062; [128] NSCFG1; [129] HAD1; [130] E0PD1; [131] AIE; [183:132] TTB1; [186] DS; [187] PIE; [188] HWU159;
        [189] HWU160; [190] HWU161; [191] HWU162; [223:192] MAIR0; [255:224] MAIR1; [287:256] AMAIR0; [319:288] AMAIR1;
        [367:352] PARTID; [375:368] PMG; [431:384] PIIU; [495:448] PIIP
        """;

    private static readonly string[] AddressFields = ["S1ContextPtr", "S2TTB", "S_S2TTB", "VMSPtr", "TTB0", "TTB1", "L2Ptr"];

    [Fact]
    public void StreamTableEntryHasTheFieldsOfTheArchitecture() => AssertLayout(
        StreamTableEntryMap, StreamTableEntry.Fields, 8, static words => new StreamTableEntry(words));

    [Fact]
    public void ContextDescriptorHasTheFieldsOfTheArchitecture() => AssertLayout(
        ContextDescriptorMap, ContextDescriptor.Fields, 8, static words => new ContextDescriptor(words));

    [Fact]
    [Rule("STB-04")]
    public void Level1StreamTableDescriptorHasTheFieldsOfTheArchitecture() => AssertLayout(
        "[4:0] Span; [55:6] L2Ptr",
        Level1StreamTableDescriptor.Fields,
        1,
        static words => new Level1StreamTableDescriptor(words[0]));

    [Fact]
    public void Level1ContextDescriptorHasTheFieldsOfTheArchitecture() => AssertLayout(
        "[0] V; [55:12] L2Ptr", Level1ContextDescriptor.Fields, 1, static words => new Level1ContextDescriptor(words[0]));

    [Fact]
    public void SizesAreThoseOfTheArchitecture()
    {
        Assert.Equal(64, StreamTableEntry.SizeBytes);
        Assert.Equal(StreamTableEntry.SizeBytes, Unsafe.SizeOf<StreamTableEntry>());
        Assert.Equal(64, ContextDescriptor.SizeBytes);
        Assert.Equal(ContextDescriptor.SizeBytes, Unsafe.SizeOf<ContextDescriptor>());
        Assert.Equal(Level1StreamTableDescriptor.SizeBytes, Unsafe.SizeOf<Level1StreamTableDescriptor>());
        Assert.Equal(Level1ContextDescriptor.SizeBytes, Unsafe.SizeOf<Level1ContextDescriptor>());
    }

    [Fact]
    public void RawBytesAreTheStructure()
    {
        byte[] bytes = new byte[64];
        bytes[0] = 0x0b;    // V, Config = stage 1
        bytes[16] = 0x34;   // S2VMID
        bytes[17] = 0x12;

        var entry = MemoryMarshal.Read<StreamTableEntry>(bytes);

        Assert.True(entry.IsValid);
        Assert.Equal(StreamConfiguration.Stage1, entry.Config);
        Assert.Equal(new Vmid(0x1234), entry.S2VMID);
    }

    [Fact]
    public void WithChangesOneFieldAndLeavesTheOriginal()
    {
        var entry = new StreamTableEntry(Enumerable.Repeat(ulong.MaxValue, 8).ToArray());

        StreamTableEntry changed = entry.With(StreamTableEntryField.S2TTB, 0x12_3456_7890);

        Assert.Equal(0x12_3456_7890u, changed.S2TTB);
        Assert.Equal(0xff0000000000000fu | 0x12_3456_7890u, changed[3]);
        Assert.All([0, 1, 2, 4, 5, 6, 7], word => Assert.Equal(ulong.MaxValue, changed[word]));
        Assert.Equal(ulong.MaxValue, entry[3]);
        Assert.NotEqual(entry, changed);
        Assert.Equal(entry, changed.With(StreamTableEntryField.S2TTB, entry.S2TTB));
    }

    [Theory]
    [InlineData(StreamTableEntryField.Config, 8)]
    [InlineData(StreamTableEntryField.S1ContextPtr, 0x20)]
    [InlineData(StreamTableEntryField.S1ContextPtr, 1L << 56)]
    public void WithRefusesWhatTheFieldCannotHold(StreamTableEntryField field, long value) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => default(StreamTableEntry).With(field, (ulong)value));

    [Theory]
    [InlineData(7)]
    [InlineData(9)]
    public void AStructureTakesExactlyItsWords(int count)
    {
        Assert.Throws<ArgumentException>(() => new StreamTableEntry(new ulong[count]));
        Assert.Throws<ArgumentException>(() => new ContextDescriptor(new ulong[count]));
    }

    [Fact]
    public void PermissionEntriesAreNibblesAtStage2AndTriplesAtStage1()
    {
        var entry = default(StreamTableEntry).With(StreamTableEntryField.S2POI, 0xfedc_ba98_7654_3210);
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.PIIU, Octal("7654321076543210"))
            .With(ContextDescriptorField.PIIP, Octal("0123456701234567"));

        for (int index = 0; index < 16; index++)
        {
            Assert.Equal(index, entry.OverlayPermission(index));
            Assert.Equal(index & 7, descriptor.UnprivilegedPermission(index));
            Assert.Equal(7 - (index & 7), descriptor.PrivilegedPermission(index));
        }

        static ulong Octal(string digits) => digits.Aggregate(0UL, static (sum, digit) => (sum << 3) | (uint)(digit - '0'));
    }

    [Fact]
    public void D128NamesReadTheBitsOfTheNamesTheyReplace()
    {
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.HWU062, 1)
            .With(ContextDescriptorField.HWU161, 1)
            .With(ContextDescriptorField.HAD0, 1);

        Assert.Equal(2, descriptor.SKL0);
        Assert.Equal(1, descriptor.SKL1);
        Assert.True(descriptor.DisCH0);
        Assert.False(descriptor.DisCH1);
    }

    [Fact]
    public void ASecondLevelExistsForSpans1To11AndIsAlignedToItsSize()
    {
        for (uint span = 0; span < 32; span++)
        {
            var descriptor = new Level1StreamTableDescriptor(0x00ff_ffff_ffff_ffe0UL | span);

            Assert.Equal(span is >= 1 and <= 11, descriptor.HasSecondLevel);
            if (!descriptor.HasSecondLevel) continue;
            ulong size = 64UL << ((int)span - 1);
            Assert.Equal(0x0100_0000_0000_0000UL - size, descriptor.AlignedL2Ptr);
        }
    }

    [Fact]
    public void TextNamesTheFieldsThatAreSet()
    {
        var entry = default(StreamTableEntry).With(StreamTableEntryField.V, 1).With(StreamTableEntryField.S2TTB, 0x8000_0000);

        Assert.Equal("V S2TTB=0x80000000", entry.ToString());
        Assert.Equal("all fields zero", default(ContextDescriptor).ToString());
    }

    private static void AssertLayout<T>(string map, IReadOnlyList<StructureField> table, int words, Func<ulong[], T> create)
        where T : struct
    {
        List<FieldMap> expected = FieldMap.Parse(map);
        Assert.Equal(
            expected.Select(static field => (field.Name, field.High, field.Low)),
            table.Select(static field => (field.Name, field.High, field.Low)));

        var owners = new string?[words * 64];
        foreach (FieldMap field in expected)
        {
            Assert.Equal(field.High / 64, field.Low / 64);
            for (int bit = field.Low; bit <= field.High; bit++)
            {
                Assert.Null(owners[bit]);
                owners[bit] = field.Name;
            }
        }

        for (int bit = 0; bit < owners.Length; bit++)
        {
            ulong[] raw = new ulong[words];
            raw[bit / 64] = 1UL << (bit % 64);
            object structure = create(raw);
            foreach (FieldMap field in expected)
            {
                ulong value = 0;
                if (field.Name == owners[bit])
                    value = 1UL << (AddressFields.Contains(field.Name) ? bit % 64 : bit - field.Low);
                Assert.Equal(value, FieldMap.Number(structure, field.Name == "V" ? "IsValid" : field.Name));
                Assert.Equal(value, table.Single(entry => entry.Name == field.Name).Get(raw));
            }
        }

        AssertTableWrites(table, words);
    }

    private static void AssertTableWrites(IReadOnlyList<StructureField> table, int words)
    {
        foreach (StructureField field in table)
        {
            ulong[] raw = new ulong[words];
            ulong all = 0;
            for (int bit = field.Low; bit <= field.High; bit++) all |= 1UL << (bit % 64);

            field.Set(raw, field.IsAddress ? all : all >> (field.Low % 64));

            Assert.Equal(all, raw[field.Low / 64]);
            Assert.Equal(1, raw.Count(static word => word != 0));
            field.Set(raw, 0);
            Assert.All(raw, static word => Assert.Equal(0u, word));
        }
    }
}
