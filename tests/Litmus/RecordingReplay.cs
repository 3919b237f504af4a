using System.Globalization;
using Smmu.Fast.Foundation;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>Replays a recording into the control build, through a port for each stream and with all caches.</summary>
internal static class RecordingReplay
{
    public const string Name = "replay";

    /// <summary>Replays a file and says what differed.</summary>
    public static bool Agrees(string file)
    {
        var options = new ReplayOptions { MaximumDetails = 0 };
        using var replayer = new Replayer(Recording.Open(file), new SmmuReplayTargets(), options);
        var report = replayer.Run();
        string kinds = string.Concat(report.DifferencesByKind.Select(kind => $", {kind.Key} {kind.Value}"));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{report.File}, {ControlBuild.Broken}: {report.Differences} differences, {report.Translations} translations{kinds}"));
        return report.Differences == 0;
    }
}
