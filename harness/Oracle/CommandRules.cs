namespace Smmu.Fast.Oracle;

/// <summary>Which commands of the Non-secure Command queue are legal (IHI 0070, chapter 4). Reserved bits are ignored.</summary>
internal static class CommandRules
{
    /// <summary>CMD_RESUME.</summary>
    public const int Resume = 0x44;

    /// <summary>CMD_STALL_TERM.</summary>
    public const int StallTerm = 0x45;

    /// <summary>CMD_SYNC.</summary>
    public const int Sync = 0x46;

    /// <summary>True when the command gives CERROR_ILL.</summary>
    public static bool IsIllegal(OracleCommand command, OracleFeatures features)
    {
        // 4.1.6: no Secure StreamID on this queue.
        bool isSecure = Bits.Bit(command.Word0, 10);
        switch (command.Opcode)
        {
            case 0x01 or 0x02 or 0x03 or 0x04:   // CMD_PREFETCH_*, CMD_CFGI_STE, CMD_CFGI_STE_RANGE and CMD_CFGI_ALL.
                return isSecure;
            case 0x05 or 0x06:   // CMD_CFGI_CD and CMD_CFGI_CD_ALL.
                return isSecure || !features.Stage1;
            case 0x10 or 0x11:   // CMD_TLBI_NH_ALL and _ASID.
                return !features.Stage1;
            case 0x12 or 0x13:   // CMD_TLBI_NH_VA and _VAA.
                return !features.Stage1 || IsRangeIllegal(command, features);
            case 0x20 or 0x21:   // CMD_TLBI_EL2_ALL and _ASID.
                return !features.Hyp;
            case 0x22 or 0x23:   // CMD_TLBI_EL2_VA and _VAA.
                return !features.Hyp || IsRangeIllegal(command, features);
            case 0x28:   // CMD_TLBI_S12_VMALL.
                return !features.Stage2;
            case 0x2A:   // CMD_TLBI_S2_IPA.
                return !features.Stage2 || IsRangeIllegal(command, features);
            case 0x30:   // CMD_TLBI_NSNH_ALL.
                return false;
            case 0x40:   // CMD_ATC_INV; a Size above 52 is refused.
                return !features.Ats || Bits.Field(command.Word1, 5, 0) > 52;
            case 0x41:   // CMD_PRI_RESP; Resp 0b11 is reserved.
                return !features.Pri || Bits.Field(command.Word1, 13, 12) == 0b11;
            case Resume or StallTerm:
                return isSecure || features.StallModel == 0b01;
            case Sync:   // CS 0b11 is reserved.
                return Bits.Field(command.Word0, 13, 12) == 0b11;
            case 0x70 or 0x73:   // CMD_DPTI_ALL and _PA.
                return !features.DevicePermissionTable;
            default:
                return true;
        }
    }

    // 4.4.1.1: TG without NUM, SCALE and TTL is reserved; TTL 01 of 16KB acts as 00 without DS.
    private static bool IsRangeIllegal(OracleCommand command, OracleFeatures features)
    {
        if (!features.RangeInvalidation) return false;
        int granule = (int)Bits.Field(command.Word1, 75 - 64, 74 - 64);
        int level = (int)Bits.Field(command.Word1, 73 - 64, 72 - 64);
        if (granule == 0b10 && level == 0b01 && !features.WideSmallGranules) level = 0b00;
        ulong number = Bits.Field(command.Word0, 16, 12);
        ulong scale = Bits.Field(command.Word0, features.WideSmallGranules ? 25 : 24, 20);
        return granule != 0b00 && level == 0b00 && number == 0 && scale == 0;
    }
}
