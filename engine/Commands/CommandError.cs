namespace Smmu.Fast.Commands;

/// <summary>Why a command was refused: CMDQ_CONS.ERR (IHI 0070, 7.1).</summary>
internal enum CommandError : byte
{
    /// <summary>It was not.</summary>
    None = 0,

    /// <summary>CERROR_ILL: unknown, or not allowed here.</summary>
    Illegal = 1,

    /// <summary>CERROR_ABT: its read aborted.</summary>
    Abort = 2,

    /// <summary>CERROR_ATC_INV_SYNC: an ATC invalidation before a CMD_SYNC timed out.</summary>
    AtcInvalidationSync = 3,
}
