using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;
using Xunit.Abstractions;

namespace Smmu.Fast.Props.Machine;

/// <summary>
/// Whatever a driver, its clients and the host do, one after the other (registers, queues, commands of all kinds, tables changed
/// with and without the invalidation that is due, stalls, resets, saved and restored devices), every answer, record, register,
/// interrupt and word of memory is one that the architecture allows: that of the Oracle with everything as it is, or as it was
/// while no invalidation demanded otherwise.
/// </summary>
public class MachineProperties(ITestOutputHelper output)
{
    private const int Count = 12_000;
    private const int ScriptsPerSweep = 256;

    [Fact]
    public void EveryStepOfEveryScriptIsAllowed()
    {
        var distribution = new MachineDistribution();
        using var runner = new MachineRunner(new MachineOptions { Distribution = distribution });
        int scripts = TestScale.Of(Count);
        for (int i = 0; i < scripts; i++)
        {
            var script = ProgramGenerator.Next(Cases.RandomOf(i));
            if (runner.Run(script) is not null) Fail(script, i);
            if (i % ScriptsPerSweep == 0) Assert.Null(runner.CompareEverything());
        }

        Assert.Null(runner.CompareEverything());
        string reached = distribution.ToString();
        output.WriteLine(reached);
    }

    private static void Fail(Script failing, int round)
    {
        using var again = new MachineRunner(new MachineOptions());
        var smallest = ScriptShrinker.Shrink(failing, candidate => again.Run(candidate) is not null);
        Assert.Fail($"Round {round} of seed {Cases.Seed}: {again.Run(smallest)}\n{smallest}");
    }
}
