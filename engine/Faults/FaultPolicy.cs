using Smmu.Fast.Formats;

namespace Smmu.Fast.Faults;

/// <summary>How a faulting access ends, and whether a record is written of it.</summary>
internal readonly record struct FaultDecision(TranslationOutcome Outcome, bool IsRecorded);

/// <summary>Applies CD.A, R and S, or STE.S2R and S2S, to a fault (IHI 0070, 3.12 and 5.5).</summary>
internal static class FaultPolicy
{
    /// <summary>Errors that no flag governs: configuration errors, fetches, walks that abort, addresses too large to bypass.</summary>
    public static FaultDecision Ungoverned => new(TranslationOutcome.Faulted, true);

    /// <summary>Decides on a fault of a walk.</summary>
    /// <param name="type">The fault.</param>
    /// <param name="stage2">True for a stage 2 fault.</param>
    /// <param name="regime">Holds the flags.</param>
    public static FaultDecision Decide(EventType type, bool stage2, in TranslationRegime regime)
    {
        bool governed = type is EventType.Translation or EventType.AddressSize or EventType.AccessFlag or EventType.Permission;
        if (!governed || (!stage2 && !regime.Stage1Enabled)) return Ungoverned;

        bool stalls = stage2 ? regime.Stage2.StallFaults : regime.Stage1.StallFaults;
        if (stalls) return new(TranslationOutcome.Stalled, true);   // R counts for terminations only (FLT-14).
        if (stage2) return new(TranslationOutcome.Faulted, regime.Stage2.RecordFaults);
        return new(
            regime.Stage1.AbortOnTermination ? TranslationOutcome.Faulted : TranslationOutcome.FaultedReadZeroWriteIgnored,
            regime.Stage1.RecordFaults);
    }
}
