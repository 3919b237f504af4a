using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Repository;

/// <summary>What lies where in the repository, and what no source may hold.</summary>
public partial class LayoutTests
{
    private const int MostLines = 500;
    private const long MostBytes = 3 << 20;   // Recordings are the largest files that are shipped.

    [Fact]
    public void TheTopLevelHoldsOnlyWhatIsAgreed()
    {
        var names = RepositoryFiles.NamesIn("");

        Assert.Contains("engine", names);
        Assert.All(names, name => Assert.True(IsAgreed(name), $"{name} does not belong on the top level."));
    }

    [Theory]
    [InlineData("docs")]
    [InlineData("Directory.Build.props.orig")]
    [InlineData("Engine")]
    [InlineData("notes.md")]
    public void AStrangerOnTheTopLevelIsSeen(string name) => Assert.False(IsAgreed(name));

    [Fact]
    public void EveryProjectIsInTheSolution()
    {
        var projects = RepositoryFiles.EndingWith(".csproj");

        Assert.NotEmpty(projects);
        Assert.All(projects, project => Assert.True(IsIn(RepositoryFiles.Read("Smmu.Fast.sln"), project), $"{project}: dotnet sln add {project}"));
        Assert.False(IsIn(RepositoryFiles.Read("Smmu.Fast.sln"), "engine/Other.csproj"));
    }

    [Fact]
    public void SourcesAreShortAndLeaveNothingForLater()
    {
        var files = RepositoryFiles.EndingWith(".cs");

        Assert.NotEmpty(files);
        Assert.Empty(files.SelectMany(file => Problems(RepositoryFiles.Read(file)).Select(problem => $"{file}: {problem}")));
    }

    [Theory]
    [InlineData("// TO" + "DO: the rest\n")]
    [InlineData("/* FIX" + "ME */\n")]
    [InlineData("// A HA" + "CK around it\n")]
    [InlineData("throw new NotImplemented" + "Exception();\n")]
    [InlineData("[Fact(Skip" + " = \"flaky\")]\n")]
    public void SomethingLeftForLaterIsSeen(string source) => Assert.Single(Problems(source));

    [Fact]
    public void ASourceThatIsTooLongIsSeen()
    {
        Assert.Empty(Problems(string.Concat(Enumerable.Repeat("// One.\n", MostLines))));
        Assert.Single(Problems(string.Concat(Enumerable.Repeat("// One.\n", MostLines + 1))));
    }

    [Fact]
    public void NoFileIsTooLargeToShip()
    {
        var files = RepositoryFiles.EndingWith("");

        Assert.NotEmpty(files);
        Assert.DoesNotContain(files, file => new FileInfo(Path.Combine(RepositoryFiles.Root, file)).Length >= MostBytes);
    }

    [Fact]
    public void BuildOutputIsNotTakenForSources()
    {
        Assert.DoesNotContain(RepositoryFiles.EndingWith(".cs"), file => file.Contains("/obj/", StringComparison.Ordinal));
        Assert.DoesNotContain(RepositoryFiles.EndingWith(".dll"), file => file.Contains("/bin/", StringComparison.Ordinal));
        Assert.Contains("tests/Repository/LayoutTests.cs", RepositoryFiles.EndingWith(".cs"));
    }

    private static bool IsAgreed(string name) => Agreed().IsMatch(name);

    // Solutions spell paths with backslashes whatever the system.
    private static bool IsIn(string solution, string project) =>
        solution.Contains($"\"{project.Replace('/', '\\')}\"", StringComparison.Ordinal);

    private static IEnumerable<string> Problems(string source)
    {
        int lines = source.Count(character => character == '\n');
        if (lines > MostLines) yield return $"{lines} lines; {MostLines} are allowed: give a part a file of its own.";
        foreach (Match match in LeftForLater().Matches(source)) yield return $"'{match.Value}': finish it, or leave it out.";
    }

    [GeneratedRegex(@"^(engine|harness|perf|props|tests|Smmu\.Fast\.sln|README\.md|LICENSE|\.ci|\.editorconfig|\.gitignore|\.gitattributes|global\.json|Directory\.\w+\.props)$",
        RegexOptions.CultureInvariant)]
    private static partial Regex Agreed();

    // In two pieces each, so that this source is not its own finding.
    [GeneratedRegex(@"\b(TO" + @"DO|FIX" + @"ME|HA" + @"CK|NotImplemented" + @"Exception)\b|\bSkip" + @"\s*=(?!=)", RegexOptions.CultureInvariant)]
    private static partial Regex LeftForLater();
}
