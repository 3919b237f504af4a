namespace Smmu.Fast.Perf.Aims;

/// <summary>A number that is made of figures.</summary>
/// <param name="Keys">The figures.</param>
/// <param name="Of">What is made of them, in their order.</param>
internal sealed record Formula(string[] Keys, Func<double[], double> Of)
{
    /// <summary>One figure as it is.</summary>
    public static implicit operator Formula(string key) => new([key], values => values[0]);

    /// <summary>The largest of several.</summary>
    public static Formula Worst(params string[] keys) => new(keys, values => values.Max());

    /// <summary>How often the first holds the second.</summary>
    public static Formula Ratio(string of, string to) => new([of, to], values => values[0] / values[1]);

    /// <summary>What the first takes longer than the second, for each of so many.</summary>
    public static Formula Difference(string whole, string part, int parts) =>
        new([whole, part], values => (values[0] - values[1]) / parts);

    /// <summary>The share that the second is slower than the first, in percent.</summary>
    public static Formula Loss(string undisturbed, string disturbed) =>
        new([undisturbed, disturbed], values => 100 * (1 - (values[0] / values[1])));

    /// <summary>The number; null when a figure is missing.</summary>
    public double? In(Func<string, double?> figures)
    {
        double?[] values = [.. Keys.Select(figures)];
        return values.Contains(null) ? null : Of([.. values.Select(value => value!.Value)]);
    }
}
