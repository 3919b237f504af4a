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

/// <summary>What STE.EATS says of a stream, in effect but for CR0.ATSCHK (IHI 0070, 5.2).</summary>
internal enum AtsMode : byte
{
    /// <summary>No STE was found that says it, or it has Config = 0b0xx.</summary>
    Unknown,

    /// <summary>0b00, or something that acts as it: ATS is off.</summary>
    Disabled,

    /// <summary>0b01: translations lead to physical addresses.</summary>
    Full,

    /// <summary>0b10: they lead to intermediate ones. Acts as <see cref="Disabled"/> while ATSCHK is 0.</summary>
    SplitStage,
}

/// <summary>The answer of the configuration for one stream and substream: all that translating its accesses needs.</summary>
internal struct ResolvedStream
{
    public StreamDisposition Disposition;

    /// <summary>Known as soon as the STE is found legal, even when a fetch of the CD then fails.</summary>
    public AtsMode Ats;

    /// <summary>STE.PPAR of an STE that is not ILLEGAL: automatic PRG Responses carry the PASID of the request.</summary>
    public bool ResponsesKeepSubstream;

    /// <summary>True once there is an STE that is not ILLEGAL.</summary>
    public bool HasEntry;

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
