using static Smmu.Fast.Formats.BitRange;

namespace Smmu.Fast.Formats;

/// <summary>Places of the fields of VMSAv8-64 translation table descriptors (Arm ARM, D8.3.1).</summary>
/// <remarks>Walks decode with these constants; <see cref="TranslationTableDescriptor"/> is for all who explain.</remarks>
internal static class DescriptorFields
{
    // Every descriptor.
    public const int Valid = 0_000;
    public const int IsTableOrPage = 1_001;

    // Leaves of both stages.
    public const int SH = 9_008;
    public const int AF = 10_010;
    public const int nT = 16_016;
    public const int DBM = 51_051;
    public const int Contiguous = 52_052;
    public const int PBHA = 62_059;

    // Stage 1 leaves.
    public const int AttrIndx = 4_002;
    public const int NS = 5_005;
    public const int AP = 7_006;
    public const int nG = 11_011;
    public const int PXN = 53_053;
    public const int UXN = 54_054;
    public const int Software = 58_055;
    public const int AttrIndx3 = 59_059;
    public const int NotDirty = 7_007;

    // Stage 1 tables.
    public const int PXNTable = 59_059;
    public const int UXNTable = 60_060;
    public const int APTable = 62_061;
    public const int NSTable = 63_063;

    // Stage 2 leaves.
    public const int MemAttr = 5_002;
    public const int S2AP = 7_006;
    public const int FnXS = 11_011;
    public const int XN = 54_053;
    public const int S2NS = 55_055;
    public const int AssuredOnly = 58_058;
    public const int POIndex = 62_059;
    public const int Dirty = 7_007;

    // The four bits of PIIndex, lowest first.
    public const int PIIndex0 = 6_006;
    public const int PIIndex1 = 51_051;
    public const int PIIndex2 = 53_053;
    public const int PIIndex3 = 54_054;

    // Output address bits beyond 47, by form.
    public const int LargeGranule51To48 = 15_012;
    public const int LargeAddresses49To48 = 49_048;
    public const int LargeAddresses51To50 = 9_008;

    /// <summary>Fields of a stage 1 leaf but for its address.</summary>
    public static readonly StructureField[] Stage1Leaf =
    [
        Field(nameof(AttrIndx), AttrIndx), Field(nameof(NS), NS), Field(nameof(AP), AP), Field(nameof(SH), SH),
        Field(nameof(AF), AF), Field(nameof(nG), nG), Field(nameof(DBM), DBM), Field(nameof(Contiguous), Contiguous),
        Field(nameof(PXN), PXN), Field(nameof(UXN), UXN), Field(nameof(Software), Software), Field(nameof(PBHA), PBHA),
    ];

    /// <summary>Fields of a stage 1 table but for its address.</summary>
    public static readonly StructureField[] Stage1Table =
    [
        Field(nameof(AF), AF), Field(nameof(PXNTable), PXNTable), Field(nameof(UXNTable), UXNTable),
        Field(nameof(APTable), APTable), Field(nameof(NSTable), NSTable),
    ];

    /// <summary>Fields of a stage 2 leaf but for its address.</summary>
    public static readonly StructureField[] Stage2Leaf =
    [
        Field(nameof(MemAttr), MemAttr), Field(nameof(S2AP), S2AP), Field(nameof(SH), SH), Field(nameof(AF), AF),
        Field(nameof(FnXS), FnXS), Field(nameof(DBM), DBM), Field(nameof(Contiguous), Contiguous), Field(nameof(XN), XN),
        Field("NS", S2NS), Field(nameof(AssuredOnly), AssuredOnly), Field(nameof(PBHA), PBHA),
    ];

    /// <summary>Fields of a stage 2 table but for its address.</summary>
    public static readonly StructureField[] Stage2Table = [Field(nameof(AF), AF)];

    private static StructureField Field(string name, int range) => new(name, HighOf(range), LowOf(range), IsAddress: false);
}
