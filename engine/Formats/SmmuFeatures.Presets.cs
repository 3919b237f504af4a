namespace Smmu.Fast.Formats;

/// <content>Features to start from. A preset announces a feature once tests show the rules that it brings along.</content>
public sealed partial class SmmuFeatures
{
    // JEP106 uses 0x7f to continue in its next bank, so it is nobody's code and no driver looks for its errata.
    private const uint NobodysIidr = 0x7f;

    /// <summary>An SMMUv3.2 with stage 1 alone: 48-bit addresses, all granules, no substreams and no stalls.</summary>
    public static SmmuFeatures Stage1Only { get; } = FromRaw(0, 0, 0, 0, 0, 0, NobodysIidr, aidr: 2)
        .With(SmmuFeatureField.S1P, 1)
        .With(SmmuFeatureField.TTF, 0b10)
        .With(SmmuFeatureField.COHACC, 1)
        .With(SmmuFeatureField.ASID16, 1)
        .With(SmmuFeatureField.MSI, 1)
        .With(SmmuFeatureField.STALL_MODEL, 0b01)
        .With(SmmuFeatureField.ST_LEVEL, 0b01)
        .With(SmmuFeatureField.SIDSIZE, 16)
        .With(SmmuFeatureField.CMDQS, MaxQueueLog2)
        .With(SmmuFeatureField.EVENTQS, MaxQueueLog2)
        .With(SmmuFeatureField.ATTR_PERMS_OVR, 1)
        .With(SmmuFeatureField.ATTR_TYPES_OVR, 1)
        .With(SmmuFeatureField.HAD, 1)
        .With(SmmuFeatureField.RIL, 1)
        .With(SmmuFeatureField.BBML, 0b10)
        .With(SmmuFeatureField.OAS, 0b101)
        .With(SmmuFeatureField.GRAN4K, 1)
        .With(SmmuFeatureField.GRAN16K, 1)
        .With(SmmuFeatureField.GRAN64K, 1);

    /// <summary>
    /// An SMMUv3.2 with all that is there in 48 bits: both stages, EL2, 16-bit VMIDs with wildcards, 2^20 substreams, hardware
    /// updates of Access flag and dirty state, stalls of up to 256 accesses, ATS and PRI, wake-up events and small translation
    /// tables.
    /// </summary>
    public static SmmuFeatures Default { get; } = Stage1Only
        .With(SmmuFeatureField.S2P, 1)
        .With(SmmuFeatureField.Hyp, 1)
        .With(SmmuFeatureField.HTTU, 0b10)
        .With(SmmuFeatureField.ATS, 1)
        .With(SmmuFeatureField.PRI, 1)
        .With(SmmuFeatureField.ATSRECERR, 1)
        .With(SmmuFeatureField.PRIQS, MaxQueueLog2)
        .With(SmmuFeatureField.PPS, 1)
        .With(SmmuFeatureField.SEV, 1)
        .With(SmmuFeatureField.VMW, 1)
        .With(SmmuFeatureField.VMID16, 1)
        .With(SmmuFeatureField.CD2L, 1)
        .With(SmmuFeatureField.STALL_MODEL, 0b00)
        .With(SmmuFeatureField.SSIDSIZE, 20)
        .With(SmmuFeatureField.XNX, 1)
        .With(SmmuFeatureField.FWB, 1)
        .With(SmmuFeatureField.STT, 1)
        .With(SmmuFeatureField.STALL_MAX, 256);

    /// <summary><see cref="Default"/> with 52-bit virtual and physical addresses in all granules.</summary>
    public static SmmuFeatures Wide { get; } = Default
        .With(SmmuFeatureField.OAS, 0b110)
        .With(SmmuFeatureField.VAX, 0b01)
        .With(SmmuFeatureField.DS, 1);

    /// <summary>The SMMU of a stock QEMU 7.2 <c>virt</c> machine, word for word.</summary>
    public static SmmuFeatures QemuVirt { get; } = FromRaw(
        idr0: 0x0d40_101a, idr1: 0x0273_0010, idr2: 0, idr3: 0x1404, idr4: 0, idr5: 0x74, iidr: 0, aidr: 1);
}
