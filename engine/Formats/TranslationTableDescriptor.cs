using System.Globalization;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Formats;

/// <summary>What a descriptor is at its level (Arm ARM, D8.3).</summary>
public enum DescriptorKind : byte
{
    /// <summary>Invalid or reserved: a translation fault.</summary>
    Invalid = 0,

    /// <summary>It points to a table of the next level.</summary>
    Table = 1,

    /// <summary>It maps a block: a leaf above level 3.</summary>
    Block = 2,

    /// <summary>It maps a page: a leaf of level 3.</summary>
    Page = 3,
}

/// <summary>Where a descriptor has the output address bits above 47 (Arm ARM, D8.3.1).</summary>
public enum DescriptorAddressForm : byte
{
    /// <summary>Nowhere: addresses have 48 bits.</summary>
    Bits48 = 0,

    /// <summary>64 KiB granule with 52-bit OAS: bits [51:48] in descriptor bits [15:12].</summary>
    LargeGranule = 1,

    /// <summary>DS with 4 KiB or 16 KiB: bits [49:48] in place, [51:50] in descriptor bits [9:8].</summary>
    LargeAddresses = 2,
}

/// <summary>A VMSAv8-64 translation table descriptor of either stage (Arm ARM, D8.3).</summary>
/// <remarks>
/// Fields of tables and leaves and of the two stages share bits; each property reads its bits whatever the descriptor is.
/// Granules are given as address bits: 12, 14 or 16. Levels go from -1 to 3.
/// </remarks>
/// <param name="Word">The descriptor in the byte order of the host.</param>
public readonly record struct TranslationTableDescriptor(ulong Word)
{
    /// <summary>Bytes of one descriptor.</summary>
    public const int SizeBytes = 8;

    /// <summary>Bit 0: without it nothing else counts.</summary>
    public bool IsValid => Get(DescriptorFields.Valid) != 0;

    /// <summary>AttrIndx[2:0] of a stage 1 leaf: the byte of MAIR.</summary>
    public byte AttrIndx => (byte)Get(DescriptorFields.AttrIndx);

    /// <summary>AttrIndx[3] of a stage 1 leaf, with CD.AIE.</summary>
    public bool AttrIndx3 => Get(DescriptorFields.AttrIndx3) != 0;

    /// <summary>NS of a stage 1 leaf.</summary>
    public bool NS => Get(DescriptorFields.NS) != 0;

    /// <summary>AP[2:1] of a stage 1 leaf: bit 0 unprivileged access, bit 1 read-only.</summary>
    public byte AP => (byte)Get(DescriptorFields.AP);

    /// <summary>SH of a leaf: 0 NSH, 2 OSH, 3 ISH; address bits with DS.</summary>
    public byte SH => (byte)Get(DescriptorFields.SH);

    /// <summary>AF: the Access flag, of a leaf or, with HAFT, of a table.</summary>
    public bool AF => Get(DescriptorFields.AF) != 0;

    /// <summary>nG of a stage 1 leaf: the translation belongs to its ASID alone.</summary>
    public bool nG => Get(DescriptorFields.nG) != 0;

    /// <summary>nT of a block: it may be in the course of a change of size.</summary>
    public bool nT => Get(DescriptorFields.nT) != 0;

    /// <summary>DBM of a leaf: hardware may make it writable.</summary>
    public bool DBM => Get(DescriptorFields.DBM) != 0;

    /// <summary>Contiguous of a leaf: one of a run of alike descriptors.</summary>
    public bool Contiguous => Get(DescriptorFields.Contiguous) != 0;

    /// <summary>PXN of a stage 1 leaf.</summary>
    public bool PXN => Get(DescriptorFields.PXN) != 0;

    /// <summary>UXN of a stage 1 leaf; XN in regimes with one privilege level.</summary>
    public bool UXN => Get(DescriptorFields.UXN) != 0;

    /// <summary>Bits [58:55] of a stage 1 leaf, left to software.</summary>
    public byte Software => (byte)Get(DescriptorFields.Software);

    /// <summary>PBHA of a leaf.</summary>
    public byte PBHA => (byte)Get(DescriptorFields.PBHA);

    /// <summary>PIIndex of a leaf with indirect permissions: bits {54, 53, 51, 6}.</summary>
    public byte PIIndex => (byte)(Get(DescriptorFields.PIIndex0) | (Get(DescriptorFields.PIIndex1) << 1)
        | (Get(DescriptorFields.PIIndex2) << 2) | (Get(DescriptorFields.PIIndex3) << 3));

    /// <summary>nDirty of a stage 1 leaf with indirect permissions.</summary>
    public bool nDirty => Get(DescriptorFields.NotDirty) != 0;

    /// <summary>NSTable of a stage 1 table.</summary>
    public bool NSTable => Get(DescriptorFields.NSTable) != 0;

    /// <summary>APTable of a stage 1 table: bit 0 no unprivileged access, bit 1 no writes below it.</summary>
    public byte APTable => (byte)Get(DescriptorFields.APTable);

    /// <summary>UXNTable of a stage 1 table; XNTable in regimes with one privilege level.</summary>
    public bool UXNTable => Get(DescriptorFields.UXNTable) != 0;

    /// <summary>PXNTable of a stage 1 table.</summary>
    public bool PXNTable => Get(DescriptorFields.PXNTable) != 0;

    /// <summary>MemAttr of a stage 2 leaf.</summary>
    public byte MemAttr => (byte)Get(DescriptorFields.MemAttr);

    /// <summary>S2AP of a stage 2 leaf: bit 0 read, bit 1 write.</summary>
    public byte S2AP => (byte)Get(DescriptorFields.S2AP);

    /// <summary>FnXS of a stage 2 leaf.</summary>
    public bool FnXS => Get(DescriptorFields.FnXS) != 0;

    /// <summary>XN[1:0] of a stage 2 leaf.</summary>
    public byte XN => (byte)Get(DescriptorFields.XN);

    /// <summary>NS of a Realm stage 2 leaf.</summary>
    public bool S2NS => Get(DescriptorFields.S2NS) != 0;

    /// <summary>AssuredOnly of a stage 2 leaf.</summary>
    public bool AssuredOnly => Get(DescriptorFields.AssuredOnly) != 0;

    /// <summary>POIndex of a stage 2 leaf with overlays.</summary>
    public byte POIndex => (byte)Get(DescriptorFields.POIndex);

    /// <summary>Dirty of a stage 2 leaf with indirect permissions.</summary>
    public bool Dirty => Get(DescriptorFields.Dirty) != 0;

    /// <summary>Address bits of a leaf at a level, such as 21 for a 2 MiB block.</summary>
    public static int LeafSizeLog2(int level, int granuleLog2) => granuleLog2 + ((3 - level) * (granuleLog2 - 3));

    /// <summary>Log2 of the descriptors of a contiguous run; 0 where Contiguous does not count (Arm ARM, D8.7.1).</summary>
    public static int ContiguousRunLog2(int level, int granuleLog2) => (granuleLog2, level) switch
    {
        (12, 1 or 2 or 3) => 4,
        (14, 2) => 5,
        (14, 3) => 7,
        (16, 2 or 3) => 5,
        _ => 0,
    };

    /// <summary>The form that output addresses have.</summary>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="largeAddresses">CD.DS or STE.S2DS, in effect.</param>
    /// <param name="outputAddressBits">OAS in bits.</param>
    public static DescriptorAddressForm AddressForm(int granuleLog2, bool largeAddresses, int outputAddressBits) =>
        granuleLog2 == 16
            ? outputAddressBits >= 52 ? DescriptorAddressForm.LargeGranule : DescriptorAddressForm.Bits48
            : largeAddresses ? DescriptorAddressForm.LargeAddresses : DescriptorAddressForm.Bits48;

    /// <summary>What the descriptor is.</summary>
    /// <param name="level">The level of its table.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="form">The address form, which also admits the largest blocks.</param>
    public DescriptorKind Classify(int level, int granuleLog2, DescriptorAddressForm form)
    {
        if (!IsValid) return DescriptorKind.Invalid;
        bool tableOrPage = Get(DescriptorFields.IsTableOrPage) != 0;
        if (level == 3) return tableOrPage ? DescriptorKind.Page : DescriptorKind.Invalid;
        if (tableOrPage) return DescriptorKind.Table;
        return level >= LowestBlockLevel(granuleLog2, form) ? DescriptorKind.Block : DescriptorKind.Invalid;
    }

    /// <summary>The address of the next table: bits of the granule are zero.</summary>
    public ulong TableAddress(int granuleLog2, DescriptorAddressForm form) => form switch
    {
        DescriptorAddressForm.LargeGranule =>
            (Word & BitField.Mask(47, granuleLog2)) | (Get(DescriptorFields.LargeGranule51To48) << 48),
        DescriptorAddressForm.LargeAddresses =>
            (Word & BitField.Mask(49, granuleLog2)) | (Get(DescriptorFields.LargeAddresses51To50) << 50),
        _ => Word & BitField.Mask(47, granuleLog2),
    };

    /// <summary>The address that a leaf maps: bits below its size are zero.</summary>
    public ulong LeafAddress(int level, int granuleLog2, DescriptorAddressForm form) =>
        BitField.AlignDown(TableAddress(granuleLog2, form), LeafSizeLog2(level, granuleLog2));

    /// <summary>The fields that are not zero, by name, but for the address.</summary>
    /// <param name="kind">What the descriptor is.</param>
    /// <param name="stage2">It is one of stage 2.</param>
    public string Describe(DescriptorKind kind, bool stage2) => kind switch
    {
        DescriptorKind.Invalid => string.Create(CultureInfo.InvariantCulture, $"invalid (0x{Word:x})"),
        DescriptorKind.Table => "table " + StructureField.Describe(
            stage2 ? DescriptorFields.Stage2Table : DescriptorFields.Stage1Table, [Word]),
        _ => (kind == DescriptorKind.Page ? "page " : "block ") + StructureField.Describe(
            stage2 ? DescriptorFields.Stage2Leaf : DescriptorFields.Stage1Leaf, [Word]),
    };

    // 4 KiB: 1 GiB at level 1, and 512 GiB at level 0 with DS. 16 KiB: 32 MiB at level 2, 64 GiB at level 1 with DS.
    // 64 KiB: 512 MiB at level 2, and 4 TiB at level 1 with 52-bit OAS.
    private static int LowestBlockLevel(int granuleLog2, DescriptorAddressForm form)
    {
        int level = granuleLog2 == 12 ? 1 : 2;
        return form == DescriptorAddressForm.Bits48 ? level : level - 1;
    }

    private ulong Get(int range) => BitRange.Get(Word, range);
}
