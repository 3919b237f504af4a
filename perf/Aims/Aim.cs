using Smmu.Fast.Perf.Running;

namespace Smmu.Fast.Perf.Aims;

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

    /// <summary>The same by one call for each access, where our number is of accesses that share a scope.</summary>
    public string? OneCall { get; init; }

    /// <summary>The same where each access waits for the one before.</summary>
    public string? Dependent { get; init; }

    /// <summary>What QEMU 7.2 takes, in nanoseconds.</summary>
    public double? Qemu7 { get; init; }

    /// <summary>What QEMU 10.2 takes, in nanoseconds.</summary>
    public double? Qemu10 { get; init; }

    /// <summary>The figure that floor and textbook stand beside.</summary>
    public string FirstKey => Ours.Keys[0];

    /// <summary>All figures that it speaks of.</summary>
    public IEnumerable<string> Keys =>
        [.. Ours.Keys, .. new[] { OneCall, Dependent }.Where(key => key is not null).Select(key => key!)];
}

/// <summary>A row of the table of aims.</summary>
/// <param name="Name">What is done.</param>
/// <param name="Parts">The loads; the aim is met when each of them is.</param>
internal sealed record Aim(string Name, params AimPart[] Parts)
{
    /// <summary>All figures that it speaks of.</summary>
    public IEnumerable<string> Keys => Parts.SelectMany(part => part.Keys);
}
