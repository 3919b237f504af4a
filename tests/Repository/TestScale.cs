using System.Globalization;

namespace Smmu.Fast.Tests.Repository;

/// <summary>How long the long tests shall be: the variable SMMU_TEST_SCALE, 1 when it is not set.</summary>
/// <remarks>For repetitions of random or concurrent work only; what a test covers by enumeration is never scaled.</remarks>
internal static class TestScale
{
    private const string Variable = "SMMU_TEST_SCALE";

    /// <summary>The factor: above 0, at most 1000.</summary>
    public static double Factor { get; } = Parse(Environment.GetEnvironmentVariable(Variable));

    /// <summary>A number of repetitions, scaled; at least 1.</summary>
    public static int Of(int count) => (int)Math.Clamp(count * Factor, 1, int.MaxValue);

    /// <summary>Reads a factor; null and nothing are 1.</summary>
    /// <exception cref="FormatException">The text is no number in range.</exception>
    public static double Parse(string? text)
    {
        if (string.IsNullOrEmpty(text)) return 1;
        bool isNumber = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double factor);
        if (!isNumber || !(factor > 0 && factor <= 1000)) throw new FormatException(
            $"{Variable} is '{text}': set a number above 0 and up to 1000, such as 0.1, or leave it out.");
        return factor;
    }
}
