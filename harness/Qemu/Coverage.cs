using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <summary>What the accesses of a run reached, as our SMMU answered them.</summary>
public sealed class Coverage
{
    private readonly SortedDictionary<string, long> counts = new(StringComparer.Ordinal);

    /// <summary>Accesses.</summary>
    public long Accesses { get; private set; }

    /// <summary>Accesses whose answer a leaf descriptor gave: they were translated, or refused by it.</summary>
    public long ReachedLeaves { get; private set; }

    /// <summary>Counts by name: "translated, 4 KiB granule, level 3", "F_PERMISSION", "CERROR_ILL".</summary>
    public IReadOnlyDictionary<string, long> Counts => counts;

    internal void Add(in EngineAnswer answer, in ExpectedAnswer facts, bool isWrite)
    {
        Accesses++;
        Add(isWrite ? "writes" : "reads");
        if (answer.Event is null && answer.Result.Event != EventType.None) Add("faults without a record");
        switch (answer.Result.Outcome)
        {
            case TranslationOutcome.Translated:
                ReachedLeaves++;
                Add(facts.GranuleLog2 == 0
                    ? "translated"
                    : Step.Text($"translated, {1 << (facts.GranuleLog2 - 10)} KiB granule, level {facts.Level}"));
                break;

            case TranslationOutcome.Faulted:
                var type = answer.Result.Event;
                if (type is EventType.AccessFlag or EventType.Permission) ReachedLeaves++;
                if (facts.Level >= 0 && type is (EventType.Translation or EventType.WalkExternalAbort or EventType.AddressSize))
                {
                    if (facts.Level == 3) ReachedLeaves++;
                    Add(Step.Text($"{type}, {1 << (facts.GranuleLog2 - 10)} KiB granule"));
                }

                Add(Step.Text($"{type}"));
                break;

            default:
                Add(Step.Text($"{answer.Result.Outcome}"));
                break;
        }
    }

    internal void Add(string name, long count = 1) => counts[name] = counts.GetValueOrDefault(name) + count;

    internal void Add(Coverage other)
    {
        Accesses += other.Accesses;
        ReachedLeaves += other.ReachedLeaves;
        foreach (var (name, count) in other.counts) Add(name, count);
    }
}
