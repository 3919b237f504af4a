namespace Smmu.Fast.Memory;

/// <summary>How an access to guest memory by a caller that must not run host code ended.</summary>
internal enum MemoryStatus : byte
{
    /// <summary>All of it happened.</summary>
    Done,

    /// <summary>Nothing of it happened: no memory there, or memory that is read-only. Answered as an external abort.</summary>
    Aborted,

    /// <summary>Nothing of it happened: the host's bus or its store callback is needed. Repeat it without the gate.</summary>
    NeedsHost,
}
