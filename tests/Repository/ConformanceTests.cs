namespace Smmu.Fast.Tests.Repository;

/// <summary>The tags of the tests, the rule tables and tests/CONFORMANCE.md say the same.</summary>
public class ConformanceTests
{
    private const string ReportFile = "tests/CONFORMANCE.md";

    private static readonly ConformanceReport Report = new(RuleCatalogue.Load(), RuleTag.FindAll(), ExemptRules.Load());

    /// <summary>Chapters of which every core rule is shown; a chapter that got there stays there.</summary>
    public static TheoryData<string> WholeChapters =>
    [
        "register-access-rules",
        "registers-queues",
        "queues",
        "commands-general",
        "commands-sync",
        "stream-table",
        "walk-stage1",
        "msi-interrupts",
        "gerror",
    ];

    [Fact]
    public void EveryTagNamesARuleAndStandsOnATest()
    {
        Assert.NotEmpty(RuleTag.FindAll());
        Assert.Empty(Report.Problems());
    }

    [Fact]
    public void TheReportIsWhatTheTagsGive()
    {
        string path = Path.Combine(RepositoryFiles.Root, ReportFile);
        string report = Report.Write();
        if (Environment.GetEnvironmentVariable("SMMU_REGENERATE") == "1") File.WriteAllText(path, report);

        string committed = File.Exists(path) ? File.ReadAllText(path) : "";
        Assert.True(committed == report, $"{ReportFile} is not what the [Rule] tags give. Make it anew: {ConformanceReport.Command}");
    }

    [Theory]
    [MemberData(nameof(WholeChapters))]
    public void EveryCoreRuleOfAWholeChapterIsShown(string chapter)
    {
        Assert.Contains(RuleCatalogue.Load().Rules, rule => rule.Chapter == chapter && rule.Level == RuleLevel.Core);
        string missing = string.Join(", ", Report.CoreRulesNotShown(chapter));
        Assert.True(missing.Length == 0, $"No test names these core rules of {chapter}: {missing}. Tag the tests that show them, or write them.");
    }
}
