using Smmu.Fast.Foundation;

namespace Smmu.Fast.Tests.Foundation;

/// <summary>Fields of a word, whatever else is in it.</summary>
public class BitFieldTests
{
    private const ulong Mixed = 0x0123_4567_89ab_cdef;

    [Theory]
    [InlineData(63, 0, 0x1UL, 0x1UL)]
    [InlineData(15, 8, 0x00UL, 0x0123_4567_89ab_00efUL)]
    [InlineData(15, 8, 0x3ffUL, 0x0123_4567_89ab_ffefUL)]   // What does not fit is dropped.
    [InlineData(63, 63, 1UL, 0x8123_4567_89ab_cdefUL)]
    [InlineData(0, 0, 0UL, 0x0123_4567_89ab_cdeeUL)]
    public void SettingAFieldReplacesItAndNothingElse(int high, int low, ulong value, ulong expected)
    {
        Assert.Equal(expected, BitField.Set(Mixed, high, low, value));
        Assert.Equal(BitField.Get(expected, high, low), BitField.Get(BitField.Set(Mixed, high, low, value), high, low));
    }

    [Theory]
    [InlineData(0UL, 0, false)]
    [InlineData(1UL, 0, true)]
    [InlineData(0xfffUL, 12, false)]
    [InlineData(0x1000UL, 12, true)]
    [InlineData(0x1fffUL, 12, true)]
    [InlineData(ulong.MaxValue, 63, true)]
    [InlineData(ulong.MaxValue, 64, false)]
    public void AnAddressExceedsTheBitsThatDoNotHoldIt(ulong address, int bits, bool exceeds) =>
        Assert.Equal(exceeds, BitField.Exceeds(address, bits));
}
