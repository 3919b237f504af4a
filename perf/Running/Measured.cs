using System.Globalization;
using BenchmarkDotNet.Running;

namespace Smmu.Fast.Perf.Running;

/// <summary>One figure of a run.</summary>
/// <param name="Key">Class, method and load: what aims know it by.</param>
/// <param name="Operation">What is done, for readers.</param>
/// <param name="Load">Over what.</param>
/// <param name="Value">Nanoseconds for one operation, or a count.</param>
/// <param name="Unit">Empty for nanoseconds.</param>
/// <param name="Bytes">Bytes allocated for an operation.</param>
internal sealed record Measured(string Key, string Operation, string Load, double Value, string Unit, long Bytes)
{
    public const string FloorName = "Floor";
    public const string TextbookName = "Textbook";

    /// <summary>True for what others are held against.</summary>
    public bool IsYardstick => Method is FloorName or TextbookName;

    /// <summary>The key of the floor of the same class and load.</summary>
    public string FloorKey => Beside(Key, FloorName);

    /// <summary>The key of the textbook baseline of the same class and load.</summary>
    public string TextbookKey => Beside(Key, TextbookName);

    private string Method => Key[(Key.IndexOf('.', StringComparison.Ordinal) + 1)..].Split('(')[0];

    /// <summary>The key of a benchmark.</summary>
    public static string KeyOf(BenchmarkCase benchmark) =>
        $"{benchmark.Descriptor.Type.Name}.{benchmark.Descriptor.WorkloadMethod.Name}({LoadOf(benchmark)})";

    /// <summary>The key of a count.</summary>
    public static string KeyOf(Type type, Count count) => $"{type.Name}.{count.Operation}({count.Load})";

    /// <summary>The parameters of a benchmark.</summary>
    public static string LoadOf(BenchmarkCase benchmark) => string.Join(", ", benchmark.Parameters.Items.Select(
        item => item.Value is IFormattable and not Enum
            ? string.Create(CultureInfo.InvariantCulture, $"{item.Name} {item.Value:N0}")
            : item.Value.ToString()));

    /// <summary>The key of another method of the same class and load.</summary>
    public static string Beside(string key, string method)
    {
        int dot = key.IndexOf('.', StringComparison.Ordinal);
        return $"{key[..dot]}.{method}{key[key.IndexOf('(', dot)..]}";
    }
}
