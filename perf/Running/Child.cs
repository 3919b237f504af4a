using System.Text.Json;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using Perfolizer.Horology;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Running;

/// <summary>
/// Measures one class in a process of its own: what the runtime learns from one class does not shape the code of another, and
/// memory lies anew in every run.
/// </summary>
internal static class Child
{
    /// <summary>The first argument of such a process; then the name of the class, the file for the figures, and globs.</summary>
    public const string Verb = "--child";

    /// <summary>Iterations that a median is taken over.</summary>
    public const int Iterations = 9;

    private const int IterationsOfShortOnes = 15;

    private static readonly ThreadClock precise = new ThreadClock();

    /// <summary>What is measured, in words.</summary>
    public static string Clock => precise.IsAvailable
        ? $"{precise.Title}; elapsed time where several threads work and where a row says commands"
        : "elapsed time";

    // Long enough that everything has reached its last tier of compilation before the first figure is taken.
    private static readonly Job longIterations = Job.Default
        .WithClock(precise.IsAvailable ? precise : Chronometer.BestClock)
        .WithIterationTime(TimeInterval.FromMilliseconds(25))
        .WithWarmupCount(10)
        .WithIterationCount(Iterations)
        .WithEvaluateOverhead(false);

    // One call for each iteration, as caches have to be filled before it: the clock is part of the overhead that is taken off.
    private static readonly Job shortIterations = Job.Default
        .WithClock(Chronometer.BestClock)
        .WithWarmupCount(3)
        .WithIterationCount(IterationsOfShortOnes)
        .WithGcForce(false)   // It would throw out of the caches what was put into them.
        .WithEvaluateOverhead(true);

    /// <summary>Measures, and writes the figures.</summary>
    /// <returns>The exit code: 0 when all ran.</returns>
    public static int Run(string name, string file, string[] patterns, TextWriter errors)
    {
        Tier.RequireWanted();
        Steady.IsWanted = true;
        var counts = Suite.Counts.FirstOrDefault(type => type.Name == name);
        var figures = counts is not null ? TakeCounts(counts) : Measure(Suite.Types.First(type => type.Name == name), patterns, errors);
        if (figures is null) return 1;
        File.WriteAllText(file, JsonSerializer.Serialize(figures));
        return 0;
    }

    private static List<Measured> TakeCounts(Type type) => [.. ((ICounts)Activator.CreateInstance(type)!).Take()
        .Select(count => new Measured(Measured.KeyOf(type, count), count.Operation, count.Load, count.Value, count.Unit, 0))];

    // The first load of each method, so that no other is measured while the runtime still compiles what it calls.
    private static void WarmUp(IReadOnlyList<BenchmarkCase> cases)
    {
        var first = cases.DistinctBy(benchmark => benchmark.Descriptor.WorkloadMethod);
        foreach (var group in Workload.Groups(first))
        {
            BenchmarkCase[] members = [.. group];
            object instance = Workload.SetUp(members[0]);
            foreach (var benchmark in members)
            {
                var workload = new Workload(benchmark, instance);
                Steady.Reach(() =>
                {
                    workload.Prepare();
                    workload.Run();
                });
            }

            Workload.CleanUp(members[0], instance);
        }
    }

    private static List<Measured>? Measure(Type type, string[] patterns, TextWriter errors)
    {
        bool isShort = type.GetMethods().Any(method => method.IsDefined(typeof(IterationSetupAttribute), inherit: false));
        bool isOfManyThreads = type.IsDefined(typeof(ManyThreadsAttribute), inherit: false);
        var job = isShort ? shortIterations : isOfManyThreads ? longIterations.WithClock(Chronometer.BestClock) : longIterations;
        WarmUp(Suite.CasesOf(type, patterns));
        var log = new LogCapture();
        var config = Suite.InProcess(job, log);
        if (patterns.Length > 0) config.AddFilter(new GlobFilter(patterns));
        var summary = BenchmarkRunner.Run(type, config);
        if (Judgement.ExitCode([summary], errors) == 0)
        {
            return [.. summary.Reports.Select(report => new Measured(
                Measured.KeyOf(report.BenchmarkCase),
                report.BenchmarkCase.Descriptor.WorkloadMethodDisplayInfo.Trim('\''),
                Measured.LoadOf(report.BenchmarkCase),
                report.ResultStatistics!.Median,
                "",
                report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) ?? 0))];
        }

        foreach (var line in log.CapturedOutput) errors.Write(line.Text);
        return null;
    }
}
