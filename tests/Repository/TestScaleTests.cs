namespace Smmu.Fast.Tests.Repository;

/// <summary>The length of long tests can be set, never to nothing.</summary>
public class TestScaleTests
{
    [Theory]
    [InlineData(null, 1)]
    [InlineData("", 1)]
    [InlineData("0.1", 0.1)]
    [InlineData("20", 20)]
    public void AFactorIsReadAndIsOneWhenLeftOut(string? text, double factor) => Assert.Equal(factor, TestScale.Parse(text));

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("1001")]
    [InlineData("NaN")]
    [InlineData("0,1")]
    [InlineData("fast")]
    public void AFactorThatIsNoneIsRefusedByName(string text) =>
        Assert.Contains("SMMU_TEST_SCALE", Assert.Throws<FormatException>(() => TestScale.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void ScaledCountsNeverReachZero()
    {
        Assert.Equal(1, TestScale.Of(0));
        Assert.Equal((int)(1000 * TestScale.Factor), TestScale.Of(1000));
    }
}
