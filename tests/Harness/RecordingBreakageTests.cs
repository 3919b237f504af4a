using Smmu.Fast.Foundation;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Tests.Device;

namespace Smmu.Fast.Tests.Harness;

/// <summary>
/// A replay that finds no difference proves something only if it would find one. So the control build of the engine leaves
/// out a part of its invalidation or of its tags, and every recording that has an occasion for it shows differences.
/// </summary>
/// <remarks>
/// Ports and all caches are on. A port's own table hides nothing: any effective command empties it, and the stale answer
/// then comes from the cache behind it.
/// </remarks>
public class RecordingBreakageTests
{
    private const string Boot = "visible.smr.zst";
    private const string Vfio = "visible_vfio.smr.zst";
    private const string Nested = "nested_visible.smr.zst";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private static readonly string[] breakages =
    [
        nameof(Breakage.TlbiIgnored), nameof(Breakage.StampNotRaised), nameof(Breakage.TablesKept), nameof(Breakage.CfgiIgnored),
        nameof(Breakage.AsidNotCompared), nameof(Breakage.VmidNotCompared), nameof(Breakage.FragmentsKept),
    ];

    /// <summary>What is left out, and a recording that shows it.</summary>
    public static TheoryData<string, string> Shown => new()
    {
        { nameof(Breakage.TlbiIgnored), Boot },
        { nameof(Breakage.TlbiIgnored), Vfio },
        { nameof(Breakage.TlbiIgnored), Nested },
        { nameof(Breakage.StampNotRaised), Boot },
        { nameof(Breakage.StampNotRaised), Vfio },
        { nameof(Breakage.StampNotRaised), Nested },
        { nameof(Breakage.TablesKept), Vfio },
        { nameof(Breakage.TablesKept), Nested },
        { nameof(Breakage.CfgiIgnored), Vfio },
        { nameof(Breakage.CfgiIgnored), Nested },
        { nameof(Breakage.AsidNotCompared), Boot },
        { nameof(Breakage.AsidNotCompared), Vfio },
        { nameof(Breakage.AsidNotCompared), Nested },
        { nameof(Breakage.VmidNotCompared), Nested },
        { nameof(Breakage.FragmentsKept), Nested },
    };

    /// <summary>What is left out, a recording that cannot show it, and why.</summary>
    public static TheoryData<string, string, string> NotShown => new()
    {
        { nameof(Breakage.TablesKept), Boot, "No table of its address spaces is taken away or replaced." },
        { nameof(Breakage.CfgiIgnored), Boot, "No STE and no CD changes between two accesses of its stream." },
        { nameof(Breakage.VmidNotCompared), Boot, "The SMMU has no stage 2, so there are no VMIDs." },
        { nameof(Breakage.VmidNotCompared), Vfio, "The SMMU has no stage 2, so there are no VMIDs." },
        { nameof(Breakage.FragmentsKept), Boot, "The SMMU has no stage 2 that could cut a leaf of stage 1 into pieces." },
        { nameof(Breakage.FragmentsKept), Vfio, "The SMMU has no stage 2 that could cut a leaf of stage 1 into pieces." },
    };

    /// <summary>What is left out in some test here.</summary>
    internal static IEnumerable<string> LeftOut => Shown.Select(row => (string)row[0]);

    [Theory]
    [MemberData(nameof(Shown))]
    public void ARecordingShowsThatSomethingIsLeftOut(string breakage, string file)
    {
        var (code, output) = Replay(file, "--break", breakage);

        Assert.True(code == ControlProgram.Violated, output);
        Assert.Contains(breakage, output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(NotShown))]
    public void ARecordingWithoutTheOccasionShowsNothing(string breakage, string file, string reason)
    {
        var (code, output) = Replay(file, "--break", breakage);

        Assert.True(code == ControlProgram.Held, $"{output}, although: {reason}");
        Assert.Contains(breakage, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Boot)]
    [InlineData(Vfio)]
    [InlineData(Nested)]
    public void TheControlBuildWithNothingLeftOutAgrees(string file)
    {
        var (code, output) = Replay(file);

        Assert.True(code == ControlProgram.Held, output);
        Assert.Contains($"{file}, {nameof(Breakage.None)}: 0 differences", output, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryRecordingIsJudgedForEverythingThatIsLeftOut()
    {
        string[] files =
        [
            .. ShippedRecordings.Find().Select(path => Path.GetFileName(path))
                .Where(name => name.EndsWith(".smr.zst", StringComparison.Ordinal)),
        ];
        var judged = Shown.Concat(NotShown).Select(row => ((string)row[0], (string)row[1]));

        Assert.Equal(
            breakages.SelectMany(breakage => files.Select(file => (breakage, file))).Order(),
            judged.Order());
    }

    [Fact]
    public void AMissingFileIsNotTakenForAResult() =>
        Assert.Equal(ControlProgram.Misused, ControlProgram.Run(Limit, "replay", "/no/such/file").Code);

    private static (int Code, string Output) Replay(string file, params ReadOnlySpan<string> more) => ControlProgram.Run(
        Limit, ["replay", ShippedRecordings.Find().Single(path => Path.GetFileName(path) == file), .. more]);
}
