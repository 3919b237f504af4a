using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
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
        HasStage1 = features.S1P;
        HasStage2 = features.S2P;
        LargestAsid = features.ASID16 ? 0xffff : 0xff;
        LargestVmid = features.VMID16 ? 0xffff : 0xff;
        HasRanges = features.RIL;
        HasMessages = features.MSI;
        MessageMask = BitField.Mask(Math.Min(55, features.OutputAddressBits - 1), 2);
    }

    /// <summary>IDR0.S1P.</summary>
    public bool HasStage1 { get; }

    /// <summary>IDR0.S2P.</summary>
    public bool HasStage2 { get; }

    /// <summary>What IDR0.ASID16 allows.</summary>
    public int LargestAsid { get; }

    /// <summary>What IDR0.VMID16 allows.</summary>
    public int LargestVmid { get; }

    /// <summary>IDR3.RIL.</summary>
    public bool HasRanges { get; }

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

    /// <summary>IDR0.MSI.</summary>
    public bool HasMessages { get; }

    /// <summary>The bits of a message's address that count.</summary>
    public ulong MessageMask { get; }

    /// <summary>True when host code listens to pulses of interrupts: it must be called with the gate open.</summary>
    public bool HasListeners { get; set; }

    /// <summary>CR0.SMMUEN, as it is while the command executes.</summary>
    public bool IsSmmuEnabled { get; set; }

    /// <summary>CR2.E2H, as it is while the command executes.</summary>
    public bool E2h { get; set; }

    /// <summary>CR0.VMW in effect: low VMID bits that invalidations ignore, 0 to 4.</summary>
    public int IgnoredVmidBits { get; set; }
}
