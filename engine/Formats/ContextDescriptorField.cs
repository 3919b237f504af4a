using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>Fields of a Context Descriptor by name and place (IHI 0070, 5.4).</summary>
/// <remarks>A value reads [high:low]: <c>495_448</c> stands for bits 495 to 448 of the structure.</remarks>
public enum ContextDescriptorField
{
    /// <summary>The TTB0 range holds 2^(64 - T0SZ) bytes.</summary>
    T0SZ = 5_000,

    /// <summary>Granule of TTB0: 0 4 KiB, 1 64 KiB, 2 16 KiB, 3 reserved.</summary>
    TG0 = 7_006,

    /// <summary>Inner cacheability of TTB0 walks: 0 NC, 1 WB RA WA, 2 WT RA, 3 WB RA.</summary>
    IR0 = 9_008,

    /// <summary>Outer cacheability of TTB0 walks, coded as IR0.</summary>
    OR0 = 11_010,

    /// <summary>Shareability of TTB0 walks, and of leaves with DS: 0 and 1 NSH, 2 OSH, 3 ISH.</summary>
    SH0 = 13_012,

    /// <summary>Walks of TTB0 are off.</summary>
    EPD0 = 14_014,

    /// <summary>The tables are big-endian.</summary>
    ENDI = 15_015,

    /// <summary>The TTB1 range holds 2^(64 - T1SZ) bytes.</summary>
    T1SZ = 21_016,

    /// <summary>Granule of TTB1: 1 16 KiB, 2 4 KiB, 3 64 KiB, 0 reserved.</summary>
    TG1 = 23_022,

    /// <summary>Inner cacheability of TTB1 walks, coded as IR0.</summary>
    IR1 = 25_024,

    /// <summary>Outer cacheability of TTB1 walks, coded as IR0.</summary>
    OR1 = 27_026,

    /// <summary>Shareability of TTB1 walks, coded as SH0.</summary>
    SH1 = 29_028,

    /// <summary>Walks of TTB1 are off.</summary>
    EPD1 = 30_030,

    /// <summary>The descriptor is valid; without it no other field counts.</summary>
    V = 31_031,

    /// <summary>Output size of stage 1: 0 to 7 for 32, 36, 40, 42, 44, 48, 52, 56 bits.</summary>
    IPS = 34_032,

    /// <summary>A clear Access flag is no fault; counts only without HA.</summary>
    AFFD = 35_035,

    /// <summary>Writable implies execute-never.</summary>
    WXN = 36_036,

    /// <summary>Unprivileged-writable implies privileged execute-never (LPAE only).</summary>
    UWXN = 37_037,

    /// <summary>The top byte of addresses in the TTB0 range is ignored.</summary>
    TBI0 = 38_038,

    /// <summary>The top byte of addresses in the TTB1 range is ignored.</summary>
    TBI1 = 39_039,

    /// <summary>Privileged data accesses must not touch unprivileged pages.</summary>
    PAN = 40_040,

    /// <summary>Tables are VMSAv8-64; otherwise LPAE, or VMSAv9-128 with IDR5.D128.</summary>
    AA64 = 41_041,

    /// <summary>Hardware manages the dirty state.</summary>
    HD = 42_042,

    /// <summary>Hardware sets the Access flag.</summary>
    HA = 43_043,

    /// <summary>Stage 1 faults stall.</summary>
    S = 44_044,

    /// <summary>Stage 1 faults are recorded.</summary>
    R = 45_045,

    /// <summary>Terminated accesses abort; otherwise they read zero and ignore writes.</summary>
    A = 46_046,

    /// <summary>The ASID is not shared with PEs.</summary>
    ASET = 47_047,

    /// <summary>ASID tag of the translations.</summary>
    ASID = 63_048,

    /// <summary>NS attribute of the first TTB0 table (Secure streams).</summary>
    NSCFG0 = 64_064,

    /// <summary>Hierarchical attributes of TTB0 are off; with IDR5.D128 the bit is DisCH0 of VMSAv9-128.</summary>
    HAD0 = 65_065,

    /// <summary>Unprivileged accesses of the TTB0 range fault.</summary>
    E0PD0 = 66_066,

    /// <summary>Hardware sets the Access flag in table descriptors.</summary>
    HAFT = 67_067,

    /// <summary>Address of the first table of the TTB0 range: an IPA when stage 2 is on, else physical.</summary>
    TTB0 = InPlace + 119_068,

    /// <summary>Bit 52 of descriptors is Protected, not Contiguous.</summary>
    PnCH = 122_122,

    /// <summary>PAN looks at unprivileged execute permission as well.</summary>
    EPAN = 123_123,

    /// <summary>Bit 59 of TTB0 leaves may carry a page-based hardware attribute.</summary>
    HWU059 = 124_124,

    /// <summary>Bit 60 of TTB0 leaves may carry a page-based hardware attribute.</summary>
    HWU060 = 125_125,

    /// <summary>Bit 61 of TTB0 leaves may carry a page-based hardware attribute; bit 0 of SKL0 with IDR5.D128.</summary>
    HWU061 = 126_126,

    /// <summary>Bit 62 of TTB0 leaves may carry a page-based hardware attribute; bit 1 of SKL0 with IDR5.D128.</summary>
    HWU062 = 127_127,

    /// <summary>NS attribute of the first TTB1 table (Secure streams).</summary>
    NSCFG1 = 128_128,

    /// <summary>Hierarchical attributes of TTB1 are off; with IDR5.D128 the bit is DisCH1 of VMSAv9-128.</summary>
    HAD1 = 129_129,

    /// <summary>Unprivileged accesses of the TTB1 range fault.</summary>
    E0PD1 = 130_130,

    /// <summary>Leaves carry a fourth AttrIndx bit.</summary>
    AIE = 131_131,

    /// <summary>Address of the first table of the TTB1 range: an IPA when stage 2 is on, else physical.</summary>
    TTB1 = InPlace + 183_132,

    /// <summary>52-bit sizes with the 4 KiB and 16 KiB granules.</summary>
    DS = 186_186,

    /// <summary>Indirect permissions at stage 1.</summary>
    PIE = 187_187,

    /// <summary>Bit 59 of TTB1 leaves may carry a page-based hardware attribute.</summary>
    HWU159 = 188_188,

    /// <summary>Bit 60 of TTB1 leaves may carry a page-based hardware attribute.</summary>
    HWU160 = 189_189,

    /// <summary>Bit 61 of TTB1 leaves may carry a page-based hardware attribute; bit 0 of SKL1 with IDR5.D128.</summary>
    HWU161 = 190_190,

    /// <summary>Bit 62 of TTB1 leaves may carry a page-based hardware attribute; bit 1 of SKL1 with IDR5.D128.</summary>
    HWU162 = 191_191,

    /// <summary>Memory types of AttrIndx 0 to 3, a byte each.</summary>
    MAIR0 = 223_192,

    /// <summary>Memory types of AttrIndx 4 to 7, a byte each.</summary>
    MAIR1 = 255_224,

    /// <summary>Implementation defined.</summary>
    AMAIR0 = 287_256,

    /// <summary>Implementation defined.</summary>
    AMAIR1 = 319_288,

    /// <summary>MPAM PARTID; virtual, 5 bits, when a VMS maps it.</summary>
    PARTID = 367_352,

    /// <summary>MPAM PMG.</summary>
    PMG = 375_368,

    /// <summary>Sixteen unprivileged base permissions of 3 bits, entry p in bits [3p + 2:3p].</summary>
    PIIU = 431_384,

    /// <summary>Sixteen privileged base permissions of 3 bits, entry p in bits [3p + 2:3p].</summary>
    PIIP = 495_448,
}
