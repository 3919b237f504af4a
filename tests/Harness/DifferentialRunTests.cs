using Smmu.Fast.Cli;
using Smmu.Fast.Qemu;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Tests.Repository;
using Xunit.Abstractions;

namespace Smmu.Fast.Tests.Harness;

/// <summary>
/// Random cases run on a peer and on our SMMU, and nothing that can be seen may differ unless the peer is known to depart
/// there. Cases reach deep, a wrong peer is found out, and QEMU, if there is one, agrees.
/// </summary>
public sealed class DifferentialRunTests(ITestOutputHelper output)
{
    [Fact]
    public void APeerThatIsRightAgreesInEveryCaseAndDepartsInNone()
    {
        var report = Run(Lie.None, TestScale.Of(600));

        Assert.Empty(report.Details.SelectMany(failed => failed.Differences));
        Assert.Equal(0, report.Failures);
        Assert.Empty(report.Departures);
    }

    [Fact]
    public void CasesReachEveryGranuleLevelAndFault()
    {
        var coverage = Run(Lie.None, 600).Coverage;

        Assert.True(
            coverage.ReachedLeaves > coverage.Accesses / 2,
            $"{coverage.ReachedLeaves} of {coverage.Accesses} reach a leaf");
        string[] expected =
        [
            "translated, 4 KiB granule, level 1", "translated, 4 KiB granule, level 2", "translated, 4 KiB granule, level 3",
            "translated, 16 KiB granule, level 2", "translated, 16 KiB granule, level 3",
            "translated, 64 KiB granule, level 2", "translated, 64 KiB granule, level 3",
            "Translation", "AddressSize", "AccessFlag", "Permission", "WalkExternalAbort",
            "BadStreamId", "BadStreamTableEntry", "BadContextDescriptor", "StreamTableEntryFetch", "ContextDescriptorFetch",
            "Aborted", "StreamBypassed", "DeviceBypassed", "faults without a record", "reads", "writes",
            "Command queue stopped, error 1", "Command queue stopped, error 2", "recoveries of the Command queue",
        ];
        Assert.All(expected, name => Assert.True(coverage.Counts.GetValueOrDefault(name) > 0, $"no case: {name}"));
    }

    [Theory]
    [InlineData(Lie.ReadsAnotherWord)]
    [InlineData(Lie.WritesAnotherWord)]
    [InlineData(Lie.DropsWrites)]
    [InlineData(Lie.WritesMore)]
    [InlineData(Lie.LosesEvents)]
    [InlineData(Lie.RecordsAnotherAddress)]
    [InlineData(Lie.RecordsAnotherType)]
    [InlineData(Lie.HidesErrors)]
    [InlineData(Lie.StopsCommandsEarly)]
    [InlineData(Lie.KeepsWhatIsInvalidated)]
    public void APeerThatAnswersWronglyIsFoundOut(Lie lie)
    {
        var report = Run(lie, 100);

        Assert.True(report.Failures > 0);
        var failed = Assert.Single(report.Details);
        Assert.NotEmpty(failed.Differences);
        Assert.Contains($"# case {failed.Index} of seed 1", failed.Script, StringComparison.Ordinal);
    }

    [Fact]
    public void AKnownDepartureIsCountedAndExplainsNothingElse()
    {
        var report = Run(Lie.ForgetsTheClass, 100);

        Assert.True(report.Departures.GetValueOrDefault(Departure.FaultClassIsZero) > 0);
        Assert.False(report.Departures.ContainsKey(Departure.AccessFlagIsIgnored));

        // A peer that forgets the class as QEMU does, but checks the Access flag as QEMU does not, is no QEMU.
        Assert.True(report.Failures > 0);
        Assert.Contains(
            Assert.Single(report.Details).Differences,
            difference => difference.Theirs.StartsWith("F_", StringComparison.Ordinal));
    }

    [Fact]
    public void AFailedCaseIsShownWithoutWhatItFailsWithout()
    {
        var failed = Assert.Single(Run(Lie.ReadsAnotherWord, 30).Details);
        string[] lines = failed.Script.ReplaceLineEndings("\n").Split('\n');

        Assert.Single(lines, line => line.StartsWith("read ", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.StartsWith("write ", StringComparison.Ordinal));
    }

    [Fact]
    public void TheSameSeedAndIndexMakeTheSameCase()
    {
        for (int index = 0; index < 50; index++)
        {
            string first = CaseGenerator.Create(7, index).ToString();

            Assert.Equal(first, CaseGenerator.Create(7, index).ToString());
            Assert.NotEqual(first, CaseGenerator.Create(8, index).ToString());
        }
    }

    [Fact]
    public void EveryDepartureHasANumberOfItsOwnAndASection()
    {
        Assert.Equal(Enumerable.Range(1, Departures.All.Count), Departures.All.Select(departure => (int)departure));
        Assert.All(Departures.All, departure => Assert.NotEmpty(Departures.SectionOf(departure)));
        Assert.True(Departures.All.Count < 64);
    }

    [Fact]
    public void APeerThatHangsUpIsAnErrorThatSaysSo()
    {
        using var fake = new FakeQemu();
        var machine = fake.Machine;
        fake.Client.Shutdown(System.Net.Sockets.SocketShutdown.Both);
        machine.Begin();

        Assert.Contains("QEMU", Assert.Throws<QemuException>(() => machine.Finish()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMissingQemuIsUnusableAndTheMessageSaysWhatToInstall()
    {
        using var standard = new StringWriter();
        using var error = new StringWriter();
        var tool = new CommandLine(new SmmuReplayTargets(), new Terminal(standard, error, IsInteractive: false));

        Assert.Equal(CommandLine.Unusable, await tool.RunAsync(["diff-qemu", "--qemu", "/no/such/qemu"]));
        Assert.Contains("install the package qemu-system-arm", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void ThisMachinesQemuAgrees()
    {
        string found = QemuProcess.Find() is null ? "no qemu-system-aarch64 in PATH" : QemuProcess.Identify().Version;
        if (!found.Contains("version 7.2.", StringComparison.Ordinal))
        {
            output.WriteLine($"Not run: {found}. Install QEMU 7.2: the package qemu-system-arm of Debian 12.");
            return;
        }

        var options = new DifferentialOptions { Cases = TestScale.Of(300), Seed = 11 };
        var report = DifferentialRun.Run(options, CancellationToken.None);
        output.WriteLine($"{report.Version}: {report.Cases} cases, {report.Coverage.Accesses} accesses.");
        foreach (var failed in report.Details)
        {
            output.WriteLine(string.Join(Environment.NewLine, failed.Differences));
            output.WriteLine(failed.Script);
        }

        Assert.Equal(0, report.Failures);
        Assert.True(report.Coverage.ReachedLeaves > report.Coverage.Accesses / 2);
    }

    private static DifferentialReport Run(Lie lie, long cases)
    {
        var fakes = new List<FakeQemu>();
        try
        {
            return DifferentialRun.Run(
                new DifferentialOptions { Cases = cases, Seed = 1, MaximumDetails = 1 },
                "a peer of our own",
                () =>
                {
                    fakes.Add(new FakeQemu(lie));
                    return fakes[^1].Machine;
                },
                CancellationToken.None);
        }
        finally
        {
            foreach (var fake in fakes) fake.Dispose();
        }
    }
}
