namespace Smmu.Fast.Oracle;

/// <summary>What an SMMU announces, taken from the raw words of its identification registers (IHI 0070, 6.3.1 to 6.3.8).</summary>
/// <remarks>Covered is the Non-secure side of SMMUv3.1 to 3.3 with VMSAv8-64 tables.</remarks>
public sealed record OracleFeatures
{
    private readonly uint idr0;
    private readonly uint idr1;
    private readonly uint idr3;
    private readonly uint idr5;

    /// <summary>Takes the identification registers.</summary>
    /// <param name="idr0">SMMU_IDR0.</param>
    /// <param name="idr1">SMMU_IDR1.</param>
    /// <param name="idr2">SMMU_IDR2, which matters to nothing here but reads.</param>
    /// <param name="idr3">SMMU_IDR3.</param>
    /// <param name="idr4">SMMU_IDR4, which matters to nothing here but reads.</param>
    /// <param name="idr5">SMMU_IDR5.</param>
    /// <param name="aidr">SMMU_AIDR: 1, 2 or 3 for SMMUv3.1 to 3.3.</param>
    /// <exception cref="ArgumentException">A feature is announced that the oracle does not have, or a reserved value.</exception>
    public OracleFeatures(uint idr0, uint idr1, uint idr2, uint idr3, uint idr4, uint idr5, uint aidr = 2)
    {
        (this.idr0, this.idr1, this.idr3, this.idr5) = (idr0, idr1, idr3, idr5);
        Idr = [idr0, idr1, idr2, idr3, idr4, idr5];
        Aidr = aidr;
        Demand(aidr is >= 1 and <= 3, "AIDR", "pass 1, 2 or 3: versions 3.1 to 3.3 are covered");
        Demand(Stage1 || Stage2, "IDR0.S1P and S2P", "announce at least one stage");
        Demand(Number(idr0, 3, 2) == 0b10, "IDR0.TTF", "announce 0b10: VMSAv8-64 tables alone are covered");
        Demand(HardwareUpdate != 0b11, "IDR0.HTTU", "announce at most 0b10: the Access flag of Table descriptors is not covered");
        Demand(Number(idr0, 22, 21) != 0b01, "IDR0.TTENDIAN", "0b01 is reserved");
        Demand(StallModel != 0b11, "IDR0.STALL_MODEL", "0b11 is reserved");
        Demand(StreamIdBits <= 32, "IDR1.SIDSIZE", "announce at most 32");
        Demand(SubstreamIdBits <= 20, "IDR1.SSIDSIZE", "announce at most 20");
        Demand(!Bits.Bit(idr3, 7), "IDR3.MPAM", "clear it: the VMS is not covered");
        Demand(Number(idr3, 23, 18) == 0, "IDR3.S1PI to AIE", "clear bits [23:18]: they belong to SMMUv3.4");
        Demand(!Bits.Bit(idr5, 8), "IDR5.D128", "clear it: VMSAv8-64 tables alone are covered");
        Demand(Number(idr5, 2, 0) != 0b111, "IDR5.OAS", "announce at most 52 bits");
        Demand(Number(idr5, 11, 10) != 0b11, "IDR5.VAX", "0b11 is reserved");
    }

    /// <summary>IDR0 to IDR5 as they are read.</summary>
    public IReadOnlyList<uint> Idr { get; }

    /// <summary>SMMU_AIDR as it is read.</summary>
    public uint Aidr { get; }

    internal bool Stage2 => Bits.Bit(idr0, 0);

    internal bool Stage1 => Bits.Bit(idr0, 1);

    internal bool Broadcast => Bits.Bit(idr0, 5);

    internal int HardwareUpdate => Number(idr0, 7, 6);

    internal bool Hyp => Bits.Bit(idr0, 9);

    internal bool Ats => Bits.Bit(idr0, 10);

    internal bool NoSplitStageAts => Bits.Bit(idr0, 11);

    internal bool Asid16 => Bits.Bit(idr0, 12);

    internal bool Msi => Bits.Bit(idr0, 13);

    internal bool WakeUpEvents => Bits.Bit(idr0, 14);

    internal bool Pri => Bits.Bit(idr0, 16);

    internal bool VmidWildcard => Bits.Bit(idr0, 17);

    internal bool Vmid16 => Bits.Bit(idr0, 18);

    internal bool TwoLevelContextTable => Bits.Bit(idr0, 19);

    /// <summary>0b00 mixed, 0b10 little-endian tables alone, 0b11 big-endian ones alone.</summary>
    internal int TableEndianness => Number(idr0, 22, 21);

    internal bool RecordsConfigurationErrorsOfAts => Bits.Bit(idr0, 23);

    /// <summary>0b00 stall and terminate, 0b01 terminate, 0b10 stall.</summary>
    internal int StallModel => Number(idr0, 25, 24);

    internal bool TerminatesWithAbortAlone => Bits.Bit(idr0, 26);

    internal bool TwoLevelStreamTable => Number(idr0, 28, 27) == 0b01;

    internal int StreamIdBits => Number(idr1, 5, 0);

    internal int SubstreamIdBits => Number(idr1, 10, 6);

    internal int PageRequestQueueLog2 => Number(idr1, 15, 11);

    internal int EventQueueLog2 => Number(idr1, 20, 16);

    internal int CommandQueueLog2 => Number(idr1, 25, 21);

    internal bool OverridesPermissions => Bits.Bit(idr1, 26);

    internal bool OverridesTypes => Bits.Bit(idr1, 27);

    internal bool QueuesPreset => Bits.Bit(idr1, 29);

    internal bool TablesPreset => Bits.Bit(idr1, 30);

    internal bool HierarchicalDisable => Bits.Bit(idr3, 2);

    internal bool ExecuteNeverByPrivilege => Bits.Bit(idr3, 4);

    internal bool ForcedWriteBack => Bits.Bit(idr3, 8);

    internal bool SmallTables => Bits.Bit(idr3, 9);

    internal bool RangeInvalidation => Bits.Bit(idr3, 10);

    internal bool UnprivilegedPrevention => Bits.Bit(idr3, 13);

    internal bool DevicePermissionTable => Bits.Bit(idr3, 15);

    internal bool EnhancedPrivilegedAccessNever => Bits.Bit(idr3, 17);

    /// <summary>OAS in bits.</summary>
    internal int OutputBits => SizeBits(Number(idr5, 2, 0));

    /// <summary>IAS in bits: without VMSAv8-32 tables it is the OAS (3.4).</summary>
    internal int IntermediateBits => OutputBits;

    internal bool WideSmallGranules => Bits.Bit(idr5, 7);

    /// <summary>True when 64KB descriptors hold 52-bit addresses.</summary>
    internal bool Wide64KB => OutputBits >= 52;

    internal bool WideVirtualAddresses => Number(idr5, 11, 10) != 0;

    internal bool Supports(Granule granule) => granule switch
    {
        Granule.Size4KB => Bits.Bit(idr5, 4),
        Granule.Size16KB => Bits.Bit(idr5, 5),
        Granule.Size64KB => Bits.Bit(idr5, 6),
        _ => false,
    };

    /// <summary>Bits of an output size: IPS, S2PS capped to the OAS (5.2, 5.4). Code 0b111 acts as 0b110 up to SMMUv3.3.</summary>
    internal int EffectiveSize(int code) => Math.Min(SizeBits(Math.Min(code, 0b110)), OutputBits);

    private static int SizeBits(int code) => code switch { 0 => 32, 1 => 36, 2 => 40, 3 => 42, 4 => 44, 5 => 48, _ => 52 };

    private static int Number(uint word, int high, int low) => (int)Bits.Field(word, high, low);

    private static void Demand(bool holds, string what, string advice)
    {
        if (!holds) throw new ArgumentException($"{what}: {advice}.");
    }
}
