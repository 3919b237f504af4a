using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Iommufd.Tegra;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>Who takes events out of the Event queue.</summary>
public enum EventServicing : byte
{
    /// <summary>The host, by <see cref="SmmuDriver.ServiceEvents"/>: when the interrupt comes, or now and then.</summary>
    Manual = 0,

    /// <summary>A thread of the pool, for each interrupt.</summary>
    ThreadPool,
}

/// <summary>What an <see cref="SmmuDriver"/> works with. What the SMMU can do, it reads from the ID registers.</summary>
public sealed record SmmuDriverOptions
{
    /// <summary>Memory for tables and queues, which nobody else writes; part of the SMMU's memory, writable and not watched.</summary>
    public required GuestRegion Region { get; init; }

    /// <summary>Of <see cref="Region"/>, bytes for queues, the Stream table and CDs: a power of two, 1 MiB or more. The rest is for
    /// translation tables.</summary>
    public ulong ConfigurationBytes { get; init; } = 8 << 20;

    /// <summary>Bits of a StreamID that the Stream table is made for; cut to what the SMMU has.</summary>
    public int StreamIdBits { get; init; } = 16;

    /// <summary>log2 of the commands in the Command queue; cut to what the SMMU has.</summary>
    public int CommandQueueLog2 { get; init; } = 10;

    /// <summary>log2 of the records in the Event queue; cut to what the SMMU has.</summary>
    public int EventQueueLog2 { get; init; } = 9;

    /// <summary>How commands are submitted.</summary>
    public SubmissionOptions Submission { get; init; } = new();

    /// <summary>Each vIOMMU has an Enhanced Command queue to itself while there are any (IDR1.ECMDQ): the invalidations of one
    /// guest then never wait behind those of another.</summary>
    public bool UseEnhancedQueues { get; init; } = true;

    /// <summary>Who takes events out of the Event queue.</summary>
    public EventServicing EventServicing { get; init; } = EventServicing.Manual;

    /// <summary>Hears of events that are neither a guest's nor a page fault that somebody answers; may be called by any thread
    /// that services events.</summary>
    public Action<EventRecord>? HostEvent { get; init; }

    /// <summary>The driver of the SMMU's block of command queues for guests; with it there are vIOMMUs of type 2.</summary>
    public TegraQueueDriver? VirtualQueues { get; init; }
}
