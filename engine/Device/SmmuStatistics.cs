namespace Smmu.Fast.Device;

/// <summary>Counters of a device, all since it was made; sums that may lag behind threads that are translating.</summary>
/// <param name="TlbLookups">Look-ups in the shared TLB: translations that their port's own table could not answer.</param>
/// <param name="TlbHits">Those that it answered.</param>
/// <param name="WalkCacheLookups">Walks that asked for a table to begin with.</param>
/// <param name="WalkCacheHits">Those that got one.</param>
/// <param name="ConfigurationLookups">Questions for the configuration of a stream.</param>
/// <param name="ConfigurationHits">Those answered without reading an STE.</param>
/// <param name="Walks">Translation table walks.</param>
/// <param name="DescriptorReads">Descriptors that they read.</param>
/// <param name="EventsRecorded">Event records written.</param>
/// <param name="EventsLost">Event records lost, for want of room or because the queue was off.</param>
/// <param name="CommandsConsumed">Commands consumed.</param>
public readonly record struct SmmuStatistics(
    ulong TlbLookups,
    ulong TlbHits,
    ulong WalkCacheLookups,
    ulong WalkCacheHits,
    ulong ConfigurationLookups,
    ulong ConfigurationHits,
    ulong Walks,
    ulong DescriptorReads,
    ulong EventsRecorded,
    ulong EventsLost,
    ulong CommandsConsumed);

/// <summary>Counters of one thread's slow path, added up when somebody asks.</summary>
internal struct PathStatistics
{
    /// <summary>Answers by the quick way, from the TLB: a look-up and a hit each, of the configuration too.</summary>
    public ulong DirectHits;

    /// <summary>Answers by the quick way, from a leaf in memory: look-ups without a hit, and a walk each.</summary>
    public ulong DirectWalks;
    public ulong TlbLookups;
    public ulong TlbHits;
    public ulong WalkCacheLookups;
    public ulong WalkCacheHits;
    public ulong ConfigurationLookups;
    public ulong ConfigurationReads;
    public ulong Walks;
    public ulong DescriptorReads;

    /// <summary>Adds the counters of another thread, the direct ones to those that they stand for.</summary>
    public void Add(in PathStatistics other)
    {
        ulong direct = other.DirectHits + other.DirectWalks;
        TlbLookups += other.TlbLookups + direct;
        TlbHits += other.TlbHits + other.DirectHits;
        WalkCacheLookups += other.WalkCacheLookups + other.DirectWalks;
        WalkCacheHits += other.WalkCacheHits + other.DirectWalks;
        ConfigurationLookups += other.ConfigurationLookups + direct;
        ConfigurationReads += other.ConfigurationReads;
        Walks += other.Walks + other.DirectWalks;
        DescriptorReads += other.DescriptorReads + other.DirectWalks;
    }
}
