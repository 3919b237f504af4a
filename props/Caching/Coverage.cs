using System.Globalization;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Caching;

/// <summary>What random programs reached: properties must not hold for want of interesting cases.</summary>
internal sealed class Coverage
{
    public long Accesses { get; private set; }

    public long Translated { get; private set; }

    public long Faulted { get; private set; }

    public long PortHits { get; set; }

    public long TlbHits { get; private set; }

    public long WalkCacheHits { get; private set; }

    public long ConfigurationHits { get; private set; }

    public long Walks { get; private set; }

    public long Records { get; set; }

    /// <summary>Counts an access that was compared.</summary>
    public void Count(in TranslationResult result, bool smmuEnabled)
    {
        if (!smmuEnabled) return;
        Accesses++;
        if (result.Outcome == TranslationOutcome.Translated) Translated++;
        if (result.Event != EventType.None) Faulted++;
    }

    /// <summary>Counts what the caches did.</summary>
    public void Count(SmmuStatistics statistics)
    {
        ConfigurationHits += (long)statistics.ConfigurationHits;
        TlbHits += (long)statistics.TlbHits;
        WalkCacheHits += (long)statistics.WalkCacheHits;
        Walks += (long)statistics.Walks;
    }

    /// <summary>Adds another world's.</summary>
    public void Add(Coverage other)
    {
        Accesses += other.Accesses;
        Translated += other.Translated;
        Faulted += other.Faulted;
        PortHits += other.PortHits;
        TlbHits += other.TlbHits;
        WalkCacheHits += other.WalkCacheHits;
        ConfigurationHits += other.ConfigurationHits;
        Walks += other.Walks;
        Records += other.Records;
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Accesses} accesses, {Translated} translated, {Faulted} faulted; hits: {PortHits} in ports, {TlbHits} in the TLB, "
        + $"{ConfigurationHits} of configuration; {Walks} walks, {WalkCacheHits} from a known table; {Records} records");
}
