using System.Globalization;
using System.Text;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;

namespace Smmu.Fast.Comparison.Machine;

/// <summary>What scripts have reached, so that nobody takes many for deep.</summary>
internal sealed class MachineDistribution
{
    private readonly SortedDictionary<string, long> commands = [];
    private readonly SortedDictionary<string, long> events = [];
    private readonly SortedDictionary<Verdict, long> verdicts = [];
    private long translatedBefore;

    public long Scripts { get; private set; }

    /// <summary>Scripts in which an access was translated by tables.</summary>
    public long DeepScripts { get; private set; }

    public long Accesses { get; private set; }

    /// <summary>Accesses that tables translated.</summary>
    public long Translated { get; private set; }

    /// <summary>Of them, those by two stages.</summary>
    public long Nested { get; private set; }

    /// <summary>Look-ups in the shared TLB that it answered.</summary>
    public long TlbHits { get; private set; }

    /// <summary>Walks that began at a cached table.</summary>
    public long WalkCacheHits { get; private set; }

    /// <summary>Commands that were consumed.</summary>
    public long Commands { get; private set; }

    /// <summary>Commands in error that the driver replaced.</summary>
    public long Recoveries { get; private set; }

    /// <summary>Steps that ended with a global error.</summary>
    public long StepsInError { get; private set; }

    public long Stalls { get; private set; }

    public long Retries { get; private set; }

    /// <summary>Consumed commands by name.</summary>
    public IReadOnlyDictionary<string, long> ByCommand => commands;

    /// <summary>Events by name.</summary>
    public IReadOnlyDictionary<string, long> ByEvent => events;

    /// <summary>Answers by how they were found right.</summary>
    public IReadOnlyDictionary<Verdict, long> ByVerdict => verdicts;

    public void Begin()
    {
        Scripts++;
        translatedBefore = Translated;
    }

    public void Add(SmmuStatistics statistics)
    {
        TlbHits += (long)statistics.TlbHits;
        WalkCacheHits += (long)statistics.WalkCacheHits;
    }

    /// <summary>Ends a script.</summary>
    public void End()
    {
        if (Translated != translatedBefore) DeepScripts++;
    }

    public void Count(Judgement judgement, Hypothesis accepted)
    {
        Accesses++;
        verdicts[judgement.Verdict] = verdicts.GetValueOrDefault(judgement.Verdict) + 1;
        if (judgement.Result.Event is { } told)
        {
            string name = ScriptNames.OfEvent((EventType)(byte)told.Kind);
            events[name] = events.GetValueOrDefault(name) + 1;
        }

        if (judgement.Engine.Outcome != AnswerOutcome.Success || judgement.Engine.LeafSizeLog2 == OracleResult.NoLeaf) return;
        Translated++;
        var regime = accepted.Regime;
        if (regime.HasStage1 && regime.HasStage2) Nested++;
    }

    public void CountCommand(Command command)
    {
        Commands++;
        string name = command.ToString().Split(' ')[0];
        commands[name] = commands.GetValueOrDefault(name) + 1;
    }

    public void CountRecovery() => Recoveries++;

    public void CountErrors(uint active) => StepsInError += active == 0 ? 0 : 1;

    public void CountStall() => Stalls++;

    public void CountRetry() => Retries++;

    public override string ToString()
    {
        var text = new StringBuilder();
        var culture = CultureInfo.InvariantCulture;
        text.AppendLine(culture, $"{Scripts} scripts, {DeepScripts} with accesses that tables translate");
        text.AppendLine(culture, $"{Accesses} accesses: {Translated} translated ({Nested} by two stages), {TlbHits} TLB hits, {WalkCacheHits} walk cache hits");
        text.AppendLine(culture, $"answers: {string.Join(", ", verdicts.Select(pair => $"{pair.Key} {pair.Value}"))}");
        text.AppendLine(culture, $"{Stalls} stalls, {Retries} retries, {Recoveries} recoveries, {StepsInError} steps in error");
        text.AppendLine($"events: {string.Join(", ", events.Select(pair => $"{pair.Key} {pair.Value}"))}");
        text.AppendLine(culture, $"{Commands} commands: {string.Join(", ", commands.Select(pair => $"{pair.Key[4..]} {pair.Value}"))}");
        return text.ToString();
    }
}
