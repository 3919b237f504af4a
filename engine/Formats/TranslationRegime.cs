using System.Runtime.CompilerServices;

namespace Smmu.Fast.Formats;

/// <summary>One half of a stage 1 address space: what a CD says of TTB0 or of TTB1 (IHI 0070, 5.4).</summary>
internal struct Stage1Range
{
    /// <summary>Address of the first table, aligned as the architecture takes it; an IPA when stage 2 is on.</summary>
    public ulong TableBase;

    /// <summary>TxSZ: the range holds 2^(64 - TxSZ) bytes.</summary>
    public byte SizeOffset;

    /// <summary>Address bits of the granule: 12, 14 or 16.</summary>
    public byte GranuleLog2;

    /// <summary>EPDx, in effect: walks of this range are off.</summary>
    public bool WalksDisabled;

    /// <summary>TBIx: VA[63:56] are ignored.</summary>
    public bool TopByteIgnored;

    /// <summary>HADx, in effect: APTable, PXNTable and UXNTable are ignored.</summary>
    public bool HierarchicalAttributesDisabled;

    /// <summary>SHx: used for leaf shareability when DS is on.</summary>
    public byte Shareability;
}

/// <summary>Stage 1 as a CD sets it up (IHI 0070, 5.4).</summary>
internal struct Stage1Configuration
{
    public Stage1Range Range0;
    public Stage1Range Range1;

    /// <summary>MAIR1:MAIR0; byte n belongs to AttrIndx n.</summary>
    public ulong MemoryAttributes;

    /// <summary>Effective IPS in bits, at most OAS.</summary>
    public byte OutputSizeBits;

    public bool BigEndian;               // ENDI
    public bool AccessFlagFaultDisabled; // AFFD, ignored with HA
    public bool HardwareAccessFlag;      // HA
    public bool HardwareDirtyState;      // HD, in effect: only with HA
    public bool WriteExecuteNever;       // WXN
    public bool PrivilegedAccessNever;   // PAN, in effect
    public bool LargeAddresses;          // DS, in effect
    public bool AbortOnTermination;      // A
    public bool RecordFaults;            // R
    public bool StallFaults;             // S
}

/// <summary>Stage 2 as an STE sets it up (IHI 0070, 5.2).</summary>
internal struct Stage2Configuration
{
    /// <summary>Physical address of the (concatenated) first table, aligned as the architecture takes it.</summary>
    public ulong TableBase;

    /// <summary>S2T0SZ: the IPA space holds 2^(64 - S2T0SZ) bytes.</summary>
    public byte SizeOffset;

    /// <summary>Address bits of the granule: 12, 14 or 16.</summary>
    public byte GranuleLog2;

    /// <summary>Level of the first table: -1 to 3.</summary>
    public sbyte StartLevel;

    /// <summary>Effective S2PS in bits, at most OAS.</summary>
    public byte OutputSizeBits;

    /// <summary>S2SH0: used for leaf shareability when S2DS is on.</summary>
    public byte Shareability;

    public bool BigEndian;               // S2ENDI
    public bool AccessFlagFaultDisabled; // S2AFFD, ignored with S2HA
    public bool HardwareAccessFlag;      // S2HA
    public bool HardwareDirtyState;      // S2HD, in effect: only with S2HA
    public bool ProtectedTableWalk;      // S2PTW, in effect: only nested
    public bool ForcedWriteBack;         // S2FWB
    public bool LargeAddresses;          // S2DS, in effect
    public bool ExecuteNeverByPrivilege; // IDR3.XNX: XN has two bits
    public bool RecordFaults;            // S2R
    public bool StallFaults;             // S2S
}

/// <summary>Attribute overrides of an STE or of GBPA (IHI 0070, 5.2 and 13.1).</summary>
internal struct AttributeOverrides
{
    public bool ReplaceMemoryType;  // MTCFG
    public byte MemoryType;         // MemAttr
    public byte AllocationHints;    // ALLOCCFG
    public byte Shareability;       // SHCFG: 0 NSH, 1 incoming, 2 OSH, 3 ISH
    public byte Privilege;          // PRIVCFG: 0, 1 incoming, 2 unprivileged, 3 privileged
    public byte Instruction;        // INSTCFG: 0, 1 incoming, 2 data, 3 instruction (reads only)

    /// <summary>The access as the permission checks see it (IHI 0070, 13.1.2).</summary>
    public readonly AccessKind Apply(AccessKind access)
    {
        if (Privilege == 2) access &= ~AccessKind.Privileged;
        if (Privilege == 3) access |= AccessKind.Privileged;
        if (Instruction == 2) access &= ~AccessKind.Instruction;
        if (Instruction == 3) access |= AccessKind.Instruction;
        if ((access & AccessKind.Write) != 0) access &= ~AccessKind.Instruction;   // Writes are data, whatever they are marked.
        return access;
    }
}

/// <summary>All that a walk and a TLB need to know of a stream and substream: tags, table bases and controls.</summary>
/// <remarks>A plain value, made by Streams from an STE and a CD; nothing in it refers back to them.</remarks>
internal struct TranslationRegime
{
    public Stage1Configuration Stage1;
    public Stage2Configuration Stage2;
    public AttributeOverrides Overrides;

    public StreamWorld World;
    public SecurityState Security;
    public bool Stage1Enabled;
    public bool Stage2Enabled;

    /// <summary>VMID tag; 0 and without meaning when <see cref="HasVmid"/> is false.</summary>
    public ushort Vmid;
    public bool HasVmid;

    /// <summary>ASID tag; 0 and without meaning when <see cref="HasAsid"/> is false.</summary>
    public ushort Asid;
    public bool HasAsid;
    public bool Aset;

    /// <summary>Input addresses of a bypassed stage 1 are checked against this many bits: IAS.</summary>
    public byte InputSizeBits;

    /// <summary>OAS in bits: physical addresses stay below 2^OAS.</summary>
    public byte OutputSizeBits;

    /// <summary>True for worlds with unprivileged accesses and two table bases (EL1, EL2-E2H and their like).</summary>
    public readonly bool HasTwoRanges
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => World is not (StreamWorld.NonSecureEl2 or StreamWorld.SecureEl2 or StreamWorld.El3 or StreamWorld.RealmEl2);
    }
}
