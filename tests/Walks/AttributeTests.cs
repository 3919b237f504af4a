using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Walks;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Memory attributes: stage 1 replaces, stage 2 combines, the output is consistent.</summary>
public class AttributeTests
{
    private const ulong Address = 0x4000_0000;
    private const ulong Ipa = 0x20_0000_0000;
    private const int Nsh = 0;
    private const int Osh = 2;
    private const int Ish = 3;

    [Theory]
    [InlineData(0x00, Ish, 0x00, Osh)]
    [InlineData(0x04, Ish, 0x04, Osh)]
    [InlineData(0x08, Nsh, 0x08, Osh)]
    [InlineData(0x0c, Ish, 0x0c, Osh)]
    [InlineData(0x44, Nsh, 0x44, Osh)]
    [InlineData(0xff, Ish, 0xff, Ish)]
    [InlineData(0xff, Nsh, 0xff, Nsh)]
    [InlineData(0xff, 1, 0xff, Nsh)]
    [InlineData(0xbb, Osh, 0xbb, Osh)]
    [InlineData(0x4f, Ish, 0x4f, Ish)]
    [InlineData(0x77, Ish, 0x77, Ish)]
    [InlineData(0xf0, Ish, 0xf3, Ish)]   // Reserved: inner Write-Through transient.
    [InlineData(0x40, Nsh, 0x43, Nsh)]
    [InlineData(0x0b, Ish, 0x08, Osh)]   // Reserved: Device-nGRE.
    [Rule("ATT-10")]
    [Rule("ATT-12")]
    [Rule("ATT-13")]
    [Rule("ATT-14")]
    [Rule("ATT-15")]
    [Rule("ATT-31")]
    public void Stage1GivesTheTypeOfMairAndTheShareabilityOfTheLeaf(int mair, int sh, int type, int shareability)
    {
        for (int index = 0; index < 8; index++)
        {
            var scene = Stage1();
            scene.Regime.Stage1.MemoryAttributes = ~0x5555_5555_5555_5555UL & ~(0xffUL << (index * 8)) | ((ulong)mair << (index * 8));
            scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged | ((ulong)index << 2) | ((ulong)sh << 8));

            Assert.Equal(new MemoryAttributes((byte)type, (byte)shareability), scene.Walk(Address).Attributes);
        }
    }

    [Fact]
    [Rule("ATT-16")]
    [Rule("DSC-19")]
    public void WithDsShareabilityIsThatOfTheRange()
    {
        const ulong Upper = 0xffff_0000_4000_0000;
        var scene = Stage1();
        scene.Regime.OutputSizeBits = 52;
        scene.Regime.Stage1.OutputSizeBits = 52;
        scene.Regime.Stage1.LargeAddresses = true;
        scene.Regime.Stage1.Range0.Shareability = Ish;
        scene.Regime.Stage1.Range1.Shareability = Osh;
        scene.Map1(Address, 0x10_0000, flags: AccessFlag | Unprivileged | (2UL << 8));
        scene.Map1(Upper, 0x10_0000, flags: AccessFlag | Unprivileged | (3UL << 8));

        Assert.Equal(Ish, scene.Walk(Address).Attributes.Shareability);
        Assert.Equal(Osh, scene.Walk(Upper).Attributes.Shareability);
    }

    [Fact]
    [Rule("ATT-16")]
    public void WithS2dsShareabilityIsThatOfTheRegime()
    {
        var scene = Stage2();
        scene.Regime.Stage2.LargeAddresses = true;
        scene.Regime.Stage2.Shareability = Ish;
        scene.Map2(Address, 0x10_0000, flags: Stage2Flags & ~(3UL << 8));

        Assert.Equal(Ish, scene.Walk(Address).Attributes.Shareability);
    }

    [Theory]
    [InlineData(0xff, Ish, 0b1111, Ish, 0xff, Ish)]
    [InlineData(0xff, Nsh, 0b1111, Osh, 0xff, Osh)]
    [InlineData(0xff, Osh, 0b1111, Nsh, 0xff, Osh)]
    [InlineData(0xff, Nsh, 0b1111, Ish, 0xff, Ish)]
    [InlineData(0xff, Nsh, 0b1111, Nsh, 0xff, Nsh)]
    [InlineData(0xff, Ish, 0b1010, Ish, 0xbb, Ish)]      // Write-Through is stronger than Write-Back.
    [InlineData(0xdd, Ish, 0b1010, Ish, 0x99, Ish)]      // Hints pass through.
    [InlineData(0xff, Ish, 0b0101, Ish, 0x44, Osh)]
    [InlineData(0xff, Ish, 0b0111, Ish, 0x4f, Ish)]      // Inner and outer apart.
    [InlineData(0xff, Ish, 0b1101, Ish, 0xf4, Ish)]
    [InlineData(0x44, Ish, 0b1111, Ish, 0x44, Osh)]
    [InlineData(0xbb, Ish, 0b1111, Ish, 0xbb, Ish)]
    [InlineData(0xff, Ish, 0b0000, Ish, 0x00, Osh)]
    [InlineData(0xff, Ish, 0b0011, Ish, 0x0c, Osh)]
    [InlineData(0x04, Ish, 0b1111, Ish, 0x04, Osh)]
    [InlineData(0x04, Ish, 0b0010, Ish, 0x04, Osh)]      // nGnRE with nGRE.
    [InlineData(0x0c, Ish, 0b0000, Ish, 0x00, Osh)]
    [InlineData(0xff, Ish, 0b0100, Ish, 0x00, Osh)]      // Reserved.
    [InlineData(0xff, Ish, 0b1000, Ish, 0x00, Osh)]
    [InlineData(0xff, Ish, 0b1100, Ish, 0x00, Osh)]
    [Rule("ATT-17")]
    [Rule("ATT-18")]
    [Rule("ATT-19")]
    [Rule("ATT-20")]
    [Rule("ATT-21")]
    public void WithoutFwbTheStrongerOfTheStagesWins(int mair, int sh1, int memAttr, int sh2, int type, int shareability) =>
        AssertCombines(false, mair, sh1, memAttr, sh2, type, shareability);

    [Theory]
    [InlineData(0xff, Ish, 0b0000, Ish, 0x00, Osh)]
    [InlineData(0x04, Ish, 0b0010, Ish, 0x04, Osh)]
    [InlineData(0xff, Ish, 0b0101, Ish, 0x44, Osh)]
    [InlineData(0x08, Ish, 0b0101, Ish, 0x08, Osh)]
    [InlineData(0x08, Ish, 0b0110, Ish, 0xff, Osh)]      // Device becomes Write-Back with default hints; SH was Outer.
    [InlineData(0x44, Nsh, 0b0110, Ish, 0xff, Osh)]
    [InlineData(0x99, Nsh, 0b0110, Ish, 0xdd, Ish)]      // Cacheable keeps its hints.
    [InlineData(0x4d, Nsh, 0b0110, Ish, 0xfd, Ish)]
    [InlineData(0xbb, Nsh, 0b0111, Ish, 0xbb, Ish)]
    [InlineData(0x04, Nsh, 0b0111, Ish, 0x04, Osh)]
    [InlineData(0x44, Nsh, 0b0111, Ish, 0x44, Osh)]
    [InlineData(0xff, Ish, 0b1110, Ish, 0xff, Ish)]      // Bit 3 of MemAttr is not looked at.
    [InlineData(0xff, Ish, 0b1001, Ish, 0x04, Osh)]
    [InlineData(0xff, Ish, 0b0100, Ish, 0x00, Osh)]      // Reserved.
    [Rule("ATT-23")]
    [Rule("ATT-24")]
    [Rule("ATT-25")]
    [Rule("ATT-26")]
    [Rule("ATT-28")]
    [Rule("ATT-29")]
    [Rule("DSC-25")]
    public void WithFwbStage2Decides(int mair, int sh1, int memAttr, int sh2, int type, int shareability) =>
        AssertCombines(true, mair, sh1, memAttr, sh2, type, shareability);

    [Theory]
    [InlineData(false, 0b0000, 0, 1, 0b1111, Ish, 0xff, Ish)]
    [InlineData(false, 0b0000, 0, 1, 0b1111, Nsh, 0xff, Nsh)]       // A bus without attributes is Non-shareable.
    [InlineData(false, 0b0000, 0, Osh, 0b1111, Nsh, 0xff, Osh)]
    [InlineData(true, 0b0101, 0, 1, 0b1111, Ish, 0x44, Osh)]
    [InlineData(true, 0b0001, 0, Ish, 0b1111, Ish, 0x04, Osh)]
    [InlineData(true, 0b1010, 0, 1, 0b1111, Ish, 0xbb, Ish)]
    [InlineData(true, 0b1000, 0, 1, 0b1111, Ish, 0x00, Osh)]
    [InlineData(false, 0b0000, 0b1101, 1, 0b1111, Ish, 0x66, Ish)]  // Read-allocate, transient.
    [InlineData(false, 0b0000, 0b1001, 1, 0b1111, Ish, 0xcc, Ish)]  // Nothing allocated is nothing transient.
    [InlineData(true, 0b0101, 0b1101, 1, 0b1111, Ish, 0x44, Osh)]
    [Rule("ATT-01")]
    [Rule("ATT-05")]
    [Rule("ATT-06")]
    [Rule("ATT-22")]
    [Rule("ATT-32")]
    public void ABypassedStage1HandsTheOverriddenInputToStage2(
        bool replace, int type, int hints, int sh, int memAttr, int sh2, int expectedType, int expectedShareability)
    {
        var scene = Stage2();
        scene.Regime.Overrides.ReplaceMemoryType = replace;
        scene.Regime.Overrides.MemoryType = (byte)type;
        scene.Regime.Overrides.AllocationHints = (byte)hints;
        scene.Regime.Overrides.Shareability = (byte)sh;
        scene.Map2(Address, 0x10_0000, flags: AccessFlag | Stage2Read | ((ulong)memAttr << 2) | ((ulong)sh2 << 8));

        Assert.Equal(
            new MemoryAttributes((byte)expectedType, (byte)expectedShareability), scene.Walk(Address).Attributes);
    }

    [Theory]
    [InlineData(0xff, 0b1010, false, 0b0000, 0xdd)]   // 0b1RWT
    [InlineData(0xff, 0b1111, false, 0b0000, 0x77)]
    [InlineData(0xff, 0b1000, false, 0b0000, 0xcc)]
    [InlineData(0xbb, 0b1001, false, 0b0000, 0x88)]
    [InlineData(0x44, 0b1111, false, 0b0000, 0x44)]
    [InlineData(0x04, 0b1111, false, 0b0000, 0x04)]
    [InlineData(0xff, 0b1000, true, 0b0101, 0xff)]    // A Non-cacheable input has no hints to combine.
    [InlineData(0xff, 0b0000, false, 0b0000, 0xff)]
    [Rule("ATT-11")]
    [Rule("ATT-32")]
    public void TheHintsOfACacheableInputAreCombinedWithThoseOfStage1(
        int mair, int allocation, bool replace, int type, int expected)
    {
        var scene = Stage1();
        scene.Regime.Stage1.MemoryAttributes = (ulong)mair;
        scene.Regime.Overrides.AllocationHints = (byte)allocation;
        scene.Regime.Overrides.ReplaceMemoryType = replace;
        scene.Regime.Overrides.MemoryType = (byte)type;
        scene.Map1(Address, 0x10_0000);

        Assert.Equal(expected, scene.Walk(Address).Attributes.Type);
    }

    [Fact]
    [Rule("ATT-31")]
    [Rule("ATT-32")]
    public void EveryCombinationIsConsistent()
    {
        for (int mair = 0; mair < 256; mair++)
        {
            for (int memAttr = 0; memAttr < 32; memAttr++)
            {
                var stage1 = AttributeRules.OfStage1(mair, Nsh, default);
                var result = AttributeRules.Combine(stage1, memAttr & 0xf, Ish, forcedWriteBack: memAttr >= 16);
                bool isUncached = result.IsDevice || result.Type == 0x44;
                Assert.Equal(isUncached || stage1.Shareability == Osh, result.Shareability == Osh);
                Assert.True(result.IsDevice ? (result.Type & 0xf3) == 0 : (result.Type & 0x0f) != 0);
            }
        }
    }

    private static void AssertCombines(bool fwb, int mair, int sh1, int memAttr, int sh2, int type, int shareability)
    {
        var scene = Nested();
        scene.Regime.Stage1.MemoryAttributes = (ulong)mair;
        scene.Map1(Address, Ipa, flags: AccessFlag | Unprivileged | ((ulong)sh1 << 8));
        scene.Regime.Stage2.ForcedWriteBack = fwb;
        scene.Map2(Ipa, 0x10_0000, flags: AccessFlag | Stage2Read | ((ulong)memAttr << 2) | ((ulong)sh2 << 8));

        Assert.Equal(new MemoryAttributes((byte)type, (byte)shareability), scene.Walk(Address).Attributes);
    }
}
