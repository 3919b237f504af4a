using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Addresses in descriptors: which bits they have, what limits them, what the final address is.</summary>
public class AddressTests
{
    private const ulong Address = 0x0000_7fff_ffff_f000;
    private const ulong Offset = 0x0000_7abc_dec5_4321;

    [Theory]
    [InlineData(12, 47)]
    [InlineData(14, 47)]
    [InlineData(16, 47)]
    [Rule("W1-20")]
    [Rule("DSC-08")]
    public void PagesHaveTheirAddressInBits47DownToTheGranule(int granuleLog2, int highest)
    {
        var scene = Stage1(granuleLog2, sizeOffset: 25, startLevel: granuleLog2 == 16 ? 2 : 1);
        ulong leaf = scene.Map1(0x4000_0000, 0);
        ulong all = (1UL << (highest + 1)) - (1UL << granuleLog2);

        scene.Memory[leaf] = all | Stage1Flags | 0b11;

        AssertTranslates(all | 0x123, scene.Walk(0x4000_0123));
    }

    [Theory]
    [InlineData(40, 1UL << 40)]
    [InlineData(40, 1UL << 47)]
    [InlineData(32, 1UL << 32)]
    [InlineData(36, 1UL << 36)]
    [InlineData(42, 1UL << 42)]
    [InlineData(44, 1UL << 44)]
    [Rule("W1-24")]
    [Rule("W1-25")]
    [Rule("ADS-14")]
    [Rule("ADS-25")]
    [Rule("ASZ-09")]
    [Rule("ASZ-13")]
    public void AnOutputAtOrAboveTheEffectiveIpsIsAnAddressSizeFaultAtEveryLevel(int outputSizeBits, ulong beyond)
    {
        for (int level = 0; level <= 3; level++)
        {
            var scene = Stage1();
            scene.Regime.Stage1.OutputSizeBits = (byte)outputSizeBits;
            ulong last = (1UL << outputSizeBits) - 0x1000;
            scene.Map1(Address, last);
            AssertTranslates(last, scene.Walk(Address));

            scene.Memory[scene.Path[level]] |= beyond;

            AssertFault1(EventType.AddressSize, level, scene.Walk(Address));
        }
    }

    [Theory]
    [InlineData(1, 30)]
    [InlineData(2, 21)]
    [Rule("W1-24")]
    public void ABlockAboveTheEffectiveIpsFaultsToo(int level, int sizeLog2)
    {
        var scene = Stage1();
        scene.Regime.Stage1.OutputSizeBits = 36;
        ulong leaf = scene.Map1(0x4000_0000, (1UL << 36) - (1UL << sizeLog2), level);
        AssertTranslates((1UL << 36) - (1UL << sizeLog2), scene.Walk(0x4000_0000));

        scene.Memory[leaf] = (1UL << 36) | Stage1Flags | 0b01;

        AssertFault1(EventType.AddressSize, level, scene.Walk(0x4000_0000));
    }

    [Theory]
    [InlineData(12, 1, 30)]
    [InlineData(12, 2, 21)]
    [InlineData(12, 3, 12)]
    [InlineData(14, 2, 25)]
    [InlineData(14, 3, 14)]
    [InlineData(16, 2, 29)]
    [InlineData(16, 3, 16)]
    [Rule("W1-27")]
    [Rule("DSC-08")]
    public void TheFinalAddressIsTheBaseWithTheUntranslatedBitsOfTheInput(int granuleLog2, int level, int sizeLog2)
    {
        var scene = Stage1(granuleLog2, sizeOffset: 17, startLevel: granuleLog2 == 12 ? 0 : 1);
        ulong leaf = scene.Map1(Offset, 0x5555_4000_0000, level);
        ulong inLeaf = (1UL << sizeLog2) - 1;
        ulong expected = (0x5555_4000_0000 & ~inLeaf) | (Offset & inLeaf);

        var result = scene.Walk(Offset);
        AssertTranslates(expected, result);
        Assert.Equal(sizeLog2, result.LeafSizeLog2);
        Assert.Equal(sizeLog2, result.Stage1LeafSizeLog2);
        Assert.Equal(level, result.Level);

        // Base bits below the size are ignored; bit 16 would be nT in a block.
        ulong stray = inLeaf & ~((1UL << Math.Max(granuleLog2, 17)) - 1);
        scene.Memory[leaf] |= stray;
        AssertTranslates(expected, scene.Walk(Offset));
    }

    [Fact]
    [Rule("ASZ-11")]
    public void TheSizeCheckDropsTheBitsOfADescriptorBelowTheSizeOfItsBlock()
    {
        var scene = Stage1();
        scene.Regime.Stage1.OutputSizeBits = 32;
        ulong leaf = scene.Map1(0x4000_0000, 0, level: 1);
        scene.Memory[leaf] |= 0x3fe0_0000;

        AssertTranslates(0x3fff_ffff, scene.Walk(0x7fff_ffff));
    }

    [Theory]
    [InlineData(12, 0, 32)]   // 512 GiB.
    [InlineData(12, 0, 36)]
    [InlineData(14, 1, 32)]   // 64 GiB.
    [InlineData(16, 1, 32)]   // 4 TiB.
    [InlineData(16, 1, 40)]
    [Rule("ASZ-11")]
    [Rule("W1-24")]
    public void OfABlockLargerThanTheOutputSizeOnlyThePartThatHasOutputsTranslates(int granuleLog2, int level, int outputSizeBits)
    {
        const ulong Block = 0x0000_0400_0000_0000;
        var scene = Stage1(granuleLog2, sizeOffset: 16, startLevel: granuleLog2 == 16 ? 1 : 0);
        scene.Regime.OutputSizeBits = 52;
        scene.Regime.Stage1.OutputSizeBits = (byte)outputSizeBits;
        scene.Regime.Stage1.LargeAddresses = granuleLog2 != 16;
        scene.Map1(Block, 0, level, flags: AccessFlag | Unprivileged);   // With DS, the bits of SH are address bits.
        ulong last = (1UL << outputSizeBits) - 1;

        var result = scene.Walk(Block + last);

        AssertTranslates(last, result);
        Assert.Equal(outputSizeBits, result.LeafSizeLog2);
        Assert.True(result.Stage1LeafSizeLog2 > outputSizeBits);   // A TLBI of any of its pages means all of it.
        AssertFault1(EventType.AddressSize, level, scene.Walk(Block + last + 1));
    }

    [Theory]
    [InlineData(52, 52, EventType.None)]
    [InlineData(52, 48, EventType.AddressSize)]
    [InlineData(48, 48, EventType.AddressSize)]
    [Rule("W1-21")]
    [Rule("DSC-10")]
    [Rule("DSC-12")]
    public void With64KilobytesBits15To12AreOutputBits51To48(int physicalSizeBits, int outputSizeBits, EventType expected)
    {
        for (int level = 2; level <= 3; level++)
        {
            var scene = Stage1(granuleLog2: 16, sizeOffset: 22, startLevel: 2);
            scene.Regime.OutputSizeBits = (byte)physicalSizeBits;
            scene.Regime.Stage1.OutputSizeBits = (byte)outputSizeBits;
            ulong leaf = scene.Map1(0x6000_0000, 0x1234_6000_0000, level);
            scene.Memory[leaf] |= 0xa000;

            var result = scene.Walk(0x6000_1230);

            if (expected == EventType.None) AssertTranslates(0xa_1234_6000_1230, result);
            else AssertFault1(expected, level, result);
        }
    }

    [Fact]
    [Rule("W1-21")]
    public void With64KilobytesTheHighBitsOfATableAddressCountToo()
    {
        var scene = Stage1(granuleLog2: 16, sizeOffset: 22, startLevel: 2);
        scene.Regime.OutputSizeBits = 52;
        scene.Regime.Stage1.OutputSizeBits = 52;
        scene.Map1(0x6000_0000, 0x10_0000);
        ulong table = scene.Memory[scene.Path[0]] & 0x0000_ffff_ffff_0000;
        scene.Memory[scene.Path[0]] |= 0x1000;

        var result = scene.Walk(0x6000_0000);

        AssertFault1(EventType.WalkExternalAbort, 3, result);
        Assert.Equal(table | (1UL << 48), result.FetchAddress);
    }

    [Theory]
    [InlineData(12)]
    [InlineData(14)]
    [Rule("W1-22")]
    [Rule("DSC-09")]
    public void WithDsOutputBits51To48AreDescriptorBits49To48And9To8(int granuleLog2)
    {
        var scene = Stage1(granuleLog2, sizeOffset: 25, startLevel: 1);
        scene.Regime.OutputSizeBits = 52;
        scene.Regime.Stage1.OutputSizeBits = 52;
        scene.Regime.Stage1.LargeAddresses = true;
        ulong leaf = scene.Map1(0x6000_0000, 0x10_0000, flags: AccessFlag);
        scene.Memory[leaf] |= (0b10UL << 48) | (0b01UL << 8);

        AssertTranslates(0x6_0000_0010_0123, scene.Walk(0x6000_0123, AccessKind.Read | AccessKind.Privileged));

        scene.Regime.Stage1.OutputSizeBits = 48;
        AssertFault1(EventType.AddressSize, 3, scene.Walk(0x6000_0000));
        scene.Memory[leaf] &= ~(0b10UL << 48);
        AssertFault1(EventType.AddressSize, 3, scene.Walk(0x6000_0000));
    }

    [Theory]
    [InlineData(12)]
    [InlineData(14)]
    [Rule("DSC-11")]
    public void WithoutDsBits49And48AreIgnored(int granuleLog2)
    {
        var scene = Stage1(granuleLog2, sizeOffset: 25, startLevel: 1);
        scene.Map1(0x6000_0000, 0x10_0000);
        foreach (ulong descriptor in scene.Path) scene.Memory[descriptor] |= 0b11UL << 48;

        AssertTranslates(0x10_0000, scene.Walk(0x6000_0000));
    }

    [Fact]
    [Rule("W1-23")]
    public void ATableBaseWithBitsAbove47IsReadWhereItSays()
    {
        var scene = Stage1(granuleLog2: 16, sizeOffset: 22, startLevel: 2);
        scene.Regime.Stage1.Range0.TableBase = 0x000a_0000_8000_0000;

        var result = scene.Walk(0);

        AssertFault1(EventType.WalkExternalAbort, 2, result);
        Assert.Equal(0x000a_0000_8000_0000ul, result.FetchAddress);
    }
}
