using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Formats.SmmuFeatureField;

namespace Smmu.Fast.Tests.Formats;

/// <summary>Every contradictory choice of features is found and named by a sentence of its own.</summary>
/// <remarks>Each row breaks features that have no contradiction by the changes it lists.</remarks>
public class SmmuFeatureContradictionTests
{
    private static readonly SmmuFeatures Stage1 = SmmuFeatures.Stage1Only;

    // Both stages, every client service and every option of v3.4, with 128-bit descriptors and 56-bit addresses.
    private static readonly SmmuFeatures Full = Set(
        SmmuFeatures.Wide,
        (S2P, 1), (Hyp, 1), (ATS, 1), (NS1ATS, 1), (PRI, 1), (ATSRECERR, 1), (VMW, 1), (VMID16, 1), (ATOS, 1), (VATOS, 1),
        (STALL_MODEL, 0), (SSIDSIZE, 20), (PRIQS, 19), (BA_VATOS, 4), (ECMDQ, 1), (TABLES_PRESET, 1), (REL, 1),
        (CMDQ_CONTROL_PAGE_LOG2NUMP, 8), (CMDQ_CONTROL_PAGE_LOG2NUMQ, 8), (PBHA, 1), (XNX, 1), (PPS, 1), (FWB, 1), (STT, 1),
        (E0PD, 1), (PTWNNC, 1), (DPT, 1), (PASIDTT, 1), (EPAN, 1), (S1PI, 1), (S2PI, 1), (S2PO, 1), (THE, 1), (MTEPERM, 1),
        (AIE, 1), (DS, 1), (D128, 1), (OAS, 7), (VAX, 2), (STALL_MAX, 64), (ArchMinorRev, 4));

    public static TheoryData<string, SmmuFeatures> Translation => new()
    {
        { "IDR0: at least one of S1P and S2P must be 1.", Set(Stage1, (S1P, 0)) },
        { "IDR0.TTF must name a table format: it cannot be 0.", Set(Stage1, (TTF, 0)) },
        { "IDR0.TTF[0] must be 0 with IDR3.DPT or IDR5.D128.", Set(Full, (TTF, 3), (DPT, 0)) },
        { "IDR0.TTF[0] must be 0 with IDR3.DPT or IDR5.D128.", Set(Full, (TTF, 3), (D128, 0)) },
        { "IDR0.Hyp must be 0 without S1P and S2P.", Set(Stage1, (Hyp, 1)) },
        { "IDR0.Hyp must be 1 from v3.2 on with S1P and S2P.", Set(Full, (Hyp, 0), (ArchMinorRev, 2)) },
        { "IDR0.VMW must be 0 without S2P.", Set(Stage1, (VMW, 1)) },
        { "IDR0.TTENDIAN cannot be 1.", Set(Stage1, (TTENDIAN, 1)) },
        { "IDR0.STALL_MODEL cannot be 3.", Set(Stage1, (STALL_MODEL, 3)) },
        { "IDR0.ST_LEVEL must be 0 or 1.", Set(Stage1, (ST_LEVEL, 2)) },
        { "IDR0.ST_LEVEL must not be 0 with an IDR1.SIDSIZE of 7 or more.", Set(Stage1, (ST_LEVEL, 0), (SIDSIZE, 7)) },
        { "IDR0[31] and IDR0[29] must be 0.", Raw(idr0: 1u << 31) },
        { "IDR0[31] and IDR0[29] must be 0.", Raw(idr0: 1u << 29) },
    };

    public static TheoryData<string, SmmuFeatures> ClientServices => new()
    {
        { "IDR0.NS1ATS must be 0 without ATS, S1P and S2P.", Set(Stage1, (ATS, 1), (NS1ATS, 1)) },
        { "IDR0.PRI must be 0 without ATS.", Set(Stage1, (PRI, 1)) },
        { "IDR0.ATSRECERR must be 0 without ATS.", Set(Stage1, (ATSRECERR, 1)) },
        { "IDR0.VATOS needs ATOS, S1P and S2P.", Set(Full, (ATOS, 0)) },
        { "IDR0.VATOS needs ATOS, S1P and S2P.", Set(Stage1, (ATOS, 1), (VATOS, 1)) },
        { "IDR2 must be 0 without IDR0.VATOS.", Set(Stage1, (BA_VATOS, 1)) },
        { "IDR2[31:10] must be 0.", Raw(idr2: 1u << 10) },
        { "IDR3.PPS must be 0 without IDR0.PRI or without substreams.", Set(Full, (PRI, 0)) },
        { "IDR3.PPS must be 0 without IDR0.PRI or without substreams.", Set(Full, (SSIDSIZE, 0)) },
        { "IDR3.DPT needs IDR0.ATS.", Set(Full, (ATS, 0)) },
        { "IDR3.PASIDTT must be 0 without IDR0.ATS or without substreams.", Set(Full, (ATS, 0)) },
        { "IDR3.PASIDTT must be 0 without IDR0.ATS or without substreams.", Set(Full, (SSIDSIZE, 0)) },
        { "IDR5.STALL_MAX must be 0 when IDR0.STALL_MODEL forbids stalls.", Set(Stage1, (STALL_MAX, 1)) },
    };

    public static TheoryData<string, SmmuFeatures> Sizes => new()
    {
        { "IDR1.SIDSIZE must be at most 32.", Set(Stage1, (SIDSIZE, 33)) },
        { "IDR1.SSIDSIZE must be at most 20.", Set(Stage1, (SSIDSIZE, 21)) },
        { "IDR1.PRIQS must be at most 19.", Set(Stage1, (PRIQS, 20)) },
        { "IDR1.EVENTQS must be at most 19.", Set(Stage1, (EVENTQS, 20)) },
        { "IDR1.CMDQS must be at most 19.", Set(Stage1, (CMDQS, 20)) },
        { "IDR1.REL must be 0 without TABLES_PRESET and QUEUES_PRESET.", Set(Stage1, (REL, 1)) },
        { "IDR1.QUEUES_PRESET must be 0 with ECMDQ.", Set(Stage1, (QUEUES_PRESET, 1), (ECMDQ, 1)) },
        { "IDR1.ECMDQ needs IDR0.COHACC and IDR0.MSI.", Set(Stage1, (ECMDQ, 1), (COHACC, 0)) },
        { "IDR1.ECMDQ needs IDR0.COHACC and IDR0.MSI.", Set(Stage1, (ECMDQ, 1), (MSI, 0)) },
        { "IDR6 must be 0 without IDR1.ECMDQ.", Set(Stage1, (CMDQ_CONTROL_PAGE_LOG2NUMQ, 1)) },
        { "IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP must be at most 8.", Set(Full, (CMDQ_CONTROL_PAGE_LOG2NUMP, 9)) },
        { "IDR6.CMDQ_CONTROL_PAGE_LOG2NUMQ must be at most 8.", Set(Full, (CMDQ_CONTROL_PAGE_LOG2NUMQ, 9)) },
        { "IDR6[31:28], IDR6[23:20] and IDR6[15:0] must be 0.", Raw(idr1: 1u << 31, idr6: 1) },
    };

    public static TheoryData<string, SmmuFeatures> Options => new()
    {
        { "IDR3.HAD must be 0 without IDR0.S1P.", Set(Full, (S1P, 0)) },
        { "IDR3.HAD must be 1 from v3.1 on with IDR0.S1P.", Set(Stage1, (HAD, 0), (ArchMinorRev, 1)) },
        { "IDR3.PBHA needs IDR3.HAD.", Set(Full, (HAD, 0)) },
        { "IDR3.PBHA must be 0 in v3.0.", Set(Stage1, (PBHA, 1), (ArchMinorRev, 0)) },
        { "IDR3.XNX must be 0 in v3.0.", Set(Full, (ArchMinorRev, 0)) },
        { "IDR3.XNX must be 1 from v3.1 on with IDR0.S2P.", Set(Full, (XNX, 0), (ArchMinorRev, 1)) },
        { "IDR3.FWB must be 1 from v3.2 on with IDR0.S2P.", Set(Full, (FWB, 0), (ArchMinorRev, 2)) },
        { "IDR3.RIL must be 1 from v3.2 on.", Set(Stage1, (RIL, 0)) },
        { "IDR3.BBML must be 0, 1 or 2.", Set(Stage1, (BBML, 3)) },
        { "IDR3.BBML must be 1 or 2 from v3.2 on.", Set(Stage1, (BBML, 0)) },
        { "IDR3.E0PD must be 1 from v3.3 on.", Set(Full, (E0PD, 0), (ArchMinorRev, 3)) },
        { "IDR3.PTWNNC must be 0 without IDR0.S2P.", Set(Stage1, (PTWNNC, 1)) },
        { "IDR3.PTWNNC must be 1 from v3.3 on with IDR0.S2P.", Set(Full, (PTWNNC, 0), (ArchMinorRev, 3)) },
        { "IDR3.EPAN must be 1 from v3.4 on.", Set(Full, (EPAN, 0)) },
        { "IDR3[31:24], IDR3[6] and IDR3[1:0] must be 0.", Raw(idr3: 1u << 24) },
        { "IDR3[31:24], IDR3[6] and IDR3[1:0] must be 0.", Raw(idr3: 1u << 6) },
        { "IDR3[31:24], IDR3[6] and IDR3[1:0] must be 0.", Raw(idr3: 2) },
    };

    public static TheoryData<string, SmmuFeatures> Permissions => new()
    {
        { "IDR3.S1PI must be 0 without IDR0.S1P.", Set(Full, (S1P, 0)) },
        { "IDR3.S2PI must be 0 without IDR0.S2P.", Set(Full, (S2P, 0)) },
        { "IDR3.S2PO needs IDR3.S2PI.", Set(Full, (S2PI, 0)) },
        { "IDR3.THE must be 0 without IDR0.S1P.", Set(Full, (S1P, 0)) },
        { "IDR3.S2PI must be 1 with IDR3.THE and IDR0.S2P.", Set(Full, (S2PI, 0), (S2PO, 0), (D128, 0)) },
        { "IDR3.MTEPERM must be 0 without IDR0.S2P.", Set(Stage1, (MTEPERM, 1)) },
        { "IDR3.MTEPERM must be 1 from v3.4 on with IDR0.S2P.", Set(Full, (MTEPERM, 0), (D128, 0)) },
        { "IDR3.AIE must be 0 without IDR0.S1P.", Set(Full, (S1P, 0)) },
        { "IDR5.D128 needs IDR3.S1PI, S2PI, S2PO, AIE and MTEPERM.", Set(Full, (S1PI, 0)) },
        { "IDR5.D128 needs IDR3.S1PI, S2PI, S2PO, AIE and MTEPERM.", Set(Full, (S2PI, 0)) },
        { "IDR5.D128 needs IDR3.S1PI, S2PI, S2PO, AIE and MTEPERM.", Set(Full, (S2PO, 0)) },
        { "IDR5.D128 needs IDR3.S1PI, S2PI, S2PO, AIE and MTEPERM.", Set(Full, (AIE, 0)) },
        { "IDR5.D128 needs IDR3.S1PI, S2PI, S2PO, AIE and MTEPERM.", Set(Full, (MTEPERM, 0)) },
        { "IDR5.D128 needs IDR0.TTF[1].", Set(Full, (TTF, 1)) },
    };

    public static TheoryData<string, SmmuFeatures> Addressing => new()
    {
        { "IDR5.OAS cannot be 52 bits in v3.0.", Set(SmmuFeatures.Wide, (ArchMinorRev, 0)) },
        { "IDR5.OAS of 52 bits needs GRAN64K, DS or D128.", Set(SmmuFeatures.Wide, (GRAN64K, 0), (DS, 0), (VAX, 0)) },
        { "IDR5.OAS of 56 bits needs v3.4 and D128.", Set(Full, (D128, 0), (VAX, 1)) },
        { "IDR5.OAS of 56 bits needs v3.4 and D128.", Set(Full, (ArchMinorRev, 3)) },
        { "IDR5.GRAN4K must be 1 with IDR0.TTF[0].", Set(Stage1, (TTF, 3), (GRAN4K, 0)) },
        { "IDR5.DS needs an IDR5.VAX of 52 bits or more.", Set(Full, (VAX, 0)) },
        { "IDR5.DS must be 0 without GRAN4K and GRAN16K.", Set(Full, (GRAN4K, 0), (GRAN16K, 0)) },
        { "IDR5.VAX must be 0, 1 or 2.", Set(Full, (VAX, 3)) },
        { "IDR5.VAX must be 0 in v3.0.", Set(Stage1, (VAX, 1), (ArchMinorRev, 0)) },
        { "IDR5.VAX above 0 needs GRAN64K, or DS with GRAN4K or GRAN16K.", Set(Stage1, (VAX, 1), (GRAN64K, 0)) },
        { "IDR5.VAX of 56 bits needs D128.", Set(Stage1, (VAX, 2)) },
        { "IDR5[15:12], IDR5[9] and IDR5[3] must be 0.", Raw(idr5: 1u << 15) },
        { "IDR5[15:12], IDR5[9] and IDR5[3] must be 0.", Raw(idr5: 1u << 9) },
        { "IDR5[15:12], IDR5[9] and IDR5[3] must be 0.", Raw(idr5: 1u << 3) },
    };

    public static TheoryData<string, SmmuFeatures> Identity => new()
    {
        { "IIDR[7] must be 0.", Set(Stage1, (Implementer, 0x80)) },
        { "AIDR[3:0] must be at most 4: v3.4.", Set(Full, (ArchMinorRev, 5)) },
        { "AIDR[31:4] must be 0.", Raw(aidr: 0x10) },
    };

    [Theory]
    [MemberData(nameof(Translation))]
    [Rule("ID-03")]
    [Rule("ID-05")]
    [Rule("ID-06")]
    [Rule("ID-11")]
    [Rule("ID-19")]
    [Rule("ID-23")]
    [Rule("ID-25")]
    [Rule("ID-28")]
    [Rule("ID-30")]
    public void AChoiceOfTranslationThatCannotBeIsNamed(string sentence, SmmuFeatures broken) => AssertNames(sentence, broken);

    [Theory]
    [MemberData(nameof(ClientServices))]
    [Rule("ID-13")]
    [Rule("ID-18")]
    [Rule("ID-22")]
    [Rule("ID-46")]
    [Rule("ID-54")]
    [Rule("ID-55")]
    [Rule("ID-70")]
    public void AChoiceOfClientServicesThatCannotBeIsNamed(string sentence, SmmuFeatures broken) =>
        AssertNames(sentence, broken);

    [Theory]
    [MemberData(nameof(Sizes))]
    [Rule("ID-33")]
    [Rule("ID-34")]
    [Rule("ID-35")]
    [Rule("ID-39")]
    [Rule("ID-41")]
    public void ASizeOrQueueOptionThatCannotBeIsNamed(string sentence, SmmuFeatures broken) => AssertNames(sentence, broken);

    [Theory]
    [MemberData(nameof(Options))]
    [Rule("ID-43")]
    [Rule("ID-44")]
    [Rule("ID-45")]
    [Rule("ID-48")]
    [Rule("ID-50")]
    [Rule("ID-51")]
    [Rule("ID-52")]
    [Rule("ID-53")]
    [Rule("ID-56")]
    public void AnOptionThatCannotBeIsNamed(string sentence, SmmuFeatures broken) => AssertNames(sentence, broken);

    [Theory]
    [MemberData(nameof(Permissions))]
    [Rule("ID-57")]
    [Rule("ID-58")]
    [Rule("ID-59")]
    [Rule("ID-60")]
    [Rule("ID-61")]
    [Rule("ID-62")]
    [Rule("ID-68")]
    public void APermissionExtensionThatCannotBeIsNamed(string sentence, SmmuFeatures broken) => AssertNames(sentence, broken);

    [Theory]
    [MemberData(nameof(Addressing))]
    [Rule("ID-65")]
    [Rule("ID-66")]
    [Rule("ID-67")]
    [Rule("ID-69")]
    public void AnAddressSizeThatCannotBeIsNamed(string sentence, SmmuFeatures broken) => AssertNames(sentence, broken);

    [Theory]
    [MemberData(nameof(Identity))]
    [Rule("ID-73")]
    public void AnIdentityThatCannotBeIsNamed(string sentence, SmmuFeatures broken) => AssertNames(sentence, broken);

    [Fact]
    public void TheFullestChoiceHasNoContradiction() => Assert.Empty(Full.FindContradictions());

    [Fact]
    public void OneBrokenChoiceIsOneSentence() =>
        Assert.Equal(["IDR0.TTENDIAN cannot be 1."], Set(Stage1, (TTENDIAN, 1)).FindContradictions());

    [Fact]
    public void VersionsBeforeARequirementAreFreeOfIt()
    {
        Assert.Empty(Set(Stage1, (ArchMinorRev, 1), (RIL, 0), (BBML, 0)).FindContradictions());
        Assert.Empty(Set(Stage1, (ArchMinorRev, 0), (HAD, 0)).FindContradictions());
        Assert.Empty(Set(Stage1, (ArchMinorRev, 1), (S2P, 1), (XNX, 1)).FindContradictions());
        Assert.Empty(Set(Stage1, (S2P, 1), (Hyp, 1), (XNX, 1), (FWB, 1)).FindContradictions());
    }

    [Fact]
    public void CheckRefusesAndShowsEverySentence()
    {
        var refusal = Assert.Throws<ArgumentException>(() => Set(Stage1, (S1P, 0), (TTENDIAN, 1)).Check());

        Assert.Contains("at least one of S1P and S2P", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("TTENDIAN", refusal.Message, StringComparison.Ordinal);
    }

    private static void AssertNames(string sentence, SmmuFeatures broken) =>
        Assert.Contains(sentence, broken.FindContradictions());

    private static SmmuFeatures Set(SmmuFeatures features, params (SmmuFeatureField Field, ulong Value)[] changes) =>
        changes.Aggregate(features, static (changed, change) => changed.With(change.Field, change.Value));

    // Stage 1 alone with reserved bits set, which no field reaches.
    private static SmmuFeatures Raw(
        uint idr0 = 0, uint idr1 = 0, uint idr2 = 0, uint idr3 = 0, uint idr5 = 0, uint aidr = 0, uint idr6 = 0) =>
        SmmuFeatures.FromRaw(
            Stage1.Idr0 | idr0,
            Stage1.Idr1 | idr1,
            Stage1.Idr2 | idr2,
            Stage1.Idr3 | idr3,
            Stage1.Idr4,
            Stage1.Idr5 | idr5,
            Stage1.Iidr,
            Stage1.Aidr | aidr,
            idr6);
}
