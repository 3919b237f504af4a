using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Repository;

/// <summary>What README.md promises: commands, paths and examples.</summary>
/// <remarks>An example is a csharp fence right below the comment <c>&lt;!-- example: Name --&gt;</c>; its code is that of
/// <c>#region Name</c> in <see cref="ExamplesFile"/>.</remarks>
internal static partial class ReadmeText
{
    /// <summary>Where the code of the examples is compiled and run.</summary>
    public const string ExamplesFile = "tests/Repository/ReadmeExamples.cs";

    /// <summary>The first line that starts so; null when there is none.</summary>
    public static string? FirstLine(string readme, string start) =>
        readme.ReplaceLineEndings("\n").Split('\n').FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal));

    /// <summary>The paths below the folders of the repository and the targets of links; build output is left out.</summary>
    public static IReadOnlyList<string> Paths(string readme) =>
    [
        .. Path().Matches(readme).Concat(Link().Matches(readme))
            .Select(match => match.Groups["path"].Value.TrimEnd('.', '/'))
            .Where(path => path.Length != 0 && !BuildOutput().IsMatch(path))
            .Distinct(StringComparer.Ordinal),
    ];

    /// <summary>What is wrong with the examples, each as a sentence.</summary>
    public static IEnumerable<string> ProblemsOfExamples(string readme, string examples)
    {
        var regions = Regions(examples);
        var shown = new HashSet<string>(StringComparer.Ordinal);
        foreach (Match fence in Fence().Matches(readme.ReplaceLineEndings("\n")))
        {
            string name = fence.Groups["name"].Value;
            string code = fence.Groups["code"].Value;
            if (name.Length == 0) yield return $"README.md: a csharp fence without '<!-- example: Name -->' right above it: {code}";
            else if (!regions.TryGetValue(name, out string? compiled)) yield return $"README.md: {ExamplesFile} has no '#region {name}'.";
            else if (compiled != code) yield return $"README.md: the example {name} is not the code of {ExamplesFile}.";
            shown.Add(name);
        }

        foreach (string name in regions.Keys.Where(name => !shown.Contains(name)))
        {
            yield return $"{ExamplesFile}: README.md does not show '#region {name}'.";
        }
    }

    // Region name to its code, moved left as far as its first line allows.
    private static Dictionary<string, string> Regions(string source)
    {
        var regions = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match match in Region().Matches(source.ReplaceLineEndings("\n")))
        {
            string[] lines = match.Groups["code"].Value.TrimEnd('\n').Split('\n');
            int indent = lines[0].Length - lines[0].TrimStart().Length;
            regions[match.Groups["name"].Value] =
                string.Concat(lines.Select(line => (line.Length >= indent ? line[indent..] : line.TrimStart()) + "\n"));
        }

        return regions;
    }

    [GeneratedRegex(@"(?<![\w/.-])(?<path>(engine|harness|perf|props|tests|\.ci)/[\w./-]*)", RegexOptions.CultureInvariant)]
    private static partial Regex Path();

    [GeneratedRegex(@"\]\((?!https?:|mailto:|#)(?<path>[^)#\s]+)", RegexOptions.CultureInvariant)]
    private static partial Regex Link();

    [GeneratedRegex(@"/(bin|obj)(/|$)", RegexOptions.CultureInvariant)]
    private static partial Regex BuildOutput();

    [GeneratedRegex(@"(<!-- example: (?<name>\w+) -->\n+)?^```(csharp|cs|c#)\n(?<code>.*?)^```$",
        RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^[ \t]*#region (?<name>\w+)\n(?<code>.*?)^[ \t]*#endregion", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Region();
}
