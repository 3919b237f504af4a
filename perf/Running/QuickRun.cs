using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using Perfolizer.Horology;

namespace Smmu.Fast.Perf.Running;

/// <summary>Runs every benchmark for about a second, and writes the medians down as one table.</summary>
internal static class QuickRun
{
    /// <summary>Iterations that the medians are taken over.</summary>
    public const int Iterations = 11;

    private static readonly IClock clock = new ThreadClock() is { IsAvailable: true } precise ? precise : Chronometer.BestClock;

    // Long enough that everything has reached its last tier of compilation before the first figure is taken.
    private static readonly Job shortJob = Job.Default
        .WithClock(clock)
        .WithIterationTime(TimeInterval.FromMilliseconds(40))
        .WithWarmupCount(10)
        .WithIterationCount(Iterations)
        .WithEvaluateOverhead(false);

    /// <summary>Runs the benchmarks.</summary>
    /// <param name="patterns">Globs over their full names; all when there are none.</param>
    /// <param name="output">Takes the table.</param>
    /// <param name="progress">Takes a line for each class when it is done.</param>
    /// <returns>The exit code: 0 when all ran.</returns>
    public static int Run(string[] patterns, TextWriter output, TextWriter progress)
    {
        var table = new ResultTable();
        int code = 0;
        foreach (var type in Suite.Types)
        {
            var log = new LogCapture();
            bool isByThread = !type.IsDefined(typeof(ManyThreadsAttribute), inherit: false);
            var config = Suite.InProcess(isByThread ? shortJob : shortJob.WithClock(Chronometer.BestClock), log);
            if (patterns.Length > 0) config.AddFilter(new GlobFilter(patterns));
            var summary = BenchmarkRunner.Run(type, config);
            if (summary.BenchmarksCases.Length == 0) continue;
            if (Judgement.ExitCode([summary], progress) == 0)
            {
                progress.WriteLine(FormattableString.Invariant(
                    $"{type.Name}: {summary.Reports.Length} in {summary.TotalTime.TotalSeconds:F0} s"));
                table.Add(summary);
                continue;
            }

            code = 1;
            foreach (var line in log.CapturedOutput) progress.Write(line.Text);
        }

        if (table.IsEmpty)
        {
            progress.WriteLine("failed: no benchmark has such a name");
            return 1;
        }

        table.Write(output, $"{clock.Title}; elapsed time where several threads submit", string.Join(' ', ["--quick", .. patterns]));
        return code;
    }
}
