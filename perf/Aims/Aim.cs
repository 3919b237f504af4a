using Smmu.Fast.Perf.Running;

namespace Smmu.Fast.Perf.Aims;

/// <summary>A number beside ours: the same under other terms.</summary>
/// <param name="Label">The terms.</param>
/// <param name="Number">The number.</param>
/// <param name="Otherwise">The terms under which the aim is met when this figure misses it; null when it is not judged.</param>
internal sealed record BesideFigure(string Label, Formula Number, string? Otherwise = null)
{
    /// <summary>One call for each access, where ours share a scope.</summary>
    public static BesideFigure OneCall(string key) => new("one call", key, "64 accesses to a scope");
}

/// <summary>What a part of an aim asks for.</summary>
/// <param name="Label">Which load, where an aim has several parts.</param>
/// <param name="Ours">Our number.</param>
/// <param name="Limit">The most it may be; what is added to the floor where <see cref="OverFloor"/> is set.</param>
internal sealed record AimPart(string Label, Formula Ours, double Limit)
{
    /// <summary>The limit is this much above the floor.</summary>
    public bool OverFloor { get; init; }

    /// <summary>The limit is the least, not the most.</summary>
    public bool AtLeast { get; init; }

    /// <summary>Of our number, as <see cref="Count"/> has it: empty for nanoseconds.</summary>
    public string Unit { get; init; } = "";

    /// <summary>Figures that stand beside ours.</summary>
    public IReadOnlyList<BesideFigure> Beside { get; init; } = [];

    /// <summary>What QEMU 7.2 takes, in nanoseconds.</summary>
    public double? Qemu7 { get; init; }

    /// <summary>What QEMU 10.2 takes, in nanoseconds.</summary>
    public double? Qemu10 { get; init; }

    /// <summary>The figure that floor and textbook stand beside.</summary>
    public string FirstKey => Ours.Keys[0];

    /// <summary>All figures that it speaks of.</summary>
    public IEnumerable<string> Keys => [.. Ours.Keys, .. Beside.SelectMany(figure => figure.Number.Keys)];
}

/// <summary>A row of the table of aims.</summary>
/// <param name="Name">What is done.</param>
/// <param name="Parts">The loads; the aim is met when each of them is.</param>
internal sealed record Aim(string Name, params AimPart[] Parts)
{
    /// <summary>All figures that it speaks of.</summary>
    public IEnumerable<string> Keys => Parts.SelectMany(part => part.Keys);
}
