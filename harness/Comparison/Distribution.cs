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
    private readonly SortedDictionary<(int Stage1, int Stage2), long> pairs = [];

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

    /// <summary>Translations by size of the leaf, log2, which tells granule and level: no two of them have the same.</summary>
    public IReadOnlyDictionary<int, long> Leaves => leaves;

    /// <summary>Translations of streams with two stages, by the granules (log2) of a half of stage 1 and of stage 2.</summary>
    public IReadOnlyDictionary<(int Stage1, int Stage2), long> Pairs => pairs;

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
        Count(leaves, answer.LeafSizeLog2);
        var above = runs.Scene.Shapes.FindAll(shape => !shape.IsStage2);
        var below = runs.Scene.Shapes.Find(shape => shape.IsStage2);
        if (below is null || above.Count == 0) return;
        Nested++;
        foreach (var shape in above) Count(pairs, (shape.GranuleLog2, below.GranuleLog2));
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
        text.AppendLine("leaves: " + string.Join(", ", leaves.Select(pair => $"{NameOf(pair.Key)} {Share(pair.Value)}")));
        text.AppendLine("two stages: " + string.Join(", ", pairs.Select(
            pair => $"{Granule(pair.Key.Stage1)} over {Granule(pair.Key.Stage2)} {Share(pair.Value)}")));
        foreach (var (fault, count) in faults) text.AppendLine(CultureInfo.InvariantCulture, $"{count,9} {fault}");
        return text.ToString();
    }

    private static string Granule(int log2) => $"{1 << (log2 - 10)}K";

    // Sizes that are none are what the output size leaves of a block.
    private static string NameOf(int sizeLog2)
    {
        foreach (int granule in (int[])[12, 14, 16])
        {
            int above = sizeLog2 - granule;
            if (above >= 0 && above % (granule - 3) == 0 && above / (granule - 3) <= 3) return $"{Granule(granule)} level {3 - (above / (granule - 3))}";
        }

        return $"2^{sizeLog2}";
    }

    private string Share(long part) => string.Create(CultureInfo.InvariantCulture, $"{100.0 * part / Math.Max(1, Translated):0.0} %");

    private static void Count<TKey>(SortedDictionary<TKey, long> counts, TKey key)
        where TKey : notnull => counts[key] = counts.GetValueOrDefault(key) + 1;
}
