using System.Runtime.Intrinsics;

namespace Smmu.Fast.Tests.Repository;

/// <summary>The process has the vector instructions that SMMU_TIER says it has.</summary>
/// <remarks>The runtime ignores a variable that it does not know without a word, so that a misspelt one would run the same
/// tier twice. The variables of each tier are in tests/README.md.</remarks>
public class TierTests
{
    [Fact]
    public void TheProcessHasTheTierItWasAskedFor()
    {
        string actual = TierOf(Vector128.IsHardwareAccelerated, Vector256.IsHardwareAccelerated, Vector512.IsHardwareAccelerated);
        string? asked = Environment.GetEnvironmentVariable("SMMU_TIER");

        Assert.True(Suits(asked, actual), $"SMMU_TIER asks for '{asked}', the process has '{actual}': check the spelling of "
            + "DOTNET_EnableHWIntrinsic, DOTNET_EnableAVX2 or DOTNET_EnableAVX512, and what the processor can do.");
    }

    [Theory]
    [InlineData(false, false, false, "scalar")]
    [InlineData(true, false, false, "vector128")]
    [InlineData(true, true, false, "vector256")]
    [InlineData(true, true, true, "vector512")]
    public void TheTierIsThatOfTheWidestVectors(bool has128, bool has256, bool has512, string tier) =>
        Assert.Equal(tier, TierOf(has128, has256, has512));

    [Theory]
    [InlineData(null, "vector512", true)]
    [InlineData("", "scalar", true)]
    [InlineData("scalar", "scalar", true)]
    [InlineData("scalar", "vector512", false)]
    [InlineData("vector256", "vector512", false)]
    [InlineData("skalar", "scalar", false)]
    public void ATierThatWasAskedForHasToBeTheOneThereIs(string? asked, string actual, bool suits) =>
        Assert.Equal(suits, Suits(asked, actual));

    private static bool Suits(string? asked, string actual) => string.IsNullOrEmpty(asked) || asked == actual;

    private static string TierOf(bool has128, bool has256, bool has512) =>
        has512 ? "vector512" : has256 ? "vector256" : has128 ? "vector128" : "scalar";
}
