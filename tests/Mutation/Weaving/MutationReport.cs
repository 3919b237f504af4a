using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Mutation.Weaving;

/// <summary>How a mutant ended.</summary>
internal enum MutantEnd
{
    /// <summary>Every test passed.</summary>
    Survived,

    /// <summary>A test failed.</summary>
    Failed,

    /// <summary>The process of the tests ended, as by an access outside of memory.</summary>
    Crashed,

    /// <summary>The tests did not end in time.</summary>
    TimedOut,
}

/// <summary>What became of a mutant.</summary>
/// <param name="Mutant">The mutant.</param>
/// <param name="End">How it ended.</param>
/// <param name="Test">The test that failed, or that ran when the process ended; null for none.</param>
/// <param name="Seconds">What it took.</param>
internal sealed record MutantVerdict(Mutant Mutant, MutantEnd End, string? Test, double Seconds)
{
    /// <summary>True when something noticed the breakage; the time limit alone notices nothing.</summary>
    public bool IsCaught => End is MutantEnd.Failed or MutantEnd.Crashed;

    /// <summary>The end in words, as the report has it.</summary>
    public string CaughtBy => End switch
    {
        MutantEnd.Survived => $"nothing: it {MutationReport.Survived}",
        MutantEnd.Failed => $"`{Test}`",
        MutantEnd.Crashed => $"the process ended in `{Test}`",
        _ => $"nothing: it {MutationReport.Survived} the time limit, in `{Test}`",
    };
}

/// <summary>The report in tests/MUTATION.md.</summary>
internal static partial class MutationReport
{
    /// <summary>A word that only rows of mutants have which nothing caught.</summary>
    public const string Survived = "survived";

    /// <summary>Writes the report.</summary>
    /// <param name="mutants">All mutants, those of a room together.</param>
    /// <param name="verdicts">What became of those that were tried.</param>
    /// <param name="previous">The report before, whose rows stand for those that were not; may be empty.</param>
    public static string Of(IReadOnlyList<Mutant> mutants, IReadOnlyList<MutantVerdict> verdicts, string previous = "")
    {
        var tried = verdicts.ToDictionary(verdict => verdict.Mutant);
        var kept = previous.Split('\n');
        var rows = mutants.ToDictionary(mutant => mutant, mutant => RowOf(mutant, tried.GetValueOrDefault(mutant), kept));
        int caught = rows.Values.Count(row => !row.Contains(Survived, StringComparison.Ordinal));
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            # Mutation

            {caught} of {mutants.Count} deliberate breakages of the engine are caught. Each is tried alone, by a run of the fast tests that
            stops at the first failure: the test of the last report and those of the rules it breaks first, then those of its room, then
            all others, then the properties. Made by `dotnet run -c Release --project tests/Mutation`; the lists are in
            `Mutation/Mutants/`.

            """);
        foreach (var room in mutants.GroupBy(mutant => mutant.Room))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n## {room.Key}\n\n| id | what is broken | file | caught by | s |\n|---|---|---|---|---|\n");
            foreach (var mutant in room) text.Append(rows[mutant]).Append('\n');
        }

        return text.ToString();
    }

    private static string RowOf(Mutant mutant, MutantVerdict? verdict, string[] kept)
    {
        string row = $"| {mutant.Id} | {mutant.Summary} | `{mutant.File}` | ";
        if (verdict is not null) return string.Create(CultureInfo.InvariantCulture, $"{row}{verdict.CaughtBy} | {verdict.Seconds:F1} |");
        return Array.Find(kept, line => line.StartsWith(row, StringComparison.Ordinal)) ?? $"{row}nothing: it {Survived}, as it was not tried | 0.0 |";
    }

    /// <summary>The ids that a report lists, in its order.</summary>
    public static IReadOnlyList<string> IdsOf(string report) => [.. Row().Matches(report).Select(match => match.Groups[1].Value)];

    /// <summary>The tests that caught the mutants of a report, by id.</summary>
    public static IReadOnlyDictionary<string, string> TestsOf(string report) =>
        RowWithTest().Matches(report).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);

    [GeneratedRegex(@"^\| ([A-Z0-9]+-\d+) \|.*`([\w.]+)` \| [\d.]+ \|$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex RowWithTest();

    [GeneratedRegex(@"^\| ([A-Z0-9]+-\d+) \|", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Row();
}
