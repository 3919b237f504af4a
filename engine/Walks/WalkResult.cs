using Smmu.Fast.Formats;

namespace Smmu.Fast.Walks;

/// <summary>How a walk ended: a translation, or a fault for the caller to report.</summary>
internal struct WalkResult
{
    /// <summary>Where exactly the input address leads to; 0 with a fault.</summary>
    public ulong OutputAddress;

    /// <summary>
    /// On success the output of stage 1, all bits, when stage 2 is on. With a stage 2 fault the 4KB page of the IPA that
    /// could not be translated: a CD, a stage 1 descriptor or the final one, as <see cref="FaultClass"/> tells. Else 0.
    /// </summary>
    public ulong Ipa;

    /// <summary>Physical address of the descriptor whose read or update memory aborted; for F_WALK_EABT alone.</summary>
    public ulong FetchAddress;

    /// <summary>
    /// The stage 1 table that held the leaf, to begin later walks at. Not set with a fault, without stage 1, and where stage
    /// 2 maps the table in pieces, so that it has no single physical address.
    /// </summary>
    public WalkStart LastTable;

    /// <summary>Memory type and shareability of both stages together, made consistent (IHI 0070, 13.1.7).</summary>
    public MemoryAttributes Attributes;

    /// <summary>How often a hardware update found the descriptor changed by somebody else.</summary>
    public byte LostExchanges;

    /// <summary>Descriptors read, of both stages.</summary>
    public ushort DescriptorReads;

    /// <summary><see cref="EventType.None"/> on success; else F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION or F_WALK_EABT.</summary>
    public EventType Event;

    /// <summary>CLASS of the fault.</summary>
    public FaultClass FaultClass;

    /// <summary>Level of the descriptor that held the leaf or gave the fault: -1 to 3; 0 for addresses out of range.</summary>
    public sbyte Level;

    /// <summary>S2 of the fault: stage 2 raised it.</summary>
    public bool Stage2;

    /// <summary>TTRnW of the fault: with CLASS TT, the access that stage 2 refused was a read of the stage 1 descriptor.</summary>
    public bool TableRead;

    /// <summary>
    /// An atomic was refused for want of read permission alone: its F_PERMISSION is recorded as a read (IHI 0070, 13.1.1).
    /// </summary>
    public bool RefusedAsRead;

    /// <summary>No ASID has to match: nG is 0, the world has one privilege level, or stage 1 is off.</summary>
    public bool IsGlobal;

    /// <summary>
    /// What both stages permit as the descriptors stand. A writable-clean page is not writable here before a write has made
    /// it dirty, so that the first write comes to the walker (IHI 0070, 3.13).
    /// </summary>
    public AccessPermissions Permissions;

    /// <summary>
    /// Bytes around the input address for which the answer holds, log2: the smaller leaf of the stages, and of a block that
    /// is larger than the output size only the part that has outputs.
    /// </summary>
    public byte LeafSizeLog2;

    /// <summary>Size of the stage 1 leaf, log2; 0 when stage 1 is off.</summary>
    public byte Stage1LeafSizeLog2;

    /// <summary>Size of the stage 2 leaf, log2; 0 when stage 2 is off.</summary>
    public byte Stage2LeafSizeLog2;

    /// <summary>Size of the stage 1 contiguous run around the leaf, log2; 0 where the Contiguous bit does not count.</summary>
    public byte Stage1RunSizeLog2;

    /// <summary>Size of the stage 2 contiguous run around the leaf, log2; 0 where the Contiguous bit does not count.</summary>
    public byte Stage2RunSizeLog2;

    /// <summary>Of a nested translation: what stage 2 permits for the final address, without stage 1.</summary>
    public AccessPermissions Stage2Permissions;

    /// <summary>Of a nested translation: MemAttr[3:0] of the final stage 2 leaf.</summary>
    public byte Stage2MemoryAttribute;

    /// <summary>Of a nested translation: SH of the final stage 2 leaf, or S2SH0 with S2DS.</summary>
    public byte Stage2Shareability;

    /// <summary>Of a nested translation: bytes around the IPA for which the stage 2 leaf has outputs, log2.</summary>
    public byte Stage2ReachLog2;

    /// <summary>True when the walk produced a translation.</summary>
    public readonly bool IsSuccess => Event == EventType.None;
}
