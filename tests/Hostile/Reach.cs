using System.Globalization;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>How far the guest came: a guest that is refused at once shows nothing.</summary>
internal sealed class Reach
{
    private readonly long[] outcomes = new long[8];
    private readonly long[] events = new long[256];
    private ulong walks;
    private ulong descriptorReads;
    private ulong tlbHits;
    private ulong commands;
    private ulong records;

    /// <summary>Steps of all parties.</summary>
    public long Operations { get; private set; }

    /// <summary>Calls of host code that came back into an SMMU.</summary>
    public long Callbacks { get; private set; }

    /// <summary>Stalls whose end was told.</summary>
    public long Stalls { get; private set; }

    /// <summary>Changes of memory regions at run time.</summary>
    public long Changes { get; private set; }

    /// <summary>Takes note of how an access ended.</summary>
    public void Count(in TranslationResult result)
    {
        outcomes[(int)result.Outcome & 7]++;
        events[(int)result.Event]++;
    }

    /// <summary>Adds what the parties of a round did.</summary>
    public void Add(Actor actor)
    {
        Operations += actor.Steps;
        Callbacks += actor.Callbacks;
    }

    /// <summary>Adds what an SMMU and its host did.</summary>
    public void Add(in SmmuStatistics statistics, long stalls, long changes)
    {
        walks += statistics.Walks;
        descriptorReads += statistics.DescriptorReads;
        tlbHits += statistics.TlbHits;
        commands += statistics.CommandsConsumed;
        records += statistics.EventsRecorded;
        Stalls += stalls;
        Changes += changes;
    }

    /// <summary>Adds what another one counted.</summary>
    public void Add(Reach other)
    {
        for (int i = 0; i < outcomes.Length; i++) outcomes[i] += other.outcomes[i];
        for (int i = 0; i < events.Length; i++) events[i] += other.events[i];
    }

    /// <summary>Why this was too little to prove anything; null when it was not.</summary>
    public string? FindShortfall()
    {
        long accesses = outcomes.Sum();
        long translated = outcomes[(int)TranslationOutcome.Translated];
        if (translated * 100 <= accesses * 3) return "Too few accesses are translated.";
        if (walks * 100 < (ulong)accesses * 10 || descriptorReads < walks) return "Too few tables are walked.";
        if (tlbHits * 200 < (ulong)accesses) return "Too little is found in a TLB.";
        if (commands * 100 < (ulong)Operations * 2) return "Too few commands are carried out.";
        if (records * 100 < (ulong)accesses) return "Too few events are recorded.";
        if (events.Count(count => count != 0) < 10) return "Too few kinds of events arise.";
        bool isHostBusy = Callbacks * 500 > Operations && Changes * 1000 > Operations && Stalls * 10_000 > Operations;
        return isHostBusy ? null : "Hosts do too little.";
    }

    /// <summary>The figures, as a few lines.</summary>
    public string Describe()
    {
        var kinds = Enum.GetValues<TranslationOutcome>().Select(kind => $"{kind} {outcomes[(int)kind]}");
        var faults = Enum.GetValues<EventType>().Skip(1).Where(kind => events[(int)kind] != 0)
            .Select(kind => $"{kind} {events[(int)kind]}");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"""
            {walks} walks with {descriptorReads} reads, {tlbHits} TLB hits, {commands} commands, {records} records
            {Stalls} ends of stalls, {Callbacks} callbacks, {Changes} changes of regions
            {string.Join(", ", kinds)}
            {string.Join(", ", faults)}
            """);
    }
}
