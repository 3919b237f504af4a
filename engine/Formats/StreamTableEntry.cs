using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Formats;

/// <summary>A Stream Table Entry as it lies in memory: eight little-endian words (IHI 0070, 5.2).</summary>
/// <remarks>A plain copy of 64 bytes: no field is checked, and none depends on another or on the ID registers.</remarks>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
public readonly struct StreamTableEntry : IEquatable<StreamTableEntry>
{
    /// <summary>Bytes of one structure: a cache line, so that a fetch touches one line and no neighbour.</summary>
    public const int SizeBytes = 64;

    [FieldOffset(0)]
    private readonly EightWords words;

    /// <summary>Takes a structure from its eight words, the first at the lowest address.</summary>
    /// <exception cref="ArgumentException"><paramref name="words"/> does not hold eight words.</exception>
    public StreamTableEntry(ReadOnlySpan<ulong> words) => this.words = new EightWords(words);

    private StreamTableEntry(in EightWords words) => this.words = words;

    /// <summary>Every field with its place, in the order of the bits.</summary>
    public static IReadOnlyList<StructureField> Fields { get; } = StructureField.TableOf<StreamTableEntryField>();

    /// <inheritdoc cref="StreamTableEntryField.V"/>
    public bool IsValid => Get(StreamTableEntryField.V) != 0;

    /// <inheritdoc cref="StreamTableEntryField.Config"/>
    public StreamConfiguration Config => (StreamConfiguration)Get(StreamTableEntryField.Config);

    /// <inheritdoc cref="StreamTableEntryField.S1Fmt"/>
    public byte S1Fmt => (byte)Get(StreamTableEntryField.S1Fmt);

    /// <inheritdoc cref="StreamTableEntryField.S1ContextPtr"/>
    public ulong S1ContextPtr => Get(StreamTableEntryField.S1ContextPtr);

    /// <inheritdoc cref="StreamTableEntryField.S1CDMax"/>
    public byte S1CDMax => (byte)Get(StreamTableEntryField.S1CDMax);

    /// <inheritdoc cref="StreamTableEntryField.S1DSS"/>
    public byte S1DSS => (byte)Get(StreamTableEntryField.S1DSS);

    /// <inheritdoc cref="StreamTableEntryField.S1CIR"/>
    public byte S1CIR => (byte)Get(StreamTableEntryField.S1CIR);

    /// <inheritdoc cref="StreamTableEntryField.S1COR"/>
    public byte S1COR => (byte)Get(StreamTableEntryField.S1COR);

    /// <inheritdoc cref="StreamTableEntryField.S1CSH"/>
    public byte S1CSH => (byte)Get(StreamTableEntryField.S1CSH);

    /// <inheritdoc cref="StreamTableEntryField.S2HWU59"/>
    public bool S2HWU59 => Get(StreamTableEntryField.S2HWU59) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2HWU60"/>
    public bool S2HWU60 => Get(StreamTableEntryField.S2HWU60) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2HWU61"/>
    public bool S2HWU61 => Get(StreamTableEntryField.S2HWU61) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2HWU62"/>
    public bool S2HWU62 => Get(StreamTableEntryField.S2HWU62) != 0;

    /// <inheritdoc cref="StreamTableEntryField.DRE"/>
    public bool DRE => Get(StreamTableEntryField.DRE) != 0;

    /// <inheritdoc cref="StreamTableEntryField.CONT"/>
    public byte CONT => (byte)Get(StreamTableEntryField.CONT);

    /// <inheritdoc cref="StreamTableEntryField.DCP"/>
    public bool DCP => Get(StreamTableEntryField.DCP) != 0;

    /// <inheritdoc cref="StreamTableEntryField.PPAR"/>
    public bool PPAR => Get(StreamTableEntryField.PPAR) != 0;

    /// <inheritdoc cref="StreamTableEntryField.MEV"/>
    public bool MEV => Get(StreamTableEntryField.MEV) != 0;

    /// <inheritdoc cref="StreamTableEntryField.SW_RESERVED"/>
    public byte SW_RESERVED => (byte)Get(StreamTableEntryField.SW_RESERVED);

    /// <inheritdoc cref="StreamTableEntryField.S1PIE"/>
    public bool S1PIE => Get(StreamTableEntryField.S1PIE) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2FWB"/>
    public bool S2FWB => Get(StreamTableEntryField.S2FWB) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S1MPAM"/>
    public bool S1MPAM => Get(StreamTableEntryField.S1MPAM) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S1STALLD"/>
    public bool S1STALLD => Get(StreamTableEntryField.S1STALLD) != 0;

    /// <inheritdoc cref="StreamTableEntryField.EATS"/>
    public byte EATS => (byte)Get(StreamTableEntryField.EATS);

    /// <inheritdoc cref="StreamTableEntryField.STRW"/>
    public byte STRW => (byte)Get(StreamTableEntryField.STRW);

    /// <inheritdoc cref="StreamTableEntryField.MemAttr"/>
    public byte MemAttr => (byte)Get(StreamTableEntryField.MemAttr);

    /// <inheritdoc cref="StreamTableEntryField.MTCFG"/>
    public bool MTCFG => Get(StreamTableEntryField.MTCFG) != 0;

    /// <inheritdoc cref="StreamTableEntryField.ALLOCCFG"/>
    public byte ALLOCCFG => (byte)Get(StreamTableEntryField.ALLOCCFG);

    /// <inheritdoc cref="StreamTableEntryField.SHCFG"/>
    public byte SHCFG => (byte)Get(StreamTableEntryField.SHCFG);

    /// <inheritdoc cref="StreamTableEntryField.NSCFG"/>
    public byte NSCFG => (byte)Get(StreamTableEntryField.NSCFG);

    /// <inheritdoc cref="StreamTableEntryField.PRIVCFG"/>
    public byte PRIVCFG => (byte)Get(StreamTableEntryField.PRIVCFG);

    /// <inheritdoc cref="StreamTableEntryField.INSTCFG"/>
    public byte INSTCFG => (byte)Get(StreamTableEntryField.INSTCFG);

    /// <inheritdoc cref="StreamTableEntryField.S2VMID"/>
    public Vmid S2VMID => new((ushort)Get(StreamTableEntryField.S2VMID));

    /// <inheritdoc cref="StreamTableEntryField.S2T0SZ"/>
    public byte S2T0SZ => (byte)Get(StreamTableEntryField.S2T0SZ);

    /// <inheritdoc cref="StreamTableEntryField.S2SL0"/>
    public byte S2SL0 => (byte)Get(StreamTableEntryField.S2SL0);

    /// <inheritdoc cref="StreamTableEntryField.S2IR0"/>
    public byte S2IR0 => (byte)Get(StreamTableEntryField.S2IR0);

    /// <inheritdoc cref="StreamTableEntryField.S2OR0"/>
    public byte S2OR0 => (byte)Get(StreamTableEntryField.S2OR0);

    /// <inheritdoc cref="StreamTableEntryField.S2SH0"/>
    public byte S2SH0 => (byte)Get(StreamTableEntryField.S2SH0);

    /// <inheritdoc cref="StreamTableEntryField.S2TG"/>
    public byte S2TG => (byte)Get(StreamTableEntryField.S2TG);

    /// <inheritdoc cref="StreamTableEntryField.S2PS"/>
    public byte S2PS => (byte)Get(StreamTableEntryField.S2PS);

    /// <inheritdoc cref="StreamTableEntryField.S2AA64"/>
    public bool S2AA64 => Get(StreamTableEntryField.S2AA64) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2ENDI"/>
    public bool S2ENDI => Get(StreamTableEntryField.S2ENDI) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2AFFD"/>
    public bool S2AFFD => Get(StreamTableEntryField.S2AFFD) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2PTW"/>
    public bool S2PTW => Get(StreamTableEntryField.S2PTW) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2HD"/>
    public bool S2HD => Get(StreamTableEntryField.S2HD) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2HA"/>
    public bool S2HA => Get(StreamTableEntryField.S2HA) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2S"/>
    public bool S2S => Get(StreamTableEntryField.S2S) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2R"/>
    public bool S2R => Get(StreamTableEntryField.S2R) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2HAFT"/>
    public bool S2HAFT => Get(StreamTableEntryField.S2HAFT) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2PIE"/>
    public bool S2PIE => Get(StreamTableEntryField.S2PIE) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2POE"/>
    public bool S2POE => Get(StreamTableEntryField.S2POE) != 0;

    /// <inheritdoc cref="StreamTableEntryField.DPT_VMATCH"/>
    public byte DPT_VMATCH => (byte)Get(StreamTableEntryField.DPT_VMATCH);

    /// <inheritdoc cref="StreamTableEntryField.S2NSW"/>
    public bool S2NSW => Get(StreamTableEntryField.S2NSW) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2NSA"/>
    public bool S2NSA => Get(StreamTableEntryField.S2NSA) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2SL0_2"/>
    public bool S2SL0_2 => Get(StreamTableEntryField.S2SL0_2) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2DS"/>
    public bool S2DS => Get(StreamTableEntryField.S2DS) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2TTB"/>
    public ulong S2TTB => Get(StreamTableEntryField.S2TTB);

    /// <inheritdoc cref="StreamTableEntryField.S2SKL"/>
    public byte S2SKL => (byte)Get(StreamTableEntryField.S2SKL);

    /// <inheritdoc cref="StreamTableEntryField.PARTID"/>
    public ushort PARTID => (ushort)Get(StreamTableEntryField.PARTID);

    /// <inheritdoc cref="StreamTableEntryField.S_S2T0SZ"/>
    public byte S_S2T0SZ => (byte)Get(StreamTableEntryField.S_S2T0SZ);

    /// <inheritdoc cref="StreamTableEntryField.S_S2SL0"/>
    public byte S_S2SL0 => (byte)Get(StreamTableEntryField.S_S2SL0);

    /// <inheritdoc cref="StreamTableEntryField.S_S2TG"/>
    public byte S_S2TG => (byte)Get(StreamTableEntryField.S_S2TG);

    /// <inheritdoc cref="StreamTableEntryField.MECID"/>
    public ushort MECID => (ushort)Get(StreamTableEntryField.MECID);

    /// <inheritdoc cref="StreamTableEntryField.PMG"/>
    public byte PMG => (byte)Get(StreamTableEntryField.PMG);

    /// <inheritdoc cref="StreamTableEntryField.MPAM_NS"/>
    public bool MPAM_NS => Get(StreamTableEntryField.MPAM_NS) != 0;

    /// <inheritdoc cref="StreamTableEntryField.AssuredOnly"/>
    public bool AssuredOnly => Get(StreamTableEntryField.AssuredOnly) != 0;

    /// <inheritdoc cref="StreamTableEntryField.TL0"/>
    public bool TL0 => Get(StreamTableEntryField.TL0) != 0;

    /// <inheritdoc cref="StreamTableEntryField.TL1"/>
    public bool TL1 => Get(StreamTableEntryField.TL1) != 0;

    /// <inheritdoc cref="StreamTableEntryField.VMSPtr"/>
    public ulong VMSPtr => Get(StreamTableEntryField.VMSPtr);

    /// <inheritdoc cref="StreamTableEntryField.S2SW"/>
    public bool S2SW => Get(StreamTableEntryField.S2SW) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S2SA"/>
    public bool S2SA => Get(StreamTableEntryField.S2SA) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S_S2SL0_2"/>
    public bool S_S2SL0_2 => Get(StreamTableEntryField.S_S2SL0_2) != 0;

    /// <inheritdoc cref="StreamTableEntryField.S_S2TTB"/>
    public ulong S_S2TTB => Get(StreamTableEntryField.S_S2TTB);

    /// <inheritdoc cref="StreamTableEntryField.S_S2SKL"/>
    public byte S_S2SKL => (byte)Get(StreamTableEntryField.S_S2SKL);

    /// <inheritdoc cref="StreamTableEntryField.S2POI"/>
    public ulong S2POI => Get(StreamTableEntryField.S2POI);

    /// <summary>Stage 2 overlay permission <paramref name="index"/>, 0 to 15.</summary>
    public byte OverlayPermission(int index) => (byte)((S2POI >> (4 * (index & 15))) & 0xf);

    /// <summary>Word <paramref name="index"/>, 0 to 7.</summary>
    public ulong this[int index] => words[index];

    /// <summary>Equality of all 512 bits.</summary>
    public static bool operator ==(StreamTableEntry left, StreamTableEntry right) => left.Equals(right);

    /// <summary>Inequality of the 512 bits.</summary>
    public static bool operator !=(StreamTableEntry left, StreamTableEntry right) => !left.Equals(right);

    /// <summary>The value of a field: an address in full, anything else shifted down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Get(StreamTableEntryField field) => BitRange.Get(words[BitRange.WordOf((int)field)], (int)field);

    /// <summary>A copy with one field replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field cannot hold <paramref name="value"/>.</exception>
    public StreamTableEntry With(StreamTableEntryField field, ulong value)
    {
        EightWords changed = words;
        BitRange.Set(changed, (int)field, value);
        return new StreamTableEntry(in changed);
    }

    /// <summary>Copies the eight words to <paramref name="destination"/>.</summary>
    public void CopyTo(Span<ulong> destination) => ((ReadOnlySpan<ulong>)words).CopyTo(destination);

    /// <inheritdoc/>
    public bool Equals(StreamTableEntry other) => ((ReadOnlySpan<ulong>)words).SequenceEqual(other.words);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is StreamTableEntry other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(words[0], words[1], words[2], words[3]);

    /// <summary>The fields that are not zero, by name.</summary>
    public override string ToString() => StructureField.Describe(Fields, words);
}
