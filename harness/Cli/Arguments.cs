using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace Smmu.Fast.Cli;

/// <summary>Options and arguments that several commands share.</summary>
internal static class Arguments
{
    /// <summary>An option that takes a number, decimal or with 0x in front.</summary>
    /// <param name="name">Its name, with dashes.</param>
    /// <param name="description">What it says.</param>
    /// <param name="maximum">The largest value.</param>
    public static Option<T?> Number<T>(string name, string description, T maximum)
        where T : struct, IBinaryInteger<T> => new(name)
        {
            Description = description,
            CustomParser = result =>
            {
                string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
                if (TryParse(text, out ulong value) && value <= ulong.CreateSaturating(maximum)) return T.CreateTruncating(value);
                result.AddError($"{name}: '{text}' is no number from 0 to {maximum}, decimal or with 0x in front.");
                return null;
            },
        };

    /// <summary>The option for output that programs read.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Write JSON." };

    private static bool TryParse(string text, out ulong value) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
