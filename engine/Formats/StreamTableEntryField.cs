using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>Fields of a Stream Table Entry by name and place (IHI 0070, 5.2).</summary>
/// <remarks>A value reads [high:low]: <c>511_448</c> stands for bits 511 to 448 of the structure.</remarks>
public enum StreamTableEntryField
{
    /// <summary>The entry is valid; without it no other field counts.</summary>
    V = 0_000,

    /// <summary>What happens to the stream: abort, bypass, or which stages translate.</summary>
    Config = 3_001,

    /// <summary>Shape of the CD table: 0 and 3 linear, 1 two levels with 4 KiB leaves, 2 two levels with 64 KiB leaves.</summary>
    S1Fmt = 5_004,

    /// <summary>Address of the CD or of the (level 1) CD table: an IPA when stage 2 is on, else physical.</summary>
    S1ContextPtr = InPlace + 55_006,

    /// <summary>Log2 of the number of CDs; 0 turns substreams off.</summary>
    S1CDMax = 63_059,

    /// <summary>Traffic without SubstreamID: 0 and 3 terminate, 1 bypass stage 1, 2 use CD 0.</summary>
    S1DSS = 65_064,

    /// <summary>Inner cacheability of CD fetches: 0 NC, 1 WB RA, 2 WT RA, 3 WB without RA.</summary>
    S1CIR = 67_066,

    /// <summary>Outer cacheability of CD fetches, coded as S1CIR.</summary>
    S1COR = 69_068,

    /// <summary>Shareability of CD fetches: 0 and 1 NSH, 2 OSH, 3 ISH.</summary>
    S1CSH = 71_070,

    /// <summary>Bit 59 of stage 2 leaves may carry a page-based hardware attribute.</summary>
    S2HWU59 = 72_072,

    /// <summary>Bit 60 of stage 2 leaves may carry a page-based hardware attribute.</summary>
    S2HWU60 = 73_073,

    /// <summary>Bit 61 of stage 2 leaves may carry a page-based hardware attribute.</summary>
    S2HWU61 = 74_074,

    /// <summary>Bit 62 of stage 2 leaves may carry a page-based hardware attribute.</summary>
    S2HWU62 = 75_075,

    /// <summary>Destructive reads are allowed.</summary>
    DRE = 76_076,

    /// <summary>Hint: 2^CONT neighbouring entries are alike.</summary>
    CONT = 80_077,

    /// <summary>Directed cache prefetch is allowed.</summary>
    DCP = 81_081,

    /// <summary>Automatic PRG responses carry the PASID of the request.</summary>
    PPAR = 82_082,

    /// <summary>Events of the stream may be merged.</summary>
    MEV = 83_083,

    /// <summary>Left to software.</summary>
    SW_RESERVED = 87_084,

    /// <summary>CDs may turn on indirect permissions of stage 1.</summary>
    S1PIE = 88_088,

    /// <summary>MemAttr of stage 2 leaves is coded for forced write-back.</summary>
    S2FWB = 89_089,

    /// <summary>PARTID and PMG come from the CD.</summary>
    S1MPAM = 90_090,

    /// <summary>Stage 1 faults must not stall.</summary>
    S1STALLD = 91_091,

    /// <summary>ATS: 0 off, 1 full, 2 split-stage, 3 full with device permission table checks.</summary>
    EATS = 93_092,

    /// <summary>StreamWorld: 0 EL1, 2 EL2 (or EL2-E2H), 1 EL3 for Secure streams.</summary>
    STRW = 95_094,

    /// <summary>Memory type that replaces the incoming one when MTCFG is set.</summary>
    MemAttr = 99_096,

    /// <summary>Replace the incoming memory type.</summary>
    MTCFG = 100_100,

    /// <summary>Allocation hints: 0xxx incoming, 1RWT use R, W and T.</summary>
    ALLOCCFG = 104_101,

    /// <summary>Shareability: 0 NSH, 1 incoming, 2 OSH, 3 ISH.</summary>
    SHCFG = 109_108,

    /// <summary>NS attribute: 0 and 1 incoming, 2 Secure or Realm, 3 Non-secure.</summary>
    NSCFG = 111_110,

    /// <summary>Privilege: 0 and 1 incoming, 2 unprivileged, 3 privileged.</summary>
    PRIVCFG = 113_112,

    /// <summary>Instruction attribute of reads: 0 and 1 incoming, 2 data, 3 instruction.</summary>
    INSTCFG = 115_114,

    /// <summary>VMID tag of the translations.</summary>
    S2VMID = 143_128,

    /// <summary>The IPA space holds 2^(64 - S2T0SZ) bytes.</summary>
    S2T0SZ = 165_160,

    /// <summary>Start level of stage 2, low two bits of its code.</summary>
    S2SL0 = 167_166,

    /// <summary>Inner cacheability of stage 2 walks: 0 NC, 1 WB RA WA, 2 WT RA, 3 WB RA.</summary>
    S2IR0 = 169_168,

    /// <summary>Outer cacheability of stage 2 walks, coded as S2IR0.</summary>
    S2OR0 = 171_170,

    /// <summary>Shareability of stage 2 walks, and of leaves with S2DS: 0 and 1 NSH, 2 OSH, 3 ISH.</summary>
    S2SH0 = 173_172,

    /// <summary>Granule of stage 2: 0 4 KiB, 1 64 KiB, 2 16 KiB, 3 reserved.</summary>
    S2TG = 175_174,

    /// <summary>Output size of stage 2: 0 to 7 for 32, 36, 40, 42, 44, 48, 52, 56 bits.</summary>
    S2PS = 178_176,

    /// <summary>Stage 2 tables are VMSAv8-64; otherwise LPAE, or VMSAv9-128 with IDR5.D128.</summary>
    S2AA64 = 179_179,

    /// <summary>Stage 2 tables are big-endian.</summary>
    S2ENDI = 180_180,

    /// <summary>A clear Access flag is no fault at stage 2; counts only without S2HA.</summary>
    S2AFFD = 181_181,

    /// <summary>A CD or stage 1 table in Device memory is a fault.</summary>
    S2PTW = 182_182,

    /// <summary>Hardware manages the dirty state at stage 2.</summary>
    S2HD = 183_183,

    /// <summary>Hardware sets the Access flag at stage 2.</summary>
    S2HA = 184_184,

    /// <summary>Stage 2 faults stall.</summary>
    S2S = 185_185,

    /// <summary>Stage 2 faults are recorded.</summary>
    S2R = 186_186,

    /// <summary>Hardware sets the Access flag in stage 2 table descriptors.</summary>
    S2HAFT = 187_187,

    /// <summary>Indirect permissions at stage 2.</summary>
    S2PIE = 188_188,

    /// <summary>Permission overlays at stage 2.</summary>
    S2POE = 189_189,

    /// <summary>How a device permission table check treats the VMID.</summary>
    DPT_VMATCH = 191_190,

    /// <summary>NS attribute of walks through S2TTB (Secure streams).</summary>
    S2NSW = 192_192,

    /// <summary>NS attribute of outputs through S2TTB (Secure streams).</summary>
    S2NSA = 193_193,

    /// <summary>Bit 2 of the start level of stage 2.</summary>
    S2SL0_2 = 194_194,

    /// <summary>52-bit sizes with the 4 KiB and 16 KiB granules.</summary>
    S2DS = 195_195,

    /// <summary>Physical address of the first stage 2 table.</summary>
    S2TTB = InPlace + 247_196,

    /// <summary>Levels to skip (VMSAv9-128).</summary>
    S2SKL = 254_253,

    /// <summary>MPAM PARTID.</summary>
    PARTID = 287_272,

    /// <summary>As S2T0SZ, for the Secure IPA space.</summary>
    S_S2T0SZ = 293_288,

    /// <summary>As S2SL0, for the Secure IPA space.</summary>
    S_S2SL0 = 295_294,

    /// <summary>As S2TG, for the Secure IPA space.</summary>
    S_S2TG = 303_302,

    /// <summary>Memory encryption context of a Realm stream.</summary>
    MECID = 319_304,

    /// <summary>MPAM PMG.</summary>
    PMG = 327_320,

    /// <summary>PARTID is of the Non-secure space.</summary>
    MPAM_NS = 328_328,

    /// <summary>AssuredOnly checks are on.</summary>
    AssuredOnly = 329_329,

    /// <summary>The TopLevel0 check is on.</summary>
    TL0 = 330_330,

    /// <summary>The TopLevel1 check is on.</summary>
    TL1 = 331_331,

    /// <summary>Physical address of the VMS.</summary>
    VMSPtr = InPlace + 375_332,

    /// <summary>NS attribute of walks through S_S2TTB.</summary>
    S2SW = 384_384,

    /// <summary>NS attribute of outputs through S_S2TTB.</summary>
    S2SA = 385_385,

    /// <summary>Bit 2 of the start level for the Secure IPA space.</summary>
    S_S2SL0_2 = 386_386,

    /// <summary>Physical address of the first stage 2 table for the Secure IPA space.</summary>
    S_S2TTB = InPlace + 439_388,

    /// <summary>Levels to skip through S_S2TTB.</summary>
    S_S2SKL = 446_445,

    /// <summary>Sixteen overlay permissions of 4 bits, entry p in bits [4p + 3:4p].</summary>
    S2POI = 511_448,
}
