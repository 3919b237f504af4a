using Smmu.Fast.Cli;
using Smmu.Fast.Comparison.Fuzzing;
using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Harness;

/// <summary>The fuzzer goes on where it was stopped, keeps what reaches something new, and saves what fails as scripts.</summary>
public sealed class FuzzCommandTests : IDisposable
{
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(0.5);

    private readonly TemporaryFolder folder = new();

    private string Corpus => Path.Combine(folder.Root, "run");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task AShortRunAgreesAndKeepsWhatItReached()
    {
        var (code, output, error) = await ScriptCommandTests.Run(new(), "fuzz", "--minutes", "0.02", "--threads", "1", "--seed", "3", "--corpus", Corpus);

        Assert.Equal((CommandLine.Agree, ""), (code, error));
        Assert.Matches(@"failures +\| 0 ", output);
        Assert.Matches(@"seed +\| 3 ", output);
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(Corpus, "corpus"), "*.smmu"));
        Assert.Empty(Directory.GetFiles(Path.Combine(Corpus, "failures")));
        Assert.DoesNotContain('\u001b', output);
    }

    [Fact]
    public async Task WhatFailsIsShrunkAndSavedAsAScriptThatRunReplays()
    {
        var planted = new MachineOptions { Plant = command => command.Opcode == CommandOpcode.Sync ? new Command(0xff, 0) : command };

        var (code, output, _) = await ScriptCommandTests.Run(
            planted, "fuzz", "--minutes", "0.02", "--threads", "1", "--max-failures", "1", "--corpus", Corpus);
        string script = Assert.Single(Directory.GetFiles(Path.Combine(Corpus, "failures"), "*.smmu"));

        Assert.Equal(CommandLine.Differ, code);
        Assert.Contains(script, output, StringComparison.Ordinal);
        Assert.InRange(ScriptReader.ReadFile(script).Steps.Count, 1, 20);
        Assert.Equal(CommandLine.Differ, (await ScriptCommandTests.Run(planted, "run", script)).Code);
        Assert.Equal(CommandLine.Agree, (await ScriptCommandTests.Run(new(), "run", script)).Code);
    }

    [Fact]
    public void ARunGoesOnWhereItWasStopped()
    {
        var first = FuzzRun.Run(Options(seed: 5), CancellationToken.None);
        var second = FuzzRun.Run(Options(seed: 6), CancellationToken.None);

        Assert.True(first.Status.Cases > 0 && first.Status.Keys > 0);
        Assert.Equal((5, 5), (first.Seed, second.Seed));
        Assert.Equal((0, first.Status.Cases), (first.Status.CasesBefore, second.Status.CasesBefore));
        Assert.True(second.Status.Keys >= first.Status.Keys);
        Assert.True(second.Status.Kept >= first.Status.Kept);
    }

    [Fact]
    public void AnInterruptedRunKeepsEverything()
    {
        using var ended = new CancellationTokenSource(Moment);

        var report = FuzzRun.Run(Options(seed: 5) with { Duration = TimeSpan.FromMinutes(10) }, ended.Token);
        var next = FuzzRun.Run(Options(seed: 5), CancellationToken.None);

        Assert.True(report.WasInterrupted);
        Assert.Equal(report.Status.Cases, next.Status.CasesBefore);
        Assert.False(next.WasInterrupted);
    }

    [Fact]
    public void SeveralThreadsShareOneCorpus()
    {
        var report = FuzzRun.Run(Options(seed: 9) with { Threads = 3 }, CancellationToken.None);

        Assert.Empty(report.Failures);
        Assert.Equal(report.Status.Kept, Directory.GetFiles(Path.Combine(Corpus, "corpus"), "*.smmu").Length);
    }

    [Theory]
    [InlineData("--minutes", "0")]
    [InlineData("--minutes", "-1")]
    [InlineData("--minutes", "NaN")]
    [InlineData("--minutes", "1e9")]
    [InlineData("--minutes", "60001")]
    [InlineData("--minutes")]
    [InlineData("--seed", "x")]
    [InlineData("--threads", "257")]
    [InlineData("--corpus", "a\0b")]
    [InlineData("--corpus", "/dev/null/run")]
    [InlineData("nonsense")]
    public async Task WhatIsOfNoUseEndsWithTwoAndOneLine(params string[] arguments)
    {
        var (code, output, error) = await ScriptCommandTests.Run(new(), ["fuzz", .. arguments]);

        Assert.Equal((CommandLine.Unusable, ""), (code, output));
        Assert.StartsWith("smmu: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData("state.txt", "nonsense", "this is not the state of a run")]
    [InlineData("keys.txt", "nonsense", "'nonsense' is no key")]
    [InlineData("corpus/wrong.smmu", "consume\nnonsense", "wrong.smmu:2: 'nonsense' is no step")]
    public async Task AFolderThatIsDamagedIsRefused(string file, string text, string reason)
    {
        FuzzRun.Run(Options(seed: 1) with { Duration = TimeSpan.FromMilliseconds(1) }, CancellationToken.None);
        await File.WriteAllTextAsync(Path.Combine(Corpus, file), text);

        var (code, output, error) = await ScriptCommandTests.Run(new(), "fuzz", "--minutes", "0.02", "--corpus", Corpus);

        Assert.Equal((CommandLine.Unusable, ""), (code, output));
        Assert.Contains(reason, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ASceneThatFailsIsSavedWithItsReason(bool throws)
    {
        using var ended = new CancellationTokenSource();
        string failures = Path.Combine(Corpus, "failures");
        var report = FuzzRun.Run(
            Options(seed: 1) with
            {
                Duration = TimeSpan.FromMinutes(10),
                MaximumFailures = 1,
                Progress = _ =>
                {
                    if (Directory.GetFiles(failures, "*.smmu").Length != 0) ended.Cancel();
                },
                DistortScenes = answer => throws ? throw new InvalidOperationException("planted") : answer with { Address = answer.Address ^ 1 },
            },
            ended.Token);

        var failure = Assert.Single(report.Failures);
        Assert.Contains(throws ? "planted" : "address differs", failure.Difference, StringComparison.Ordinal);
        string saved = Assert.Single(Directory.GetFiles(failures, "*.smmu"));
        Assert.NotEmpty(ScriptReader.ReadFile(saved).Steps);
        Assert.Contains("# This scene differs only", File.ReadAllText(saved), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFolderThatAnotherRunUsesIsRefused()
    {
        using (new Corpus(Corpus, seed: 1))
        {
            var (code, output, error) = await ScriptCommandTests.Run(new(), "fuzz", "--minutes", "0.02", "--corpus", Corpus);

            Assert.Equal((CommandLine.Unusable, ""), (code, output));
            Assert.Contains("another run uses the folder", error, StringComparison.Ordinal);
        }

        FuzzRun.Run(Options(seed: 1) with { Duration = TimeSpan.FromMilliseconds(1) }, CancellationToken.None);
    }

    [Theory]
    [InlineData("state.txt")]
    [InlineData("keys.txt")]
    public async Task AFolderThatCannotBeWrittenEndsWithTwo(string file)
    {
        Directory.CreateDirectory(Path.Combine(Corpus, file, "in the way"));

        var (code, _, error) = await ScriptCommandTests.Run(new(), "fuzz", "--minutes", "0.02", "--threads", "1", "--corpus", Corpus);

        Assert.Equal(CommandLine.Unusable, code);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void WhatIsNoScriptInTheFolderIsLeftAlone()
    {
        var first = FuzzRun.Run(Options(seed: 5), CancellationToken.None);
        File.WriteAllText(Path.Combine(Corpus, "corpus", "notes.txt"), "nonsense");
        File.WriteAllText(Path.Combine(Corpus, "corpus", "half.smmu.new"), "nonsense");

        var second = FuzzRun.Run(Options(seed: 5), CancellationToken.None);

        Assert.Equal(first.Status.Cases, second.Status.CasesBefore);
        Assert.Equal("nonsense", File.ReadAllText(Path.Combine(Corpus, "corpus", "notes.txt")));
    }

    [Fact]
    public void ScriptsFromElsewhereAreTakenUp()
    {
        Directory.CreateDirectory(Path.Combine(Corpus, "corpus"));
        File.WriteAllText(Path.Combine(Corpus, "corpus", "mine.smmu"), "access 8 read 0\n");

        using var corpus = new Corpus(Corpus, seed: 1);

        Assert.Equal((0, 1), corpus.Size);
        Assert.True(corpus.TryPick(new Random(1), out var one, out _));
        Assert.IsType<TranslateStep>(Assert.Single(one.Steps));
    }

    [Fact]
    public void TheLongestRunCanBegin()
    {
        using var ended = new CancellationTokenSource(Moment);

        var report = FuzzRun.Run(Options(seed: 5) with { Duration = TimeSpan.FromMinutes(60_000) }, ended.Token);

        Assert.True(report.WasInterrupted);
    }

    private FuzzOptions Options(int seed) => new() { Duration = Moment, Threads = 1, Seed = seed, Folder = Corpus };
}
