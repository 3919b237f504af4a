namespace Smmu.Fast.Tests.Repository;

/// <summary>The tags of the tests, the rule tables and tests/CONFORMANCE.md say the same.</summary>
public class ConformanceTests
{
    private const string ReportFile = "tests/CONFORMANCE.md";

    private static readonly ConformanceReport Report = new(RuleCatalogue.Load(), RuleTag.FindAll(), ExemptRules.Load());

    /// <summary>Chapters of which the full rules are shown as well as the core ones.</summary>
    public static TheoryData<string> WholeChapters =>
    [
        "access-flag-dirty",
        "httu",
        "walk-nested",
        "commands-tlbi",
        "caching-and-invalidation",
        "tlb-tagging",
        "faults-stall-terminate",
        "permissions",
        "attributes",
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

    [Fact]
    public void EveryCoreRuleIsShownOrCannotBe()
    {
        string missing = string.Join(", ", Report.RulesNotShown(RuleLevel.Core));
        Assert.True(missing.Length == 0, $"No test names these core rules: {missing}. Tag the tests that show them, or write them.");
    }

    [Theory]
    [MemberData(nameof(WholeChapters))]
    public void EveryFullRuleOfAWholeChapterIsShownOrCannotBe(string chapter)
    {
        Assert.Contains(RuleCatalogue.Load().Rules, rule => rule.Chapter == chapter && rule.Level == RuleLevel.Full);
        string missing = string.Join(", ", Report.RulesNotShown(RuleLevel.Full, chapter));
        Assert.True(missing.Length == 0, $"No test names these rules of {chapter}: {missing}. Tag the tests that show them, or write them.");
    }
}
