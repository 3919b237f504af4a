using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using static Smmu.Fast.Tests.Walks.WalkScene;

namespace Smmu.Fast.Tests.Walks;

/// <summary>Stage 1 looks at all 64 bits of an input address: bit 55 chooses the half, TBI what is ignored.</summary>
public class InputAddressTests
{
    private const ulong Low = 0x0000_1234_5678_9000;
    private const ulong High = 0xffff_1234_5678_9000;

    [Theory]
    [InlineData(StreamWorld.NonSecureEl1)]
    [InlineData(StreamWorld.NonSecureEl2E2h)]
    [InlineData(StreamWorld.Secure)]
    [InlineData(StreamWorld.SecureEl2E2h)]
    [Rule("W1-01")]
    [Rule("ADS-08")]
    public void Bit55ChoosesTheTableInWorldsOfTwoRanges(StreamWorld world)
    {
        var scene = Stage1();
        scene.Regime.World = world;
        scene.Map1(Low, 0x1_0000);
        scene.Map1(High, 0x2_0000);

        AssertTranslates(0x1_0123, scene.Walk(Low | 0x123));
        AssertTranslates(0x2_0123, scene.Walk(High | 0x123));
    }

    [Theory]
    [InlineData(0x0001_1234_5678_9000)]
    [InlineData(0x8000_1234_5678_9000)]
    [InlineData(0x0100_1234_5678_9000)]
    [InlineData(0x0080_1234_5678_9000)]   // Upper half by bit 55, but not sign-extended.
    [InlineData(0xff7f_1234_5678_9000)]   // Lower half by bit 55.
    [InlineData(0xfffe_1234_5678_9000)]
    [InlineData(0x7fff_1234_5678_9000)]
    [Rule("W1-02")]
    [Rule("ADS-07")]
    [Rule("ASZ-08")]
    [Rule("EVT-36")]
    public void WithoutTbiEveryBitAboveTheRangeHasToMatch(ulong address)
    {
        var scene = Stage1();
        scene.Map1(Low, 0x1_0000);
        scene.Map1(High, 0x2_0000);

        var result = scene.Walk(address);

        AssertFault1(EventType.Translation, 0, result);
        Assert.Equal(0, result.DescriptorReads);
    }

    [Theory]
    [InlineData(0xab00_1234_5678_9000, true)]
    [InlineData(0xab80_1234_5678_9000, false)]
    [InlineData(0xab01_1234_5678_9000, false)]
    [InlineData(0xabff_1234_5678_9000, true)]
    [InlineData(0xabfe_1234_5678_9000, false)]
    [Rule("W1-03")]
    [Rule("ADS-10")]
    public void WithTbiTheTopByteIsIgnoredAndTheBitsBelowAreNot(ulong address, bool inRange)
    {
        var scene = Stage1();
        scene.Regime.Stage1.Range0.TopByteIgnored = true;
        scene.Regime.Stage1.Range1.TopByteIgnored = true;
        scene.Map1(Low, 0x1_0000);
        scene.Map1(High, 0x2_0000);

        Assert.Equal(inRange ? EventType.None : EventType.Translation, scene.Walk(address).Event);
    }

    [Fact]
    [Rule("W1-05")]
    public void EachHalfHasItsOwnTbi()
    {
        var scene = Stage1();
        scene.Regime.Stage1.Range1.TopByteIgnored = true;
        scene.Map1(Low, 0x1_0000);
        scene.Map1(High, 0x2_0000);

        AssertTranslates(0x2_0000, scene.Walk(0x12ff_1234_5678_9000));
        AssertFault1(EventType.Translation, 0, scene.Walk(0x1200_1234_5678_9000));
    }

    [Theory]
    [InlineData(StreamWorld.NonSecureEl2)]
    [InlineData(StreamWorld.SecureEl2)]
    [InlineData(StreamWorld.El3)]
    [Rule("W1-04")]
    public void WorldsOfOneRangeHaveNoUpperHalf(StreamWorld world)
    {
        var scene = Stage1();
        scene.Regime.World = world;
        scene.Map1(Low, 0x1_0000);
        scene.Regime.Stage1.Range1 = scene.Regime.Stage1.Range0;   // Would translate, if anybody looked.

        AssertTranslates(0x1_0000, scene.Walk(Low));
        AssertFault1(EventType.Translation, 0, scene.Walk(High));
        Assert.Equal(0, scene.Walk(High).DescriptorReads);
        AssertFault1(EventType.Translation, 0, scene.Walk(Low | (1UL << 48)));
        AssertFault1(EventType.Translation, 0, scene.Walk(Low | (1UL << 55)));
        AssertFault1(EventType.Translation, 0, scene.Walk(Low | (1UL << 56)));

        scene.Regime.Stage1.Range0.TopByteIgnored = true;
        AssertTranslates(0x1_0000, scene.Walk(Low | (0xffUL << 56)));
        AssertFault1(EventType.Translation, 0, scene.Walk(Low | (1UL << 55)));
    }

    [Fact]
    [Rule("W1-06")]
    [Rule("ADS-09")]
    [Rule("ADS-05")]
    [Rule("ASZ-05")]
    [Rule("W2-17")]
    public void ATagIsNotIgnoredWhereStage1IsBypassed()
    {
        var scene = Stage2();
        scene.Regime.Stage1.Range0.TopByteIgnored = true;
        scene.Map2(0x12_3456_7000, 0x1_0000);

        AssertTranslates(0x1_0000, scene.Walk(0x12_3456_7000));
        AssertFault1(EventType.AddressSize, 0, scene.Walk(0xab00_0012_3456_7000));
    }

    [Fact]
    [Rule("W1-08")]
    public void AZeroExtendedAddressNeverReachesTheUpperHalf()
    {
        var scene = Stage1(sizeOffset: 32, startLevel: 1);
        scene.Map1(0xffff_ffff_8000_0000, 0x2_0000);
        scene.Map1(0x8000_0000, 0x1_0000);

        AssertTranslates(0x1_0000, scene.Walk(0x8000_0000));
    }

    [Fact]
    [Rule("ORD-09")]
    public void ADisabledHalfFaultsWithoutAReadAndTheOtherStaysOpen()
    {
        var scene = Stage1();
        scene.Regime.Stage1.Range0.WalksDisabled = true;
        scene.Map1(Low, 0x1_0000);
        scene.Map1(High, 0x2_0000);

        var result = scene.Walk(Low);

        AssertFault1(EventType.Translation, 0, result);
        Assert.Equal(0, result.DescriptorReads);
        AssertTranslates(0x2_0000, scene.Walk(High));
    }

    [Fact]
    [Rule("ASZ-07")]
    [Rule("ADS-06")]
    [Rule("W2-01")]
    public void AnIpaAboveTheStage2RangeIsATranslationFaultOfStage2WithoutARead()
    {
        var scene = Stage2();

        var result = scene.Walk(0x123_4567_8abc);

        AssertFault2(EventType.Translation, FaultClass.Input, 0x123_4567_8000, result);
        Assert.Equal(0, result.DescriptorReads);
    }

    [Theory]
    [InlineData(40, 0xff_ffff_f000, EventType.None)]
    [InlineData(36, 0xff_ffff_f000, EventType.AddressSize)]
    [Rule("ADS-05")]
    public void ABypassedStage1ChecksTheInputAgainstTheInputSize(int inputSizeBits, ulong address, EventType expected)
    {
        var scene = Stage2();
        scene.Regime.InputSizeBits = (byte)inputSizeBits;
        scene.Map2(0xff_ffff_f000, 0x1_0000);

        Assert.Equal(expected, scene.Walk(address).Event);
    }
}
