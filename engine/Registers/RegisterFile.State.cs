using Smmu.Fast.Formats;

namespace Smmu.Fast.Registers;

internal sealed partial class RegisterFile
{
    /// <summary>Reads all registers that software can change.</summary>
    public SavedRegister[] Save()
    {
        uint[] offsets = SavedRegister.OffsetsOf(features);
        var saved = new SavedRegister[offsets.Length];
        for (int i = 0; i < saved.Length; i++)
        {
            uint offset = offsets[i];
            if (!TryRead64(offset, out ulong value)) value = Read32(offset);
            saved[i] = new SavedRegister(offset, value);
        }

        return saved;
    }

    /// <summary>Writes registers that were saved, over the reset state, as a driver would: no mask is passed by.</summary>
    public void Restore(ReadOnlySpan<SavedRegister> saved)
    {
        foreach (var (offset, value) in saved)
        {
            switch (offset)
            {
                case RegisterOffset.GERROR: Errors.Restore((uint)value); break;
                case RegisterOffset.GBPA: WriteGlobalBypass((uint)value | BypassUpdate); break;
                default:
                    if (!TryWrite64(offset, value)) Write32(offset, (uint)value);
                    break;
            }
        }

        if (Errors.IsActive(GlobalErrors.CMDQ_ERR)) consumer.SetStopped(true);
        if (Errors.IsActive(GlobalErrors.EVENTQ_ABT_ERR)) events.AcceptAbortShown();
        if (Errors.IsActive(GlobalErrors.PRIQ_ABT_ERR)) PageRequests.AcceptAbortShown();
    }
}
