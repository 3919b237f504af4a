using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>The wired interrupt outputs (IHI 0070, 3.18), numbered as recordings number them.</summary>
[Flags]
public enum InterruptLines
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The Event queue has become non-empty.</summary>
    EventQueue = 1 << 0,

    /// <summary>The PRI queue has become non-empty, or overflowed.</summary>
    PageRequestQueue = 1 << 1,

    /// <summary>A CMD_SYNC with an interrupt has completed.</summary>
    CommandSync = 1 << 2,

    /// <summary>A global error became active.</summary>
    GlobalError = 1 << 3,
}

/// <summary>How a target answers.</summary>
/// <param name="CachesEnabled">False turns every cache of the engine off: each translation reads memory.</param>
/// <param name="OneOff">True asks the device for each translation; false opens one port for each stream.</param>
/// <param name="TolerateReservedRange">
/// True carries out invalidations whose granule comes with neither a range nor a level; false answers CERROR_ILL.
/// </param>
public sealed record ReplayTargetOptions(
    bool CachesEnabled = true, bool OneOff = false, bool TolerateReservedRange = false)
{
    /// <summary>The ways to translate: through ports and one-off, each with caches and without.</summary>
    public static IReadOnlyList<ReplayTargetOptions> Modes { get; } =
    [
        new(), new(CachesEnabled: false), new(OneOff: true), new(CachesEnabled: false, OneOff: true),
    ];

    /// <summary>The name of the way to translate.</summary>
    public string Mode => (OneOff, CachesEnabled) switch
    {
        (false, true) => "port",
        (false, false) => "port-uncached",
        (true, true) => "one-off",
        (true, false) => "one-off-uncached",
    };
}

/// <summary>Counters of the engine since the target was made, over all resets.</summary>
public readonly record struct ReplayStatistics(
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
    ulong CommandsConsumed)
{
    /// <summary>The counters of both.</summary>
    public static ReplayStatistics operator +(ReplayStatistics left, ReplayStatistics right) => new(
        left.TlbLookups + right.TlbLookups,
        left.TlbHits + right.TlbHits,
        left.WalkCacheLookups + right.WalkCacheLookups,
        left.WalkCacheHits + right.WalkCacheHits,
        left.ConfigurationLookups + right.ConfigurationLookups,
        left.ConfigurationHits + right.ConfigurationHits,
        left.Walks + right.Walks,
        left.DescriptorReads + right.DescriptorReads,
        left.EventsRecorded + right.EventsRecorded,
        left.EventsLost + right.EventsLost,
        left.CommandsConsumed + right.CommandsConsumed);

    /// <summary>The counters of both.</summary>
    public static ReplayStatistics Add(ReplayStatistics left, ReplayStatistics right) => left + right;
}

/// <summary>What a recording is replayed into: an SMMU and the memory it reads.</summary>
/// <remarks>The replayer knows the engine only through this: a test can put a model with a known mistake in its place.</remarks>
public interface IReplayTarget : IDisposable
{
    /// <summary>The counters so far.</summary>
    ReplayStatistics Statistics { get; }

    /// <summary>Backs a range of physical addresses with zeroed memory. Ranges never overlap.</summary>
    void AddMemory(ulong address, ulong sizeBytes);

    /// <summary>Stores into memory as the CPU would; false when no memory is there.</summary>
    bool WriteMemory(ulong address, ReadOnlySpan<byte> bytes);

    /// <summary>Loads from memory; false when no memory is there.</summary>
    bool ReadMemory(ulong address, Span<byte> bytes);

    /// <summary>Puts a new SMMU with these ID registers in place; memory is kept. Comes before any access to registers.</summary>
    void Reset(in IdentificationRegisters registers);

    /// <summary>Writes a register of 4 or 8 bytes; commands it releases are consumed before the call returns.</summary>
    void WriteRegister(uint offset, int sizeBytes, ulong value);

    /// <summary>Reads a register of 4 or 8 bytes.</summary>
    ulong ReadRegister(uint offset, int sizeBytes);

    /// <summary>Translates one access without a SubstreamID.</summary>
    TranslationResult Translate(StreamId stream, ulong inputAddress, AccessKind access);

    /// <summary>The lines raised since the last call.</summary>
    InterruptLines TakeInterrupts();

    /// <summary>Resolves an access again with every step shown; no counter, cache or queue changes.</summary>
    ExplainedTranslation Explain(StreamId stream, SubstreamId? substream, ulong inputAddress, AccessKind access);
}

/// <summary>Makes targets, and knows the feature sets the engine names.</summary>
public interface IReplayTargetSource
{
    /// <summary>Makes a target; the caller disposes of it.</summary>
    IReplayTarget Open(ReplayTargetOptions options);

    /// <summary>The ID registers of a feature set.</summary>
    /// <param name="name">One of <see cref="FeatureSets"/>.</param>
    IdentificationRegisters FeaturesOf(string name);

    /// <summary>The names of the feature sets, the default first.</summary>
    IReadOnlyList<string> FeatureSets { get; }
}
