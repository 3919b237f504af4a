namespace Smmu.Fast.Oracle;

/// <summary>Memory types, the strongest first: combining takes the smaller value (IHI 0070, 13.1.5).</summary>
public enum OracleMemoryType
{
    /// <summary>Device-nGnRnE.</summary>
    DeviceNGnRnE,

    /// <summary>Device-nGnRE.</summary>
    DeviceNGnRE,

    /// <summary>Device-nGRE.</summary>
    DeviceNGRE,

    /// <summary>Device-GRE.</summary>
    DeviceGRE,

    /// <summary>Normal memory.</summary>
    Normal,
}

/// <summary>Cacheability of one level, the strongest first: combining takes the smaller value (13.1.5).</summary>
public enum OracleCacheability
{
    /// <summary>Non-cacheable.</summary>
    NonCacheable,

    /// <summary>Write-Through.</summary>
    WriteThrough,

    /// <summary>Write-Back.</summary>
    WriteBack,
}

/// <summary>Shareability, the weakest first: combining takes the greater value (13.1.5, D8.6.7.1).</summary>
public enum OracleShareability
{
    /// <summary>Non-shareable.</summary>
    NonShareable,

    /// <summary>Inner Shareable.</summary>
    InnerShareable,

    /// <summary>Outer Shareable.</summary>
    OuterShareable,
}

/// <summary>Allocation and transient hints of one cache level (13.1.1).</summary>
/// <param name="Read">Read-Allocate.</param>
/// <param name="Write">Write-Allocate.</param>
/// <param name="Transient">Transient.</param>
public readonly record struct OracleHints(bool Read, bool Write, bool Transient)
{
    /// <summary>Read-Allocate, Write-Allocate, not transient: what an input without hints counts as (13.1.3).</summary>
    public static OracleHints Allocate { get; } = new(true, true, false);
}

/// <summary>Memory attributes of a transaction (IHI 0070, 13.1.1).</summary>
/// <param name="Type">Normal or one of the Device types.</param>
/// <param name="Inner">Inner cacheability; Non-cacheable for Device.</param>
/// <param name="Outer">Outer cacheability; Non-cacheable for Device.</param>
/// <param name="InnerHints">Hints of the inner level; all false where it is Non-cacheable.</param>
/// <param name="OuterHints">Hints of the outer level; all false where it is Non-cacheable.</param>
/// <param name="Shareability">Shareability.</param>
public readonly record struct OracleAttributes(
    OracleMemoryType Type, OracleCacheability Inner, OracleCacheability Outer,
    OracleHints InnerHints, OracleHints OuterHints, OracleShareability Shareability)
{
    /// <summary>What an interconnect without attributes supplies: Normal iWB-oWB, Non-shareable, RA, WA, nTR (13.1.3).</summary>
    public static OracleAttributes Default { get; } = new(
        OracleMemoryType.Normal, OracleCacheability.WriteBack, OracleCacheability.WriteBack,
        OracleHints.Allocate, OracleHints.Allocate, OracleShareability.NonShareable);

    /// <summary>True for any Device type and for Normal iNC-oNC, which always are Outer Shareable (13.1.7).</summary>
    internal bool IsUncached =>
        Type != OracleMemoryType.Normal || (Inner == OracleCacheability.NonCacheable && Outer == OracleCacheability.NonCacheable);

    /// <summary>These attributes without inconsistent combinations (13.1.7).</summary>
    internal OracleAttributes Consistent()
    {
        if (Type != OracleMemoryType.Normal)
        {
            return new OracleAttributes(Type, OracleCacheability.NonCacheable, OracleCacheability.NonCacheable,
                default, default, OracleShareability.OuterShareable);
        }

        return this with
        {
            InnerHints = ConsistentHints(Inner, InnerHints),
            OuterHints = ConsistentHints(Outer, OuterHints),
            Shareability = IsUncached ? OracleShareability.OuterShareable : Shareability,
        };
    }

    private static OracleHints ConsistentHints(OracleCacheability cacheability, OracleHints hints)
    {
        if (cacheability == OracleCacheability.NonCacheable) return default;
        return hints is { Read: false, Write: false } ? default : hints;
    }
}
