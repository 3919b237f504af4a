using Smmu.Fast.Formats;

namespace Smmu.Fast.Registers;

/// <summary>GERROR and GERRORN: an error is active while its bits differ (IHI 0070, 7.5). Changed behind the control gate only.</summary>
internal sealed class GlobalErrorState
{
    private readonly uint implemented;
    private uint errors;
    private uint acknowledged;

    public GlobalErrorState(GlobalErrors implemented) => this.implemented = (uint)implemented;

    /// <summary>GERROR.</summary>
    public uint ErrorRegister => Volatile.Read(ref errors);

    /// <summary>GERRORN.</summary>
    public uint AcknowledgeRegister => Volatile.Read(ref acknowledged);

    /// <summary>True while the error is active.</summary>
    public bool IsActive(GlobalErrors error) => ((errors ^ acknowledged) & (uint)error) != 0;

    /// <summary>Activates an error; false when it is active already, which leaves no trace (GERR-02).</summary>
    public bool TryActivate(GlobalErrors error)
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

    /// <summary>Sets GERROR, which nobody writes, to what it was.</summary>
    public void Restore(uint value) => Volatile.Write(ref errors, value & implemented);

    /// <summary>Takes a write of GERRORN.</summary>
    public void WriteAcknowledge(uint value) => Volatile.Write(ref acknowledged, value & implemented);
}
