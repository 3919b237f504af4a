using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;

namespace Smmu.Fast.Tests.Harness;

/// <summary>The SMMU answers every recording and snapshot as recorded, in every way to ask it.</summary>
public class ShippedRecordingTests
{
    private const string Nested = "nested_visible.smr.zst";
    private const long ReservedRanges = 1_591;

    /// <summary>Translations, commands and events in each recording: nothing may be left uncompared.</summary>
    private static readonly Dictionary<string, (long Translations, long Commands, long Events)> counts = new()
    {
        ["visible.smr.zst"] = (307_579, 66_213, 0),
        ["visible_vfio.smr.zst"] = (157_800, 11_409, 9_579),
        [Nested] = (108_281, 75_088, 19_459),
    };

    public static TheoryData<string, string> RecordingsAndModes() => WithModes(".smr.zst");

    public static TheoryData<string, string> SnapshotsAndModes() => WithModes(".snap.zst");

    [Theory]
    [MemberData(nameof(RecordingsAndModes))]
    public void EveryAnswerOfARecordingIsTheRecordedOne(string file, string mode)
    {
        var report = ReplayerTests.Replay(Recording.Open(PathOf(file)), new SmmuReplayTargets(), OptionsOf(mode));

        Assert.Empty(report.Details);
        Assert.Equal((0, mode), (report.Differences, report.Options.Mode));
        Assert.Equal(counts[file], (report.Agreements, report.Commands.Values.Sum(), report.Events));
        Assert.Equal(counts[file].Commands, (long)report.Statistics.CommandsConsumed);
        Assert.Equal(counts[file].Events, (long)report.Statistics.EventsRecorded);
    }

    [Theory]
    [MemberData(nameof(SnapshotsAndModes))]
    public void EveryAnswerInTheStateOfASnapshotIsTheRightOne(string file, string mode)
    {
        var report = SnapshotChecker.Check(
            Snapshot.From(VerifiedFile.Open(PathOf(file))), new SmmuReplayTargets(), OptionsOf(mode));

        Assert.Empty(report.Details);
        Assert.Equal((0, mode), (report.Differences, report.Options.Mode));
        Assert.Equal(report.Translations, report.Agreements);
        Assert.True(report.Maps > 400);
    }

    [Fact]
    public void ADriverThatQemuLetPassIsStoppedOnlyWhenTheReplayIsStrict()
    {
        var recording = Recording.Open(PathOf(Nested));

        var tolerant = ReplayerTests.Replay(recording, new SmmuReplayTargets());
        var strict = ReplayerTests.Replay(recording, new SmmuReplayTargets(), new ReplayOptions { IsStrict = true });

        Assert.Equal((0, ReservedRanges), (tolerant.Differences, tolerant.ReservedRanges));
        Assert.True(tolerant.Options.TolerateReservedRange);
        Assert.Equal(0, strict.ReservedRanges);
        Assert.False(strict.Options.TolerateReservedRange);
        Assert.Equal(DifferenceKind.Command, strict.Details[0].Kind);
        Assert.Contains("CMD_TLBI_NH_VA ", strict.Details[0].Expected, StringComparison.Ordinal);
    }

    private static TheoryData<string, string> WithModes(string ending)
    {
        var data = new TheoryData<string, string>();
        foreach (string path in ShippedRecordings.Find().Where(path => path.EndsWith(ending, StringComparison.Ordinal)))
        {
            foreach (var mode in ReplayTargetOptions.Modes) data.Add(Path.GetFileName(path), mode.Mode);
        }

        return data;
    }

    private static ReplayOptions OptionsOf(string mode) =>
        new() { Target = ReplayTargetOptions.Modes.Single(one => one.Mode == mode) };

    private static string PathOf(string file) => ShippedRecordings.Find().Single(path => Path.GetFileName(path) == file);
}
