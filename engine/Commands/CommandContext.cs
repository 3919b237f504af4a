using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Commands;

/// <summary>What commands act on. Used behind the control gate only.</summary>
internal sealed unsafe class CommandContext
{
    public CommandContext(SmmuFeatures features, InvalidationStamps* stamps, SharedTlb tlb, StallTable stalls)
    {
        Features = features;
        Stamps = stamps;
        Tlb = tlb;
        Stalls = stalls;
    }

    /// <summary>Which commands are legal.</summary>
    public SmmuFeatures Features { get; }

    /// <summary>Raised before the caches are searched.</summary>
    public InvalidationStamps* Stamps { get; }

    /// <summary>The one cache that is searched; the others die by stamp.</summary>
    public SharedTlb Tlb { get; }

    /// <summary>The queues that commands come from.</summary>
    public CommandSchedule Schedule { get; } = new();

    /// <summary>Accesses that wait for CMD_RESUME.</summary>
    public StallTable Stalls { get; }

    /// <summary>True when a range invalidation with the Reserved combination of fields is legal after all.</summary>
    public bool TolerateReservedRange { get; init; }

    /// <summary>True when the host has endpoints that commands can reach.</summary>
    public bool HasEndpoints { get; init; }

    /// <summary>CR0.SMMUEN, as it is while the command executes.</summary>
    public bool IsSmmuEnabled { get; set; }

    /// <summary>CR2.E2H, as it is while the command executes.</summary>
    public bool E2h { get; set; }

    /// <summary>CR0.VMW in effect: low VMID bits that invalidations ignore, 0 to 4.</summary>
    public int IgnoredVmidBits { get; set; }
}
