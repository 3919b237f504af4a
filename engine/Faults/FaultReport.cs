using Smmu.Fast.Formats;

namespace Smmu.Fast.Faults;

/// <summary>The access that a fault is about, as the client made it.</summary>
/// <param name="Stream">Whose access.</param>
/// <param name="Substream">Its substream, or none.</param>
/// <param name="InputAddress">All 64 bits, tag byte included (EVT-04).</param>
/// <param name="Access">As the client marked it.</param>
internal readonly record struct FaultRequest(StreamId Stream, SubstreamId? Substream, ulong InputAddress, AccessKind Access);

/// <summary>How a faulting access ends, and the record of it.</summary>
internal readonly struct FaultReport
{
    public FaultReport(EventType type, FaultDecision decision, in EventRecord record)
    {
        Result = new TranslationResult(decision.Outcome, 0, 0, AccessPermissions.None, default, type);
        Record = record;
        IsRecorded = decision.IsRecorded;
    }

    /// <summary>The answer to the client; one that stalls has no token yet.</summary>
    public readonly TranslationResult Result;

    /// <summary>The record.</summary>
    public readonly EventRecord Record;

    /// <summary>True when the record is to be written.</summary>
    public readonly bool IsRecorded;

    /// <summary>True when the access is to stall, if its client can wait.</summary>
    public bool Stalls => Result.Outcome == TranslationOutcome.Stalled;
}
