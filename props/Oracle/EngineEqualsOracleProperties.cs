using Smmu.Fast.Comparison;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;
using Smmu.Fast.Tests.Repository;
using Xunit.Abstractions;

namespace Smmu.Fast.Props.Oracle;

/// <summary>
/// The engine and a second SMMU, written from the architecture alone by other hands, answer every access alike: outcome,
/// address, size, permissions, attributes, the 32 bytes of the record, and each word of memory afterwards. Where the
/// architecture leaves a choice, README.md says which one the engine makes.
/// </summary>
public class EngineEqualsOracleProperties(ITestOutputHelper output)
{
    private const int Count = 40_000;
    private const int CasesPerSweep = 256;
    private const int CasesForACheck = 400;

    private static readonly Dictionary<string, Func<Answer, Answer>> Distortions = new()
    {
        ["address"] = answer => answer.Outcome != AnswerOutcome.Success ? answer
            : answer with { Address = answer.Address ^ 0x1000 },
        ["leaf size"] = answer => answer.LeafSizeLog2 == 21 ? answer with { LeafSizeLog2 = 12 } : answer,
        ["permissions"] = answer => answer with { Permissions = answer.Permissions & ~AccessPermissions.UnprivilegedExecute },
        ["attributes"] = answer => answer.Outcome != AnswerOutcome.Success ? answer
            : answer with { Attributes = answer.Attributes with { InnerHints = default } },
        ["outcome"] = answer => answer.Outcome != AnswerOutcome.ReadZeroWriteIgnored ? answer
            : answer with { Outcome = AnswerOutcome.Aborted },
        ["missing record"] = answer => answer with { Record = null },
        ["one bit of a record"] = answer => answer.Record is not { } some ? answer
            : answer with { Record = some with { Word1 = some.Word1 ^ (1UL << 33) } },
        ["IPA of a record"] = answer => answer.Record is not { } some ? answer
            : answer with { Record = some with { Word3 = some.Word3 & ~0x1000UL } },
    };

    public static TheoryData<string> DistortionNames => [.. Distortions.Keys];

    [Fact]
    [Rule("ASZ-09")]
    [Rule("ASZ-10")]
    [Rule("ASZ-11")]
    [Rule("ATT-13")]
    [Rule("EVT-27")]
    [Rule("W1-17")]
    [Rule("W2-05")]
    public void BothSmmusAnswerEveryAccessAlike()
    {
        var distribution = new Distribution();
        using var runner = new CaseRunner(distribution);
        int cases = TestScale.Of(Count);
        for (int i = 0; i < cases; i++)
        {
            var next = OracleCase.Next(Cases.RandomOf(i));
            if (runner.Run(next) is not null) Fail(next, i);
            if (i % CasesPerSweep == 0) Assert.Null(runner.CompareEverything());
        }

        Assert.Null(runner.CompareEverything());
        string reached = distribution.ToString();
        output.WriteLine(reached);
        if (cases >= Count) AssertDepth(distribution, reached);
    }

    [Theory]
    [MemberData(nameof(DistortionNames))]
    public void AnOracleThatAnswersOtherwiseIsSeen(string name)
    {
        using var runner = new CaseRunner(new Distribution()) { Distort = Distortions[name] };

        Assert.True(IsSeen(runner), $"No case of {CasesForACheck} shows it: {name}");
    }

    [Fact]
    public void AWordOfMemoryThatDiffersIsSeen()
    {
        using var runner = new CaseRunner(new Distribution()) { DistortsMemory = true };

        Assert.True(IsSeen(runner));
    }

    [Fact]
    public void AFailingCaseShrinksToTheStepThatFails()
    {
        using var runner = new CaseRunner(new Distribution()) { Distort = Distortions["address"] };
        var failing = Enumerable.Range(0, CasesForACheck).Select(i => OracleCase.Next(Cases.RandomOf(i)))
            .First(candidate => candidate.Mutations.Count != 0 && runner.Run(candidate) is not null);

        var smallest = CaseShrinker.Shrink(failing, candidate => runner.Run(candidate) is not null);

        Assert.Single(smallest.Steps.OfType<AccessStep>());
        Assert.True(smallest.Steps.Count + smallest.Mutations.Count <= 3, smallest.ToString());
        Assert.Contains("stream 0x", smallest.ToString(), StringComparison.Ordinal);
    }

    private static bool IsSeen(CaseRunner runner) =>
        Enumerable.Range(0, CasesForACheck).Any(i => runner.Run(OracleCase.Next(Cases.RandomOf(i))) is not null);

    private static void AssertDepth(Distribution distribution, string reached)
    {
        long accesses = distribution.Accesses;
        Assert.True(distribution.Translated * 100 > accesses * 30, reached);
        Assert.True(distribution.Nested * 100 > accesses * 12, reached);
        Assert.True(distribution.TlbHits * 100 > accesses * 8, reached);
        Assert.True(distribution.PortHits * 100 > accesses * 4, reached);
        Assert.True(distribution.WalkCacheHits * 100 > accesses * 5, reached);
        Assert.InRange(distribution.Recorded * 100 / accesses, 20, 65);

        // Every granule and level, so many of 10,000: pages are common, and the largest blocks need 52-bit addresses.
        (int SizeLog2, int Least)[] sizes =
            [(12, 1500), (14, 1000), (16, 1000), (21, 100), (25, 100), (29, 100), (30, 50), (36, 10), (39, 2), (42, 10)];
        Assert.All(sizes, size => Assert.True(
            distribution.Leaves.GetValueOrDefault(size.SizeLog2) * 10_000 >= distribution.Translated * size.Least, $"2^{size.SizeLog2}\n{reached}"));
        Assert.Equal(9, distribution.Pairs.Count);
        Assert.All(distribution.Pairs, pair => Assert.True(pair.Value * 100 > distribution.Translated, $"{pair.Key}\n{reached}"));

        // Every event that the Oracle has, and of the faults of walks every stage and class that there is.
        Assert.All(Enum.GetValues<OracleEventKind>(), kind => Assert.Contains(
            distribution.Faults.Keys, fault => fault.Split(',')[0] == ((EventType)kind).ToString()));
        EventType[] ofWalks = [EventType.Translation, EventType.AddressSize, EventType.AccessFlag, EventType.Permission];
        Assert.All(ofWalks, type =>
        {
            Assert.Contains($"{type}, stage 1, {FaultClass.Input}", distribution.Faults.Keys);
            Assert.All(Enum.GetValues<FaultClass>().Take(3), faultClass => Assert.Contains(
                $"{type}, stage 2, {faultClass}", distribution.Faults.Keys));
        });
    }

    private static void Fail(OracleCase failing, int round)
    {
        using var again = new CaseRunner(new Distribution());
        var smallest = CaseShrinker.Shrink(failing, candidate => again.Run(candidate) is not null);
        Assert.Fail($"Round {round} of seed {Cases.Seed}: {again.Run(smallest)}\n{smallest}");
    }
}
