namespace Smmu.Fast.Registers;

/// <summary>Bits of GERROR (IHI 0070, 6.3.19).</summary>
[Flags]
internal enum GlobalError : uint
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>CMDQ_ERR: a command was refused.</summary>
    CommandQueue = 1 << 0,

    /// <summary>EVENTQ_ABT_ERR: the write of an event record aborted.</summary>
    EventQueueAbort = 1 << 2,

    /// <summary>PRIQ_ABT_ERR: the write of a page request aborted.</summary>
    PageRequestQueueAbort = 1 << 3,

    /// <summary>MSI_CMDQ_ABT_ERR: the MSI of a CMD_SYNC aborted.</summary>
    CommandQueueMsiAbort = 1 << 4,

    /// <summary>MSI_EVENTQ_ABT_ERR: the MSI of the Event queue aborted.</summary>
    EventQueueMsiAbort = 1 << 5,

    /// <summary>MSI_PRIQ_ABT_ERR: the MSI of the PRI queue aborted.</summary>
    PageRequestQueueMsiAbort = 1 << 6,

    /// <summary>MSI_GERROR_ABT_ERR: the MSI of GERROR itself aborted.</summary>
    GlobalErrorMsiAbort = 1 << 7,
}

/// <summary>GERROR and GERRORN: an error is active while its bits differ (IHI 0070, 7.5). Changed behind the control gate only.</summary>
internal sealed class GlobalErrors
{
    private readonly uint implemented;
    private uint errors;
    private uint acknowledged;

    public GlobalErrors(GlobalError implemented) => this.implemented = (uint)implemented;

    /// <summary>GERROR.</summary>
    public uint ErrorRegister => Volatile.Read(ref errors);

    /// <summary>GERRORN.</summary>
    public uint AcknowledgeRegister => Volatile.Read(ref acknowledged);

    /// <summary>True while the error is active.</summary>
    public bool IsActive(GlobalError error) => ((errors ^ acknowledged) & (uint)error) != 0;

    /// <summary>Activates an error; false when it is active already, which leaves no trace (GERR-02).</summary>
    public bool TryActivate(GlobalError error)
    {
        uint bit = (uint)error & implemented;
        if (bit == 0 || IsActive(error)) return false;
        Volatile.Write(ref errors, errors ^ bit);
        return true;
    }

    /// <summary>Returns to the reset state.</summary>
    public void Reset()
    {
        Volatile.Write(ref errors, 0);
        Volatile.Write(ref acknowledged, 0);
    }

    /// <summary>Takes a write of GERRORN.</summary>
    public void WriteAcknowledge(uint value) => Volatile.Write(ref acknowledged, value & implemented);
}
