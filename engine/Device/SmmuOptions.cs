using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Device;

/// <summary>What an <see cref="SmmuDevice"/> is made of.</summary>
public sealed record SmmuOptions
{
    /// <summary>The ID registers. <see cref="SmmuFeatures.Default"/> unless said otherwise.</summary>
    public SmmuFeatures Features { get; init; } = SmmuFeatures.Default;

    /// <summary>Physical memory, which several devices may share. The device does not own it.</summary>
    public required GuestMemory Memory { get; init; }

    /// <summary>The PCIe endpoints that ATS invalidations and page responses go to. Without any, nothing is sent.</summary>
    public IAtsEndpoints? AtsEndpoints { get; init; }

    /// <summary>GBPA after a reset, without Update (IHI 0070, 6.3.14). The default passes traffic with incoming shareability.</summary>
    public uint GlobalBypassReset { get; init; } = 0x1000;

    /// <summary>Ports and buses that can be open at a time, 1 to 65,536. Each takes 128 bytes at start and 8 KiB while it is open.</summary>
    public int MaximumPorts { get; init; } = 1024;

    /// <summary>Places of the shared TLB: a power of two, 16 to 2^20; 16 bytes each, and three of four hold an entry.</summary>
    public int TlbEntries { get; init; } = 131_072;

    /// <summary>Entries of the walk cache: a power of two, 16 to 2^20; 64 bytes each.</summary>
    public int WalkCacheEntries { get; init; } = 4096;

    /// <summary>Entries of the configuration cache: a power of two, 16 to 2^20; about 200 bytes each.</summary>
    public int ConfigurationCacheEntries { get; init; } = 1024;

    /// <summary>False makes each access read all of its structures and tables anew: slow, for comparing answers.</summary>
    public bool CachesEnabled { get; init; } = true;

    /// <summary>
    /// What becomes of an invalidation by address that names a granule but neither a range nor a level: TG is not 0, and
    /// NUM, SCALE and TTL are. The architecture reserves the combination and asks for CERROR_ILL (IHI 0070, 4.4.1.1), which
    /// is the default. True invalidates the one granule at the address instead, as QEMU does: for guests that were made
    /// with such an SMMU.
    /// </summary>
    public bool TolerateReservedRange { get; init; }
}
