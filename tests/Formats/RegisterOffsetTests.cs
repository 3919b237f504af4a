using System.Globalization;
using System.Reflection;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>The register map has every register of the architecture, where the architecture has it, and nothing else.</summary>
public class RegisterOffsetTests
{
    private const string Page0 = """
        0000 IDR0; 0004 IDR1; 0008 IDR2; 000C IDR3; 0010 IDR4; 0014 IDR5; 0018 IIDR; 001C AIDR; 0020 CR0; 0024 CR0ACK; 0028 CR1;
        002C CR2; 0030 S2PII; 0040 STATUSR; 0044 GBPA; 0048 AGBPA; 0050 IRQ_CTRL; 0054 IRQ_CTRLACK; 0060 GERROR; 0064 GERRORN;
        0068 GERROR_IRQ_CFG0; 0070 GERROR_IRQ_CFG1; 0074 GERROR_IRQ_CFG2; 0080 STRTAB_BASE; 0088 STRTAB_BASE_CFG;
        0090 CMDQ_BASE; 0098 CMDQ_PROD; 009C CMDQ_CONS; 00A0 EVENTQ_BASE; 00A8 EVENTQ_PROD_ALIAS; 00AC EVENTQ_CONS_ALIAS;
        00B0 EVENTQ_IRQ_CFG0; 00B8 EVENTQ_IRQ_CFG1; 00BC EVENTQ_IRQ_CFG2; 00C0 PRIQ_BASE; 00C8 PRIQ_PROD_ALIAS;
        00CC PRIQ_CONS_ALIAS; 00D0 PRIQ_IRQ_CFG0; 00D8 PRIQ_IRQ_CFG1; 00DC PRIQ_IRQ_CFG2; 0100 GATOS_CTRL; 0108 GATOS_SID;
        0110 GATOS_ADDR; 0118 GATOS_PAR; 0130 MPAMIDR; 0138 GMPAM; 013C GBPMPAM; 0180 VATOS_SEL; 0190 IDR6; 0200 DPT_BASE;
        0208 DPT_BASE_CFG; 0210 DPT_CFG_FAR; 0FD0 PIDR4; 0FD4 PIDR5; 0FD8 PIDR6; 0FDC PIDR7; 0FE0 PIDR0; 0FE4 PIDR1; 0FE8 PIDR2;
        0FEC PIDR3; 0FF0 CIDR0; 0FF4 CIDR1; 0FF8 CIDR2; 0FFC CIDR3; 4000 CMDQ_CONTROL_PAGE_BASE; 4008 CMDQ_CONTROL_PAGE_CFG;
        400C CMDQ_CONTROL_PAGE_STATUS
        """;

    private const string SecureHalf = """
        8000 S_IDR0; 8004 S_IDR1; 8008 S_IDR2; 800C S_IDR3; 8010 S_IDR4; 8020 S_CR0; 8024 S_CR0ACK; 8028 S_CR1; 802C S_CR2;
        8030 S_S2PII; 803C S_INIT; 8044 S_GBPA; 8048 S_AGBPA; 8050 S_IRQ_CTRL; 8054 S_IRQ_CTRLACK; 8060 S_GERROR;
        8064 S_GERRORN; 8068 S_GERROR_IRQ_CFG0; 8070 S_GERROR_IRQ_CFG1; 8074 S_GERROR_IRQ_CFG2; 8080 S_STRTAB_BASE;
        8088 S_STRTAB_BASE_CFG; 8090 S_CMDQ_BASE; 8098 S_CMDQ_PROD; 809C S_CMDQ_CONS; 80A0 S_EVENTQ_BASE; 80A8 S_EVENTQ_PROD;
        80AC S_EVENTQ_CONS; 80B0 S_EVENTQ_IRQ_CFG0; 80B8 S_EVENTQ_IRQ_CFG1; 80BC S_EVENTQ_IRQ_CFG2; 8100 S_GATOS_CTRL;
        8108 S_GATOS_SID; 8110 S_GATOS_ADDR; 8118 S_GATOS_PAR; 8130 S_MPAMIDR; 8138 S_GMPAM; 813C S_GBPMPAM;
        8180 S_VATOS_SEL; 8190 S_IDR6; C000 S_CMDQ_CONTROL_PAGE_BASE; C008 S_CMDQ_CONTROL_PAGE_CFG;
        C00C S_CMDQ_CONTROL_PAGE_STATUS
        """;

    private const string Page1 = "100A8 EVENTQ_PROD; 100AC EVENTQ_CONS; 100C8 PRIQ_PROD; 100CC PRIQ_CONS";

    private const string NotRegisters = """
        10000 PageSize; 10000 Page1; 20000 FirstOptionalPage; 8000 SecureHalf; 20 CMDQ_CONTROL_PAGE_STRIDE;
        100 CMDQ_CONTROL_PAGE_COUNT
        """;

    private const string Realm = """
        0000 R_IDR0; 0004 R_IDR1; 0008 R_IDR2; 000C R_IDR3; 0010 R_IDR4; 001C R_AIDR; 0020 R_CR0; 0024 R_CR0ACK; 0028 R_CR1;
        002C R_CR2; 0030 R_S2PII; 0044 R_GBPA; 0048 R_AGBPA; 0050 R_IRQ_CTRL; 0054 R_IRQ_CTRLACK; 0060 R_GERROR;
        0064 R_GERRORN; 0068 R_GERROR_IRQ_CFG0; 0070 R_GERROR_IRQ_CFG1; 0074 R_GERROR_IRQ_CFG2; 0080 R_STRTAB_BASE;
        0088 R_STRTAB_BASE_CFG; 0090 R_CMDQ_BASE; 0098 R_CMDQ_PROD; 009C R_CMDQ_CONS; 00A0 R_EVENTQ_BASE;
        00B0 R_EVENTQ_IRQ_CFG0; 00B8 R_EVENTQ_IRQ_CFG1; 00BC R_EVENTQ_IRQ_CFG2; 00C0 R_PRIQ_BASE; 00D0 R_PRIQ_IRQ_CFG0;
        00D8 R_PRIQ_IRQ_CFG1; 00DC R_PRIQ_IRQ_CFG2; 0130 R_MPAMIDR; 0138 R_GMPAM; 0190 R_IDR6; 0200 R_DPT_BASE;
        0208 R_DPT_BASE_CFG; 0210 R_DPT_CFG_FAR; 0220 R_MECIDR; 0228 R_GMECID; 4000 R_CMDQ_CONTROL_PAGE_BASE;
        4008 R_CMDQ_CONTROL_PAGE_CFG; 400C R_CMDQ_CONTROL_PAGE_STATUS; 100A8 R_EVENTQ_PROD; 100AC R_EVENTQ_CONS;
        100C8 R_PRIQ_PROD; 100CC R_PRIQ_CONS
        """;

    private const string Root = """
        0000 ROOT_IDR0; 0008 ROOT_IIDR; 0020 ROOT_CR0; 0024 ROOT_CR0ACK; 0028 ROOT_GPT_BASE; 0030 ROOT_GPT_BASE_CFG;
        0038 ROOT_GPF_FAR; 0040 ROOT_GPT_CFG_FAR; 0050 ROOT_TLBI; 0058 ROOT_TLBI_CTRL; 0060 ROOT_GPT_BASE2;
        0068 ROOT_GPT_BASE_UPDATE
        """;

    private const string PerformanceMonitor = """
        000 EVCNTR0; 400 EVTYPER0; 600 SVR0; A00 SMR0; C00 CNTENSET0; C20 CNTENCLR0; C40 INTENSET0; C60 INTENCLR0; C80 OVSCLR0;
        CC0 OVSSET0; D88 CAPR; DF8 SCR; E00 CFGR; E04 CR; E08 IIDR; E20 CEID0; E28 CEID1; E40 SCR_ALIAS; E48 ROOTCR;
        E50 IRQ_CTRL; E54 IRQ_CTRLACK; E58 IRQ_CFG0; E60 IRQ_CFG1; E64 IRQ_CFG2; E68 IRQ_STATUS; E6C GMPAM; E70 AIDR;
        E74 MPAMIDR; E78 S_MPAMIDR; FBC PMDEVARCH; FCC PMDEVTYPE; FD0 PIDR4; FE0 PIDR0; FE4 PIDR1; FE8 PIDR2; FEC PIDR3;
        FF0 CIDR0; FF4 CIDR1; FF8 CIDR2; FFC CIDR3
        """;

    [Fact]
    [Rule("RQ-37")]
    [Rule("PRI-20")]
    [Rule("SEC-25")]
    [Rule("MAP-01")]
    [Rule("MAP-10")]
    public void PagesZeroAndOneAreThoseOfTheArchitecture() =>
        AssertMap(typeof(RegisterOffset), string.Join("; ", Page0, SecureHalf, Page1, NotRegisters));

    [Fact]
    public void TheRealmPagesAreThoseOfTheArchitecture() => AssertMap(typeof(RealmRegisterOffset), Realm);

    [Fact]
    public void TheRootPageIsThatOfTheArchitecture() => AssertMap(typeof(RootRegisterOffset), Root);

    [Fact]
    public void TheVatosPageIsThatOfTheArchitecture() => AssertMap(
        typeof(VatosRegisterOffset), "A00 VATOS_CTRL; A08 VATOS_SID; A10 VATOS_ADDR; A18 VATOS_PAR");

    [Fact]
    public void TheEnhancedCommandQueueInterfaceIsThatOfTheArchitecture() =>
        AssertMap(typeof(EnhancedCommandQueueOffset), "0 ECMDQ_BASE; 8 ECMDQ_PROD; C ECMDQ_CONS");

    [Fact]
    public void ThePerformanceMonitorPageIsThatOfTheArchitecture() =>
        AssertMap(typeof(PerformanceMonitorRegisterOffset), PerformanceMonitor);

    private static void AssertMap(Type map, string expected)
    {
        Dictionary<string, int> offsets = expected
            .Split(';', StringSplitOptions.TrimEntries)
            .Select(static entry => entry.Split(' '))
            .ToDictionary(
                static entry => entry[1],
                static entry => int.Parse(entry[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        Dictionary<string, int> actual = map
            .GetFields(BindingFlags.Public | BindingFlags.Static)
            .ToDictionary(static field => field.Name, static field => (int)(uint)field.GetRawConstantValue()!);

        Assert.NotEmpty(offsets);
        Assert.Equal(offsets.OrderBy(static entry => entry.Key), actual.OrderBy(static entry => entry.Key));
    }
}
