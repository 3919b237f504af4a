namespace Smmu.Fast.Tests.Repository;

/// <summary>README.md is as good as code: its commands are the agreed ones, its paths exist, its examples are tested.</summary>
public class ReadmeTests
{
    private const string RunCommand = "dotnet run -c Release --project harness/Cli -- replay";
    private const string TestCommand = "dotnet test Smmu.Fast.sln -c Release";

    [Fact]
    public void TheFirstRunCommandReplaysTheRecordings() => Assert.Equal(RunCommand, ReadmeText.FirstLine(Readme(), "dotnet run"));

    [Fact]
    public void TheFirstTestCommandRunsEverySuite() => Assert.Equal(TestCommand, ReadmeText.FirstLine(Readme(), "dotnet test"));

    [Fact]
    public void TheChecksRunWhatTheReadmeSays()
    {
        string script = RepositoryFiles.Read(".ci/run");

        Assert.Contains($" {RunCommand}\n", script, StringComparison.Ordinal);
        Assert.Contains($" {TestCommand}\n", script, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryPathExists()
    {
        var paths = ReadmeText.Paths(Readme());

        Assert.NotEmpty(paths);
        Assert.All(paths, path => Assert.True(RepositoryFiles.Exists(path), $"README.md names {path}, which is not there."));
    }

    [Fact]
    public void EveryExampleIsTestedCode()
    {
        string examples = RepositoryFiles.Read(ReadmeText.ExamplesFile) + RepositoryFiles.Read("tests/Repository/IommufdReadmeTests.cs");

        Assert.Empty(ReadmeText.ProblemsOfExamples(Readme(), examples));
    }

    [Fact]
    public void OnlyTheFirstCommandOfAKindCounts()
    {
        const string text = "Use `dotnet run`:\n\n```\ndotnet run one\ndotnet run two\n```\n";

        Assert.Equal("dotnet run one", ReadmeText.FirstLine(text, "dotnet run"));
        Assert.Null(ReadmeText.FirstLine(text, "dotnet test"));
    }

    [Fact]
    public void PathsAreFoundInTextCommandsAndLinks()
    {
        const string text = "See engine/Walks. Run `dotnet run --project harness/Cli` or [read](LICENSE), [more](tests/README.md#rooms), "
            + "not https://example.org/tests/none, [that](https://example.org) or harness/Native/bin/Release.";

        Assert.Equal(["engine/Walks", "harness/Cli", "tests/README.md", "LICENSE"], ReadmeText.Paths(text));
    }

    [Theory]
    [InlineData("<!-- example: One -->\n```csharp\nint a = 1;\n\nif (a == 1)\n    a = 2;\n```\n", 0)]
    [InlineData("<!-- example: One -->\n\n```csharp\nint a = 1;\n\nif (a == 1)\n    a = 2;\n```\n", 0)]
    [InlineData("<!-- example: One -->\n```csharp\nint a = 2;\n```\n", 1)]
    [InlineData("```csharp\nint a = 1;\n```\n", 2)]
    [InlineData("<!-- example: Two -->\n```csharp\nint a = 1;\n```\n", 2)]
    [InlineData("```bash\nls\n```\n", 1)]
    public void AnExampleThatIsNotTheTestedCodeIsSeen(string readme, int problems)
    {
        const string examples = "class A\n{\n        #region One\n        int a = 1;\n\n        if (a == 1)\n            a = 2;\n        #endregion\n}\n";

        Assert.Equal(problems, ReadmeText.ProblemsOfExamples(readme, examples).Count());
    }

    private static string Readme() => RepositoryFiles.Read("README.md");
}
