using static Smmu.Fast.Formats.SmmuFeatures;

namespace Smmu.Fast.Formats;

/// <summary>Fields of the ID registers by name and place (IHI 0070, 6.3.1 to 6.3.8 and 6.3.45).</summary>
/// <remarks>
/// The registers form one structure, as they do on the register page: IDR0 to IDR5, IIDR, AIDR, and IDR6 behind them.
/// A value reads register + [high:low].
/// </remarks>
public enum SmmuFeatureField
{
    /// <summary>IDR0.S2P: Stage 2 translation.</summary>
    S2P = Idr0Base + 0_000,

    /// <summary>IDR0.S1P: Stage 1 translation.</summary>
    S1P = Idr0Base + 1_001,

    /// <summary>IDR0.TTF: Table formats: bit 0 VMSAv8-32 LPAE, bit 1 VMSAv8-64.</summary>
    TTF = Idr0Base + 3_002,

    /// <summary>IDR0.COHACC: Table walks, fetches, queue accesses and MSIs are coherent with the PEs.</summary>
    COHACC = Idr0Base + 4_004,

    /// <summary>IDR0.BTM: Broadcast TLB maintenance of PEs reaches the SMMU.</summary>
    BTM = Idr0Base + 5_005,

    /// <summary>IDR0.HTTU: Hardware updates: 0 none, 1 Access flag, 2 also dirty state, 3 also Access flag in tables.</summary>
    HTTU = Idr0Base + 7_006,

    /// <summary>IDR0.DORMHINT: STATUSR.DORMANT exists.</summary>
    DORMHINT = Idr0Base + 8_008,

    /// <summary>IDR0.Hyp: Non-secure EL2 stage 1 contexts.</summary>
    Hyp = Idr0Base + 9_009,

    /// <summary>IDR0.ATS: PCIe Address Translation Services.</summary>
    ATS = Idr0Base + 10_010,

    /// <summary>IDR0.NS1ATS: Split-stage ATS is not available.</summary>
    NS1ATS = Idr0Base + 11_011,

    /// <summary>IDR0.ASID16: ASIDs have 16 bits; otherwise 8.</summary>
    ASID16 = Idr0Base + 12_012,

    /// <summary>IDR0.MSI: The SMMU can send MSIs.</summary>
    MSI = Idr0Base + 13_013,

    /// <summary>IDR0.SEV: The SMMU can wake PEs that wait for an event.</summary>
    SEV = Idr0Base + 14_014,

    /// <summary>IDR0.ATOS: Address translation operations.</summary>
    ATOS = Idr0Base + 15_015,

    /// <summary>IDR0.PRI: The PRI queue.</summary>
    PRI = Idr0Base + 16_016,

    /// <summary>IDR0.VMW: Invalidation by VMID may ignore low bits of it.</summary>
    VMW = Idr0Base + 17_017,

    /// <summary>IDR0.VMID16: VMIDs have 16 bits; otherwise 8.</summary>
    VMID16 = Idr0Base + 18_018,

    /// <summary>IDR0.CD2L: Two-level CD tables.</summary>
    CD2L = Idr0Base + 19_019,

    /// <summary>IDR0.VATOS: The VATOS page.</summary>
    VATOS = Idr0Base + 20_020,

    /// <summary>IDR0.TTENDIAN: Byte order of tables: 0 as CD or STE says, 2 little-endian, 3 big-endian.</summary>
    TTENDIAN = Idr0Base + 22_021,

    /// <summary>IDR0.ATSRECERR: CR2.REC_CFG_ATS exists.</summary>
    ATSRECERR = Idr0Base + 23_023,

    /// <summary>IDR0.STALL_MODEL: Faults: 0 stall or terminate, 1 terminate, 2 stall.</summary>
    STALL_MODEL = Idr0Base + 25_024,

    /// <summary>IDR0.TERM_MODEL: Terminated accesses always abort.</summary>
    TERM_MODEL = Idr0Base + 26_026,

    /// <summary>IDR0.ST_LEVEL: Stream tables: 0 linear, 1 also two levels.</summary>
    ST_LEVEL = Idr0Base + 28_027,

    /// <summary>IDR0.RME_IMPL: Granule protection faults show in the programming interfaces.</summary>
    RME_IMPL = Idr0Base + 30_030,

    /// <summary>IDR1.SIDSIZE: Bits of a StreamID, 0 to 32.</summary>
    SIDSIZE = Idr1Base + 5_000,

    /// <summary>IDR1.SSIDSIZE: Bits of a SubstreamID, 0 to 20; 0 is no substreams.</summary>
    SSIDSIZE = Idr1Base + 10_006,

    /// <summary>IDR1.PRIQS: Log2 of the most entries of the PRI queue, at most 19.</summary>
    PRIQS = Idr1Base + 15_011,

    /// <summary>IDR1.EVENTQS: Log2 of the most entries of the Event queue, at most 19.</summary>
    EVENTQS = Idr1Base + 20_016,

    /// <summary>IDR1.CMDQS: Log2 of the most entries of the Command queue, at most 19.</summary>
    CMDQS = Idr1Base + 25_021,

    /// <summary>IDR1.ATTR_PERMS_OVR: Instruction, privilege and NS attributes can be overridden.</summary>
    ATTR_PERMS_OVR = Idr1Base + 26_026,

    /// <summary>IDR1.ATTR_TYPES_OVR: Memory type, shareability and hints can be overridden.</summary>
    ATTR_TYPES_OVR = Idr1Base + 27_027,

    /// <summary>IDR1.REL: Preset base registers are relative to the registers.</summary>
    REL = Idr1Base + 28_028,

    /// <summary>IDR1.QUEUES_PRESET: Queue base registers are fixed.</summary>
    QUEUES_PRESET = Idr1Base + 29_029,

    /// <summary>IDR1.TABLES_PRESET: Stream table base registers are fixed.</summary>
    TABLES_PRESET = Idr1Base + 30_030,

    /// <summary>IDR1.ECMDQ: Enhanced Command queues.</summary>
    ECMDQ = Idr1Base + 31_031,

    /// <summary>IDR2.BA_VATOS: The VATOS page lies at 0x20000 + BA_VATOS * 0x10000.</summary>
    BA_VATOS = Idr2Base + 9_000,

    /// <summary>IDR3.HAD: CD.HAD0 and CD.HAD1 work.</summary>
    HAD = Idr3Base + 2_002,

    /// <summary>IDR3.PBHA: Page-based hardware attributes.</summary>
    PBHA = Idr3Base + 3_003,

    /// <summary>IDR3.XNX: Stage 2 execute-never tells EL0 from EL1.</summary>
    XNX = Idr3Base + 4_004,

    /// <summary>IDR3.PPS: Automatic PRG responses carry the PASID of the request.</summary>
    PPS = Idr3Base + 5_005,

    /// <summary>IDR3.MPAM: Memory partitioning and monitoring.</summary>
    MPAM = Idr3Base + 7_007,

    /// <summary>IDR3.FWB: STE.S2FWB works.</summary>
    FWB = Idr3Base + 8_008,

    /// <summary>IDR3.STT: Small translation tables.</summary>
    STT = Idr3Base + 9_009,

    /// <summary>IDR3.RIL: Range-based invalidation and level hints.</summary>
    RIL = Idr3Base + 10_010,

    /// <summary>IDR3.BBML: Break-before-make level, 0 to 2.</summary>
    BBML = Idr3Base + 12_011,

    /// <summary>IDR3.E0PD: CD.E0PD0 and CD.E0PD1 work.</summary>
    E0PD = Idr3Base + 13_013,

    /// <summary>IDR3.PTWNNC: Without S2PTW, stage 1 tables in Device memory are read as Normal Non-cacheable.</summary>
    PTWNNC = Idr3Base + 14_014,

    /// <summary>IDR3.DPT: The device permission table.</summary>
    DPT = Idr3Base + 15_015,

    /// <summary>IDR3.PASIDTT: Translated transactions may carry a PASID.</summary>
    PASIDTT = Idr3Base + 16_016,

    /// <summary>IDR3.EPAN: CD.EPAN works.</summary>
    EPAN = Idr3Base + 17_017,

    /// <summary>IDR3.S1PI: Indirect permissions at stage 1.</summary>
    S1PI = Idr3Base + 18_018,

    /// <summary>IDR3.S2PI: Indirect permissions at stage 2.</summary>
    S2PI = Idr3Base + 19_019,

    /// <summary>IDR3.S2PO: Permission overlays at stage 2.</summary>
    S2PO = Idr3Base + 20_020,

    /// <summary>IDR3.THE: Translation hardening.</summary>
    THE = Idr3Base + 21_021,

    /// <summary>IDR3.MTEPERM: The NoTagAccess memory types of stage 2.</summary>
    MTEPERM = Idr3Base + 22_022,

    /// <summary>IDR3.AIE: Attribute index extension.</summary>
    AIE = Idr3Base + 23_023,

    /// <summary>IDR5.OAS: Code of the output address size.</summary>
    OAS = Idr5Base + 2_000,

    /// <summary>IDR5.GRAN4K: The 4 KiB granule.</summary>
    GRAN4K = Idr5Base + 4_004,

    /// <summary>IDR5.GRAN16K: The 16 KiB granule.</summary>
    GRAN16K = Idr5Base + 5_005,

    /// <summary>IDR5.GRAN64K: The 64 KiB granule.</summary>
    GRAN64K = Idr5Base + 6_006,

    /// <summary>IDR5.DS: 52-bit sizes with the 4 KiB and 16 KiB granules.</summary>
    DS = Idr5Base + 7_007,

    /// <summary>IDR5.D128: VMSAv9-128 descriptors.</summary>
    D128 = Idr5Base + 8_008,

    /// <summary>IDR5.VAX: Bits of a virtual address for each table base: 0 48, 1 52, 2 56.</summary>
    VAX = Idr5Base + 11_010,

    /// <summary>IDR5.STALL_MAX: The most stalled transactions that are on record at a time.</summary>
    STALL_MAX = Idr5Base + 31_016,

    /// <summary>IIDR.Implementer: JEP106 code: bits [11:8] the continuation count, [6:0] the identity.</summary>
    Implementer = IidrBase + 11_000,

    /// <summary>IIDR.Revision: Minor revision of the product.</summary>
    Revision = IidrBase + 15_012,

    /// <summary>IIDR.Variant: Major revision of the product.</summary>
    Variant = IidrBase + 19_016,

    /// <summary>IIDR.ProductID: The product of the implementer.</summary>
    ProductID = IidrBase + 31_020,

    /// <summary>AIDR.ArchMinorRev: The x of SMMUv3.x.</summary>
    ArchMinorRev = AidrBase + 3_000,

    /// <summary>IDR6.CMDQ_CONTROL_PAGE_LOG2NUMQ: Log2 of the Enhanced Command queues of a control page.</summary>
    CMDQ_CONTROL_PAGE_LOG2NUMQ = Idr6Base + 19_016,

    /// <summary>IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP: Log2 of the control pages.</summary>
    CMDQ_CONTROL_PAGE_LOG2NUMP = Idr6Base + 27_024,
}
