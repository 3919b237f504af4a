namespace Smmu.Fast.Oracle;

/// <summary>Event numbers that a Non-secure client transaction can cause (IHI 0070, 7.3).</summary>
public enum OracleEventKind
{
    /// <summary>C_BAD_STREAMID (7.3.3).</summary>
    BadStreamId = 0x02,

    /// <summary>F_STE_FETCH (7.3.4).</summary>
    StreamTableFetch = 0x03,

    /// <summary>C_BAD_STE (7.3.5).</summary>
    BadStreamTableEntry = 0x04,

    /// <summary>F_STREAM_DISABLED (7.3.7).</summary>
    StreamDisabled = 0x06,

    /// <summary>C_BAD_SUBSTREAMID (7.3.9).</summary>
    BadSubstreamId = 0x08,

    /// <summary>F_CD_FETCH (7.3.10).</summary>
    ContextFetch = 0x09,

    /// <summary>C_BAD_CD (7.3.11).</summary>
    BadContextDescriptor = 0x0A,

    /// <summary>F_WALK_EABT (7.3.12).</summary>
    WalkAbort = 0x0B,

    /// <summary>F_TRANSLATION (7.3.13).</summary>
    Translation = 0x10,

    /// <summary>F_ADDR_SIZE (7.3.14).</summary>
    AddressSize = 0x11,

    /// <summary>F_ACCESS (7.3.15).</summary>
    AccessFlag = 0x12,

    /// <summary>F_PERMISSION (7.3.16).</summary>
    Permission = 0x13,
}

/// <summary>CLASS of a record: what was being done when the fault came up (7.3).</summary>
public enum OracleFaultClass
{
    /// <summary>CD: fetching a CD or an L1CD.</summary>
    ContextFetch = 0b00,

    /// <summary>TT: walking the stage 1 tables.</summary>
    TableWalk = 0b01,

    /// <summary>IN: the input address itself.</summary>
    Input = 0b10,
}

/// <summary>An event record: the four little-endian words of its 32 bytes (IHI 0070, 7.3).</summary>
/// <param name="Word0">Bits [63:0].</param>
/// <param name="Word1">Bits [127:64].</param>
/// <param name="Word2">Bits [191:128].</param>
/// <param name="Word3">Bits [255:192].</param>
public readonly record struct OracleEvent(ulong Word0, ulong Word1, ulong Word2, ulong Word3)
{
    /// <summary>The event number, bits [7:0].</summary>
    public OracleEventKind Kind => (OracleEventKind)Bits.Field(Word0, 7, 0);

    /// <summary>Stall, bit [95]: the transaction waits for CMD_RESUME or CMD_STALL_TERM.</summary>
    public bool IsStall => Kind >= OracleEventKind.Translation && Bits.Bit(Word1, 95 - 64);

    /// <summary>StreamID, bits [63:32].</summary>
    public uint StreamId => (uint)Bits.Field(Word0, 63, 32);
}
