using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;

namespace Smmu.Fast.Cli;

/// <summary>One file in one way to translate, as the closing table shows it.</summary>
/// <param name="File">The file's name.</param>
/// <param name="Mode">The way to translate.</param>
/// <param name="Translations">Translations asked for.</param>
/// <param name="Differences">Differences of all kinds.</param>
/// <param name="Elapsed">How long it took.</param>
internal sealed record ReplaySummary(string File, string Mode, long Translations, long Differences, TimeSpan Elapsed)
{
    public static ReplaySummary Of(ReplayReport report) =>
        new(report.File, report.Options.Mode, report.Translations, report.Differences, report.Elapsed);

    public static ReplaySummary Of(SnapshotReport report) =>
        new(report.File, report.Options.Mode, report.Translations, report.Differences, report.Elapsed);
}
