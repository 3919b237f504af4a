using BenchmarkDotNet.Attributes;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Perf.Replay;

/// <summary>
/// Whole recordings of real drivers, from reset to the last record: registers, commands, memory and every translation,
/// all answers compared. Reading and decompressing the file is not part of it.
/// </summary>
[MemoryDiagnoser]
[Allocates]
public class ReplayBenchmarks
{
    private const string Suffix = ".smr.zst";

    private Recording? recording;

    /// <summary>Which of the shipped recordings.</summary>
    [ParamsSource(nameof(Names))]
    public string Name { get; set; } = "";

    public static IEnumerable<string> Names => Files().Select(file => Path.GetFileName(file)[..^Suffix.Length]);

    [GlobalSetup]
    public void SetUp() => recording = Recording.Open(Files().Single(file => Path.GetFileName(file) == Name + Suffix));

    /// <summary>Every translation reads its structures and tables anew.</summary>
    [Benchmark(Baseline = true, Description = "replay, caches off")]
    public long CachesOff() => Replay(new ReplayTargetOptions(CachesEnabled: false));

    /// <summary>Each translation names its stream.</summary>
    [Benchmark(Description = "replay, one-off")]
    public long OneOff() => Replay(new ReplayTargetOptions(OneOff: true));

    /// <summary>A port for each stream.</summary>
    [Benchmark(Description = "replay, ports")]
    public long Ports() => Replay(new ReplayTargetOptions());

    private long Replay(ReplayTargetOptions target)
    {
        using var replayer = new Replayer(recording!, new SmmuReplayTargets(), new ReplayOptions { Target = target });
        var report = replayer.Run();
        TranslationScene.Require(report.Differences == 0, $"{report.Differences} answers differ from the recorded ones");
        return report.Agreements;
    }

    private static IEnumerable<string> Files() =>
        ShippedRecordings.Find().Where(file => file.EndsWith(Suffix, StringComparison.Ordinal));
}
