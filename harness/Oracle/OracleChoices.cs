namespace Smmu.Fast.Oracle;

/// <summary>What the architecture leaves open, and which of the permitted behaviours the oracle shows.</summary>
/// <remarks>A comparison with another implementation sets these to the choices of that implementation.</remarks>
public sealed record OracleChoices
{
    /// <summary>True: the flags of a stage 1 descriptor are written before the stage 2 translation of its output, and stay
    /// written when that one faults. False: only after it, when nothing denies the access (3.13.5, 13.4.4, D8.5.1.2).</summary>
    public bool UpdateStageOneBeforeFinalStageTwo { get; init; }

    /// <summary>True: the stage 2 descriptor of a stage 1 table that is to be updated becomes dirty before the stage 2 translation
    /// of the output, and stays so when that one faults. False: only after it (D8.5.2.1, where both are permitted).</summary>
    public bool DirtyTableBeforeFinalStageTwo { get; init; }

    /// <summary>True: an L1STD.L2Ptr above the output size gives F_STE_FETCH. False: the address is truncated (3.4.3).</summary>
    public bool StreamTablePointerBeyondOutputSizeFaults { get; init; }

    /// <summary>True: with two stages, an S1ContextPtr above the IAS gives C_BAD_STE and an L2Ptr above it C_BAD_SUBSTREAMID.
    /// False: both give a stage 2 Translation fault (3.4.3).</summary>
    public bool ContextPointerBeyondIntermediateSizeIsIllegal { get; init; }

    /// <summary>True: Device and Normal iNC-oNC enter stage 2 as Outer Shareable. False: with the shareability of the stage 1
    /// descriptor. It shows only where S2FWB makes such memory Write-Back (D8.6.2, 13.1.1).</summary>
    public bool NormalizeStageOneShareability { get; init; } = true;

    /// <summary>True: the Address size check of a Block descriptor looks at the base in the descriptor. False: at the output
    /// address, offset included (5.2 and 5.4; AArch64.S1Walk). They differ where a block is larger than the output size
    /// (D8.15.1.1 speaks of the descriptor).</summary>
    public bool BlockAddressCheckIgnoresOffset { get; init; }

    /// <summary>True: a stalled transaction whose record finds the Event queue closed is retried when it opens, by whoever
    /// plays the client, and its record is dropped. False: the record waits (7.2.1, where both are permitted).</summary>
    public bool RetriesUnrecordedStalls { get; init; }

    /// <summary>True: an error that software makes active by toggling its GERRORN bit stops its queue. False: only one that has
    /// happened does (6.3.20, where both are permitted).</summary>
    public bool ToggledErrorsStopQueues { get; init; } = true;

    /// <summary>True: with S2FWB the reserved stage 2 MemAttr[2:0] value 0b100 acts as Device-nGnRnE. False: as 0b101
    /// (D8.6.6).</summary>
    public bool ReservedForcedWriteBackIsDevice { get; init; }
}
