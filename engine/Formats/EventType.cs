namespace Smmu.Fast.Formats;

/// <summary>Event numbers: bits [7:0] of an event record (IHI 0070, 7.3).</summary>
public enum EventType : byte
{
    /// <summary>No event.</summary>
    None = 0,

    /// <summary>F_UUT: unsupported upstream transaction.</summary>
    UnsupportedUpstreamTransaction = 0x01,

    /// <summary>C_BAD_STREAMID: the StreamID is outside the Stream table.</summary>
    BadStreamId = 0x02,

    /// <summary>F_STE_FETCH: the read of an STE or L1STD aborted.</summary>
    StreamTableEntryFetch = 0x03,

    /// <summary>C_BAD_STE: the STE is invalid or illegal.</summary>
    BadStreamTableEntry = 0x04,

    /// <summary>F_BAD_ATS_TREQ: an ATS Translation Request that the configuration does not allow.</summary>
    BadAtsTranslationRequest = 0x05,

    /// <summary>F_STREAM_DISABLED: no SubstreamID where the STE demands one, or SubstreamID 0 where it is reserved.</summary>
    StreamDisabled = 0x06,

    /// <summary>F_TRANSL_FORBIDDEN: an ATS Translated transaction that the configuration does not allow.</summary>
    TranslationForbidden = 0x07,

    /// <summary>C_BAD_SUBSTREAMID: the SubstreamID is out of range or not allowed.</summary>
    BadSubstreamId = 0x08,

    /// <summary>F_CD_FETCH: the read of a CD or L1CD aborted.</summary>
    ContextDescriptorFetch = 0x09,

    /// <summary>C_BAD_CD: the CD is invalid or illegal.</summary>
    BadContextDescriptor = 0x0a,

    /// <summary>F_WALK_EABT: the read or update of a translation table descriptor aborted.</summary>
    WalkExternalAbort = 0x0b,

    /// <summary>F_TRANSLATION: no translation for the address.</summary>
    Translation = 0x10,

    /// <summary>F_ADDR_SIZE: an address exceeds its size limit.</summary>
    AddressSize = 0x11,

    /// <summary>F_ACCESS: the Access flag is 0.</summary>
    AccessFlag = 0x12,

    /// <summary>F_PERMISSION: the translation does not permit the access.</summary>
    Permission = 0x13,

    /// <summary>F_TLB_CONFLICT: conflicting TLB entries.</summary>
    TlbConflict = 0x20,

    /// <summary>F_CFG_CONFLICT: conflicting configuration cache entries.</summary>
    ConfigurationConflict = 0x21,

    /// <summary>E_PAGE_REQUEST: a speculative page request hint.</summary>
    PageRequest = 0x24,

    /// <summary>F_VMS_FETCH: the read of a VMS aborted.</summary>
    VirtualMachineStructureFetch = 0x25,
}

/// <summary>What was being translated when a fault arose: CLASS of an event record (IHI 0070, 7.3).</summary>
public enum FaultClass : byte
{
    /// <summary>CD: the fetch of a CD or L1CD.</summary>
    ContextDescriptor = 0,

    /// <summary>TT: the access of a stage 1 translation table.</summary>
    TranslationTable = 1,

    /// <summary>IN: the input address, or the IPA it led to.</summary>
    Input = 2,
}
