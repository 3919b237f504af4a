namespace Smmu.Fast.Oracle;

/// <summary>How a client transaction ends.</summary>
public enum OracleOutcome
{
    /// <summary>It goes on to the output address.</summary>
    Success,

    /// <summary>It is terminated with an abort.</summary>
    Aborted,

    /// <summary>It is terminated without error: reads give zero, writes are ignored (IHI 0070, 5.5).</summary>
    ReadZeroWriteIgnored,

    /// <summary>It waits for software (3.12.2).</summary>
    Stalled,
}

/// <summary>What a mapping permits to one privilege.</summary>
/// <param name="Read">Data reads.</param>
/// <param name="Write">Data writes; also through a writable-clean descriptor that hardware would make dirty.</param>
/// <param name="Execute">Instruction reads.</param>
public readonly record struct OraclePermissions(bool Read, bool Write, bool Execute)
{
    /// <summary>Everything, as where no stage translates.</summary>
    public static OraclePermissions All { get; } = new(true, true, true);

    internal OraclePermissions And(OraclePermissions other) =>
        new(Read && other.Read, Write && other.Write, Execute && other.Execute);
}

/// <summary>What became of a client transaction.</summary>
public sealed record OracleResult
{
    /// <summary>Leaf size of a transaction that no table translates: the whole address space.</summary>
    public const int NoLeaf = 64;

    /// <summary>How the transaction ends.</summary>
    public required OracleOutcome Outcome { get; init; }

    /// <summary>Physical output address; 0 unless the outcome is success.</summary>
    public ulong OutputAddress { get; init; }

    /// <summary>Log2 of the bytes of the leaf, the smaller one of the two stages; <see cref="NoLeaf"/> without translation.</summary>
    public int LeafSizeLog2 { get; init; }

    /// <summary>What all stages together permit to privileged transactions.</summary>
    public OraclePermissions Privileged { get; init; }

    /// <summary>What all stages together permit to unprivileged transactions.</summary>
    public OraclePermissions Unprivileged { get; init; }

    /// <summary>Memory attributes on output (13.4.4).</summary>
    public OracleAttributes Attributes { get; init; }

    /// <summary>PRIV on output: as overridden by PRIVCFG (13.1.2, up to SMMUv3.3).</summary>
    public bool OutputPrivileged { get; init; }

    /// <summary>INST on output: as overridden by INSTCFG for reads, false for writes (13.1.2, up to SMMUv3.3).</summary>
    public bool OutputInstruction { get; init; }

    /// <summary>The record that the transaction causes, if it causes one and nothing suppresses it. Whether there was room for
    /// it is a matter of the Event queue.</summary>
    public OracleEvent? Event { get; init; }

    /// <summary>The steps that were taken, with the sections that ask for them; for people who search for a difference.</summary>
    public IReadOnlyList<string> Steps { get; init; } = [];
}
