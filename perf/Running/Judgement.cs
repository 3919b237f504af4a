using BenchmarkDotNet.Reports;

namespace Smmu.Fast.Perf.Running;

/// <summary>Says whether benchmarks ran to their end, which BenchmarkDotNet itself leaves to whoever reads its output.</summary>
internal static class Judgement
{
    /// <summary>0 when every benchmark ran; otherwise 1, and the failures are written down.</summary>
    public static int ExitCode(IEnumerable<Summary> summaries, TextWriter output)
    {
        string[] failures = [.. summaries.SelectMany(Failures)];
        foreach (string failure in failures) output.WriteLine($"failed: {failure}");
        return failures.Length == 0 ? 0 : 1;
    }

    /// <summary>What went wrong, one line each.</summary>
    public static IEnumerable<string> Failures(Summary summary)
    {
        foreach (var error in summary.ValidationErrors.Where(error => error.IsCritical)) yield return error.Message;

        var finished = summary.Reports
            .Where(report => report.Success && report.ResultStatistics is not null)
            .Select(report => report.BenchmarkCase)
            .ToHashSet();
        foreach (var benchmark in summary.BenchmarksCases)
        {
            if (!finished.Contains(benchmark)) yield return benchmark.DisplayInfo;
        }
    }
}
