namespace Smmu.Fast.Oracle;

/// <summary>What a client transaction does.</summary>
public enum OracleDirection
{
    /// <summary>Reads.</summary>
    Read,

    /// <summary>Writes.</summary>
    Write,

    /// <summary>Reads and writes in one step: a far atomic operation (IHI 0070, 13.1.1, 16.7.6).</summary>
    Atomic,
}

/// <summary>A client transaction as it comes in, before the overrides of the STE or of GBPA (IHI 0070, 3.3.4).</summary>
/// <param name="Direction">Read, write or both.</param>
/// <param name="Privileged">True for a privileged transaction.</param>
/// <param name="Instruction">True for an instruction read; writes and atomics count as data whatever it says (13.1.2).</param>
public readonly record struct OracleAccess(OracleDirection Direction, bool Privileged = false, bool Instruction = false)
{
    /// <summary>Memory attributes supplied with the transaction; null for those of 13.1.3.</summary>
    public OracleAttributes? Attributes { get; init; }

    /// <summary>True for a client that must not be stalled: a configuration that stalls then terminates with an abort and a
    /// record with Stall 0 (3.12).</summary>
    public bool CannotStall { get; init; }

    /// <summary>STAG to write into the record if the transaction stalls (3.12.2).</summary>
    public ushort StallTag { get; init; }

    internal bool Reads => Direction != OracleDirection.Write;

    internal bool Writes => Direction != OracleDirection.Read;
}
