using System.Diagnostics;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;

namespace Smmu.Fast.Perf.Running;

/// <summary>Runs every benchmark once, so that none can rot: no figures, only "it still runs and its claims still hold".</summary>
internal static class DryRun
{
    /// <summary>Runs all.</summary>
    /// <returns>The exit code: 0 when all ran.</returns>
    public static int Run(TextWriter output)
    {
        long start = Stopwatch.GetTimestamp();
        if (!IsFailureSeen())
        {
            output.WriteLine("failed: a benchmark that throws was not noticed, so nothing that follows would prove anything");
            return 1;
        }

        int ran = 0;
        int code = 0;
        foreach (var type in Suite.Types)
        {
            var log = new LogCapture();
            var summary = BenchmarkRunner.Run(type, Suite.InProcess(Job.Dry, log));
            ran += summary.Reports.Length;
            if (Judgement.ExitCode([summary], output) == 0) continue;
            code = 1;
            foreach (var line in log.CapturedOutput) output.Write(line.Text);
        }

        output.WriteLine(FormattableString.Invariant(
            $"{ran} benchmarks ran once each in {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s{(code == 0 ? "" : "; some failed")}"));
        return ran > 0 ? code : 1;
    }

    private static bool IsFailureSeen()
    {
        var summary = BenchmarkRunner.Run<Control>(Suite.InProcess(Job.Dry, NullLogger.Instance));
        return Judgement.Failures(summary).Count() == 2;
    }
}
