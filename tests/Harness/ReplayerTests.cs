using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>A replay reports agreement exactly when every answer is the recorded one.</summary>
public class ReplayerTests
{
    [Fact]
    public void AModelThatAnswersAsRecordedAgreesInEverything()
    {
        var report = Replay(new SmallRecording().ToRecording());

        Assert.Equal(0, report.Differences);
        Assert.Equal((4, 4), (report.Translations, report.Agreements));
        Assert.Equal((3, 1, 1), (report.RegisterReads, report.Events, report.Interrupts));
        Assert.Equal(1, report.Commands["CMD_SYNC"]);
        Assert.Equal(1, report.Commands["CMD_TLBI_NSNH_ALL"]);
        Assert.Equal(2ul, report.Statistics.CommandsConsumed);
        Assert.Equal("disk", report.Streams.Single(stream => stream.Stream == 1).Device);
        Assert.Equal(4, report.TranslationsByStatus.Values.Sum());
    }

    private const ulong InputClass = 2UL << 40;

    [Theory]
    [InlineData(1, 0x1fffff)]
    [InlineData(2, 0xfff)]
    [InlineData(3, 0x1fffff)]
    public void StagesThatTheResultFollowsFromAgree(byte stage, ulong stage2Mask)
    {
        var report = Replay(new SmallRecording { Stage = stage, Stage2Mask = stage2Mask, EventFlags = InputClass }.ToRecording());

        Assert.Empty(report.Details);
        Assert.Equal(0, report.Differences);
    }

    public static TheoryData<DifferenceKind, int> Alterations()
    {
        var data = new TheoryData<DifferenceKind, int>();
        for (int index = 0; index < altered.Length; index++) data.Add(altered[index].Kind, index);
        return data;
    }

    private static readonly (DifferenceKind Kind, SmallRecording Recording)[] altered =
    [
        (DifferenceKind.OutputAddress, new() { OutputAddress = SmallRecording.Page }),
        (DifferenceKind.LeafSize, new() { Mask = 0x1fffff }),
        (DifferenceKind.Permissions, new() { Permissions = 3 }),
        (DifferenceKind.Status, new() { WriteStatus = RecordedStatus.Aborted, WriteEvent = Smmu.Fast.Formats.EventType.None }),
        (DifferenceKind.EventNumber, new() { WriteEvent = Smmu.Fast.Formats.EventType.Translation }),
        (DifferenceKind.Register, new() { RegisterValue = 0xc }),
        (DifferenceKind.EventRecord, new() { EventInputAddress = 0x9000 }),
        (DifferenceKind.EventCount, new() { HasEvent = false }),
        (DifferenceKind.Interrupt, new() { InterruptLine = 2 }),
        (DifferenceKind.Interrupt, new() { InterruptLine = 0x80 }),
        (DifferenceKind.Command, new() { CommandWord = 0x40 }),
        (DifferenceKind.Command, new() { HasSecondCommand = false }),
        // With stages the whole event record counts: here it lacks CLASS.
        (DifferenceKind.EventRecord, new() { Stage = 3 }),
        (DifferenceKind.Stages, new() { Stage = 2, EventFlags = InputClass }),
        (DifferenceKind.Stages, new() { Stage = 3, EventFlags = InputClass, Stage2Mask = 0x7ff }),
        (DifferenceKind.CommandError, new() { HasCommandError = true }),
    ];

    [Theory]
    [MemberData(nameof(Alterations))]
    public void AnAlteredRecordIsSeenAsADifferenceOfItsKind(DifferenceKind kind, int index)
    {
        var report = Replay(altered[index].Recording.ToRecording());

        Assert.True(report.DifferencesByKind.ContainsKey(kind), string.Join(", ", report.DifferencesByKind.Keys));
        Assert.Contains(report.Details, difference => difference.Kind == kind && difference.Place > 0);
    }

    [Fact]
    public void AModelWithAMistakeIsSeen()
    {
        var source = new MiniatureSource(() => new MiniatureSmmu { IgnoresReadOnly = true });

        var report = Replay(new SmallRecording().ToRecording(), source);

        Assert.Equal(3, report.Agreements);
        Assert.Contains(DifferenceKind.Status, report.DifferencesByKind.Keys);
        Assert.Contains(DifferenceKind.EventCount, report.DifferencesByKind.Keys);
        Assert.Contains(DifferenceKind.Interrupt, report.DifferencesByKind.Keys);
    }

    [Fact]
    public void AnInterruptThatWasNotRecordedIsSeen()
    {
        var source = new MiniatureSource(() => new MiniatureSmmu { SpuriousInterruptAfter = 0 });

        var report = Replay(new SmallRecording().ToRecording(), source);

        Assert.Equal([DifferenceKind.Interrupt], report.DifferencesByKind.Keys);
    }

    [Fact]
    public void OnlyTheFirstDifferencesAreKeptInFullButAllAreCounted()
    {
        var recording = new SmallRecording { RegisterValue = 1, OutputAddress = 0, Permissions = 3 }.ToRecording();

        var report = Replay(recording, options: new ReplayOptions { MaximumDetails = 1 });

        Assert.Equal(3, report.Differences);
        Assert.Single(report.Details);
    }

    [Fact]
    public void AReplayStopsBeforeTheRecordItWasTold()
    {
        var recording = new SmallRecording().ToRecording();
        for (long stop = 1; stop <= recording.Index.Records + 1; stop++)
            Assert.Equal(stop - 1, Replay(recording, options: new ReplayOptions { StopBeforeRecord = stop }).Records);
    }

    [Fact]
    public void ACancelledReplayEndsAndLetsGoOfItsTarget()
    {
        var source = new MiniatureSource();
        var writer = new SmallRecording().Write();
        for (int index = 0; index < 20_000; index++) writer.Add(RecordType.Note, []);
        var recording = Recording.From(VerifiedFile.FromBytes(writer.ToArray(), "long.smr"));

        using (var replayer = new Replayer(recording, source, new ReplayOptions()))
            Assert.Throws<OperationCanceledException>(() => replayer.Run(new CancellationToken(canceled: true)));

        Assert.True(source.Opened.Single().IsDisposed);
    }

    [Fact]
    public void ASecondResetStartsANewBootAndItsStreamsAreOthers()
    {
        var writer = new SmallRecording().Write();
        writer.Add(RecordType.Note, "second boot"u8);
        byte[] second = new SmallRecording().Write().ToArray();
        byte[] both = [.. writer.ToArray(), .. second.AsSpan(RecordingReader.Magic.Length)];

        var report = Replay(Recording.From(VerifiedFile.FromBytes(both, "two.smr")));

        Assert.Equal(0, report.Differences);
        Assert.Equal(2, report.Boots);
        Assert.Equal(8, report.Agreements);
        Assert.Equal(2, report.Streams.Count(stream => stream.Stream == 1));
    }

    [Theory]
    [InlineData("visible.smr.zst", 307_579, 66_213, 0)]
    [InlineData("visible_vfio.smr.zst", 157_800, 11_409, 9_579)]
    public void AShippedRecordingAgreesWithAModelThatWalksEachTime(string file, long translations, long commands, long events)
    {
        string path = ShippedRecordings.Find().Single(path => Path.GetFileName(path) == file);

        var report = Replay(Recording.Open(path));

        Assert.Empty(report.Details);
        Assert.Equal(0, report.Differences);
        Assert.Equal((translations, translations), (report.Translations, report.Agreements));
        Assert.Equal((commands, events), (report.Commands.Values.Sum(), report.Events));
    }

    internal static ReplayReport Replay(
        Recording recording, IReplayTargetSource? source = null, ReplayOptions? options = null)
    {
        using var replayer = new Replayer(recording, source ?? new MiniatureSource(), options ?? new ReplayOptions());
        return replayer.Run();
    }
}
