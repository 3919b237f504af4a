namespace Smmu.Fast.Formats;

/// <summary>Commands of the Command queue: bits [7:0] of a command (IHI 0070, 4.1.1).</summary>
/// <remarks>Any other value is illegal and stops the queue.</remarks>
public enum CommandOpcode : byte
{
    /// <summary>CMD_PREFETCH_CONFIG: fetch the configuration of a stream ahead.</summary>
    PrefetchConfig = 0x01,

    /// <summary>CMD_PREFETCH_ADDR: translate a run of addresses ahead.</summary>
    PrefetchAddress = 0x02,

    /// <summary>CMD_CFGI_STE: drop an STE and all that was reached through it.</summary>
    CfgiSte = 0x03,

    /// <summary>CMD_CFGI_STE_RANGE: drop an aligned block of STEs; with Range 31 it is CMD_CFGI_ALL.</summary>
    CfgiSteRange = 0x04,

    /// <summary>CMD_CFGI_CD: drop one CD of a stream.</summary>
    CfgiCd = 0x05,

    /// <summary>CMD_CFGI_CD_ALL: drop all CDs of a stream.</summary>
    CfgiCdAll = 0x06,

    /// <summary>CMD_CFGI_VMS_PIDM: drop the PARTID map of a VMID.</summary>
    CfgiVmsPidm = 0x07,

    /// <summary>CMD_TLBI_NH_ALL: drop all EL1 stage 1 entries of a VMID.</summary>
    TlbiNhAll = 0x10,

    /// <summary>CMD_TLBI_NH_ASID: drop the EL1 stage 1 entries of an ASID.</summary>
    TlbiNhAsid = 0x11,

    /// <summary>CMD_TLBI_NH_VA: drop the EL1 stage 1 entries of an address.</summary>
    TlbiNhVa = 0x12,

    /// <summary>CMD_TLBI_NH_VAA: drop the EL1 stage 1 entries of an address in every ASID.</summary>
    TlbiNhVaa = 0x13,

    /// <summary>CMD_TLBI_EL3_ALL: drop all EL3 entries.</summary>
    TlbiEl3All = 0x18,

    /// <summary>CMD_TLBI_EL3_VA: drop the EL3 entries of an address.</summary>
    TlbiEl3Va = 0x1a,

    /// <summary>CMD_TLBI_EL2_ALL: drop all EL2 and EL2-E2H entries.</summary>
    TlbiEl2All = 0x20,

    /// <summary>CMD_TLBI_EL2_ASID: drop the EL2-E2H entries of an ASID.</summary>
    TlbiEl2Asid = 0x21,

    /// <summary>CMD_TLBI_EL2_VA: drop the EL2 entries of an address.</summary>
    TlbiEl2Va = 0x22,

    /// <summary>CMD_TLBI_EL2_VAA: drop the EL2 entries of an address in every ASID.</summary>
    TlbiEl2Vaa = 0x23,

    /// <summary>CMD_TLBI_S12_VMALL: drop all entries of a VMID at every stage.</summary>
    TlbiS12Vmall = 0x28,

    /// <summary>CMD_TLBI_S2_IPA: drop the stage 2 entries of an IPA.</summary>
    TlbiS2Ipa = 0x2a,

    /// <summary>CMD_TLBI_NSNH_ALL: drop all entries but those of EL2.</summary>
    TlbiNsnhAll = 0x30,

    /// <summary>CMD_ATC_INV: invalidate the address translation cache of an endpoint.</summary>
    AtcInv = 0x40,

    /// <summary>CMD_PRI_RESP: answer a page request group.</summary>
    PriResp = 0x41,

    /// <summary>CMD_RESUME: retry or end a stalled transaction.</summary>
    Resume = 0x44,

    /// <summary>CMD_STALL_TERM: end all stalled transactions of a stream.</summary>
    StallTerm = 0x45,

    /// <summary>CMD_SYNC: complete after all earlier commands and what they wait for.</summary>
    Sync = 0x46,

    /// <summary>CMD_TLBI_S_EL2_ALL: drop all Secure EL2 and EL2-E2H entries.</summary>
    TlbiSEl2All = 0x50,

    /// <summary>CMD_TLBI_S_EL2_ASID: drop the Secure EL2-E2H entries of an ASID.</summary>
    TlbiSEl2Asid = 0x51,

    /// <summary>CMD_TLBI_S_EL2_VA: drop the Secure EL2 entries of an address.</summary>
    TlbiSEl2Va = 0x52,

    /// <summary>CMD_TLBI_S_EL2_VAA: drop the Secure EL2 entries of an address in every ASID.</summary>
    TlbiSEl2Vaa = 0x53,

    /// <summary>CMD_TLBI_S_S12_VMALL: drop all Secure entries of a VMID at every stage.</summary>
    TlbiSS12Vmall = 0x58,

    /// <summary>CMD_TLBI_S_S2_IPA: drop the Secure stage 2 entries of an IPA.</summary>
    TlbiSS2Ipa = 0x5a,

    /// <summary>CMD_TLBI_SNH_ALL: drop all Secure entries but those of EL2 and EL3.</summary>
    TlbiSnhAll = 0x60,

    /// <summary>CMD_DPTI_ALL: drop all device permission table entries.</summary>
    DptiAll = 0x70,

    /// <summary>CMD_DPTI_PA: drop the device permission table entries of a region.</summary>
    DptiPa = 0x73,
}
