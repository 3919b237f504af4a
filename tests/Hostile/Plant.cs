namespace Smmu.Fast.Tests.Hostile;

/// <summary>Defects that a run can be given, each of which the harness has to notice.</summary>
internal enum Plant
{
    None,

    /// <summary>A byte is written behind the end of RAM: the process ends.</summary>
    WildWrite,

    /// <summary>A byte is read before the start of RAM: the process ends.</summary>
    WildRead,

    /// <summary>Memory is written that was given back to the host: the process ends.</summary>
    LateWrite,

    /// <summary>A byte is written just before a region that begins within a page.</summary>
    NearWrite,

    /// <summary>Something is written to memory that no word of the guest points to.</summary>
    SecretWritten,

    /// <summary>A device reads memory that no word of the guest points to.</summary>
    SecretRead,

    /// <summary>Read-only memory is written.</summary>
    FirmwareWritten,

    /// <summary>Watched memory is written and no mark is left.</summary>
    StoreUnseen,

    /// <summary>A call throws.</summary>
    Exception,

    /// <summary>A call does not return.</summary>
    Hang,

    /// <summary>The end of a stall is not told.</summary>
    StallForgotten,

    /// <summary>Work is left that no call does.</summary>
    WorkLeft,

    /// <summary>The SMMU does not translate any more.</summary>
    Broken,

    /// <summary>What the guest comes with is refused at once, so that little is tried.</summary>
    Shallow,
}
