namespace Smmu.Fast.Formats;

/// <summary>How the completion of CMD_SYNC is told: its CS field (IHI 0070, 4.7.3). Code 3 is illegal.</summary>
public enum CompletionSignal : byte
{
    /// <summary>SIG_NONE: CMDQ_CONS alone tells.</summary>
    None = 0,

    /// <summary>SIG_IRQ: an MSI, the wired interrupt or both.</summary>
    Interrupt = 1,

    /// <summary>SIG_SEV: a wake-up event for waiting PEs.</summary>
    Event = 2,
}

/// <summary>The answer of CMD_PRI_RESP to a page request group: its Resp field (IHI 0070, 4.5.2). Code 3 is illegal.</summary>
public enum PageResponse : byte
{
    /// <summary>Response Failure: the endpoint stops asking.</summary>
    Failure = 0,

    /// <summary>Invalid Request: some page is not there for the endpoint.</summary>
    InvalidRequest = 1,

    /// <summary>Success: the pages are there.</summary>
    Success = 2,
}

/// <summary>The range and level hints of a TLB invalidation by address (IHI 0070, 4.4.1.1); all zero is one address.</summary>
/// <param name="TG">Granule: 1 4 KiB, 2 16 KiB, 3 64 KiB; 0 one address of any granule.</param>
/// <param name="NUM">Units in the range, less one; 0 to 31.</param>
/// <param name="SCALE">Log2 of the granules in a unit; 0 to 31, up to 39 with IDR5.DS.</param>
/// <param name="TTL">Level of the leaves, 1 to 3; 0 any.</param>
/// <param name="TTL128">TTL is of 128-bit descriptors.</param>
public readonly record struct InvalidationRange(byte TG, byte NUM, byte SCALE, byte TTL, bool TTL128 = false);
