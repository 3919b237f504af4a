using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using BenchmarkDotNet.Running;
using Smmu.Fast.Perf.Aims;

namespace Smmu.Fast.Perf.Running;

/// <summary>
/// Runs every benchmark, so that none can rot: no figures, only "it still runs, its claims still hold, it allocates nothing,
/// and every aim speaks of something that is measured".
/// </summary>
internal static class DryRun
{
    private const int Attempts = 4;
    private const int CallsToWarm = 40;      // More than the runtime wants to see before it compiles a method for good.

    /// <summary>Runs all.</summary>
    /// <param name="patterns">Globs over full names; all when there are none.</param>
    /// <param name="output">Takes failures, and how many ran.</param>
    /// <returns>The exit code: 0 when all ran.</returns>
    public static int Run(string[] patterns, TextWriter output)
    {
        long start = Stopwatch.GetTimestamp();
        if (FailuresOf(Suite.CasesOf(typeof(Control), []), mayAllocate: false).Count() != 3)
        {
            output.WriteLine("failed: a benchmark that throws or allocates was not noticed, so nothing that follows would prove anything");
            return 1;
        }

        int ran = 0;
        var failures = new List<string>();
        foreach (var type in Suite.Types)
        {
            var cases = Suite.CasesOf(type, patterns);
            ran += cases.Count;
            failures.AddRange(FailuresOf(cases, type.IsDefined(typeof(AllocatesAttribute))));
        }

        var keys = Suite.Types.SelectMany(type => Suite.CasesOf(type, [])).Select(Measured.KeyOf).ToHashSet();
        foreach (var type in Suite.Counts)
        {
            if (!Suite.Matches(type, patterns) && patterns.Length > 0) continue;
            try
            {
                foreach (var count in ((ICounts)Activator.CreateInstance(type)!).Take()) keys.Add(Measured.KeyOf(type, count));
                ran++;
            }
            catch (Exception exception)
            {
                failures.Add($"{type.Name}: {exception.Message}");
            }
        }

        if (patterns.Length == 0)
        {
            failures.AddRange(AimTable.All.SelectMany(aim => aim.Keys).Distinct().Where(key => !keys.Contains(key))
                .Select(key => $"an aim speaks of {key}, and there is no such benchmark"));
            failures.AddRange(Explanations.Load().Strangers(AimTable.All).Select(name => $"{name} is explained, and there is no such aim"));
        }

        foreach (string failure in failures) output.WriteLine($"failed: {failure}");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{ran} benchmarks ran in {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s, {failures.Count} failures"));
        return ran > 0 && failures.Count == 0 ? 0 : 1;
    }

    // One instance for the methods that share a setup and its parameters: setups are most of the time.
    private static IEnumerable<string> FailuresOf(IEnumerable<BenchmarkCase> cases, bool mayAllocate) =>
        Workload.Groups(cases).SelectMany(group => FailuresOfGroup([.. group], mayAllocate));

    private static List<string> FailuresOfGroup(BenchmarkCase[] cases, bool mayAllocate)
    {
        var failures = new List<string>();
        object? instance = null;
        if (!Try(cases[0], () => instance = Workload.SetUp(cases[0]), failures)) return failures;
        foreach (var benchmark in cases)
        {
            long allocated = 0;
            if (!Try(benchmark, () => allocated = Call(new Workload(benchmark, instance!), mayAllocate), failures)) continue;
            if (allocated > 0 && !mayAllocate) failures.Add($"{Measured.KeyOf(benchmark)}: it allocates {allocated} bytes");
        }

        Try(cases[0], () => Workload.CleanUp(cases[0], instance!), failures);
        return failures;
    }

    // Code that is not yet compiled for good may allocate what it will not later, and the runtime may compile meanwhile.
    private static long Call(Workload workload, bool mayAllocate)
    {
        workload.Prepare();
        workload.Run();
        if (mayAllocate) return 0;
        long allocated = 0;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            workload.Prepare();
            long start = GC.GetAllocatedBytesForCurrentThread();
            workload.Run();
            allocated = GC.GetAllocatedBytesForCurrentThread() - start;
            if (allocated == 0) return 0;
            for (int i = 0; i < CallsToWarm; i++)
            {
                workload.Prepare();
                workload.Run();
            }

            Thread.Sleep(200);
        }

        return allocated;
    }

    private static bool Try(BenchmarkCase benchmark, Action action, List<string> failures)
    {
        try
        {
            action();
            return true;
        }
        catch (Exception exception)
        {
            var cause = exception is TargetInvocationException { InnerException: { } inner } ? inner : exception;
            failures.Add($"{Measured.KeyOf(benchmark)}: {cause.Message}");
            return false;
        }
    }
}
