using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>The ID registers are read field by field, from whatever words, and the presets are what they say.</summary>
public class SmmuFeaturesTests
{
    private static readonly (string Register, string Map)[] Registers =
    [
        ("Idr0", """
            [0] S2P; [1] S1P; [3:2] TTF; [4] COHACC; [5] BTM; [7:6] HTTU; [8] DORMHINT; [9] Hyp; [10] ATS; [11] NS1ATS;
            [12] ASID16; [13] MSI; [14] SEV; [15] ATOS; [16] PRI; [17] VMW; [18] VMID16; [19] CD2L; [20] VATOS;
            [22:21] TTENDIAN; [23] ATSRECERR; [25:24] STALL_MODEL; [26] TERM_MODEL; [28:27] ST_LEVEL; [30] RME_IMPL
            """),
        ("Idr1", """
            [5:0] SIDSIZE; [10:6] SSIDSIZE; [15:11] PRIQS; [20:16] EVENTQS; [25:21] CMDQS; [26] ATTR_PERMS_OVR;
            [27] ATTR_TYPES_OVR; [28] REL; [29] QUEUES_PRESET; [30] TABLES_PRESET; [31] ECMDQ
            """),
        ("Idr2", "[9:0] BA_VATOS"),
        ("Idr3", """
            [2] HAD; [3] PBHA; [4] XNX; [5] PPS; [7] MPAM; [8] FWB; [9] STT; [10] RIL; [12:11] BBML; [13] E0PD; [14] PTWNNC;
            [15] DPT; [16] PASIDTT; [17] EPAN; [18] S1PI; [19] S2PI; [20] S2PO; [21] THE; [22] MTEPERM; [23] AIE
            """),
        ("Idr4", ""),
        ("Idr5", "[2:0] OAS; [4] GRAN4K; [5] GRAN16K; [6] GRAN64K; [7] DS; [8] D128; [11:10] VAX; [31:16] STALL_MAX"),
        ("Iidr", "[11:0] Implementer; [15:12] Revision; [19:16] Variant; [31:20] ProductID"),
        ("Aidr", "[3:0] ArchMinorRev"),
        ("Idr6", "[19:16] CMDQ_CONTROL_PAGE_LOG2NUMQ; [27:24] CMDQ_CONTROL_PAGE_LOG2NUMP"),
    ];

    public static TheoryData<SmmuFeatures> Presets =>
        [SmmuFeatures.Stage1Only, SmmuFeatures.Default, SmmuFeatures.Wide, SmmuFeatures.QemuVirt];

    [Fact]
    [Rule("ID-04")]
    [Rule("ID-07")]
    [Rule("ID-31")]
    [Rule("ID-71")]
    public void EveryPropertyReadsExactlyItsBits()
    {
        int looked = 0;
        uint[] raw = new uint[Registers.Length];
        for (int bit = 0; bit < raw.Length * 32; bit++)
        {
            Array.Clear(raw);
            raw[bit / 32] = 1u << (bit % 32);
            object features = FromWords(raw);
            for (int register = 0; register < raw.Length; register++)
            {
                Assert.Equal(raw[register], FieldMap.Number(features, Registers[register].Register));
                foreach (FieldMap field in FieldMap.Parse(Registers[register].Map))
                {
                    bool owns = register == bit / 32 && bit % 32 >= field.Low && bit % 32 <= field.High;
                    Assert.Equal(owns ? 1UL << ((bit % 32) - field.Low) : 0, FieldMap.Number(features, field.Name));
                    looked++;
                }
            }
        }

        Assert.Equal(9 * 32 * SmmuFeatures.Fields.Count, looked);
    }

    [Fact]
    public void AnyWordsAreTakenAndKeptAndNeverLeadOutOfRange()
    {
        SmmuFeatures features = FromWords(Enumerable.Repeat(uint.MaxValue, 9).ToArray());

        Assert.Equal(uint.MaxValue, features.Idr0);
        Assert.Equal(uint.MaxValue, features.Idr4);
        Assert.Equal(uint.MaxValue, features.Idr6);
        Assert.Equal(32, features.StreamIdBits);
        Assert.Equal(20, features.SubstreamIdBits);
        Assert.Equal(19, features.CommandQueueLog2);
        Assert.Equal(19, features.EventQueueLog2);
        Assert.Equal(19, features.PageRequestQueueLog2);
        Assert.Equal(48, features.VirtualAddressBits);
        Assert.NotEmpty(features.FindContradictions());
    }

    [Theory]
    [InlineData(0, 32)]
    [InlineData(1, 36)]
    [InlineData(2, 40)]
    [InlineData(3, 42)]
    [InlineData(4, 44)]
    [InlineData(5, 48)]
    [InlineData(6, 52)]
    [InlineData(7, 56)]
    [Rule("ID-64")]
    public void OutputSizeFollowsItsCode(uint code, int bits)
    {
        SmmuFeatures features = SmmuFeatures.FromRaw(0b1000, 0, 0, 0, 0, code, 0, 4);

        Assert.Equal(bits, features.OutputAddressBits);
        Assert.Equal(bits, features.InputAddressBits);
    }

    [Theory]
    [InlineData(0b01, 1, 40)]
    [InlineData(0b11, 1, 40)]
    [InlineData(0b10, 1, 36)]
    [InlineData(0b01, 5, 40)]
    [InlineData(0b11, 5, 48)]
    public void InputSizeIsTheLargerOfFortyForLpaeAndTheOutputSizeForVmsa64(ulong formats, ulong output, int bits) =>
        Assert.Equal(bits, SmmuFeatures.Default
            .With(SmmuFeatureField.TTF, formats).With(SmmuFeatureField.OAS, output).InputAddressBits);

    [Theory]
    [InlineData(0, 48)]
    [InlineData(1, 52)]
    [InlineData(2, 56)]
    public void VirtualSizeFollowsVax(ulong code, int bits) =>
        Assert.Equal(bits, SmmuFeatures.Default.With(SmmuFeatureField.VAX, code).VirtualAddressBits);

    [Theory]
    [MemberData(nameof(Presets))]
    public void PresetsDoNotContradictThemselves(SmmuFeatures preset)
    {
        Assert.Empty(preset.FindContradictions());
        preset.Check();
    }

    [Theory]
    [MemberData(nameof(Presets))]
    [Rule("ID-08")]
    [Rule("ID-30")]
    [Rule("ID-63")]
    public void NoPresetAnnouncesWhatIsNotModelled(SmmuFeatures preset)
    {
        const uint Reserved = 0xa000_0000;
        using var machine = new GuestMachine(preset);

        Assert.Equal(0u, machine.Read(RegisterOffset.IDR0) & Reserved);
        Assert.Equal(0u, machine.Read(RegisterOffset.IDR4));
        Assert.False(preset.BTM || preset.ATOS || preset.VATOS || preset.RME_IMPL || preset.DORMHINT);
        Assert.False(preset.ECMDQ || preset.MPAM || preset.DPT || preset.D128 || preset.NS1ATS || preset.PBHA);
        Assert.Equal(0, preset.TTF & 1);
        Assert.NotEqual(3, preset.HTTU);
        Assert.Equal(preset.STALL_MODEL == 0 ? 256 : 0, preset.STALL_MAX);
    }

    [Fact]
    public void DefaultAnnouncesBothStagesAndNothingThatIsNotThere()
    {
        SmmuFeatures features = SmmuFeatures.Default;

        Assert.Equal(0x088f_769bu, features.Idr0);   // HTTU 0b10, STALL_MODEL 0b00, TERM_MODEL 0; no ATOS, BTM.
        Assert.Equal(0x0e73_9d10u, features.Idr1);
        Assert.Equal(0u, features.Idr2);
        Assert.Equal(0x0000_1734u, features.Idr3);
        Assert.Equal(0u, features.Idr4);
        Assert.Equal(0x0100_0075u, features.Idr5);
        Assert.Equal((false, true, false), (features.PTWNNC, features.STT, features.E0PD));
        Assert.Equal(2, features.Version);
        Assert.Equal(48, features.OutputAddressBits);
        Assert.Equal(48, features.VirtualAddressBits);
    }

    [Fact]
    public void Stage1OnlyAnnouncesStage1AloneAndNothingThatIsNotThere()
    {
        SmmuFeatures features = SmmuFeatures.Stage1Only;

        Assert.Equal(0x0900_301au, features.Idr0);
        Assert.Equal(0x0e73_0010u, features.Idr1);
        Assert.Equal(0u, features.Idr2);
        Assert.Equal(0x0000_1404u, features.Idr3);
        Assert.Equal(0u, features.Idr4);
        Assert.Equal(0x0000_0075u, features.Idr5);
        Assert.Equal(2, features.Version);
    }

    [Fact]
    public void WideIsDefaultWith52BitAddressesInAllGranules()
    {
        SmmuFeatures features = SmmuFeatures.Wide;

        Assert.Equal(52, features.OutputAddressBits);
        Assert.Equal(52, features.InputAddressBits);
        Assert.Equal(52, features.VirtualAddressBits);
        Assert.True(features.DS);
        Assert.Equal(
            SmmuFeatures.Default,
            features.With(SmmuFeatureField.OAS, 5).With(SmmuFeatureField.VAX, 0).With(SmmuFeatureField.DS, 0));
    }

    [Fact]
    public void QemuVirtIsTheMachineOfStockQemu()
    {
        SmmuFeatures features = SmmuFeatures.QemuVirt;

        Assert.Equal(
            (0x0d40_101au, 0x0273_0010u, 0x1404u, 0x74u, 0u, 1u),
            (features.Idr0, features.Idr1, features.Idr3, features.Idr5, features.Iidr, features.Aidr));
        Assert.Equal(44, features.OutputAddressBits);
        Assert.Equal(2, features.TTENDIAN);
        Assert.True(features.TERM_MODEL);
        Assert.False(features.MSI);
    }

    [Fact]
    [Rule("ID-72")]
    public void NoPresetPassesForAPartWithErrata()
    {
        const int arm = 0x43b;
        Assert.All(
            [SmmuFeatures.Stage1Only, SmmuFeatures.Default, SmmuFeatures.Wide],
            static features =>
            {
                Assert.NotEqual(arm, features.Implementer);
                Assert.Equal(0x7f, features.Implementer & 0x7f);   // The continuation code of JEP106 identifies nobody.
            });
    }

    [Fact]
    public void FeaturesAreEqualByTheirWords()
    {
        SmmuFeatures copy = SmmuFeatures.Default.With(SmmuFeatureField.SIDSIZE, 16);

        Assert.Equal(SmmuFeatures.Default, copy);
        Assert.Equal(SmmuFeatures.Default.GetHashCode(), copy.GetHashCode());
        Assert.NotEqual(SmmuFeatures.Default, copy.With(SmmuFeatureField.SIDSIZE, 8));
        Assert.NotEqual(SmmuFeatures.Default, copy.With(SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMQ, 1));
    }

    private static SmmuFeatures FromWords(uint[] raw) => SmmuFeatures.FromRaw(
        raw[0], raw[1], raw[2], raw[3], raw[4], raw[5], raw[6], raw[7], raw[8]);
}
