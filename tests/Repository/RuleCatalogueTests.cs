namespace Smmu.Fast.Tests.Repository;

/// <summary>Every row of a rule table is read, or refused aloud; none gets lost.</summary>
public class RuleCatalogueTests
{
    private const string Head = "| id | rule | section | needs | level |\n|---|---|---|---|---|\n";

    [Fact]
    public void EveryRowThatLooksLikeARuleIsInTheCatalogue()
    {
        var catalogue = RuleCatalogue.Load();

        int rows = RepositoryFiles.EndingWith(".md", RuleCatalogue.Folder)
            .SelectMany(file => RepositoryFiles.Read(file).Split('\n'))
            .Count(line => line.EndsWith(" core |", StringComparison.Ordinal)
                || line.EndsWith(" full |", StringComparison.Ordinal) || line.EndsWith(" ext |", StringComparison.Ordinal));
        Assert.True(rows > 1000);
        Assert.Equal(rows, catalogue.Rules.Count);
    }

    [Fact]
    public void ARowIsReadCellByCell()
    {
        var rule = RuleCatalogue.Load().Find("CMD-TLBI-14");

        Assert.NotNull(rule);
        Assert.Equal("commands-tlbi", rule.Chapter);
        Assert.Equal(RuleLevel.Core, rule.Level);
        Assert.NotEmpty(rule.Text);
        Assert.NotEmpty(rule.Section);
        Assert.NotEmpty(rule.Needs);
    }

    [Fact]
    public void AnUnknownIdIsNotFound() => Assert.Null(RuleCatalogue.Load().Find("CMD-TLBI-9999"));

    [Theory]
    [InlineData("| Q-1 | Text. | 3.5 | core |")]
    [InlineData("| Q-1 | Text. | 3.5 | - | later |")]
    [InlineData("| q-1 | Text. | 3.5 | - | core |")]
    public void ARowThatIsNoRuleIsRefused(string row)
    {
        var catalogue = new RuleCatalogue();

        Assert.Throws<FormatException>(() => catalogue.Add("made-up", Head + row));
    }

    [Fact]
    public void AnIdThatStandsTwiceIsRefused()
    {
        var catalogue = new RuleCatalogue();
        catalogue.Add("one", Head + "| Q-1 | Text. | 3.5 | - | core |");

        Assert.Throws<FormatException>(() => catalogue.Add("two", Head + "| Q-1 | Other text. | 3.5 | - | full |"));
    }

    [Fact]
    public void TablesWithAnotherHeaderHoldNoRules()
    {
        var catalogue = new RuleCatalogue();
        catalogue.Add("map", "| offset | name |\n|---|---|\n| 0x0 | IDR0 |\n");

        Assert.Empty(catalogue.Rules);
    }
}
