using System.Runtime.CompilerServices;

namespace Smmu.Fast.Formats;

/// <summary>What an SMMU can do: its ID registers as one immutable value (IHI 0070, 6.3.1 to 6.3.8).</summary>
/// <remarks>
/// Made from raw words, whatever they hold, because a recording of another SMMU is a legal source; <see cref="Check"/>
/// tells whether the choices agree. Sizes that index or shift are also there in a bounded form, such as
/// <see cref="StreamIdBits"/>, so that no choice of words leads out of range.
/// </remarks>
public sealed partial class SmmuFeatures : IEquatable<SmmuFeatures>
{
    internal const int Idr0Base = 0;
    internal const int Idr1Base = 32_032;
    internal const int Idr2Base = 64_064;
    internal const int Idr3Base = 96_096;
    internal const int Idr5Base = 160_160;
    internal const int IidrBase = 192_192;
    internal const int AidrBase = 224_224;
    internal const int Idr6Base = 256_256;

    private const int MaxQueueLog2 = 19;
    private const int MaxControlPagesLog2 = 8;

    private readonly FeatureWords words;

    private SmmuFeatures(in FeatureWords words) => this.words = words;

    /// <summary>Every field with its place, in the order of the bits.</summary>
    public static IReadOnlyList<StructureField> Fields { get; } = StructureField.TableOf<SmmuFeatureField>();

    /// <summary>IDR0 as a word.</summary>
    public uint Idr0 => (uint)words[0];

    /// <summary>IDR1 as a word.</summary>
    public uint Idr1 => (uint)(words[0] >> 32);

    /// <summary>IDR2 as a word.</summary>
    public uint Idr2 => (uint)words[1];

    /// <summary>IDR3 as a word.</summary>
    public uint Idr3 => (uint)(words[1] >> 32);

    /// <summary>IDR4 as a word; its content is implementation defined.</summary>
    public uint Idr4 => (uint)words[2];

    /// <summary>IDR5 as a word.</summary>
    public uint Idr5 => (uint)(words[2] >> 32);

    /// <summary>IIDR as a word.</summary>
    public uint Iidr => (uint)words[3];

    /// <summary>AIDR as a word.</summary>
    public uint Aidr => (uint)(words[3] >> 32);

    /// <summary>IDR6 as a word.</summary>
    public uint Idr6 => (uint)words[4];

    /// <summary>The x of SMMUv3.x.</summary>
    public int Version => ArchMinorRev;

    /// <summary>OAS in bits: 32, 36, 40, 42, 44, 48, 52 or 56. Physical addresses stay below 2^OAS.</summary>
    public int OutputAddressBits => AddressSize.FromCode(OAS);

    /// <summary>IAS in bits (IHI 0070, 3.4): addresses that pass stage 1 untranslated stay below 2^IAS.</summary>
    public int InputAddressBits => Math.Max((TTF & 1) != 0 ? 40 : 0, (TTF & 2) != 0 ? OutputAddressBits : 0);

    /// <summary>Bits of a virtual address for each table base: 48, 52 or 56.</summary>
    public int VirtualAddressBits => VAX switch { 1 => 52, 2 => 56, _ => 48 };

    /// <summary>SIDSIZE, at most 32.</summary>
    public int StreamIdBits => Math.Min((int)SIDSIZE, 32);

    /// <summary>SSIDSIZE, at most 20.</summary>
    public int SubstreamIdBits => Math.Min((int)SSIDSIZE, 20);

    /// <summary>CMDQS, at most 19.</summary>
    public int CommandQueueLog2 => Math.Min((int)CMDQS, MaxQueueLog2);

    /// <summary>EVENTQS, at most 19.</summary>
    public int EventQueueLog2 => Math.Min((int)EVENTQS, MaxQueueLog2);

    /// <summary>PRIQS, at most 19.</summary>
    public int PageRequestQueueLog2 => Math.Min((int)PRIQS, MaxQueueLog2);

    /// <summary>All Enhanced Command queues: a power of two up to 2^16; 0 without IDR1.ECMDQ.</summary>
    public int EnhancedCommandQueues => EnhancedCommandQueuePages << QueuesOfPageLog2;

    /// <summary>Pages of Enhanced Command queues: a power of two up to 256; 0 without IDR1.ECMDQ.</summary>
    public int EnhancedCommandQueuePages => ECMDQ ? 1 << Math.Min((int)CMDQ_CONTROL_PAGE_LOG2NUMP, MaxControlPagesLog2) : 0;

    /// <summary>
    /// Bytes from the base of Page 0 to the first page of Enhanced Command queues: the optional pages begin with that of
    /// VATOS, where there is one, and these follow it (IHI 0070, 6.1).
    /// </summary>
    internal uint FirstCommandQueuePage =>
        RegisterOffset.FirstOptionalPage + (VATOS ? (BA_VATOS + 1u) * RegisterOffset.PageSize : 0);

    /// <summary>log2 of the Enhanced Command queues of a page, at most 8.</summary>
    internal int QueuesOfPageLog2 => Math.Min((int)CMDQ_CONTROL_PAGE_LOG2NUMQ, MaxControlPagesLog2);

    /// <inheritdoc cref="SmmuFeatureField.S2P"/>
    public bool S2P => Get(SmmuFeatureField.S2P) != 0;

    /// <inheritdoc cref="SmmuFeatureField.S1P"/>
    public bool S1P => Get(SmmuFeatureField.S1P) != 0;

    /// <inheritdoc cref="SmmuFeatureField.TTF"/>
    public byte TTF => (byte)Get(SmmuFeatureField.TTF);

    /// <inheritdoc cref="SmmuFeatureField.COHACC"/>
    public bool COHACC => Get(SmmuFeatureField.COHACC) != 0;

    /// <inheritdoc cref="SmmuFeatureField.BTM"/>
    public bool BTM => Get(SmmuFeatureField.BTM) != 0;

    /// <inheritdoc cref="SmmuFeatureField.HTTU"/>
    public byte HTTU => (byte)Get(SmmuFeatureField.HTTU);

    /// <inheritdoc cref="SmmuFeatureField.DORMHINT"/>
    public bool DORMHINT => Get(SmmuFeatureField.DORMHINT) != 0;

    /// <inheritdoc cref="SmmuFeatureField.Hyp"/>
    public bool Hyp => Get(SmmuFeatureField.Hyp) != 0;

    /// <inheritdoc cref="SmmuFeatureField.ATS"/>
    public bool ATS => Get(SmmuFeatureField.ATS) != 0;

    /// <inheritdoc cref="SmmuFeatureField.NS1ATS"/>
    public bool NS1ATS => Get(SmmuFeatureField.NS1ATS) != 0;

    /// <inheritdoc cref="SmmuFeatureField.ASID16"/>
    public bool ASID16 => Get(SmmuFeatureField.ASID16) != 0;

    /// <inheritdoc cref="SmmuFeatureField.MSI"/>
    public bool MSI => Get(SmmuFeatureField.MSI) != 0;

    /// <inheritdoc cref="SmmuFeatureField.SEV"/>
    public bool SEV => Get(SmmuFeatureField.SEV) != 0;

    /// <inheritdoc cref="SmmuFeatureField.ATOS"/>
    public bool ATOS => Get(SmmuFeatureField.ATOS) != 0;

    /// <inheritdoc cref="SmmuFeatureField.PRI"/>
    public bool PRI => Get(SmmuFeatureField.PRI) != 0;

    /// <inheritdoc cref="SmmuFeatureField.VMW"/>
    public bool VMW => Get(SmmuFeatureField.VMW) != 0;

    /// <inheritdoc cref="SmmuFeatureField.VMID16"/>
    public bool VMID16 => Get(SmmuFeatureField.VMID16) != 0;

    /// <inheritdoc cref="SmmuFeatureField.CD2L"/>
    public bool CD2L => Get(SmmuFeatureField.CD2L) != 0;

    /// <inheritdoc cref="SmmuFeatureField.VATOS"/>
    public bool VATOS => Get(SmmuFeatureField.VATOS) != 0;

    /// <inheritdoc cref="SmmuFeatureField.TTENDIAN"/>
    public byte TTENDIAN => (byte)Get(SmmuFeatureField.TTENDIAN);

    /// <inheritdoc cref="SmmuFeatureField.ATSRECERR"/>
    public bool ATSRECERR => Get(SmmuFeatureField.ATSRECERR) != 0;

    /// <inheritdoc cref="SmmuFeatureField.STALL_MODEL"/>
    public byte STALL_MODEL => (byte)Get(SmmuFeatureField.STALL_MODEL);

    /// <inheritdoc cref="SmmuFeatureField.TERM_MODEL"/>
    public bool TERM_MODEL => Get(SmmuFeatureField.TERM_MODEL) != 0;

    /// <inheritdoc cref="SmmuFeatureField.ST_LEVEL"/>
    public byte ST_LEVEL => (byte)Get(SmmuFeatureField.ST_LEVEL);

    /// <inheritdoc cref="SmmuFeatureField.RME_IMPL"/>
    public bool RME_IMPL => Get(SmmuFeatureField.RME_IMPL) != 0;

    /// <inheritdoc cref="SmmuFeatureField.SIDSIZE"/>
    public byte SIDSIZE => (byte)Get(SmmuFeatureField.SIDSIZE);

    /// <inheritdoc cref="SmmuFeatureField.SSIDSIZE"/>
    public byte SSIDSIZE => (byte)Get(SmmuFeatureField.SSIDSIZE);

    /// <inheritdoc cref="SmmuFeatureField.PRIQS"/>
    public byte PRIQS => (byte)Get(SmmuFeatureField.PRIQS);

    /// <inheritdoc cref="SmmuFeatureField.EVENTQS"/>
    public byte EVENTQS => (byte)Get(SmmuFeatureField.EVENTQS);

    /// <inheritdoc cref="SmmuFeatureField.CMDQS"/>
    public byte CMDQS => (byte)Get(SmmuFeatureField.CMDQS);

    /// <inheritdoc cref="SmmuFeatureField.ATTR_PERMS_OVR"/>
    public bool ATTR_PERMS_OVR => Get(SmmuFeatureField.ATTR_PERMS_OVR) != 0;

    /// <inheritdoc cref="SmmuFeatureField.ATTR_TYPES_OVR"/>
    public bool ATTR_TYPES_OVR => Get(SmmuFeatureField.ATTR_TYPES_OVR) != 0;

    /// <inheritdoc cref="SmmuFeatureField.REL"/>
    public bool REL => Get(SmmuFeatureField.REL) != 0;

    /// <inheritdoc cref="SmmuFeatureField.QUEUES_PRESET"/>
    public bool QUEUES_PRESET => Get(SmmuFeatureField.QUEUES_PRESET) != 0;

    /// <inheritdoc cref="SmmuFeatureField.TABLES_PRESET"/>
    public bool TABLES_PRESET => Get(SmmuFeatureField.TABLES_PRESET) != 0;

    /// <inheritdoc cref="SmmuFeatureField.ECMDQ"/>
    public bool ECMDQ => Get(SmmuFeatureField.ECMDQ) != 0;

    /// <inheritdoc cref="SmmuFeatureField.BA_VATOS"/>
    public ushort BA_VATOS => (ushort)Get(SmmuFeatureField.BA_VATOS);

    /// <inheritdoc cref="SmmuFeatureField.HAD"/>
    public bool HAD => Get(SmmuFeatureField.HAD) != 0;

    /// <inheritdoc cref="SmmuFeatureField.PBHA"/>
    public bool PBHA => Get(SmmuFeatureField.PBHA) != 0;

    /// <inheritdoc cref="SmmuFeatureField.XNX"/>
    public bool XNX => Get(SmmuFeatureField.XNX) != 0;

    /// <inheritdoc cref="SmmuFeatureField.PPS"/>
    public bool PPS => Get(SmmuFeatureField.PPS) != 0;

    /// <inheritdoc cref="SmmuFeatureField.MPAM"/>
    public bool MPAM => Get(SmmuFeatureField.MPAM) != 0;

    /// <inheritdoc cref="SmmuFeatureField.FWB"/>
    public bool FWB => Get(SmmuFeatureField.FWB) != 0;

    /// <inheritdoc cref="SmmuFeatureField.STT"/>
    public bool STT => Get(SmmuFeatureField.STT) != 0;

    /// <inheritdoc cref="SmmuFeatureField.RIL"/>
    public bool RIL => Get(SmmuFeatureField.RIL) != 0;

    /// <inheritdoc cref="SmmuFeatureField.BBML"/>
    public byte BBML => (byte)Get(SmmuFeatureField.BBML);

    /// <inheritdoc cref="SmmuFeatureField.E0PD"/>
    public bool E0PD => Get(SmmuFeatureField.E0PD) != 0;

    /// <inheritdoc cref="SmmuFeatureField.PTWNNC"/>
    public bool PTWNNC => Get(SmmuFeatureField.PTWNNC) != 0;

    /// <inheritdoc cref="SmmuFeatureField.DPT"/>
    public bool DPT => Get(SmmuFeatureField.DPT) != 0;

    /// <inheritdoc cref="SmmuFeatureField.PASIDTT"/>
    public bool PASIDTT => Get(SmmuFeatureField.PASIDTT) != 0;

    /// <inheritdoc cref="SmmuFeatureField.EPAN"/>
    public bool EPAN => Get(SmmuFeatureField.EPAN) != 0;

    /// <inheritdoc cref="SmmuFeatureField.S1PI"/>
    public bool S1PI => Get(SmmuFeatureField.S1PI) != 0;

    /// <inheritdoc cref="SmmuFeatureField.S2PI"/>
    public bool S2PI => Get(SmmuFeatureField.S2PI) != 0;

    /// <inheritdoc cref="SmmuFeatureField.S2PO"/>
    public bool S2PO => Get(SmmuFeatureField.S2PO) != 0;

    /// <inheritdoc cref="SmmuFeatureField.THE"/>
    public bool THE => Get(SmmuFeatureField.THE) != 0;

    /// <inheritdoc cref="SmmuFeatureField.MTEPERM"/>
    public bool MTEPERM => Get(SmmuFeatureField.MTEPERM) != 0;

    /// <inheritdoc cref="SmmuFeatureField.AIE"/>
    public bool AIE => Get(SmmuFeatureField.AIE) != 0;

    /// <inheritdoc cref="SmmuFeatureField.OAS"/>
    public byte OAS => (byte)Get(SmmuFeatureField.OAS);

    /// <inheritdoc cref="SmmuFeatureField.GRAN4K"/>
    public bool GRAN4K => Get(SmmuFeatureField.GRAN4K) != 0;

    /// <inheritdoc cref="SmmuFeatureField.GRAN16K"/>
    public bool GRAN16K => Get(SmmuFeatureField.GRAN16K) != 0;

    /// <inheritdoc cref="SmmuFeatureField.GRAN64K"/>
    public bool GRAN64K => Get(SmmuFeatureField.GRAN64K) != 0;

    /// <inheritdoc cref="SmmuFeatureField.DS"/>
    public bool DS => Get(SmmuFeatureField.DS) != 0;

    /// <inheritdoc cref="SmmuFeatureField.D128"/>
    public bool D128 => Get(SmmuFeatureField.D128) != 0;

    /// <inheritdoc cref="SmmuFeatureField.VAX"/>
    public byte VAX => (byte)Get(SmmuFeatureField.VAX);

    /// <inheritdoc cref="SmmuFeatureField.STALL_MAX"/>
    public ushort STALL_MAX => (ushort)Get(SmmuFeatureField.STALL_MAX);

    /// <inheritdoc cref="SmmuFeatureField.Implementer"/>
    public ushort Implementer => (ushort)Get(SmmuFeatureField.Implementer);

    /// <inheritdoc cref="SmmuFeatureField.Revision"/>
    public byte Revision => (byte)Get(SmmuFeatureField.Revision);

    /// <inheritdoc cref="SmmuFeatureField.Variant"/>
    public byte Variant => (byte)Get(SmmuFeatureField.Variant);

    /// <inheritdoc cref="SmmuFeatureField.ProductID"/>
    public ushort ProductID => (ushort)Get(SmmuFeatureField.ProductID);

    /// <inheritdoc cref="SmmuFeatureField.ArchMinorRev"/>
    public byte ArchMinorRev => (byte)Get(SmmuFeatureField.ArchMinorRev);

    /// <inheritdoc cref="SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMQ"/>
    public byte CMDQ_CONTROL_PAGE_LOG2NUMQ => (byte)Get(SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMQ);

    /// <inheritdoc cref="SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMP"/>
    public byte CMDQ_CONTROL_PAGE_LOG2NUMP => (byte)Get(SmmuFeatureField.CMDQ_CONTROL_PAGE_LOG2NUMP);

    /// <summary>Takes the features from the words of the ID registers; no value is refused.</summary>
    public static SmmuFeatures FromRaw(
        uint idr0, uint idr1, uint idr2, uint idr3, uint idr4, uint idr5, uint iidr, uint aidr, uint idr6 = 0)
    {
        FeatureWords words = default;
        words[0] = ((ulong)idr1 << 32) | idr0;
        words[1] = ((ulong)idr3 << 32) | idr2;
        words[2] = ((ulong)idr5 << 32) | idr4;
        words[3] = ((ulong)aidr << 32) | iidr;
        words[4] = idr6;
        return new SmmuFeatures(in words);
    }

    /// <summary>The value of a field, shifted down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Get(SmmuFeatureField field) => BitRange.Get(words[BitRange.WordOf((int)field)], (int)field);

    /// <summary>Bytes from the base of Page 0 to the registers of an Enhanced Command queue.</summary>
    /// <param name="queue">Its number: those of the first page come first.</param>
    internal uint EnhancedCommandQueueOffset(int queue)
    {
        uint stride = RegisterOffset.PageSize >> QueuesOfPageLog2;
        return FirstCommandQueuePage + ((uint)queue * stride);   // Pages follow one another, so their queues do.
    }

    /// <summary>A copy with one field replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field cannot hold <paramref name="value"/>.</exception>
    public SmmuFeatures With(SmmuFeatureField field, ulong value)
    {
        FeatureWords changed = words;
        BitRange.Set(changed, (int)field, value);
        return new SmmuFeatures(in changed);
    }

    /// <summary>Equality of all words.</summary>
    public bool Equals(SmmuFeatures? other) =>
        other is not null && ((ReadOnlySpan<ulong>)words).SequenceEqual(other.words);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SmmuFeatures);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(words[0], words[1], words[2], words[3], words[4]);

    /// <summary>The fields that are not zero, by name.</summary>
    public override string ToString() => StructureField.Describe(Fields, words);

    [InlineArray(5)]
    private struct FeatureWords
    {
        private ulong first;
    }
}
