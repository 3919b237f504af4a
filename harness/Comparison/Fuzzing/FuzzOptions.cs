using Smmu.Fast.Comparison.Machine;

namespace Smmu.Fast.Comparison.Fuzzing;

/// <summary>What to fuzz.</summary>
internal sealed record FuzzOptions
{
    /// <summary>What cases are made of. A folder that holds a run goes on with its own.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>How long; 49 days at most.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Threads; 1 at least.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Where corpus, failures and state are; null to keep nothing.</summary>
    public string? Folder { get; init; }

    /// <summary>The most failures that are shrunk and kept.</summary>
    public int MaximumFailures { get; init; } = 20;

    /// <summary>Hears how things stand, about once a second, from one thread.</summary>
    public Action<FuzzStatus>? Progress { get; init; }

    /// <summary>For checkers that have to see something: see <see cref="MachineOptions.Plant"/>.</summary>
    public Func<Smmu.Fast.Formats.Command, Smmu.Fast.Formats.Command>? Plant { get; init; }

    /// <summary>The same for single scenes: changes what the Oracle answers, see <see cref="CaseRunner.Distort"/>.</summary>
    public Func<Answer, Answer>? DistortScenes { get; init; }
}

/// <summary>How a run stands.</summary>
/// <param name="Elapsed">Time of this run.</param>
/// <param name="Cases">Cases of this run.</param>
/// <param name="CasesBefore">Cases of the runs before it in the same folder.</param>
/// <param name="Keys">Distinct keys of coverage.</param>
/// <param name="Kept">Scripts in the corpus.</param>
/// <param name="Failures">Cases that differed, in this run.</param>
internal readonly record struct FuzzStatus(TimeSpan Elapsed, long Cases, long CasesBefore, int Keys, int Kept, long Failures)
{
    /// <summary>Cases a second.</summary>
    public double Rate => Cases / Math.Max(Elapsed.TotalSeconds, 1e-3);
}

/// <summary>A case that differed.</summary>
/// <param name="Name">Its name, and that of its file.</param>
/// <param name="Difference">What differs.</param>
/// <param name="Script">The shortest script found that differs, as text.</param>
internal sealed record FuzzFailure(string Name, string Difference, string Script);

/// <summary>What a run found.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Seed">What its cases were made of.</param>
/// <param name="Failures">The first failures.</param>
/// <param name="KeysByKind">Distinct keys of coverage by kind.</param>
/// <param name="WasInterrupted">True when somebody ended it.</param>
internal sealed record FuzzReport(
    FuzzStatus Status, int Seed, IReadOnlyList<FuzzFailure> Failures, IReadOnlyDictionary<CoverageKind, int> KeysByKind, bool WasInterrupted);
