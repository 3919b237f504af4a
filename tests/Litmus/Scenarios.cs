namespace Smmu.Fast.Tests.Litmus;

/// <summary>All scenarios by the names that the command line and the tests call them.</summary>
internal static class Scenarios
{
    public static IReadOnlyDictionary<string, Action<LitmusRun>> ByName { get; } =
        new Dictionary<string, Action<LitmusRun>>(StringComparer.Ordinal)
        {
            ["unmap"] = UnmapLitmus.Run,
            ["remap"] = RemapLitmus.Run,
            ["fills"] = FillsLitmus.Run,
            ["events"] = EventsLitmus.Run,
            ["issuers"] = IssuersLitmus.Run,
            ["removal"] = RemovalLitmus.Run,
        };
}
