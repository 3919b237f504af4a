namespace Smmu.Fast.Tests.Repository;

/// <summary>The list of rules that no test can show, each with its reason.</summary>
internal static class ExemptRules
{
    /// <summary>Where the list is, relative to the repository; without the file the list is empty.</summary>
    public const string File = "tests/Conformance/not-shown.md";

    /// <summary>Reads the list of the repository: id to reason.</summary>
    public static IReadOnlyDictionary<string, string> Load() => Parse(RepositoryFiles.Exists(File) ? RepositoryFiles.Read(File) : "");

    /// <summary>Reads the rows of a table with the columns id and reason.</summary>
    /// <exception cref="FormatException">A row has no reason, or more cells than two, or an id stands twice.</exception>
    public static IReadOnlyDictionary<string, string> Parse(string markdown)
    {
        var reasons = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in markdown.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith('|')))
        {
            if (line == "| id | reason |" || line.StartsWith("|---", StringComparison.Ordinal)) continue;
            string[] cells = [.. line.Trim('|').Split('|').Select(cell => cell.Trim())];
            if (cells.Length != 2 || cells[1].Length == 0 || !reasons.TryAdd(cells[0], cells[1])) throw new FormatException(
                $"{File}: each row is an id and a reason, and an id stands once: {line}");
        }

        return reasons;
    }
}
