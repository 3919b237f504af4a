using System.Globalization;
using System.Text;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison;

/// <summary>What cases have reached, so that nobody takes many for deep.</summary>
internal sealed class Distribution
{
    private readonly SortedDictionary<string, long> faults = [];
    private readonly SortedDictionary<int, long> leaves = [];

    public long Cases { get; private set; }

    public long Accesses { get; private set; }

    /// <summary>Accesses that tables translated.</summary>
    public long Translated { get; private set; }

    /// <summary>Of them, those of streams with two stages.</summary>
    public long Nested { get; private set; }

    /// <summary>Accesses that passed untranslated.</summary>
    public long Passed { get; private set; }

    /// <summary>Accesses that left a record.</summary>
    public long Recorded { get; private set; }

    public long TlbHits { get; private set; }

    public long PortHits { get; private set; }

    public long WalkCacheHits { get; private set; }

    /// <summary>Records by event, stage and class.</summary>
    public IReadOnlyDictionary<string, long> Faults => faults;

    /// <summary>Translations by size of the leaf, log2.</summary>
    public IReadOnlyDictionary<int, long> Leaves => leaves;

    /// <summary>Counts an access by the engine's answer.</summary>
    public void Add(in Answer answer, OracleCase runs)
    {
        Accesses++;
        if (answer.Record is { } record)
        {
            Recorded++;
            bool hasStage = record.Type is EventType.WalkExternalAbort or >= EventType.Translation;
            Count(faults, hasStage ? $"{record.Type}, stage {(record.S2 ? 2 : 1)}, {record.Class}" : record.Type.ToString());
        }

        if (answer.Outcome != AnswerOutcome.Success) return;
        if (answer.LeafSizeLog2 == OracleResult.NoLeaf)
        {
            Passed++;
            return;
        }

        Translated++;
        if (runs.Scene.Notes.Exists(note => note.StartsWith("stage 2", StringComparison.Ordinal))
            && runs.Scene.Notes.Exists(note => note.StartsWith("TTB", StringComparison.Ordinal))) Nested++;
        Count(leaves, answer.LeafSizeLog2);
    }

    /// <summary>Counts a case by what its device saw.</summary>
    public void Add(SmmuStatistics statistics, int accesses)
    {
        Cases++;
        TlbHits += (long)statistics.TlbHits;
        WalkCacheHits += (long)statistics.WalkCacheHits;
        PortHits += accesses - (long)statistics.ConfigurationLookups;
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Cases} cases, {Accesses} accesses: {Translated} translated ");
        text.AppendLine(CultureInfo.InvariantCulture, $"({Nested} with two stages), {Passed} passed, {Recorded} recorded");
        text.Append(CultureInfo.InvariantCulture, $"hits: {PortHits} in ports or with SMMUEN 0, {TlbHits} in the TLB, ");
        text.AppendLine(CultureInfo.InvariantCulture, $"{WalkCacheHits} in the walk cache");
        text.AppendLine("leaves: " + string.Join(", ", leaves.Select(pair => $"2^{pair.Key} {pair.Value}")));
        foreach (var (fault, count) in faults) text.AppendLine(CultureInfo.InvariantCulture, $"{count,9} {fault}");
        return text.ToString();
    }

    private static void Count<TKey>(SortedDictionary<TKey, long> counts, TKey key)
        where TKey : notnull => counts[key] = counts.GetValueOrDefault(key) + 1;
}
