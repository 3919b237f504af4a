using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Device;

/// <summary>Ends an access that faults, or stalls it: writes the record, and tells the interrupts of it.</summary>
internal sealed class FaultReporter
{
    private const int MostAttempts = 8;

    private readonly EventQueueWriter events;
    private readonly StallTable stalls;
    private readonly InterruptDelivery interrupts;

    public FaultReporter(EventQueueWriter events, StallTable stalls, InterruptDelivery interrupts)
    {
        this.events = events;
        this.stalls = stalls;
        this.interrupts = interrupts;
    }

    /// <summary>Ends an access as its report says.</summary>
    /// <param name="report">What is to happen.</param>
    /// <param name="client">The client, if it can wait: one that cannot has its stalls turned into aborts (FLT-24).</param>
    public TranslationResult Report(in FaultReport report, StallClient? client = null)
    {
        if (report.Stalls) return Stall(in report, client);
        if (report.IsRecorded) interrupts.AfterEvent(events.Write(in report.Record));
        return report.Result;
    }

    /// <summary>Ends an access at a page that stage 1 does not map, if it does not stall.</summary>
    /// <param name="request">The access, of a stream that overrides nothing.</param>
    /// <param name="decision">Of <see cref="FaultPolicy"/>.</param>
    public TranslationResult ReportUnmapped(in FaultRequest request, FaultDecision decision)
    {
        if (decision.IsRecorded)
        {
            var record = EventRecord.Stage1Fault(
                EventType.Translation, request.Stream, request.Substream, request.InputAddress, request.Access);
            interrupts.AfterEvent(events.Write(in record));
        }

        return new TranslationResult(decision.Outcome, 0, 0, AccessPermissions.None, default, EventType.Translation);
    }

    private TranslationResult Stall(in FaultReport report, StallClient? client)
    {
        var type = report.Result.Event;
        if (client == null || !stalls.TryHold(report.Record.StreamId, client, out uint token))
        {
            interrupts.AfterEvent(events.Write(in report.Record));
            return new TranslationResult(TranslationOutcome.Faulted, 0, 0, AccessPermissions.None, default, type);
        }

        Record(report.Record.WithStallTag(StallTable.TagOf(token)), token);
        return new TranslationResult(TranslationOutcome.Stalled, 0, 0, AccessPermissions.None, default, type, token);
    }

    // Room that comes between the write and the note that there was none is seen by nobody else.
    private void Record(in EventRecord record, uint token)
    {
        bool isRecorded;
        int attempts = MostAttempts;
        do
        {
            var result = events.WriteOfStall(in record);
            isRecorded = (result & EventWriteResult.Written) != 0;
            stalls.EndRecording(token, isRecorded);
            interrupts.AfterEvent(result);
        }
        while (!isRecorded && events.Room != 0 && attempts-- > 0 && stalls.TryRecordAgain(token));
    }
}
