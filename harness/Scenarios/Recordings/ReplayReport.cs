namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>What kind of answer differed.</summary>
public enum DifferenceKind
{
    /// <summary>A translation ended otherwise: translated, fault, abort, bypass.</summary>
    Status,

    /// <summary>The output address of a translation.</summary>
    OutputAddress,

    /// <summary>The size of the leaf.</summary>
    LeafSize,

    /// <summary>What unprivileged data accesses may do.</summary>
    Permissions,

    /// <summary>The event number of a fault.</summary>
    EventNumber,

    /// <summary>The result does not follow from the stages that took part.</summary>
    Stages,

    /// <summary>The value of a register.</summary>
    Register,

    /// <summary>The bytes of an event record, or where it was written.</summary>
    EventRecord,

    /// <summary>Events were written that are not in the recording, or the other way round.</summary>
    EventCount,

    /// <summary>A command was not consumed, or another one was.</summary>
    Command,

    /// <summary>How command consumption stopped.</summary>
    CommandError,

    /// <summary>An interrupt line was not raised, or one that should not be.</summary>
    Interrupt,

    /// <summary>A stream's configuration in memory is not what the snapshot says.</summary>
    StreamConfiguration,
}

/// <summary>One answer that differed.</summary>
/// <param name="Kind">What differed.</param>
/// <param name="Place">Record number in a recording, line number in a snapshot; from 1.</param>
/// <param name="Subject">What was asked.</param>
/// <param name="Expected">What the file says.</param>
/// <param name="Actual">What came.</param>
public sealed record Difference(DifferenceKind Kind, long Place, string Subject, string Expected, string Actual);

/// <summary>Counts differences, and keeps the first ones in full.</summary>
/// <param name="maximumDetails">How many are kept.</param>
internal sealed class DifferenceLog(int maximumDetails)
{
    private readonly List<Difference> details = [];
    private readonly long[] countByKind = new long[Enum.GetValues<DifferenceKind>().Length];

    public long Count { get; private set; }

    public IReadOnlyList<Difference> Details => details;

    public IReadOnlyDictionary<DifferenceKind, long> ByKind => Enum.GetValues<DifferenceKind>()
        .Where(kind => countByKind[(int)kind] != 0)
        .ToDictionary(kind => kind, kind => countByKind[(int)kind]);

    /// <summary>True when the next difference will be kept: only then is its text worth making.</summary>
    public bool WantsDetails => details.Count < maximumDetails;

    public void Add(DifferenceKind kind, long place, FormattableString subject, string expected, string actual)
    {
        Count++;
        countByKind[(int)kind]++;
        if (WantsDetails) details.Add(new Difference(kind, place, FormattableString.Invariant(subject), expected, actual));
    }
}

/// <summary>What the translations of one stream came to.</summary>
/// <param name="Boot">The boot within the recording, from 1: a StreamID may mean another device in another boot.</param>
/// <param name="Stream">The StreamID.</param>
/// <param name="Device">The device's name; empty when the recording does not give one.</param>
/// <param name="Translations">Translations replayed.</param>
/// <param name="Faults">Those that the recording says are faults.</param>
/// <param name="Disagreements">Those whose answer differed in any field.</param>
public sealed record StreamReport(
    int Boot, uint Stream, string Device, long Translations, long Faults, long Disagreements);

/// <summary>What a replay came to.</summary>
public sealed record ReplayReport
{
    /// <summary>The file's name.</summary>
    public required string File { get; init; }

    /// <summary>How the target answered.</summary>
    public required ReplayTargetOptions Options { get; init; }

    /// <summary>Bytes of the recording in memory.</summary>
    public required long ContentBytes { get; init; }

    /// <summary>Records replayed.</summary>
    public required long Records { get; init; }

    /// <summary>Resets replayed: the first and those of later boots.</summary>
    public required int Boots { get; init; }

    /// <summary>Translations asked for.</summary>
    public required long Translations { get; init; }

    /// <summary>Those answered as recorded in every field.</summary>
    public required long Agreements { get; init; }

    /// <summary>Translations by recorded status.</summary>
    public required IReadOnlyDictionary<RecordedStatus, long> TranslationsByStatus { get; init; }

    /// <summary>Register reads compared.</summary>
    public required long RegisterReads { get; init; }

    /// <summary>Event records compared.</summary>
    public required long Events { get; init; }

    /// <summary>Interrupts compared. Those a conforming SMMU need not raise are not among them.</summary>
    public required long Interrupts { get; init; }

    /// <summary>Recorded commands by name.</summary>
    public required IReadOnlyDictionary<string, long> Commands { get; init; }

    /// <summary>
    /// Invalidations carried out as recorded although the architecture asks for CERROR_ILL, because their granule comes with
    /// neither a range nor a level.
    /// </summary>
    public required long ReservedRanges { get; init; }

    /// <summary>The streams, in the order of their first translation.</summary>
    public required IReadOnlyList<StreamReport> Streams { get; init; }

    /// <summary>Differences of all kinds.</summary>
    public required long Differences { get; init; }

    /// <summary>How many of each kind.</summary>
    public required IReadOnlyDictionary<DifferenceKind, long> DifferencesByKind { get; init; }

    /// <summary>The first ones in full.</summary>
    public required IReadOnlyList<Difference> Details { get; init; }

    /// <summary>Counters of the engine.</summary>
    public required ReplayStatistics Statistics { get; init; }

    /// <summary>The whole replay: memory, registers, commands, translations and comparisons.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>The part spent in translations, their comparison and the reading of the clock included.</summary>
    public required TimeSpan TranslationTime { get; init; }

    /// <summary>Translations a second of <see cref="TranslationTime"/>.</summary>
    public double TranslationsPerSecond =>
        TranslationTime > TimeSpan.Zero ? Translations / TranslationTime.TotalSeconds : 0;
}
