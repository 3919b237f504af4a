using System.Globalization;
using Smmu.Fast.Foundation;
using Smmu.Fast.Tests.Harness;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>Runs on its own: litmus tests need two processors for their threads.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public class AloneCollection
{
    public const string Name = "Alone";
}

/// <summary>
/// Litmus scenarios hold for a while under load; and each of them notices when a safeguard of the protocols is left out,
/// which the control build does on demand. Both run in processes of their own. Safeguards that a single thread needs are left
/// out under recordings, in <see cref="RecordingBreakageTests"/>.
/// </summary>
[Collection(AloneCollection.Name)]
public class LitmusTests
{
    private const int Seed = 20_25;
    private const double Seconds = 1.5;
    private const double MostSeconds = 60;

    /// <summary>Scenarios, and the safeguards whose absence each of them notices.</summary>
    public static TheoryData<string, string> LeftOut => new()
    {
        { "unmap", nameof(Breakage.BarrierLeftOut) },
        { "unmap", nameof(Breakage.ScopesNotAsked) },
        { "issuers", nameof(Breakage.WaiterNotAnnounced) },
        { "remap", nameof(Breakage.StampNotRaised) },
        { "remap", nameof(Breakage.PortsDatedFirst) },
        { "remap", nameof(Breakage.StampReadLate) },
        { "fills", nameof(Breakage.FillNotDated) },
        { "fills", nameof(Breakage.CopyNotRechecked) },
        { "events", nameof(Breakage.ProducerFirst) },
        { "removal", nameof(Breakage.BarrierLeftOut) },
    };

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void ADeviceNeverReadsAPageThatCmdSyncTookAway() => AssertHolds("unmap");

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void APortNeverTranslatesToTheOldTargetAfterCmdSync() => AssertHolds("remap");

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void TheSharedTlbKeepsNothingThatWasInvalidatedDuringAWalk() => AssertHolds("fills");

    [Fact]
    [Rule("RQ-46")]
    public void RecordsOfSeveralThreadsAreWholeAndInOrderWhenTheyShow() => AssertHolds("events");

    [Fact]
    public void TheLastScopeToEndCompletesTheCmdSyncsOfTwoIssuers() => AssertHolds("issuers");

    [Fact]
    public void ADeviceNeverReadsARegionAfterItsRemoval() => AssertHolds("removal");

    [Theory]
    [MemberData(nameof(LeftOut))]
    public void AScenarioNoticesThatASafeguardIsLeftOut(string scenario, string safeguard)
    {
        if (Environment.ProcessorCount == 1) return;   // Threads that take turns see each other's stores in order.
        var (code, output) = Run(scenario, MostSeconds, "--break", safeguard);

        // Without its safeguard the engine may also crash.
        Assert.True(code is not (ControlProgram.Held or ControlProgram.Misused), $"{scenario} held without its safeguard: {output}");
    }

    [Fact]
    public void EverySafeguardIsLeftOutSomewhere()
    {
        var leftOut = LeftOut.Select(row => (string)((object[])row)[1]).Concat(RecordingBreakageTests.LeftOut);

        Assert.Equal(
            Enum.GetNames<Breakage>().Skip(1).Order(StringComparer.Ordinal), leftOut.Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void AnUnknownScenarioOrSafeguardIsNotTakenForAResult()
    {
        Assert.Equal(ControlProgram.Misused, Run("unknown", Seconds).Code);
        Assert.Equal(ControlProgram.Misused, Run("unmap", Seconds, "--break", "Unknown").Code);
    }

    private static void AssertHolds(string scenario)
    {
        double seconds = Math.Max(0.2, Seconds * TestScale.Factor);
        var (code, output) = Run(scenario, seconds);

        Assert.True(code == ControlProgram.Held, output);
    }

    private static (int Code, string Output) Run(
        string scenario, double seconds, params ReadOnlySpan<string> more) => ControlProgram.Run(
        TimeSpan.FromSeconds(seconds + 60),
        [
            scenario,
            "--seconds", seconds.ToString(CultureInfo.InvariantCulture),
            "--seed", Seed.ToString(CultureInfo.InvariantCulture),
            .. more,
        ]);
}
