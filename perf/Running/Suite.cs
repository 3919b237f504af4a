using System.Reflection;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Smmu.Fast.Perf.Running;

/// <summary>The benchmarks, and how the short runs run them.</summary>
internal static class Suite
{
    private static readonly string[] rooms = ["Translate", "Commands", "Submission", "Dma", "Replay"];

    /// <summary>All classes with benchmarks, by room and name.</summary>
    public static IReadOnlyList<Type> Types { get; } =
    [
        .. typeof(Suite).Assembly.GetTypes()
            .Where(type => type.IsPublic && type != typeof(Control))
            .Where(type => type.GetMethods().Any(method => method.IsDefined(typeof(BenchmarkAttribute))))
            .OrderBy(type => Array.IndexOf(rooms, type.Namespace!.Split('.')[^1]))
            .ThenBy(type => type.Name, StringComparer.Ordinal),
    ];

    /// <summary>A configuration that runs inside of this process and writes to a log alone.</summary>
    public static ManualConfig InProcess(Job job, ILogger log) => ManualConfig.CreateEmpty()
        .AddJob(job.WithToolchain(InProcessEmitToolchain.Instance))
        .AddColumnProvider(DefaultColumnProviders.Instance)
        .AddLogger(log)
        .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "Smmu.Fast.Perf"));
}
