using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Device;

/// <summary>A device is not made with sizes that it cannot have.</summary>
public class OptionTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(17)]
    [InlineData((1 << 20) + 1)]
    [InlineData(1 << 21)]
    public void ACacheHasAPowerOfTwoOfEntries(int entries)
    {
        using var memory = new GuestMemory();
        AssertRefused(new SmmuOptions { Features = SmmuFeatures.Default, Memory = memory, TlbEntries = entries });
        AssertRefused(new SmmuOptions { Features = SmmuFeatures.Default, Memory = memory, WalkCacheEntries = entries });
        AssertRefused(new SmmuOptions { Features = SmmuFeatures.Default, Memory = memory, ConfigurationCacheEntries = entries });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65_537)]
    public void PortsAreOneAtLeastAndLimited(int ports)
    {
        using var memory = new GuestMemory();
        AssertRefused(new SmmuOptions { Features = SmmuFeatures.Default, Memory = memory, MaximumPorts = ports });
    }

    private static void AssertRefused(SmmuOptions options) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new SmmuDevice(options));
}
