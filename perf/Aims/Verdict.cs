using Smmu.Fast.Perf.Running;

namespace Smmu.Fast.Perf.Aims;

/// <summary>A part of an aim, and what was measured.</summary>
/// <param name="Part">The part.</param>
/// <param name="Ours">Our number.</param>
/// <param name="Beside">What stands beside it, in the order of the part; null where it was not measured.</param>
/// <param name="Floor">The floor, where there is one.</param>
/// <param name="Textbook">The textbook baseline, where there is one.</param>
internal sealed record PartVerdict(
    AimPart Part, double Ours, IReadOnlyList<double?> Beside, double? Floor, double? Textbook)
{
    /// <summary>The number that ours must not pass.</summary>
    public double Limit => Part.OverFloor ? Part.Limit + (Floor ?? 0) : Part.Limit;

    /// <summary>True when it does not.</summary>
    public bool IsMet => Part.AtLeast ? Ours >= Limit : Ours <= Limit;

    /// <summary>The terms under which alone the aim is met.</summary>
    public IEnumerable<string> Terms => Part.Beside.Zip(Beside)
        .Where(pair => pair.First.Otherwise is not null && pair.Second > Limit)
        .Select(pair => pair.First.Otherwise!);

    /// <summary>Our number, and what stands beside it.</summary>
    public string Describe()
    {
        string[] beside =
        [
            .. Part.Beside.Zip(Beside).Where(pair => pair.Second is not null).Select(pair => $"{pair.First.Label} {Show(pair.Second)}"),
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

    /// <summary>The answer in words, with the terms under which alone it holds.</summary>
    public string Answer => IsMet
        ? string.Join(", ", Parts.SelectMany(part => part.Terms).Distinct().Prepend("yes"))
        : "**no**";

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
                [.. part.Beside.Select(figure => figure.Number.In(ValueOf))],
                hasYardsticks ? ValueOf(Measured.Beside(part.FirstKey, Measured.FloorName)) : null,
                hasYardsticks ? ValueOf(Measured.Beside(part.FirstKey, Measured.TextbookName)) : null));
        }

        return new Verdict(aim, parts);

        double? ValueOf(string key) => results.TryGetValue(key, out var result) ? result.Value : null;
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
