using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>Descriptors are told apart and read as VMSAv8-64 has them.</summary>
public class TranslationTableDescriptorTests
{
    private const string Fields = """
        [0] IsValid; [4:2] AttrIndx; [59] AttrIndx3; [5] NS; [7:6] AP; [9:8] SH; [10] AF; [11] nG; [16] nT; [51] DBM;
        [52] Contiguous; [53] PXN; [54] UXN; [58:55] Software; [62:59] PBHA; [7] nDirty; [63] NSTable; [62:61] APTable;
        [60] UXNTable; [59] PXNTable; [5:2] MemAttr; [7:6] S2AP; [11] FnXS; [54:53] XN; [55] S2NS; [58] AssuredOnly;
        [62:59] POIndex; [7] Dirty
        """;

    private const DescriptorAddressForm Small = DescriptorAddressForm.Bits48;

    // Granule, form, and the levels at which a block exists.
    public static TheoryData<int, DescriptorAddressForm, int[]> Blocks => new()
    {
        { 12, Small, [1, 2] },
        { 12, DescriptorAddressForm.LargeAddresses, [0, 1, 2] },
        { 14, Small, [2] },
        { 14, DescriptorAddressForm.LargeAddresses, [1, 2] },
        { 16, Small, [2] },
        { 16, DescriptorAddressForm.LargeGranule, [1, 2] },
    };

    [Fact]
    [Rule("DSC-14")]
    [Rule("DSC-15")]
    [Rule("DSC-20")]
    [Rule("DSC-24")]
    public void EveryPropertyReadsExactlyItsBits()
    {
        for (int bit = 0; bit < 64; bit++)
        {
            object descriptor = new TranslationTableDescriptor(1UL << bit);
            foreach (FieldMap field in FieldMap.Parse(Fields))
            {
                ulong expected = bit < field.Low || bit > field.High ? 0 : 1UL << (bit - field.Low);
                Assert.Equal(expected, FieldMap.Number(descriptor, field.Name));
            }
        }

        Assert.Equal(TranslationTableDescriptor.SizeBytes, Unsafe.SizeOf<TranslationTableDescriptor>());
    }

    [Theory]
    [InlineData(6, 1)]
    [InlineData(51, 2)]
    [InlineData(53, 4)]
    [InlineData(54, 8)]
    [InlineData(52, 0)]
    [Rule("DSC-16")]
    [Rule("DSC-27")]
    public void PermissionIndexIsGatheredFromFourBits(int bit, int index) =>
        Assert.Equal(index, new TranslationTableDescriptor(1UL << bit).PIIndex);

    [Theory]
    [MemberData(nameof(Blocks))]
    [Rule("DSC-01")]
    [Rule("DSC-02")]
    [Rule("DSC-03")]
    [Rule("DSC-04")]
    [Rule("DSC-05")]
    [Rule("DSC-06")]
    public void KindFollowsTheLowTwoBitsLevelAndGranule(int granule, DescriptorAddressForm form, int[] blockLevels)
    {
        const ulong rest = ~0b11UL;
        for (int level = -1; level <= 3; level++)
        {
            DescriptorKind block = blockLevels.Contains(level) ? DescriptorKind.Block : DescriptorKind.Invalid;
            DescriptorKind table = level == 3 ? DescriptorKind.Page : DescriptorKind.Table;
            Assert.Equal(DescriptorKind.Invalid, Kind(rest | 0b00));
            Assert.Equal(DescriptorKind.Invalid, Kind(rest | 0b10));
            Assert.Equal(block, Kind(rest | 0b01));
            Assert.Equal(table, Kind(rest | 0b11));

            DescriptorKind Kind(ulong word) => new TranslationTableDescriptor(word).Classify(level, granule, form);
        }
    }

    [Theory]
    [InlineData(12, Small, 0x0000_ffff_ffff_f000)]
    [InlineData(14, Small, 0x0000_ffff_ffff_c000)]
    [InlineData(16, Small, 0x0000_ffff_ffff_0000)]
    [InlineData(12, DescriptorAddressForm.LargeAddresses, 0x000f_ffff_ffff_f000)]
    [InlineData(14, DescriptorAddressForm.LargeAddresses, 0x000f_ffff_ffff_c000)]
    [InlineData(16, DescriptorAddressForm.LargeGranule, 0x000f_ffff_ffff_0000)]
    [Rule("DSC-08")]
    [Rule("DSC-11")]
    public void AddressesHaveTheBitsOfTheirForm(int granule, DescriptorAddressForm form, ulong all)
    {
        var descriptor = new TranslationTableDescriptor(ulong.MaxValue);

        Assert.Equal(all, descriptor.TableAddress(granule, form));
        for (int level = 0; level <= 3; level++)
        {
            int size = TranslationTableDescriptor.LeafSizeLog2(level, granule);
            Assert.Equal(all >> size << size, descriptor.LeafAddress(level, granule, form));
        }
    }

    [Fact]
    [Rule("DSC-09")]
    public void LargeAddressesTakeBits51To50FromTheShareabilityField()
    {
        Assert.Equal(1UL << 50, Table(1UL << 8));
        Assert.Equal(1UL << 51, Table(1UL << 9));
        Assert.Equal(1UL << 48, Table(1UL << 48));
        Assert.Equal(1UL << 49, Table(1UL << 49));
        Assert.Equal(0UL, Table(1UL << 50));

        static ulong Table(ulong word) =>
            new TranslationTableDescriptor(word).TableAddress(12, DescriptorAddressForm.LargeAddresses);
    }

    [Fact]
    [Rule("DSC-10")]
    public void LargeGranulesTakeBits51To48FromBits15To12()
    {
        for (int bit = 0; bit < 4; bit++)
        {
            var descriptor = new TranslationTableDescriptor(1UL << (12 + bit));
            Assert.Equal(1UL << (48 + bit), descriptor.TableAddress(16, DescriptorAddressForm.LargeGranule));
            Assert.Equal(1UL << (48 + bit), descriptor.LeafAddress(2, 16, DescriptorAddressForm.LargeGranule));
            Assert.Equal(0UL, descriptor.TableAddress(16, Small));
        }
    }

    [Theory]
    [InlineData(12, false, 52, Small)]
    [InlineData(12, true, 48, DescriptorAddressForm.LargeAddresses)]
    [InlineData(14, true, 52, DescriptorAddressForm.LargeAddresses)]
    [InlineData(16, true, 48, Small)]
    [InlineData(16, false, 52, DescriptorAddressForm.LargeGranule)]
    [InlineData(16, true, 56, DescriptorAddressForm.LargeGranule)]
    public void FormFollowsGranuleDsAndOutputSize(int granule, bool ds, int output, DescriptorAddressForm form) =>
        Assert.Equal(form, TranslationTableDescriptor.AddressForm(granule, ds, output));

    [Theory]
    [InlineData(12, 0, 39)]
    [InlineData(12, 1, 30)]
    [InlineData(12, 2, 21)]
    [InlineData(12, 3, 12)]
    [InlineData(14, 1, 36)]
    [InlineData(14, 2, 25)]
    [InlineData(14, 3, 14)]
    [InlineData(16, 1, 42)]
    [InlineData(16, 2, 29)]
    [InlineData(16, 3, 16)]
    public void LeavesHaveTheSizeOfTheirLevel(int granule, int level, int bits) =>
        Assert.Equal(bits, TranslationTableDescriptor.LeafSizeLog2(level, granule));

    [Theory]
    [InlineData(12, 0, 0)]
    [InlineData(12, 1, 4)]
    [InlineData(12, 2, 4)]
    [InlineData(12, 3, 4)]
    [InlineData(14, 1, 0)]
    [InlineData(14, 2, 5)]
    [InlineData(14, 3, 7)]
    [InlineData(16, 1, 0)]
    [InlineData(16, 2, 5)]
    [InlineData(16, 3, 5)]
    [Rule("DSC-28")]
    [Rule("DSC-29")]
    public void ContiguousRunsHaveTheLengthOfTheirLevel(int granule, int level, int log2) =>
        Assert.Equal(log2, TranslationTableDescriptor.ContiguousRunLog2(level, granule));

    [Fact]
    public void TextNamesWhatIsSet()
    {
        Assert.Equal(
            "page AttrIndx=0x1 AP=0x1 SH=0x3 AF nG UXN",
            new TranslationTableDescriptor(0x0040_0000_0000_0f47).Describe(DescriptorKind.Page, stage2: false));
        Assert.Equal(
            "block MemAttr=0xf S2AP=0x3 SH=0x3 AF",
            new TranslationTableDescriptor(0x7fd).Describe(DescriptorKind.Block, stage2: true));
        Assert.Equal(
            "table PXNTable APTable=0x2",
            new TranslationTableDescriptor(0x4800_0000_0000_0003).Describe(DescriptorKind.Table, stage2: false));
        Assert.Equal("invalid (0x2)", new TranslationTableDescriptor(2).Describe(DescriptorKind.Invalid, stage2: false));
    }
}
