using System.Reflection;
using System.Reflection.Emit;

namespace Smmu.Fast.Tests.Repository;

/// <summary>The check of the tags can fail: each kind of mistake is made once, on purpose.</summary>
public class ConformanceReportTests
{
    private const string Rules =
        """
        | id | rule | section | needs | level |
        |---|---|---|---|---|
        | Q-01 | First. | 3.5 | - | core |
        | Q-02 | Second. | 3.5 | - | core |
        | Q-03 | Third. | 3.5 | - | ext |
        """;

    private static readonly RuleTag Good = new("Q-01", "QueueTests.Works", IsRun: true);

    [Fact]
    public void AGoodTagIsNoProblem() => Assert.Empty(ReportOf([Good]).Problems());

    [Fact]
    public void AnUnknownIdIsAProblem() =>
        Assert.Contains("Q-99", Assert.Single(ReportOf([Good, Good with { Id = "Q-99" }]).Problems()), StringComparison.Ordinal);

    [Fact]
    public void ATagOnAMethodThatDoesNotRunIsAProblemAndShowsNothing()
    {
        var report = ReportOf([Good with { IsRun = false }]);

        Assert.Contains(Good.Test, Assert.Single(report.Problems()), StringComparison.Ordinal);
        Assert.Equal(["Q-01", "Q-02"], report.RulesNotShown(RuleLevel.Core, "queues"));
    }

    [Fact]
    public void AnExemptRuleThatIsShownIsAProblem() => Assert.Single(ReportOf([Good], "| Q-01 | Cannot be seen. |").Problems());

    [Fact]
    public void AnExemptRuleThatIsUnknownIsAProblem() => Assert.Single(ReportOf([Good], "| Q-99 | Cannot be seen. |").Problems());

    [Theory]
    [InlineData("| Q-02 |")]
    [InlineData("| Q-02 | |")]
    [InlineData("| Q-02 | One. |\n| Q-02 | Two. |")]
    public void AnExemptionNeedsOneReason(string rows) => Assert.Throws<FormatException>(() => ExemptRules.Parse(rows));

    [Fact]
    public void OnlyCoreRulesThatAreNeitherShownNorExemptAreMissing()
    {
        Assert.Equal(["Q-02"], ReportOf([Good]).RulesNotShown(RuleLevel.Core, "queues"));
        Assert.Empty(ReportOf([Good], "| Q-02 | Cannot be seen. |").RulesNotShown(RuleLevel.Core, "queues"));
    }

    [Fact]
    public void TheReportChangesWithATagAndNotWithTheOrderOfTags()
    {
        var other = new RuleTag("Q-01", "OtherTests.WorksToo", IsRun: true);

        Assert.NotEqual(ReportOf([Good]).Write(), ReportOf([Good, other]).Write());
        Assert.Equal(ReportOf([other, Good]).Write(), ReportOf([Good, other]).Write());
        Assert.Contains("| Q-01 | core | OtherTests.WorksToo<br>QueueTests.Works |", ReportOf([Good, other]).Write(), StringComparison.Ordinal);
    }

    [Fact]
    public void TheReportCountsByLevelAndListsWhatIsMissing()
    {
        string report = ReportOf([Good]).Write();

        Assert.Contains("| [queues](Conformance/rules/queues.md) | 1 / 2 | - | 0 / 1 |", report, StringComparison.Ordinal);
        Assert.Contains("Core rules not shown yet: Q-02\n", report, StringComparison.Ordinal);
    }

    [Fact]
    public void AScanFindsTagsAndTellsTestsThatRunFromOthers()
    {
        var module = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName("MadeUp"), AssemblyBuilderAccess.Run).DefineDynamicModule("MadeUp");
        var plain = Define(module, "Smmu.Fast.Tests.Queues.PlainTests", TypeAttributes.Public, parent: null, "Q-01");
        var shared = Define(module, "Smmu.Fast.Tests.Queues.SharedTests", TypeAttributes.Public | TypeAttributes.Abstract, parent: null, "Q-02");
        Define(module, "Smmu.Fast.Tests.Queues.DerivedTests", TypeAttributes.Public, shared, id: null);
        Define(module, "Smmu.Fast.Tests.Queues.OrphanTests", TypeAttributes.Public | TypeAttributes.Abstract, parent: null, "Q-03");

        Assert.Equal(
            [
                new("Q-03", "Queues.OrphanTests.Helper", IsRun: false),
                new("Q-03", "Queues.OrphanTests.Test", IsRun: false),
                new("Q-01", "Queues.PlainTests.Helper", IsRun: false),
                new("Q-01", "Queues.PlainTests.Test", IsRun: true),
                new("Q-02", "Queues.SharedTests.Helper", IsRun: false),
                new("Q-02", "Queues.SharedTests.Test", IsRun: true),
            ],
            RuleTag.FindIn(plain.Assembly));
    }

    private static ConformanceReport ReportOf(RuleTag[] tags, string exempt = "")
    {
        var catalogue = new RuleCatalogue();
        catalogue.Add("queues", Rules);
        return new ConformanceReport(catalogue, tags, ExemptRules.Parse(exempt));
    }

    // A class with two tagged methods: Test, which is a fact, and Helper, which is none.
    private static Type Define(ModuleBuilder module, string name, TypeAttributes attributes, Type? parent, string? id)
    {
        var type = module.DefineType(name, attributes, parent);
        if (id is not null)
        {
            var rule = new CustomAttributeBuilder(typeof(RuleAttribute).GetConstructors()[0], [id]);
            var fact = new CustomAttributeBuilder(typeof(FactAttribute).GetConstructor([])!, []);
            foreach (string methodName in (string[])["Test", "Helper"])
            {
                var method = type.DefineMethod(methodName, MethodAttributes.Public);
                method.SetCustomAttribute(rule);
                if (methodName == "Test") method.SetCustomAttribute(fact);
                method.GetILGenerator().Emit(OpCodes.Ret);
            }
        }

        return type.CreateType();
    }
}
