namespace Smmu.Fast.Iommufd.Submission;

/// <summary>How a CMD_SYNC tells that it is complete.</summary>
public enum SyncCompletion : byte
{
    /// <summary>By the consumer index passing it.</summary>
    Consumer,

    /// <summary>By an MSI that overwrites the CMD_SYNC in the queue itself with 0. Needs IDR0.MSI.</summary>
    Message,
}

/// <summary>How commands are submitted.</summary>
public sealed record SubmissionOptions
{
    /// <summary>
    /// How long a call waits, for room in the queue and for its CMD_SYNC. A CMD_SYNC waits for accesses of devices that
    /// began before it; one second is what drivers allow them.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How a CMD_SYNC tells that it is complete.</summary>
    public SyncCompletion Completion { get; init; } = SyncCompletion.Consumer;
}
