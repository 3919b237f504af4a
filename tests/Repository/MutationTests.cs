using Smmu.Fast.Tests.Device;
using Smmu.Fast.Tests.Mutation.Weaving;

namespace Smmu.Fast.Tests.Repository;

/// <summary>
/// The lists of mutants fit the engine as it is, the report tells of exactly these and has no survivor, and the run that makes
/// it notices both a breakage and one that breaks nothing.
/// </summary>
[Collection(AloneCollection.Name)]
public class MutationTests
{
    private const string Planted = """
        == PLANT-01 A queue pointer has no wrap bit
        file Formats/QueuePointer.cs
        - (2u << log2) - 1
        + (1u << log2) - 1

        == PLANT-02 Nothing is broken
        file Formats/QueuePointer.cs
        - pointer & ((1u << log2) - 1)
        + ((1u << log2) - 1) & pointer
        """;

    private const string Source = "int a = b + c;\nint d = b + c;\nReturn(a);\n";

    private static IReadOnlyList<Mutant> Mutants =>
        MutantList.ReadFolder(Path.Combine(RepositoryFiles.Root, "tests", "Mutation", "Mutants"));

    [Fact]
    public void EveryOriginalIsInTheEngineOnce()
    {
        Assert.True(Mutants.Count >= 60);
        foreach (var group in Mutants.GroupBy(mutant => mutant.File))
        {
            string source = RepositoryFiles.Read("engine/" + group.Key);
            string woven = Weaver.Weave(source, group.Select((mutant, index) => (index + 1, mutant)));
            Assert.Equal(group.Count(), woven.Split(Weaver.Question).Length - 1);
        }
    }

    [Fact]
    public void EveryRoomHasMutants()
    {
        var rooms = RepositoryFiles.NamesIn("engine").Where(name => Directory.Exists(Path.Combine(RepositoryFiles.Root, "engine", name)));
        var broken = Mutants.Select(mutant => mutant.File.Split('/')[0]).Distinct();

        Assert.Equal(rooms.Order(StringComparer.Ordinal), broken.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TheReportTellsOfEveryMutantAndOfNoSurvivor()
    {
        string report = RepositoryFiles.Read("tests/MUTATION.md");

        Assert.Equal(Mutants.Select(mutant => mutant.Id), MutationReport.IdsOf(report));
        Assert.DoesNotContain("survived", report, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData((int)MutantEnd.Survived)]
    [InlineData((int)MutantEnd.TimedOut)]
    public void ASurvivorShowsInTheReport(int end)
    {
        var mutant = Mutants[0];
        string report = MutationReport.Of([mutant], [new MutantVerdict(mutant, (MutantEnd)end, null, 1)]);

        Assert.Contains("0 of 1", report, StringComparison.Ordinal);
        Assert.Contains("survived", report, StringComparison.Ordinal);
        Assert.Equal([mutant.Id], MutationReport.IdsOf(report));
    }

    [Fact]
    public void ARowIsKeptUntilItsMutantIsTriedAgainOrChanged()
    {
        var (first, second) = (Mutants[0], Mutants[1]);
        string report = MutationReport.Of(
            [first, second], [.. ((Mutant[])[first, second]).Select(mutant => new MutantVerdict(mutant, MutantEnd.Failed, "A.B", 1))]);

        string mended = MutationReport.Of([first, second], [new MutantVerdict(second, MutantEnd.Failed, "C.D", 1)], report);
        Assert.Equal(["A.B", "C.D"], MutationReport.TestsOf(mended).Values);
        Assert.DoesNotContain(MutationReport.Survived, mended, StringComparison.Ordinal);

        string changed = MutationReport.Of([first with { Summary = "Something else" }, second], [], report);
        Assert.Contains("1 of 2", changed, StringComparison.Ordinal);
        Assert.Contains("not tried", changed, StringComparison.Ordinal);
    }

    [Fact]
    public void ABreakageIsCaughtAndOneThatBreaksNothingSurvives()
    {
        string lists = Directory.CreateTempSubdirectory("planted-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(lists, "Queues.txt"), Planted);

            var (code, output) = ChildProgram.Run(
                "tests/Mutation", "mutation", TimeSpan.FromMinutes(10),
                "--no-build", "--lists", lists, "--tests", "Smmu.Fast.Tests.Formats.");

            Assert.True(code == 1, output);
            Assert.Matches("PLANT-01 .*`Tests.Formats.QueuePointerTests", output);
            Assert.Matches("PLANT-02 .*survived", output);
            Assert.Contains("1 of 2 mutants", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(lists, recursive: true);
        }
    }

    [Theory]
    [InlineData("b - c")]   // Not there.
    [InlineData("b + c")]   // There twice.
    public void AnOriginalThatIsNotThereOnceIsRefused(string original) =>
        Assert.Throws<FormatException>(() => Weaver.Weave(Source, [(1, MutantOf(original))]));

    [Fact]
    public void APassageSaysWhichOriginalIsMeant()
    {
        string woven = Weaver.Weave(Source, [(7, MutantOf("b + c", "int d = b + c;\nReturn(a);"))]);

        Assert.Equal($"int a = b + c;\nint d = ({Weaver.Question}(7) ? (x) : (b + c));\nReturn(a);\n", woven);
    }

    [Fact]
    public void StatementsAreExchangedAsStatements()
    {
        string woven = Weaver.Weave(Source, [(1, MutantOf("Return(a);", broken: ""))]);

        Assert.EndsWith($"{{ if ({Weaver.Question}(1)) {{  }} else {{ Return(a); }} }}\n", woven, StringComparison.Ordinal);
    }

    [Fact]
    public void MutantsThatOverlapInPartAreRefused()
    {
        (int, Mutant)[] overlapping = [(1, MutantOf("a = b + c")), (2, MutantOf("c;\nint d"))];

        Assert.Throws<FormatException>(() => Weaver.Weave(Source, overlapping));
    }

    [Theory]
    [InlineData("== A-01 No original\nfile F.cs\n+ x")]
    [InlineData("== A-01 Nothing instead\nfile F.cs\n- x")]
    [InlineData("== A-01 An expression is no statement\nfile F.cs\n- x\n+")]
    [InlineData("== A-01 The same again\nfile F.cs\n- x\n+ x")]
    [InlineData("== A-01 No file\n- x\n+ y")]
    [InlineData("== A-01\nfile F.cs\n- x\n+ y")]
    [InlineData("== A-01 A word too many\nfile F.cs\nwhere x\n- x\n+ y")]
    [InlineData("file F.cs")]
    public void AMalformedListIsRefused(string text) => Assert.Throws<FormatException>(() => MutantList.Read("Room", text));

    private static Mutant MutantOf(string original, string context = "", string broken = "x") =>
        new("A-01", "Room", "Something else", [], "F.cs", context, original, broken);
}
