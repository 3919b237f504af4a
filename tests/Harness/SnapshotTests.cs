using System.Globalization;
using System.Text;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;

namespace Smmu.Fast.Tests.Harness;

/// <summary>A snapshot is checked leaf by leaf, also where nothing is mapped; a file that is not one is refused.</summary>
public class SnapshotTests
{
    private const string Good = """
        SMMUSNAP1
        reg 0 d40101a
        reg 4 2730010
        reg 14 74
        reg 20 d
        reg 24 d
        reg 80 40000000
        reg 88 4
        reg 90 40010004
        reg a0 40020004
        stream sid 0 config 0 cdptr 0 asid 0 cd0 0 cd1 0
        stream sid 1 config 5 cdptr 40001000 asid 7 cd0 7000080000022 cd1 40002000
        stream sid 2 config 4 cdptr 0 asid 0 cd0 0 cd1 0
        map 1 7 1000 1000 40007000 1 3 12
        map 1 7 2000 1000 40009000 3 3 12
        # words lie as in memory
        page 40000000 0100000000000000 z7 0b10004000000000 z7 0900000000000000 z495
        page 40001000 2200008000000700 0020004000000000 z510
        page 40002000 0330004000000000 z511
        page 40003000 z1 c377004000000000 4397004000000000 z509

        """;

    [Fact]
    public void AModelInTheSnapshotsStateAgrees()
    {
        var report = Check(Good);

        Assert.Empty(report.Details);
        Assert.Equal((2, 2, 3), (report.Maps, report.OutsideAddresses, report.Streams));
        Assert.Equal((10, 10), (report.Translations, report.Agreements));
    }

    [Theory]
    [InlineData("map 1 7 1000 1000 40007000 1", "map 1 7 1000 1000 40008000 1", DifferenceKind.OutputAddress)]
    [InlineData("map 1 7 1000 1000 40007000 1", "map 1 7 1000 1000 40007000 3", DifferenceKind.Permissions)]
    [InlineData("map 1 7 2000 1000 40009000 3", "map 1 7 3000 1000 40009000 3", DifferenceKind.Status)]
    [InlineData("map 1 7 2000 1000 40009000 3 3 12", "", DifferenceKind.Status)]
    [InlineData("map 1 7 2000 1000 40009000 3", "map 1 7 2000 800 40009000 3", DifferenceKind.LeafSize)]
    [InlineData("sid 1 config 5 cdptr 40001000 asid 7", "sid 1 config 5 cdptr 40001000 asid 8",
        DifferenceKind.StreamConfiguration)]
    [InlineData("sid 2 config 4", "sid 2 config 0", DifferenceKind.Status)]
    [InlineData("reg 24 d", "reg 24 c", DifferenceKind.Register)]
    public void AnAlteredLineIsSeenAsADifferenceOfItsKind(string from, string to, DifferenceKind kind)
    {
        Assert.Contains(from, Good, StringComparison.Ordinal);
        var report = Check(Good.Replace(from, to, StringComparison.Ordinal));

        Assert.Contains(kind, report.DifferencesByKind.Keys);
        Assert.True(report.Differences > 0);
    }

    [Fact]
    public void AModelThatLetsWritesThroughIsSeen()
    {
        var report = Check(Good, new MiniatureSource(() => new MiniatureSmmu { IgnoresReadOnly = true }));

        Assert.Contains(DifferenceKind.Status, report.DifferencesByKind.Keys);
    }

    [Theory]
    [InlineData("reg 0 d40101a", "reg 0 d40101a 1", "words")]
    [InlineData("reg 0 d40101a", "reg 0 xyz", "hexadecimal")]
    [InlineData("reg 4 2730010", "reg 0 2730010", "twice")]
    [InlineData("reg 4 2730010", "reg 20000 2730010", "no register")]
    [InlineData("map 1 7 1000 1000 40007000 1", "map 1 7 1000 1800 40007000 1", "power of two")]
    [InlineData("map 1 7 1000 1000 40007000 1", "map 1 7 1001 1000 40007000 1", "aligned")]
    [InlineData("map 1 7 1000 1000 40007000 1", "map 1 7 1000 1000 40007000 2", "permissions")]
    [InlineData("page 40003000 z1 c377004000000000", "page 40003000 z2 c377004000000000", "fit")]
    [InlineData("z509", "z508", "bytes")]
    [InlineData("z509", "z99999999999", "fit")]
    [InlineData("c377004000000000", "c37700400000000", "16 digits")]
    [InlineData("c377004000000000", "c3770040000000zz", "not hexadecimal")]
    [InlineData("page 40002000", "page 40001000", "twice")]
    [InlineData("# words", "words", "neither")]
    public void ALineThatCannotBeUnderstoodIsRefusedWithItsNumber(string from, string to, string reason)
    {
        Assert.Contains(from, Good, StringComparison.Ordinal);
        string text = Good.Replace(from, to, StringComparison.Ordinal);

        string message = Assert.Throws<RecordingException>(() => Load(text)).Message;

        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.Contains("line ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void ASnapshotThatEndsEarlyNeverEndsInAnotherException()
    {
        for (int length = 0; length < Good.Length; length++)
        {
            // A cut at the end of a line leaves a shorter snapshot, which is one.
            if (Good[..length].Contains("reg", StringComparison.Ordinal) && Good[length - 1] == '\n') Load(Good[..length]);
            else Assert.Throws<RecordingException>(() => Load(Good[..length]));
        }
    }

    [Theory]
    [InlineData("visible.snap.zst")]
    [InlineData("visible_vfio.snap.zst")]
    public void AShippedSnapshotAgreesWithAModelThatWalksEachTime(string file)
    {
        var snapshot = Snapshot.Open(ShippedRecordings.Find().Single(path => Path.GetFileName(path) == file));

        var report = SnapshotChecker.Check(snapshot, new MiniatureSource(), new ReplayOptions());

        Assert.Empty(report.Details);
        Assert.True(report.Maps > 100, report.Maps.ToString(CultureInfo.InvariantCulture));
        Assert.True(report.OutsideAddresses > 0);
        Assert.True(report.Streams > 0);
        Assert.Equal(report.Translations, report.Agreements);
    }

    private static Snapshot Load(string text) =>
        Snapshot.From(VerifiedFile.FromBytes(Encoding.Latin1.GetBytes(text), "small.snap"));

    private static SnapshotReport Check(string text, IReplayTargetSource? source = null) =>
        SnapshotChecker.Check(Load(text), source ?? new MiniatureSource(), new ReplayOptions());
}
