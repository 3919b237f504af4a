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
        "registers-control",
        "registers-id",
        "registers-irq-msi",
        "registers-queues",
        "registers-secure",
        "memory-map",
        "queues",
        "commands-general",
        "commands-cfgi",
        "commands-sync",
        "commands-tlbi",
        "stream-table",
        "stream-substream-lookup",
        "ste",
        "ste-validity",
        "cd",
        "cd-table",
        "cd-validity",
        "translation-order",
        "walk-stage1",
        "walk-stage2",
        "walk-nested",
        "descriptors",
        "permissions",
        "access-flag-dirty",
        "attributes",
        "address-sizes",
        "address-size-faults",
        "events",
        "fault-config",
        "faults-stall-terminate",
        "gerror",
        "msi-interrupts",
        "caching-and-invalidation",
        "tlb-tagging",
        "enable-disable-and-update-procedures",
        "secure",
        "special-transactions",
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
