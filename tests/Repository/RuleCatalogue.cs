using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Repository;

/// <summary>How much of the architecture a rule belongs to; tests/Conformance/rules/README.md says what each means.</summary>
internal enum RuleLevel
{
    /// <summary>What a Linux- or QEMU-class driver needs.</summary>
    Core,

    /// <summary>The rest of SMMUv3.0 to 3.2, Non-secure, with ECMDQ, ATOS and PMCG.</summary>
    Full,

    /// <summary>3.3 and later, Secure, Realm, and the rare.</summary>
    Ext,
}

/// <summary>One row of a rule table.</summary>
/// <param name="Id">Such as CMD-TLBI-14; unique in all tables.</param>
/// <param name="Chapter">Name of the table's file without its ending.</param>
/// <param name="Text">The rule.</param>
/// <param name="Section">Where the architecture says so.</param>
/// <param name="Needs">The ID register field that gates it; "-" for none.</param>
/// <param name="Level">How much of the architecture it belongs to.</param>
internal sealed record ConformanceRule(string Id, string Chapter, string Text, string Section, string Needs, RuleLevel Level);

/// <summary>The rules of tests/Conformance/rules, in the order of file names and rows.</summary>
internal sealed partial class RuleCatalogue
{
    /// <summary>Folder of the tables, relative to the repository.</summary>
    public const string Folder = "tests/Conformance/rules";

    private const string Header = "| id | rule | section | needs | level |";

    private readonly Dictionary<string, ConformanceRule> byId = new(StringComparer.Ordinal);
    private readonly List<ConformanceRule> rules = [];

    /// <summary>Every rule.</summary>
    public IReadOnlyList<ConformanceRule> Rules => rules;

    /// <summary>The rule of an id; null for an unknown one.</summary>
    public ConformanceRule? Find(string id) => byId.GetValueOrDefault(id);

    /// <summary>Reads the tables of the repository.</summary>
    public static RuleCatalogue Load()
    {
        var catalogue = new RuleCatalogue();
        foreach (string file in RepositoryFiles.EndingWith(".md", Folder))
        {
            catalogue.Add(Path.GetFileNameWithoutExtension(file), RepositoryFiles.Read(file));
        }

        return catalogue;
    }

    /// <summary>Adds the rules of one file; tables with another header are maps and hold none.</summary>
    /// <exception cref="FormatException">A row cannot be read, or its id was seen before.</exception>
    public void Add(string chapter, string markdown)
    {
        bool inRules = false;
        foreach (string line in markdown.Split('\n').Select(line => line.TrimEnd()))
        {
            if (line == Header) inRules = true;
            else if (!line.StartsWith('|')) inRules = false;
            else if (inRules && !line.StartsWith("|---", StringComparison.Ordinal)) AddRow(chapter, line);
        }
    }

    private void AddRow(string chapter, string line)
    {
        var match = Row().Match(line);
        if (!match.Success || !Enum.TryParse<RuleLevel>(match.Groups["level"].Value, ignoreCase: true, out var level))
        {
            throw new FormatException(
                $"{Folder}/{chapter}.md: this row is no rule (id, rule, section, needs, and core, full or ext): {line}");
        }

        string Cell(string name) => match.Groups[name].Value.Trim();
        var rule = new ConformanceRule(Cell("id"), chapter, Cell("text"), Cell("section"), Cell("needs"), level);
        if (!byId.TryAdd(rule.Id, rule)) throw new FormatException(
            $"{Folder}/{chapter}.md: {rule.Id} stands in {byId[rule.Id].Chapter}.md already; give the rule an id of its own.");
        rules.Add(rule);
    }

    [GeneratedRegex(@"^\| (?<id>[A-Z0-9]+(-[A-Z]+)*-\d+) \|(?<text>.+)\|(?<section>[^|]+)\|(?<needs>[^|]+)\| (?<level>[a-z]+) \|$",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Row();
}
