using Smmu.Fast.Formats;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Streams;

/// <summary>What the configuration makes of a stream's accesses.</summary>
internal enum StreamDisposition : byte
{
    /// <summary>Abort without a record: Config = 0b0xx, or a StreamID outside of the table with RECINVSID = 0.</summary>
    Abort,

    /// <summary>Pass untranslated, with the overrides of the STE.</summary>
    Bypass,

    /// <summary>Translate by the regime.</summary>
    Translate,

    /// <summary>A configuration error or a fault of a fetch.</summary>
    Fault,
}

/// <summary>The answer of the configuration for one stream and substream: all that translating its accesses needs.</summary>
internal struct ResolvedStream
{
    public StreamDisposition Disposition;

    /// <summary>
    /// The fault, for <see cref="StreamDisposition.Fault"/>; of a <see cref="StreamDisposition.Abort"/>, C_BAD_STREAMID when
    /// that is what RECINVSID = 0 keeps quiet about.
    /// </summary>
    public EventType Event;

    /// <summary>Physical address of the read that aborted, for the fetch events.</summary>
    public ulong FetchAddress;

    /// <summary>The stage 2 fault that the fetch of a CD met; its event is <see cref="Event"/>.</summary>
    public WalkResult StageTwoFault;

    /// <summary>True when <see cref="StageTwoFault"/> holds a fault.</summary>
    public bool HasStageTwoFault;

    /// <summary>The regime; for a bypass only its overrides and sizes count.</summary>
    public TranslationRegime Regime;
}
