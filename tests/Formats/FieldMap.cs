using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Formats;

/// <summary>A field as the architecture's tables print it, transcribed apart from the engine.</summary>
internal readonly partial record struct FieldMap(string Name, int High, int Low)
{
    /// <summary>Reads lines such as <c>[3:1] Config; [0] V</c>.</summary>
    public static List<FieldMap> Parse(string text)
    {
        var fields = new List<FieldMap>();
        foreach (Match match in Entry().Matches(text))
        {
            int high = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            int low = match.Groups[2].Success ? int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) : high;
            fields.Add(new FieldMap(match.Groups[3].Value, high, low));
        }

        return fields;
    }

    /// <summary>A property of a structure as a number, whatever its type.</summary>
    public static ulong Number(object structure, string property)
    {
        PropertyInfo info = structure.GetType().GetProperty(property)
            ?? throw new ArgumentException($"{structure.GetType().Name} has no property {property}.", nameof(property));
        object value = info.GetValue(structure)!;
        return value is bool or Enum or IConvertible
            ? Convert.ToUInt64(value, CultureInfo.InvariantCulture)
            : Number(value, "Value");
    }

    [GeneratedRegex(@"\[(\d+)(?::(\d+))?\]\s+(\w+)")]
    private static partial Regex Entry();
}
