using Smmu.Fast.Perf.Running;

namespace Smmu.Fast.Perf.Aims;

/// <summary>A part of an aim, and what was measured.</summary>
internal sealed record PartVerdict(
    AimPart Part, double Ours, double? OneCall, double? Dependent, double? Floor, double? Textbook)
{
    /// <summary>The number that ours must not pass.</summary>
    public double Limit => Part.OverFloor ? Part.Limit + (Floor ?? 0) : Part.Limit;

    /// <summary>True when it does not.</summary>
    public bool IsMet => Part.AtLeast ? Ours >= Limit : Ours <= Limit;

    /// <summary>True when the same by one call for each access does not either.</summary>
    public bool IsMetByOneCall => OneCall is null || OneCall <= Limit;

    /// <summary>Our number, and what stands beside it.</summary>
    public string Describe()
    {
        string[] beside =
        [
            .. OneCall is { } call ? [$"one call {Show(call)}"] : Array.Empty<string>(),
            .. Dependent is { } wait ? [$"dependent {Show(wait)}"] : Array.Empty<string>(),
        ];
        return $"**{Show(Ours)}**{(beside.Length > 0 ? $" ({string.Join(", ", beside)})" : "")}";
    }

    /// <summary>The limit in words.</summary>
    public string ShowLimit() => $"{(Part.AtLeast ? "≥" : "≤")} {Show(Limit)}";

    /// <summary>A number in the unit of the part.</summary>
    public string Show(double? value) => Numbers.Of(value, Part.Unit);
}

/// <summary>An aim, and whether it is met.</summary>
internal sealed record Verdict(Aim Aim, IReadOnlyList<PartVerdict> Parts)
{
    /// <summary>True when all parts are.</summary>
    public bool IsMet => Parts.All(part => part.IsMet);

    /// <summary>The answer in words: an aim that holds only where accesses share a scope says so.</summary>
    public string Answer => (IsMet, Parts.All(part => part.IsMetByOneCall)) switch
    {
        (false, _) => "**no**",
        (true, true) => "yes",
        _ => "yes, 64 accesses to a scope",
    };

    /// <summary>Judges; null when a figure is missing.</summary>
    public static Verdict? Of(Aim aim, IReadOnlyDictionary<string, Result> results)
    {
        var parts = new List<PartVerdict>();
        foreach (var part in aim.Parts)
        {
            if (part.Ours.In(ValueOf) is not { } ours) return null;
            bool hasYardsticks = part.Unit.Length == 0;
            parts.Add(new PartVerdict(
                part,
                ours,
                ValueOf(part.OneCall),
                ValueOf(part.Dependent),
                hasYardsticks ? ValueOf(Measured.Beside(part.FirstKey, Measured.FloorName)) : null,
                hasYardsticks ? ValueOf(Measured.Beside(part.FirstKey, Measured.TextbookName)) : null));
        }

        return new Verdict(aim, parts);

        double? ValueOf(string? key) => key is not null && results.TryGetValue(key, out var result) ? result.Value : null;
    }

    /// <summary>A cell with something of each part, behind its label.</summary>
    public string Join(Func<PartVerdict, string> show)
    {
        string[] cells = [.. Parts.Select(show)];
        if (cells.All(string.IsNullOrEmpty)) return "";
        if (cells.Distinct().Count() == 1 && Parts.Count > 1 && !cells[0].StartsWith('*')) return cells[0];
        return string.Join("<br>", Parts.Zip(cells, (part, cell) => part.Part.Label.Length == 0 ? cell : $"{part.Part.Label}: {cell}"));
    }
}
