using System.Globalization;

namespace Smmu.Fast.Perf.Running;

/// <summary>Numbers with three digits that mean something.</summary>
internal static class Numbers
{
    /// <summary>A time in nanoseconds, in the unit that suits it; nothing when there is none.</summary>
    public static string Time(double? nanoseconds) => nanoseconds switch
    {
        null => "",
        < 1e4 => $"{Plain(nanoseconds.Value)} ns",
        < 1e7 => $"{Plain(nanoseconds.Value / 1e3)} µs",
        _ => $"{Plain(nanoseconds.Value / 1e6)} ms",
    };

    /// <summary>A ratio.</summary>
    public static string Times(double ratio) => Plain(ratio) + "x";

    /// <summary>A value and its unit; a time when that is empty.</summary>
    public static string Of(double? value, string unit) => (value, unit) switch
    {
        (null, _) => "",
        (_, "") => Time(value),
        (_, "x") => Times(value.Value),
        (_, "%") => value.Value.ToString("0.0#", CultureInfo.InvariantCulture) + " %",
        _ => $"{value.Value.ToString("#,##0.##", CultureInfo.InvariantCulture)} {unit}",
    };

    /// <summary>Digits alone.</summary>
    public static string Plain(double value) => value.ToString(
        value switch { < 10 => "0.00", < 100 => "0.0", _ => "#,##0" }, CultureInfo.InvariantCulture);
}
