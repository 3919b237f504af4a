using System.Text.RegularExpressions;
using Smmu.Fast.Cli;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Tests.Harness;

/// <summary>smmu demo nested: three machines at work, and a table of what they did.</summary>
public class DemoCommandTests
{
    [Fact]
    public async Task ThreeMachinesDoWhatTheyAreThereFor()
    {
        (int code, string output, string error) = await Run("demo", "nested", "--rounds", "400", "--seed", "3");

        Assert.Equal((CommandLine.Agree, ""), (code, error));
        Assert.Contains("every byte was where it belongs", output, StringComparison.Ordinal);
        Assert.Equal(3, Regex.Count(output, @"\| VM \d .* 409,600 "));
        Assert.DoesNotContain('\u001b', output);
    }

    [Theory]
    [InlineData("100000001")]
    [InlineData("-1")]
    [InlineData("many")]
    public async Task RoundsOutOfRangeAreRefused(string rounds)
    {
        (int code, _, string error) = await Run("demo", "nested", "--rounds", rounds);

        Assert.Equal(CommandLine.Unusable, code);
        Assert.NotEmpty(error);
    }

    [Fact]
    public void EachMachineShowsWhatIsSpecialAboutIt()
    {
        using var demonstration = new NestedDemonstration();
        demonstration.Start(rounds: 300, seed: 5);
        demonstration.Join();

        (DemonstrationMachine remapped, DemonstrationMachine own, DemonstrationMachine tracked) =
            (demonstration.Machines[0], demonstration.Machines[1], demonstration.Machines[2]);
        Assert.Equal(300 / 16, remapped.Remaps);
        Assert.True(demonstration.HostEvents >= 1);
        Assert.True(own.OwnCommands > 0);
        Assert.Equal(0, own.Invalidations);
        Assert.InRange(tracked.DirtyPages, 1, 300);   // Page by page: no more than were written.
        Assert.Equal(3, demonstration.Machines.Select(machine => machine.Vmid).Distinct().Count());
        Assert.All(demonstration.Machines, machine => Assert.True(machine.GuestFaults > 0));
    }

    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = await new CommandLine(new SmmuReplayTargets(), new Terminal(output, error, IsInteractive: false)).RunAsync(arguments);
        return (code, output.ToString(), error.ToString());
    }
}
