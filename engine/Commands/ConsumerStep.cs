namespace Smmu.Fast.Commands;

/// <summary>What the consumer needs before it can go on.</summary>
internal enum ConsumerStep : byte
{
    /// <summary>Nothing: the queue is empty, off or stopped.</summary>
    Idle,

    /// <summary>A pause, so that others get through the gate.</summary>
    Yield,

    /// <summary>The command has to be read through the host, with the gate open.</summary>
    FetchThroughHost,

    /// <summary>A CMD_SYNC wants to know whether its grace period has elapsed, with the gate open.</summary>
    AskEpoch,

    /// <summary>A CMD_SYNC waits for scopes or endpoints, or a CMD_ATC_INV for a tag; the last of them continues.</summary>
    Waiting,

    /// <summary>A command was consumed that goes to an endpoint, with the gate open.</summary>
    ReachEndpoint,

    /// <summary>A CMD_SYNC is complete and its signal is due, with the gate open.</summary>
    Signal,

    /// <summary>The end of a stall is to be told, with the gate open.</summary>
    EndStall,

    /// <summary>A command was refused: CMDQ_ERR, or CMDQP_ERR, is due.</summary>
    Error,

    /// <summary>A full queue has room again: a wake-up event is due, with the gate open (IDR0.SEV).</summary>
    WakeUp,
}
