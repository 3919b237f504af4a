using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Smmu.Fast.Tests.Mutation.Weaving;

/// <summary>Puts mutants into a source, each behind a question whether it is the selected one.</summary>
internal static class Weaver
{
    /// <summary>Says whether a mutant is the selected one; takes its number.</summary>
    public const string Question = "global::Smmu.Fast.SelectedMutant.Is";

    /// <summary>Weaves mutants into a source.</summary>
    /// <param name="source">The source, as it is in the engine.</param>
    /// <param name="mutants">The mutants of this source with their numbers, from 1.</param>
    /// <exception cref="FormatException">An original is not there exactly once, or two overlap without one inside the other.</exception>
    public static string Weave(string source, IEnumerable<(int Number, Mutant Mutant)> mutants)
    {
        var spots = mutants
            .Select(item => Locate(source, item.Number, item.Mutant))
            .OrderBy(spot => spot.Start)
            .ThenByDescending(spot => spot.End)
            .ToList();
        var text = new StringBuilder();
        int next = 0;
        Append(text, source, 0, source.Length, spots, ref next);
        return text.ToString();
    }

    /// <summary>Finds the original of a mutant.</summary>
    /// <param name="source">The source it belongs to.</param>
    /// <param name="mutant">The mutant.</param>
    /// <returns>Where the original begins and ends.</returns>
    /// <exception cref="FormatException">It is not there exactly once.</exception>
    public static (int Start, int End) Find(string source, Mutant mutant)
    {
        int from = 0;
        string passage = source;
        if (mutant.Context.Length != 0)
        {
            var context = Single(passage, mutant.Context, mutant, "the passage");
            from = context.Index;
            passage = context.Value;
        }

        var original = Single(passage, mutant.Original, mutant, "the original");
        return (from + original.Index, from + original.Index + original.Length);
    }

    private static Match Single(string text, string sought, Mutant mutant, string name)
    {
        string pattern = string.Join(@"\s*\n\s*", sought.Split('\n').Select(Regex.Escape));
        var matches = Regex.Matches(text, pattern, RegexOptions.CultureInvariant);
        return matches.Count == 1 ? matches[0] : throw new FormatException(
            $"{mutant.Id}: {name} occurs {matches.Count} times in engine/{mutant.File}, and must occur once: {sought}");
    }

    private static Spot Locate(string source, int number, Mutant mutant)
    {
        var (start, end) = Find(source, mutant);
        return new Spot(start, end, number, mutant);
    }

    // The text of a range; a spot inside of another one is woven into the original of the outer one.
    private static void Append(StringBuilder text, string source, int start, int end, List<Spot> spots, ref int next)
    {
        int position = start;
        while (next < spots.Count && spots[next].Start < end)
        {
            var spot = spots[next++];
            if (spot.Start < position || spot.End > end) throw new FormatException(
                $"{spot.Mutant.Id} overlaps with another mutant of engine/{spot.Mutant.File}: choose originals apart.");
            text.Append(source, position, spot.Start - position);
            string question = $"{Question}({spot.Number.ToString(CultureInfo.InvariantCulture)})";
            if (spot.Mutant.IsStatement) text.Append(CultureInfo.InvariantCulture, $"{{ if ({question}) {{ {spot.Mutant.Broken} }} else {{ ");
            else text.Append(CultureInfo.InvariantCulture, $"({question} ? ({spot.Mutant.Broken}) : (");
            Append(text, source, spot.Start, spot.End, spots, ref next);
            text.Append(spot.Mutant.IsStatement ? " } }" : "))");
            position = spot.End;
        }

        text.Append(source, position, end - position);
    }

    private readonly record struct Spot(int Start, int End, int Number, Mutant Mutant);
}
