using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>Places of the fields of commands, and which command has which (IHI 0070, 4.1.6 and 4.2 to 4.7).</summary>
internal static class CommandFields
{
    public const int Opcode = 7_000;
    public const int SSec = 10_010;
    public const int SSV = 11_011;
    public const int SubstreamID = 31_012;
    public const int StreamID = 63_032;
    public const int VMID = 47_032;
    public const int ASID = 63_048;
    public const int Leaf = 64_064;
    public const int Address = InPlace + 127_076;
    public const int IPA = InPlace + 119_076;
    public const int NUM = 16_012;
    public const int SCALE = 25_020;
    public const int TTL128 = 71_071;
    public const int TTL = 73_072;
    public const int TG = 75_074;
    public const int NS = 65_065;
    public const int Range = 68_064;
    public const int PrefetchSize = 68_064;
    public const int Stride = 73_069;
    public const int Size = 69_064;
    public const int DptiSize = 75_072;
    public const int Global = 9_009;
    public const int PRGIndex = 72_064;
    public const int Resp = 77_076;
    public const int Ac = 12_012;
    public const int Ab = 13_013;
    public const int STAG = 79_064;
    public const int CS = 13_012;
    public const int MSH = 23_022;
    public const int MSIAttr = 27_024;
    public const int MSIData = 63_032;
    public const int MSIAddress = InPlace + 119_066;
    public const int MSI_NS = 127_127;

    private static readonly StructureField[] Nothing = [];

    private static readonly StructureField[] StreamFields =
    [
        Field(nameof(SSec), SSec), Field(nameof(SSV), SSV), Field(nameof(SubstreamID), SubstreamID),
        Field(nameof(StreamID), StreamID),
    ];

    private static readonly StructureField[] PrefetchAddressFields =
    [
        Field(nameof(SSec), SSec), Field(nameof(SSV), SSV), Field(nameof(SubstreamID), SubstreamID),
        Field(nameof(StreamID), StreamID), Field("Size", PrefetchSize), Field(nameof(Stride), Stride),
        Field(nameof(Address), Address),
    ];

    private static readonly StructureField[] CfgiSteFields =
    [
        Field(nameof(SSec), SSec), Field(nameof(StreamID), StreamID), Field(nameof(Leaf), Leaf),
    ];

    private static readonly StructureField[] CfgiSteRangeFields =
    [
        Field(nameof(SSec), SSec), Field(nameof(StreamID), StreamID), Field(nameof(Range), Range),
    ];

    private static readonly StructureField[] CfgiCdFields =
    [
        Field(nameof(SSec), SSec), Field(nameof(SubstreamID), SubstreamID), Field(nameof(StreamID), StreamID),
        Field(nameof(Leaf), Leaf),
    ];

    private static readonly StructureField[] CfgiCdAllFields = [Field(nameof(SSec), SSec), Field(nameof(StreamID), StreamID)];

    private static readonly StructureField[] CfgiVmsPidmFields = [Field(nameof(SSec), SSec), Field(nameof(VMID), VMID)];

    private static readonly StructureField[] TlbiNhAllFields = [Field(nameof(VMID), VMID)];

    private static readonly StructureField[] TlbiNhAsidFields = [Field(nameof(VMID), VMID), Field(nameof(ASID), ASID)];

    private static readonly StructureField[] TlbiNhVaFields =
    [
        Field(nameof(NUM), NUM), Field(nameof(SCALE), SCALE), Field(nameof(VMID), VMID), Field(nameof(ASID), ASID),
        Field(nameof(Leaf), Leaf), Field(nameof(TTL128), TTL128), Field(nameof(TTL), TTL), Field(nameof(TG), TG),
        Field(nameof(Address), Address),
    ];

    private static readonly StructureField[] TlbiNhVaaFields =
    [
        Field(nameof(NUM), NUM), Field(nameof(SCALE), SCALE), Field(nameof(VMID), VMID), Field(nameof(Leaf), Leaf),
        Field(nameof(TTL128), TTL128), Field(nameof(TTL), TTL), Field(nameof(TG), TG), Field(nameof(Address), Address),
    ];

    private static readonly StructureField[] TlbiEl3VaFields =
    [
        Field(nameof(NUM), NUM), Field(nameof(SCALE), SCALE), Field(nameof(Leaf), Leaf), Field(nameof(TTL128), TTL128),
        Field(nameof(TTL), TTL), Field(nameof(TG), TG), Field(nameof(Address), Address),
    ];

    private static readonly StructureField[] TlbiEl2AsidFields = [Field(nameof(ASID), ASID)];

    private static readonly StructureField[] TlbiEl2VaFields =
    [
        Field(nameof(NUM), NUM), Field(nameof(SCALE), SCALE), Field(nameof(ASID), ASID), Field(nameof(Leaf), Leaf),
        Field(nameof(TTL128), TTL128), Field(nameof(TTL), TTL), Field(nameof(TG), TG), Field(nameof(Address), Address),
    ];

    private static readonly StructureField[] TlbiS2IpaFields =
    [
        Field(nameof(NUM), NUM), Field(nameof(SCALE), SCALE), Field(nameof(VMID), VMID), Field(nameof(Leaf), Leaf),
        Field(nameof(TTL128), TTL128), Field(nameof(TTL), TTL), Field(nameof(TG), TG), Field("Address", IPA),
    ];

    private static readonly StructureField[] AtcInvFields =
    [
        Field(nameof(Global), Global), Field(nameof(SSV), SSV), Field(nameof(SubstreamID), SubstreamID),
        Field(nameof(StreamID), StreamID), Field(nameof(Size), Size), Field(nameof(Address), Address),
    ];

    private static readonly StructureField[] PriRespFields =
    [
        Field(nameof(SSV), SSV), Field(nameof(SubstreamID), SubstreamID), Field(nameof(StreamID), StreamID),
        Field(nameof(PRGIndex), PRGIndex), Field(nameof(Resp), Resp),
    ];

    private static readonly StructureField[] ResumeFields =
    [
        Field(nameof(SSec), SSec), Field(nameof(Ac), Ac), Field(nameof(Ab), Ab), Field(nameof(StreamID), StreamID),
        Field(nameof(STAG), STAG),
    ];

    private static readonly StructureField[] SyncFields =
    [
        Field(nameof(CS), CS), Field(nameof(MSH), MSH), Field(nameof(MSIAttr), MSIAttr), Field(nameof(MSIData), MSIData),
        Field(nameof(MSIAddress), MSIAddress),
    ];

    private static readonly StructureField[] TlbiSS2IpaFields =
    [
        Field(nameof(NUM), NUM), Field(nameof(SCALE), SCALE), Field(nameof(VMID), VMID), Field(nameof(Leaf), Leaf),
        Field(nameof(NS), NS), Field(nameof(TTL128), TTL128), Field(nameof(TTL), TTL), Field(nameof(TG), TG),
        Field("Address", IPA),
    ];

    private static readonly StructureField[] DptiPaFields =
    [
        Field(nameof(Leaf), Leaf), Field("SIZE", DptiSize), Field("Address", IPA),
    ];

    /// <summary>The fields of a command beside its opcode; none for an opcode that the architecture does not have.</summary>
    public static IReadOnlyList<StructureField> Of(CommandOpcode opcode) => opcode switch
    {
        CommandOpcode.PrefetchConfig => StreamFields,
        CommandOpcode.PrefetchAddress => PrefetchAddressFields,
        CommandOpcode.CfgiSte => CfgiSteFields,
        CommandOpcode.CfgiSteRange => CfgiSteRangeFields,
        CommandOpcode.CfgiCd => CfgiCdFields,
        CommandOpcode.CfgiCdAll or CommandOpcode.StallTerm => CfgiCdAllFields,
        CommandOpcode.CfgiVmsPidm => CfgiVmsPidmFields,
        CommandOpcode.TlbiNhAll or CommandOpcode.TlbiS12Vmall or CommandOpcode.TlbiSS12Vmall => TlbiNhAllFields,
        CommandOpcode.TlbiNhAsid => TlbiNhAsidFields,
        CommandOpcode.TlbiNhVa => TlbiNhVaFields,
        CommandOpcode.TlbiNhVaa => TlbiNhVaaFields,
        CommandOpcode.TlbiEl3Va or CommandOpcode.TlbiEl2Vaa or CommandOpcode.TlbiSEl2Vaa => TlbiEl3VaFields,
        CommandOpcode.TlbiEl2Asid or CommandOpcode.TlbiSEl2Asid => TlbiEl2AsidFields,
        CommandOpcode.TlbiEl2Va or CommandOpcode.TlbiSEl2Va => TlbiEl2VaFields,
        CommandOpcode.TlbiS2Ipa => TlbiS2IpaFields,
        CommandOpcode.AtcInv => AtcInvFields,
        CommandOpcode.PriResp => PriRespFields,
        CommandOpcode.Resume => ResumeFields,
        CommandOpcode.Sync => SyncFields,
        CommandOpcode.TlbiSS2Ipa => TlbiSS2IpaFields,
        CommandOpcode.DptiPa => DptiPaFields,
        _ => Nothing,
    };

    /// <summary>True for an opcode that the architecture has.</summary>
    public static bool IsDefined(CommandOpcode opcode) => NameOf(opcode) is not null;

    /// <summary>The name of the architecture; null for an opcode that it does not have.</summary>
    public static string? NameOf(CommandOpcode opcode) => opcode switch
    {
        CommandOpcode.PrefetchConfig => "CMD_PREFETCH_CONFIG",
        CommandOpcode.PrefetchAddress => "CMD_PREFETCH_ADDR",
        CommandOpcode.CfgiSte => "CMD_CFGI_STE",
        CommandOpcode.CfgiSteRange => "CMD_CFGI_STE_RANGE",
        CommandOpcode.CfgiCd => "CMD_CFGI_CD",
        CommandOpcode.CfgiCdAll => "CMD_CFGI_CD_ALL",
        CommandOpcode.CfgiVmsPidm => "CMD_CFGI_VMS_PIDM",
        CommandOpcode.TlbiNhAll => "CMD_TLBI_NH_ALL",
        CommandOpcode.TlbiNhAsid => "CMD_TLBI_NH_ASID",
        CommandOpcode.TlbiNhVa => "CMD_TLBI_NH_VA",
        CommandOpcode.TlbiNhVaa => "CMD_TLBI_NH_VAA",
        CommandOpcode.TlbiEl3All => "CMD_TLBI_EL3_ALL",
        CommandOpcode.TlbiEl3Va => "CMD_TLBI_EL3_VA",
        CommandOpcode.TlbiEl2All => "CMD_TLBI_EL2_ALL",
        CommandOpcode.TlbiEl2Asid => "CMD_TLBI_EL2_ASID",
        CommandOpcode.TlbiEl2Va => "CMD_TLBI_EL2_VA",
        CommandOpcode.TlbiEl2Vaa => "CMD_TLBI_EL2_VAA",
        CommandOpcode.TlbiS12Vmall => "CMD_TLBI_S12_VMALL",
        CommandOpcode.TlbiS2Ipa => "CMD_TLBI_S2_IPA",
        CommandOpcode.TlbiNsnhAll => "CMD_TLBI_NSNH_ALL",
        CommandOpcode.AtcInv => "CMD_ATC_INV",
        CommandOpcode.PriResp => "CMD_PRI_RESP",
        CommandOpcode.Resume => "CMD_RESUME",
        CommandOpcode.StallTerm => "CMD_STALL_TERM",
        CommandOpcode.Sync => "CMD_SYNC",
        CommandOpcode.TlbiSEl2All => "CMD_TLBI_S_EL2_ALL",
        CommandOpcode.TlbiSEl2Asid => "CMD_TLBI_S_EL2_ASID",
        CommandOpcode.TlbiSEl2Va => "CMD_TLBI_S_EL2_VA",
        CommandOpcode.TlbiSEl2Vaa => "CMD_TLBI_S_EL2_VAA",
        CommandOpcode.TlbiSS12Vmall => "CMD_TLBI_S_S12_VMALL",
        CommandOpcode.TlbiSS2Ipa => "CMD_TLBI_S_S2_IPA",
        CommandOpcode.TlbiSnhAll => "CMD_TLBI_SNH_ALL",
        CommandOpcode.DptiAll => "CMD_DPTI_ALL",
        CommandOpcode.DptiPa => "CMD_DPTI_PA",
        _ => null,
    };

    private static StructureField Field(string name, int range) =>
        new(name, HighOf(range), LowOf(range), range >= InPlace);
}
