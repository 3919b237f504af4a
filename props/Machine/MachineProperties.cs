using Smmu.Fast.Comparison;
using Smmu.Fast.Comparison.Fuzzing;
using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;
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
    private const int Count = 20_000;
    private const int ScriptsPerSweep = 256;
    private const int ScriptsForACheck = 600;
    private const int Mutations = 1_500;
    private const int LongestShrunkScript = 24;

    private static readonly Dictionary<string, MachineOptions> Plants = new()
    {
        ["another address"] = new() { Distort = answer => answer with { Address = answer.Address ^ (answer.Address & 0x1000) } },
        ["a record less"] = new() { Distort = answer => answer with { Record = null } },
        ["another end"] = new()
        {
            Distort = answer => answer.Outcome == AnswerOutcome.Stalled ? answer with { Outcome = AnswerOutcome.Aborted } : answer,
        },
        ["TLBI without effect"] = new() { Plant = command => IsTlbi(command.Opcode) ? Nothing : command },
        ["TLBI by address without effect"] = new()
        {
            Plant = command => command.Opcode is CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa && command.TG == 0 ? Nothing : command,
        },
        ["TLBI of another ASID"] = new()
        {
            Plant = command => command.Opcode == CommandOpcode.TlbiNhAsid
                ? Command.TlbiNhAsid(command.Vmid, new Asid((ushort)(command.Asid.Value ^ 1))) : command,
        },
        ["CFGI without effect"] = new()
        {
            Plant = command => command.Opcode is CommandOpcode.CfgiSte or CommandOpcode.CfgiSteRange ? Nothing : command,
        },
        ["RESUME without effect"] = new() { Plant = command => command.Opcode == CommandOpcode.Resume ? Nothing : command },
    };

    private static Command Nothing => Command.PrefetchConfig(default);

    public static TheoryData<string> PlantNames => [.. Plants.Keys];

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
        if (scripts >= Count) AssertDepth(distribution, reached);
    }

    [Fact]
    public void ScriptsThatWereChangedAreAllowedToo()
    {
        using var runner = new MachineRunner(new MachineOptions());
        for (int i = 0; i < TestScale.Of(Mutations); i++)
        {
            var random = Cases.RandomOf(i);
            var script = ProgramGenerator.Next(random);
            var other = ProgramGenerator.Next(random);
            for (int j = 0; j < 3; j++) script = new ScriptMutator(random).Mutate(script, other);
            if (runner.Run(script) is not null) Fail(script, i);
        }
    }

    [Fact]
    public void ScriptsSurviveBeingWrittenAndRead()
    {
        for (int i = 0; i < ScriptsForACheck; i++)
        {
            string text = Script(i).ToString();
            Assert.Equal(text, ScriptReader.Read("script", text).ToString());
        }
    }

    [Fact]
    public void SingleScenesAreScriptsToo()
    {
        using var runner = new MachineRunner(new MachineOptions());
        for (int i = 0; i < ScriptsForACheck; i++)
        {
            var script = SceneScript.Of(OracleCase.Next(Cases.RandomOf(i)));
            if (runner.Run(script) is not null) Fail(script, i);
        }
    }

    [Theory]
    [MemberData(nameof(PlantNames))]
    public void APlantedDifferenceIsSeenAndShrinksToAShortScript(string name)
    {
        using var runner = new MachineRunner(Plants[name]);
        using var healthy = new MachineRunner(new MachineOptions());
        bool isOfAccesses = !name.StartsWith("RESUME", StringComparison.Ordinal);   // What others skip shows in an access.
        var failing = Enumerable.Range(0, ScriptsForACheck).Select(Script).FirstOrDefault(Fails);
        Assert.True(failing is not null, $"No script of {ScriptsForACheck} shows it: {name}");

        var smallest = ScriptShrinker.Shrink(failing, Fails);
        var again = ScriptReader.Read("script", smallest.ToString());
        output.WriteLine(smallest.ToString());

        Assert.True(smallest.Steps.Count <= LongestShrunkScript, smallest.ToString());
        Assert.NotNull(runner.Run(again));
        Assert.Null(healthy.Run(again));

        bool Fails(Script script) => runner.Run(script) is { } difference && (difference.Step is TranslateStep || !isOfAccesses);
    }

    private static Script Script(int round) => ProgramGenerator.Next(Cases.RandomOf(round));

    private static bool IsTlbi(CommandOpcode opcode) => opcode is >= CommandOpcode.TlbiNhAll and <= CommandOpcode.TlbiNsnhAll;

    // Most scripts get somewhere, and little is left undecided.
    private static void AssertDepth(MachineDistribution distribution, string reached)
    {
        long accesses = distribution.Accesses;
        long Share(long part) => part * 1000 / accesses;
        Assert.True(distribution.DeepScripts * 100 > distribution.Scripts * 70, reached);
        Assert.True(Share(distribution.Translated) > 250, reached);
        Assert.True(Share(distribution.Nested) > 100, reached);
        Assert.True(Share(distribution.TlbHits) > 80, reached);
        Assert.True(Share(distribution.WalkCacheHits) > 50, reached);
        Assert.True(Share(distribution.ByVerdict[Verdict.Stale]) > 5, reached);
        long undecided = distribution.ByVerdict.GetValueOrDefault(Verdict.Foreign) + distribution.ByVerdict.GetValueOrDefault(Verdict.Unsettled);
        Assert.True(Share(undecided) < 10, reached);
        Assert.True(distribution.Commands > distribution.Scripts * 10, reached);
        Assert.True(distribution.Recoveries * 2 > distribution.Scripts, reached);
        Assert.True(Share(distribution.Stalls) > 10, reached);
        Assert.True(distribution.Retries > 1_000, reached);

        string[] kinds = [.. Enum.GetValues<OracleEventKind>().Select(kind => ScriptNames.OfEvent((EventType)(byte)kind))];
        Assert.Equal(kinds.Order(StringComparer.Ordinal), distribution.ByEvent.Keys.Order(StringComparer.Ordinal));
        CommandOpcode[] consumed =
        [
            CommandOpcode.PrefetchConfig, CommandOpcode.PrefetchAddress, CommandOpcode.CfgiSte, CommandOpcode.CfgiSteRange,
            CommandOpcode.CfgiCd, CommandOpcode.CfgiCdAll, CommandOpcode.TlbiNhAll, CommandOpcode.TlbiNhAsid, CommandOpcode.TlbiNhVa,
            CommandOpcode.TlbiNhVaa, CommandOpcode.TlbiEl2All, CommandOpcode.TlbiEl2Asid, CommandOpcode.TlbiEl2Va,
            CommandOpcode.TlbiEl2Vaa, CommandOpcode.TlbiS12Vmall, CommandOpcode.TlbiS2Ipa, CommandOpcode.TlbiNsnhAll,
            CommandOpcode.AtcInv, CommandOpcode.PriResp, CommandOpcode.Resume, CommandOpcode.StallTerm, CommandOpcode.Sync,
        ];
        Assert.All(consumed, opcode => Assert.Contains(new Command((ulong)opcode, 0).ToString().Split(' ')[0], distribution.ByCommand.Keys));
    }

    private static void Fail(Script failing, int round)
    {
        using var again = new MachineRunner(new MachineOptions());
        var smallest = ScriptShrinker.Shrink(failing, candidate => again.Run(candidate) is not null);
        Assert.Fail($"Round {round} of seed {Cases.Seed}: {again.Run(smallest)}\n{smallest}");
    }
}
