using System.Globalization;
using System.Text;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Puts the rules, the tags of tests, and the list of rules that cannot be shown side by side.</summary>
internal sealed class ConformanceReport(RuleCatalogue catalogue, IReadOnlyList<RuleTag> tags, IReadOnlyDictionary<string, string> exempt)
{
    /// <summary>Writes the report anew.</summary>
    public const string Command = "SMMU_REGENERATE=1 dotnet test tests --filter FullyQualifiedName~ConformanceTests";

    private readonly ILookup<string, string> testsOf = tags.Where(tag => tag.IsRun).ToLookup(tag => tag.Id, tag => tag.Test, StringComparer.Ordinal);

    /// <summary>What is wrong with the tags and with the list, each as a sentence that says what to do.</summary>
    public IEnumerable<string> Problems()
    {
        foreach (var tag in tags)
        {
            if (catalogue.Find(tag.Id) is null) yield return
                $"{tag.Test} names {tag.Id}, which is in no table of {RuleCatalogue.Folder}: mend the id.";
            if (!tag.IsRun) yield return
                $"{tag.Test} names {tag.Id} but is no test that runs: make it one, or move the tag to one.";
        }

        foreach (string id in exempt.Keys)
        {
            if (catalogue.Find(id) is null) yield return
                $"{ExemptRules.File} names {id}, which is in no table of {RuleCatalogue.Folder}: mend the id.";
            if (testsOf.Contains(id)) yield return
                $"{ExemptRules.File} says that {id} cannot be shown, but {testsOf[id].First()} shows it: take the row out.";
        }
    }

    /// <summary>Ids of the rules of a level, in a chapter or all, that no test shows and that are not exempt.</summary>
    public IEnumerable<string> RulesNotShown(RuleLevel level, string? chapter = null) => catalogue.Rules
        .Where(rule => rule.Level == level && (chapter == null || rule.Chapter == chapter))
        .Where(rule => !testsOf.Contains(rule.Id) && !exempt.ContainsKey(rule.Id))
        .Select(rule => rule.Id);

    /// <summary>The whole of tests/CONFORMANCE.md: the same text for the same rules and tags.</summary>
    public string Write()
    {
        var text = new StringBuilder();
        text.Append("# Which test shows which rule\n\nMade from the `[Rule]` tags; not to be edited. To make it anew:\n\n");
        text.Append("```\n").Append(Command).Append("\n```\n\n");
        text.Append("The rules are in [Conformance/rules](Conformance/rules/README.md), which also says what core, full and ext mean. ");
        text.Append("Counts are rules shown of rules there are.\n\n");
        text.Append("| chapter | core | full | ext |\n|---|---|---|---|\n");
        var chapters = catalogue.Rules.GroupBy(rule => rule.Chapter, StringComparer.Ordinal).ToList();
        foreach (var chapter in chapters) AppendCounts(text, $"[{chapter.Key}](Conformance/rules/{chapter.Key}.md)", [.. chapter]);
        AppendCounts(text, "**all**", catalogue.Rules);
        foreach (var chapter in chapters) AppendChapter(text, chapter.Key, [.. chapter]);
        return text.ToString();
    }

    private void AppendCounts(StringBuilder text, string name, IReadOnlyList<ConformanceRule> rules)
    {
        text.Append("| ").Append(name);
        foreach (var level in Enum.GetValues<RuleLevel>())
        {
            int all = rules.Count(rule => rule.Level == level);
            int shown = rules.Count(rule => rule.Level == level && testsOf.Contains(rule.Id));
            text.Append(CultureInfo.InvariantCulture, $" | {(all == 0 ? "-" : $"{shown} / {all}")}");
        }

        text.Append(" |\n");
    }

    private void AppendChapter(StringBuilder text, string chapter, IReadOnlyList<ConformanceRule> rules)
    {
        var shown = rules.Where(rule => testsOf.Contains(rule.Id)).ToList();
        var missing = RulesNotShown(RuleLevel.Core, chapter).ToList();
        var exempted = rules.Where(rule => exempt.ContainsKey(rule.Id)).Select(rule => rule.Id).ToList();
        if (shown.Count + missing.Count + exempted.Count == 0) return;

        text.Append("\n## ").Append(chapter).Append('\n');
        if (shown.Count != 0) text.Append("\n| rule | level | tests |\n|---|---|---|\n");
        foreach (var rule in shown)
        {
            var tests = testsOf[rule.Id].Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
            string level = rule.Level.ToString().ToLowerInvariant();
            text.Append(CultureInfo.InvariantCulture, $"| {rule.Id} | {level} | {string.Join("<br>", tests)} |\n");
        }

        AppendList(text, "Core rules not shown yet", missing);
        AppendList(text, "Rules that cannot be shown ([why](Conformance/not-shown.md))", exempted);
    }

    private static void AppendList(StringBuilder text, string title, List<string> ids)
    {
        if (ids.Count != 0) text.Append(CultureInfo.InvariantCulture, $"\n{title}: {string.Join(", ", ids)}\n");
    }
}
