using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Streams;

/// <summary>Makes a <see cref="TranslationRegime"/> of a legal STE and a legal CD: effective values, aligned bases.</summary>
internal static class RegimeBuilder
{
    private const byte UseIncomingShareability = 1;

    /// <summary>The StreamWorld of a Non-secure STE (STE-20, STE-21).</summary>
    public static StreamWorld WorldOf(in StreamTableEntry entry, SmmuFeatures features, bool e2h)
    {
        const uint Stage1Only = 0b101;
        if ((uint)entry.Config != Stage1Only || !features.Hyp || !features.S1P || entry.STRW != 2) return StreamWorld.NonSecureEl1;
        return e2h ? StreamWorld.NonSecureEl2E2h : StreamWorld.NonSecureEl2;
    }

    /// <summary>Takes over what the STE says: overrides, VMID, stage 2.</summary>
    public static void Apply(in StreamTableEntry entry, SmmuFeatures features, StreamWorld world, ref TranslationRegime regime)
    {
        uint config = (uint)entry.Config;
        regime.World = world;
        regime.Security = SecurityState.NonSecure;
        regime.Stage1Enabled = (config & 1) != 0;
        regime.Stage2Enabled = (config & 2) != 0;
        regime.InputSizeBits = (byte)features.InputAddressBits;
        regime.OutputSizeBits = (byte)features.OutputAddressBits;
        regime.HasVmid = world == StreamWorld.NonSecureEl1 && features.S2P;
        regime.Vmid = regime.HasVmid ? entry.S2VMID.Value : (ushort)0;
        regime.Overrides = Overrides(in entry, features);
        if (regime.Stage2Enabled) ApplyStage2(in entry, features, ref regime);
    }

    /// <summary>Takes over what the CD says: ASID, stage 1.</summary>
    public static void Apply(in ContextDescriptor descriptor, SmmuFeatures features, ref TranslationRegime regime)
    {
        regime.HasAsid = regime.HasTwoRanges;
        regime.Asid = regime.HasAsid ? descriptor.ASID.Value : (ushort)0;
        regime.Aset = descriptor.ASET;

        ref var stage1 = ref regime.Stage1;
        stage1.MemoryAttributes = descriptor.MAIR;
        stage1.OutputSizeBits = (byte)AddressSizes.Effective(descriptor.IPS, features);
        stage1.BigEndian = descriptor.ENDI;
        stage1.HardwareAccessFlag = descriptor.HA;
        stage1.HardwareDirtyState = descriptor.HD && descriptor.HA;
        stage1.AccessFlagFaultDisabled = descriptor.AFFD && !descriptor.HA;
        stage1.WriteExecuteNever = descriptor.WXN;
        stage1.PrivilegedAccessNever = descriptor.PAN && regime.HasTwoRanges;
        stage1.LargeAddresses = descriptor.DS && features.DS;
        stage1.AbortOnTermination = descriptor.A;
        stage1.RecordFaults = descriptor.R;
        stage1.StallFaults = descriptor.S;

        stage1.Range0 = new Stage1Range
        {
            TableBase = AddressSizes.TableBase(descriptor.TTB0, features),
            SizeOffset = (byte)descriptor.T0SZ,
            GranuleLog2 = (byte)GranuleSizes.OfRange0(descriptor.TG0),
            WalksDisabled = regime.HasTwoRanges && descriptor.EPD0,
            TopByteIgnored = descriptor.TBI0,
            HierarchicalAttributesDisabled = descriptor.HAD0 && features.HAD,
            Shareability = (byte)descriptor.SH0,
        };
        stage1.Range1 = new Stage1Range
        {
            TableBase = AddressSizes.TableBase(descriptor.TTB1, features),
            SizeOffset = (byte)descriptor.T1SZ,
            GranuleLog2 = (byte)GranuleSizes.OfRange1(descriptor.TG1),
            WalksDisabled = !regime.HasTwoRanges || descriptor.EPD1,
            TopByteIgnored = descriptor.TBI1,
            HierarchicalAttributesDisabled = descriptor.HAD1 && features.HAD,
            Shareability = (byte)descriptor.SH1,
        };
        AlignBase(ref stage1.Range0, in stage1);
        AlignBase(ref stage1.Range1, in stage1);
    }

    // The range of a disabled half was not judged, so nothing may be computed from it.
    private static void AlignBase(ref Stage1Range range, in Stage1Configuration stage1)
    {
        if (range.WalksDisabled) return;
        int granule = range.GranuleLog2;
        int level = GranuleSizes.Stage1StartLevel(granule, range.SizeOffset);
        range.TableBase = BitField.AlignDown(
            range.TableBase, GranuleSizes.FirstTableAlignmentLog2(granule, range.SizeOffset, level, stage1.OutputSizeBits));
    }

    private static void ApplyStage2(in StreamTableEntry entry, SmmuFeatures features, ref TranslationRegime regime)
    {
        int granule = GranuleSizes.OfStage2(entry.S2TG);
        bool large = GranuleSizes.Stage2IsLarge(in entry, granule, features);
        bool known = GranuleSizes.TryStage2StartLevel(in entry, granule, large, out int level);
        Invariant.Holds(known);

        ref var stage2 = ref regime.Stage2;
        stage2.OutputSizeBits = (byte)AddressSizes.Effective(entry.S2PS, features);
        stage2.SizeOffset = (byte)entry.S2T0SZ;
        stage2.GranuleLog2 = (byte)granule;
        stage2.StartLevel = (sbyte)level;
        stage2.TableBase = BitField.AlignDown(
            AddressSizes.TableBase(entry.S2TTB, features),
            GranuleSizes.FirstTableAlignmentLog2(granule, stage2.SizeOffset, level, stage2.OutputSizeBits));
        stage2.Shareability = (byte)entry.S2SH0;
        stage2.BigEndian = entry.S2ENDI;
        stage2.HardwareAccessFlag = entry.S2HA;
        stage2.HardwareDirtyState = entry.S2HD && entry.S2HA;
        stage2.AccessFlagFaultDisabled = entry.S2AFFD && !entry.S2HA;
        stage2.ProtectedTableWalk = entry.S2PTW && regime.Stage1Enabled;
        stage2.ForcedWriteBack = entry.S2FWB && features.FWB;
        stage2.LargeAddresses = large;
        stage2.ExecuteNeverByPrivilege = features.XNX;
        stage2.RecordFaults = entry.S2R;
        stage2.StallFaults = entry.S2S;
    }

    /// <summary>Drops the overrides that Translated transactions do not heed: all but PRIVCFG and INSTCFG (13.1.4).</summary>
    public static void LeaveInputAttributes(ref TranslationRegime regime) => regime.Overrides = new AttributeOverrides
    {
        Shareability = UseIncomingShareability,
        Privilege = regime.Overrides.Privilege,
        Instruction = regime.Overrides.Instruction,
    };

    private static AttributeOverrides Overrides(in StreamTableEntry entry, SmmuFeatures features)
    {
        bool types = features.ATTR_TYPES_OVR;
        bool permissions = features.ATTR_PERMS_OVR;
        return new AttributeOverrides
        {
            ReplaceMemoryType = types && entry.MTCFG,
            MemoryType = (byte)entry.MemAttr,
            AllocationHints = types ? (byte)entry.ALLOCCFG : (byte)0,
            Shareability = types ? (byte)entry.SHCFG : UseIncomingShareability,
            Privilege = permissions ? (byte)entry.PRIVCFG : (byte)0,
            Instruction = permissions ? (byte)entry.INSTCFG : (byte)0,
        };
    }
}
