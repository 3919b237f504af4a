using System.Diagnostics;
using System.Text.Json;

namespace Smmu.Fast.Perf.Running;

/// <summary>A figure over all runs.</summary>
/// <param name="Figure">The figure, with the median of the runs as its value.</param>
/// <param name="Runs">The median of each run.</param>
internal sealed record Result(Measured Figure, IReadOnlyList<double> Runs)
{
    public double Value => Figure.Value;
}

/// <summary>Runs of all that is wanted, each class of each run in a process of its own.</summary>
internal sealed class Campaign(ReportOptions options, TextWriter progress)
{
    /// <summary>Measures.</summary>
    /// <param name="failures">Classes that did not end well.</param>
    /// <returns>The figures by key, in the order of the suite.</returns>
    public Dictionary<string, Result> Run(out int failures)
    {
        string[] names =
        [
            .. Suite.Types.Where(type => Suite.CasesOf(type, options.Patterns).Count > 0).Select(type => type.Name),
            .. Suite.Counts.Where(type => Suite.Matches(type, options.Patterns)).Select(type => type.Name),
        ];
        var collected = new Dictionary<string, List<Measured>>();
        failures = 0;
        long start = Stopwatch.GetTimestamp();
        for (int run = 0; run < options.Runs; run++)
        {
            foreach (string name in names)
            {
                var figures = Measure(name);
                if (figures is null) failures++;
                foreach (var figure in figures ?? [])
                {
                    if (!collected.TryGetValue(figure.Key, out var list)) collected.Add(figure.Key, list = []);
                    list.Add(figure);
                }

                progress.WriteLine(FormattableString.Invariant(
                    $"run {run + 1} of {options.Runs}, {Stopwatch.GetElapsedTime(start):h\\:mm\\:ss}: {name}, {figures?.Count ?? 0} figures"));
            }
        }

        return collected.ToDictionary(pair => pair.Key, pair => Merge(pair.Value));
    }

    private static Result Merge(List<Measured> figures)
    {
        double[] runs = [.. figures.Select(figure => figure.Value)];
        var first = figures[0] with { Value = MedianOf(runs), Bytes = figures.Min(figure => figure.Bytes) };
        return new Result(first, runs);
    }

    private static double MedianOf(IEnumerable<double> values)
    {
        double[] ordered = [.. values.Order()];
        int middle = ordered.Length / 2;
        return ordered.Length % 2 == 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
    }

    private List<Measured>? Measure(string name)
    {
        string file = Path.GetTempFileName();
        try
        {
            using var child = Process.Start(ChildOf(name, file)) ?? throw new InvalidOperationException("No process can be started.");
            string errors = child.StandardError.ReadToEnd();
            child.WaitForExit();
            progress.Write(errors);
            return child.ExitCode == 0 ? JsonSerializer.Deserialize<List<Measured>>(File.ReadAllText(file)) : null;
        }
        finally
        {
            File.Delete(file);
        }
    }

    private ProcessStartInfo ChildOf(string name, string file)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The program does not know its own path.");
        var start = new ProcessStartInfo(program) { RedirectStandardError = true };
        bool isHost = Path.GetFileNameWithoutExtension(program) == "dotnet";
        if (isHost) start.ArgumentList.Add(typeof(Campaign).Assembly.Location);
        foreach (string argument in (ReadOnlySpan<string>)[Child.Verb, name, file, .. options.Patterns]) start.ArgumentList.Add(argument);
        Tier.Impose(options.Tier, start.Environment);
        start.Environment["DOTNET_TC_CallCountingDelayMs"] = "0";   // Compiles what is called often at once, not when it is quiet.
        return start;
    }
}
