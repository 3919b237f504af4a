namespace Smmu.Fast.Tests.Mutation.Weaving;

/// <summary>Reads the lists of mutants: one text file a room.</summary>
/// <remarks>
/// A mutant opens with a line "== ID what is broken". Lines "rules", "file", "in", "-" and "+" follow: ids of rules (optional),
/// the source, a passage around the original (optional), the original, and what replaces it. The last three may take several
/// lines, each with its mark; white space at their ends does not count. Empty lines and lines that begin with # say nothing.
/// </remarks>
internal static class MutantList
{
    private const string Ending = ".txt";

    /// <summary>Reads every list of a folder, in the order of the lists' names.</summary>
    /// <param name="folder">Path of the folder.</param>
    /// <exception cref="FormatException">A list is malformed, or two mutants share an id.</exception>
    public static IReadOnlyList<Mutant> ReadFolder(string folder)
    {
        var mutants = Directory.EnumerateFiles(folder, "*" + Ending)
            .Order(StringComparer.Ordinal)
            .SelectMany(file => Read(Path.GetFileNameWithoutExtension(file), File.ReadAllText(file)))
            .ToList();
        var twice = mutants.GroupBy(mutant => mutant.Id).FirstOrDefault(group => group.Count() > 1);
        return twice is null ? mutants : throw new FormatException($"Two mutants are called {twice.Key}: rename one.");
    }

    /// <summary>Reads one list.</summary>
    /// <param name="room">The room whose list it is.</param>
    /// <param name="text">The list.</param>
    /// <exception cref="FormatException">The list is malformed.</exception>
    public static IReadOnlyList<Mutant> Read(string room, string text)
    {
        var mutants = new List<Mutant>();
        Entry? entry = null;
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            int blank = line.IndexOf(' ', StringComparison.Ordinal);
            string mark = blank < 0 ? line : line[..blank];
            string rest = blank < 0 ? "" : line[blank..].Trim();
            if (mark == "==")
            {
                if (entry is not null) mutants.Add(entry.Finish(room));
                entry = new Entry(rest);
            }
            else if (entry is null || !entry.TryAdd(mark, rest))
            {
                throw new FormatException($"{room}{Ending}: '{line}' is no line of a mutant.");
            }
        }

        if (entry is not null) mutants.Add(entry.Finish(room));
        return mutants;
    }

    // A mutant while its lines are read.
    private sealed class Entry(string title)
    {
        private readonly Dictionary<string, List<string>> lines = new(StringComparer.Ordinal)
        {
            ["rules"] = [],
            ["file"] = [],
            ["in"] = [],
            ["-"] = [],
            ["+"] = [],
        };

        public bool TryAdd(string mark, string rest)
        {
            if (!lines.TryGetValue(mark, out var known)) return false;
            known.Add(rest);
            return true;
        }

        public Mutant Finish(string room)
        {
            string[] words = title.Split(' ', 2);
            string original = Text("-");
            string broken = Text("+");
            bool whole = words.Length == 2 && lines["file"].Count == 1 && lines["+"].Count != 0 && original.Length != 0;
            var mutant = whole
                ? new Mutant(
                    words[0],
                    room,
                    words[1],
                    [.. string.Join(' ', lines["rules"]).Split(' ', StringSplitOptions.RemoveEmptyEntries)],
                    lines["file"][0],
                    Text("in"),
                    original,
                    broken)
                : null;
            bool sane = mutant is not null && (mutant.IsStatement || broken.Length != 0) && original != broken;
            return sane ? mutant! : throw new FormatException(
                $"{room}{Ending}: '{title}' needs an id, a summary, one file, an original (-) and something else instead of it (+).");
        }

        private string Text(string mark) => string.Join('\n', lines[mark]);
    }
}
