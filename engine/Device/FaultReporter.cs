using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Device;

/// <summary>Writes the record of a fault, and tells the interrupts of it.</summary>
internal sealed class FaultReporter
{
    private readonly EventQueueWriter events;
    private readonly InterruptDelivery interrupts;

    public FaultReporter(EventQueueWriter events, InterruptDelivery interrupts)
    {
        this.events = events;
        this.interrupts = interrupts;
    }

    /// <summary>Ends an access as its report says.</summary>
    public TranslationResult Report(in FaultReport report)
    {
        if (report.IsRecorded) interrupts.AfterEvent(events.Write(in report.Record));
        return report.Result;
    }
}
