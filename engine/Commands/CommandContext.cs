using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Commands;

/// <summary>What commands act on. Used behind the control gate only.</summary>
internal sealed class CommandContext
{
    public CommandContext(SmmuFeatures features, TranslationCaches caches, ConfigurationDates configuration, StallTable stalls)
    {
        Features = features;
        Caches = caches;
        Configuration = configuration;
        Stalls = stalls;
    }

    /// <summary>Which commands are legal.</summary>
    public SmmuFeatures Features { get; }

    /// <summary>What is remembered of translations.</summary>
    public TranslationCaches Caches { get; }

    /// <summary>Dates of what is remembered of configuration.</summary>
    public ConfigurationDates Configuration { get; }

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
