namespace Smmu.Fast.Oracle;

/// <summary>The fields of a Stream Table Entry (IHI 0070, 5.2), and what they mean together with the registers.</summary>
internal sealed class StreamTableEntry(Structure words, OracleFeatures features, bool e2h)
{
    public bool V => words.Bit(0);

    public int Config => words.Number(3, 1);

    public int S1Fmt => words.Number(5, 4);

    public ulong S1ContextPtr => words.Field(55, 6) << 6;

    public int S1CDMax => words.Number(63, 59);

    public int S1DSS => words.Number(65, 64);

    public bool S1STALLD => words.Bit(91);

    public int EATS => words.Number(93, 92);

    public int STRW => words.Number(95, 94);

    public int MemAttr => words.Number(99, 96);

    public bool MTCFG => words.Bit(100);

    public int ALLOCCFG => words.Number(104, 101);

    public int SHCFG => words.Number(109, 108);

    public int PRIVCFG => words.Number(113, 112);

    public int INSTCFG => words.Number(115, 114);

    public int S2VMID => words.Number(143, 128);

    public int S2T0SZ => words.Number(165, 160);

    public int S2SL0 => words.Number(167, 166);

    public int S2SH0 => words.Number(173, 172);

    public int S2TG => words.Number(175, 174);

    public int S2PS => words.Number(178, 176);

    public bool S2AA64 => words.Bit(179);

    public bool S2ENDI => words.Bit(180);

    public bool S2AFFD => words.Bit(181);

    public bool S2PTW => words.Bit(182);

    public bool S2HD => words.Bit(183);

    public bool S2HA => words.Bit(184);

    public bool S2S => words.Bit(185);

    public bool S2R => words.Bit(186);

    public int S2SL0_2 => words.Number(194, 194);

    public bool S2DS => words.Bit(195);

    /// <summary>S2TTB as programmed: address bits [51:4] up to SMMUv3.3.</summary>
    public ulong S2TTB => words.Field(243, 196) << 4;

    public bool Stage1Enabled => (Config & 0b101) == 0b101;

    public bool Stage2Enabled => (Config & 0b110) == 0b110;

    /// <summary>True when transactions may bring a SubstreamID.</summary>
    public bool SubstreamsEnabled => Stage1Enabled && S1CDMax != 0 && features.SubstreamIdBits != 0;

    /// <summary>IgnoreSTESTRW of 5.2.2 for a Non-secure STE.</summary>
    public bool IgnoresSTRW => !features.Stage1 || !features.Hyp || Stage2Enabled || Config == 0b100;

    /// <summary>StreamWorld EL2 without E2H: one TTB, no ASID, every access privileged.</summary>
    public bool IsEL2 => !IgnoresSTRW && STRW == 0b10 && !e2h;

    /// <summary>Whether S2FWB counts: before SMMUv3.2, or where it is not announced, it is RES0.</summary>
    public bool EffectiveS2FWB => features.ForcedWriteBack && words.Bit(89);

    public bool EffectiveS2HA => S2HA && features.HardwareUpdate >= 1;

    public bool EffectiveS2HD => EffectiveS2HA && S2HD && features.HardwareUpdate >= 2;

    public Granule Stage2Granule => TableGeometry.FromTG0(S2TG);

    public bool EffectiveS2DS => S2DS && features.WideSmallGranules && Stage2Granule != Granule.Size64KB;

    public int Stage2OutputBits => features.EffectiveSize(S2PS);

    public int Stage2InputBits => 64 - S2T0SZ;

    /// <summary>The stage 2 start level, or null where {S2SL0_2, S2SL0} is none. S2SL0_2 counts with S2DS 1 and 4KB alone.</summary>
    public int? Stage2StartLevel
    {
        get
        {
            bool extended = EffectiveS2DS && Stage2Granule == Granule.Size4KB;
            int code = (extended ? S2SL0_2 << 2 : 0) | S2SL0;
            return TableGeometry.StageTwoStartLevel(Stage2Granule, code, EffectiveS2DS, features);
        }
    }
}
