using System.Reflection;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Smmu.Fast.Perf.Running;

/// <summary>The benchmarks and the counts, and how the short runs run them.</summary>
internal static class Suite
{
    private static readonly string[] rooms =
        ["Kernels", "Translate", "Threads", "Commands", "Submission", "Dma", "Replay", "Counts"];

    /// <summary>All classes with benchmarks, by room and name.</summary>
    public static IReadOnlyList<Type> Types { get; } = ByRoom(type => type != typeof(Control) && type.IsPublic
        && type.GetMethods().Any(method => method.IsDefined(typeof(BenchmarkAttribute))));

    /// <summary>All classes with counts, by name.</summary>
    public static IReadOnlyList<Type> Counts { get; } =
        ByRoom(type => type.IsClass && type.IsAssignableTo(typeof(ICounts)));

    /// <summary>The cases of a class whose full names one of the globs matches; all when there are none.</summary>
    public static IReadOnlyList<BenchmarkCase> CasesOf(Type type, string[] patterns)
    {
        var filter = new GlobFilter(patterns);
        var config = ManualConfig.CreateEmpty().AddJob(Job.Dry);
        return [.. BenchmarkConverter.TypeToBenchmarks(type, config).BenchmarksCases
            .Where(benchmark => patterns.Length == 0 || filter.Predicate(benchmark))];
    }

    /// <summary>True when one of the globs matches a class of counts; also when there are none.</summary>
    public static bool Matches(Type counts, string[] patterns) => patterns.Length == 0
        || patterns.Any(pattern => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, counts.FullName!));

    /// <summary>A configuration that runs inside of this process and writes to a log alone.</summary>
    public static ManualConfig InProcess(Job job, ILogger log) => ManualConfig.CreateEmpty()
        .AddJob(job.WithToolchain(InProcessEmitToolchain.Instance))
        .AddColumnProvider(DefaultColumnProviders.Instance)
        .AddLogger(log)
        .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "Smmu.Fast.Perf"));

    private static Type[] ByRoom(Func<Type, bool> isWanted) =>
    [
        .. typeof(Suite).Assembly.GetTypes()
            .Where(isWanted)
            .OrderBy(type => Array.IndexOf(rooms, type.Namespace!.Split('.')[^1]))
            .ThenBy(type => type.Name, StringComparer.Ordinal),
    ];
}
