using Smmu.Fast.Oracle;

namespace Smmu.Fast.Tests.Oracle;

/// <summary>Memory attributes: hand-computed cases of chapter 13, 5.4 and D8.6.</summary>
public class OracleAttributeTests
{
    private readonly OracleScene scene = new();

    [Fact]
    public void NothingSuppliedCountsAsWriteBackNonShareable()
    {
        scene.Store(OracleScene.Ste(0b100));

        Assert.Equal(OracleAttributes.Default, scene.Translate(0, OracleScene.Read).Attributes);
    }

    [Fact]
    public void OverridesMakeAWholeType()
    {
        // MTCFG iWT-oWB (1110), ALLOCCFG RA nWA TR (1101), SHCFG ISH.
        scene.Store(OracleScene.Ste(0b100).Set(100).Set(99, 96, 0b1110).Set(104, 101, 0b1101).Set(109, 108, 0b11));

        var hints = new OracleHints(true, false, true);
        var expected = new OracleAttributes(OracleMemoryType.Normal, OracleCacheability.WriteThrough, OracleCacheability.WriteBack,
            hints, hints, OracleShareability.InnerShareable);
        Assert.Equal(expected, scene.Translate(0, OracleScene.Read).Attributes);
    }

    [Theory]
    [InlineData(0b0001, OracleMemoryType.DeviceNGnRE)]
    [InlineData(0b0100, OracleMemoryType.DeviceNGnRnE)]
    [InlineData(0b1100, OracleMemoryType.DeviceNGnRnE)]
    public void DeviceIsOuterShareableWhateverTheOverrideSays(ulong memAttr, OracleMemoryType expected)
    {
        scene.Store(OracleScene.Ste(0b100).Set(100).Set(99, 96, memAttr).Set(109, 108, 0b00));

        var attributes = scene.Translate(0, OracleScene.Read).Attributes;

        Assert.Equal((expected, OracleShareability.OuterShareable), (attributes.Type, attributes.Shareability));
        Assert.Equal(default, attributes.InnerHints);
    }

    [Theory]
    [InlineData(0x04, OracleMemoryType.DeviceNGnRE)]
    [InlineData(0x0B, OracleMemoryType.DeviceNGRE)]   // Reserved.
    [InlineData(0x44, OracleMemoryType.Normal)]
    public void MairGivesDeviceAndNonCacheable(ulong attr, OracleMemoryType expected)
    {
        var attributes = Stage1(attr, 0b11);

        Assert.Equal((expected, OracleCacheability.NonCacheable), (attributes.Type, attributes.Inner));
        Assert.Equal(OracleShareability.OuterShareable, attributes.Shareability);
    }

    [Fact]
    public void MairNibblesHoldHints()
    {
        // Outer 0xB: Write-Through RA WA. Inner 0x6: Write-Back transient RA nWA.
        var expected = new OracleAttributes(OracleMemoryType.Normal, OracleCacheability.WriteBack, OracleCacheability.WriteThrough,
            new OracleHints(true, false, true), new OracleHints(true, true, false), OracleShareability.InnerShareable);
        Assert.Equal(expected, Stage1(0xB6, 0b11));

        // An inner nibble of 0 is reserved: Write-Through transient RA WA.
        var reserved = Stage1(0xF0, 0b00);
        Assert.Equal((OracleCacheability.WriteThrough, new OracleHints(true, true, true)), (reserved.Inner, reserved.InnerHints));
    }

    [Fact]
    public void Stage1CombinesHintsOfACacheableInputAlone()
    {
        var input = OracleAttributes.Default with { InnerHints = new OracleHints(false, true, true) };
        Assert.Equal(new OracleHints(false, true, true), Stage1(0xFF, 0b00, input).InnerHints);

        var device = OracleAttributes.Default with { Type = OracleMemoryType.DeviceGRE };

        Assert.Equal(OracleHints.Allocate, Stage1(0xFF, 0b00, device).InnerHints);
    }

    [Theory]
    [InlineData(0b1111, 0b10, OracleMemoryType.Normal, OracleCacheability.WriteBack, OracleShareability.OuterShareable)]
    [InlineData(0b1010, 0b11, OracleMemoryType.Normal, OracleCacheability.WriteThrough, OracleShareability.InnerShareable)]
    [InlineData(0b0101, 0b11, OracleMemoryType.Normal, OracleCacheability.NonCacheable, OracleShareability.OuterShareable)]
    [InlineData(0b0010, 0b11, OracleMemoryType.DeviceNGRE, OracleCacheability.NonCacheable, OracleShareability.OuterShareable)]
    [InlineData(0b1000, 0b11, OracleMemoryType.DeviceNGnRnE, OracleCacheability.NonCacheable, OracleShareability.OuterShareable)]
    public void Stage2TakesTheStronger(
        ulong memAttr, ulong sh, OracleMemoryType type, OracleCacheability inner, OracleShareability expected)
    {
        scene.Store(OracleScene.Stage2Ste());
        scene.Memory[OracleScene.Stage2Level1] = 0x4C1 | (memAttr << 2) | (sh << 8);

        var attributes = scene.Translate(0, OracleScene.Read).Attributes;

        Assert.Equal((type, inner, expected), (attributes.Type, attributes.Inner, attributes.Shareability));
    }

    [Theory]
    [InlineData(0b001, 0x44, OracleMemoryType.DeviceNGnRE, OracleCacheability.NonCacheable)]
    [InlineData(0b101, 0xFF, OracleMemoryType.Normal, OracleCacheability.NonCacheable)]
    [InlineData(0b101, 0x04, OracleMemoryType.DeviceNGnRE, OracleCacheability.NonCacheable)]
    [InlineData(0b110, 0x04, OracleMemoryType.Normal, OracleCacheability.WriteBack)]
    [InlineData(0b111, 0xBB, OracleMemoryType.Normal, OracleCacheability.WriteThrough)]
    [InlineData(0b100, 0xFF, OracleMemoryType.Normal, OracleCacheability.NonCacheable)]   // Reserved.
    public void ForcedWriteBackHasItsOwnCodes(ulong memAttr, ulong mair, OracleMemoryType type, OracleCacheability inner)
    {
        scene.MapStage2OneToOne();
        scene.Store(OracleScene.NestedSte().Set(89));
        for (ulong i = 0; i < 512; i++) scene.Memory[OracleScene.Stage2Level2 + 8 * i] = (i << 21) | 0x7D9;   // MemAttr 110.
        scene.Memory[OracleScene.Stage2Level2 + 8] = 0x20_07C1 | (memAttr << 2);
        OracleScene.Cd().Set(199, 192, mair).StoreTo(scene.Memory, OracleScene.Context);
        scene.Memory[OracleScene.Stage1Level1] = 0x701;

        var attributes = scene.Translate(0x20_0000, OracleScene.Read).Attributes;

        Assert.Equal((type, inner), (attributes.Type, attributes.Inner));
        if (memAttr == 0b110) Assert.Equal(OracleHints.Allocate, attributes.InnerHints);
    }

    private OracleAttributes Stage1(ulong mair, ulong sh, OracleAttributes? input = null)
    {
        scene.Store(OracleScene.Stage1Ste());
        OracleScene.Cd().Set(199, 192, mair).StoreTo(scene.Memory, OracleScene.Context);
        scene.Memory[OracleScene.Stage1Level1] = 0x401 | (sh << 8);
        return scene.Translate(0, OracleScene.Read with { Attributes = input }).Attributes;
    }
}
