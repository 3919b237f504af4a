using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Formats;

/// <summary>A Context Descriptor as it lies in memory: eight little-endian words (IHI 0070, 5.4).</summary>
/// <remarks>A plain copy of 64 bytes: no field is checked, and none depends on another or on the ID registers.</remarks>
[StructLayout(LayoutKind.Explicit, Size = SizeBytes)]
public readonly struct ContextDescriptor : IEquatable<ContextDescriptor>
{
    /// <summary>Bytes of one structure: a cache line, so that a fetch touches one line and no neighbour.</summary>
    public const int SizeBytes = 64;

    [FieldOffset(0)]
    private readonly EightWords words;

    /// <summary>Takes a structure from its eight words, the first at the lowest address.</summary>
    /// <exception cref="ArgumentException"><paramref name="words"/> does not hold eight words.</exception>
    public ContextDescriptor(ReadOnlySpan<ulong> words) => this.words = new EightWords(words);

    private ContextDescriptor(in EightWords words) => this.words = words;

    /// <summary>Every field with its place, in the order of the bits.</summary>
    public static IReadOnlyList<StructureField> Fields { get; } = StructureField.TableOf<ContextDescriptorField>();

    /// <inheritdoc cref="ContextDescriptorField.T0SZ"/>
    public byte T0SZ => (byte)Get(ContextDescriptorField.T0SZ);

    /// <inheritdoc cref="ContextDescriptorField.TG0"/>
    public byte TG0 => (byte)Get(ContextDescriptorField.TG0);

    /// <inheritdoc cref="ContextDescriptorField.IR0"/>
    public byte IR0 => (byte)Get(ContextDescriptorField.IR0);

    /// <inheritdoc cref="ContextDescriptorField.OR0"/>
    public byte OR0 => (byte)Get(ContextDescriptorField.OR0);

    /// <inheritdoc cref="ContextDescriptorField.SH0"/>
    public byte SH0 => (byte)Get(ContextDescriptorField.SH0);

    /// <inheritdoc cref="ContextDescriptorField.EPD0"/>
    public bool EPD0 => Get(ContextDescriptorField.EPD0) != 0;

    /// <inheritdoc cref="ContextDescriptorField.ENDI"/>
    public bool ENDI => Get(ContextDescriptorField.ENDI) != 0;

    /// <inheritdoc cref="ContextDescriptorField.T1SZ"/>
    public byte T1SZ => (byte)Get(ContextDescriptorField.T1SZ);

    /// <inheritdoc cref="ContextDescriptorField.TG1"/>
    public byte TG1 => (byte)Get(ContextDescriptorField.TG1);

    /// <inheritdoc cref="ContextDescriptorField.IR1"/>
    public byte IR1 => (byte)Get(ContextDescriptorField.IR1);

    /// <inheritdoc cref="ContextDescriptorField.OR1"/>
    public byte OR1 => (byte)Get(ContextDescriptorField.OR1);

    /// <inheritdoc cref="ContextDescriptorField.SH1"/>
    public byte SH1 => (byte)Get(ContextDescriptorField.SH1);

    /// <inheritdoc cref="ContextDescriptorField.EPD1"/>
    public bool EPD1 => Get(ContextDescriptorField.EPD1) != 0;

    /// <inheritdoc cref="ContextDescriptorField.V"/>
    public bool IsValid => Get(ContextDescriptorField.V) != 0;

    /// <inheritdoc cref="ContextDescriptorField.IPS"/>
    public byte IPS => (byte)Get(ContextDescriptorField.IPS);

    /// <inheritdoc cref="ContextDescriptorField.AFFD"/>
    public bool AFFD => Get(ContextDescriptorField.AFFD) != 0;

    /// <inheritdoc cref="ContextDescriptorField.WXN"/>
    public bool WXN => Get(ContextDescriptorField.WXN) != 0;

    /// <inheritdoc cref="ContextDescriptorField.UWXN"/>
    public bool UWXN => Get(ContextDescriptorField.UWXN) != 0;

    /// <inheritdoc cref="ContextDescriptorField.TBI0"/>
    public bool TBI0 => Get(ContextDescriptorField.TBI0) != 0;

    /// <inheritdoc cref="ContextDescriptorField.TBI1"/>
    public bool TBI1 => Get(ContextDescriptorField.TBI1) != 0;

    /// <inheritdoc cref="ContextDescriptorField.PAN"/>
    public bool PAN => Get(ContextDescriptorField.PAN) != 0;

    /// <inheritdoc cref="ContextDescriptorField.AA64"/>
    public bool AA64 => Get(ContextDescriptorField.AA64) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HD"/>
    public bool HD => Get(ContextDescriptorField.HD) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HA"/>
    public bool HA => Get(ContextDescriptorField.HA) != 0;

    /// <inheritdoc cref="ContextDescriptorField.S"/>
    public bool S => Get(ContextDescriptorField.S) != 0;

    /// <inheritdoc cref="ContextDescriptorField.R"/>
    public bool R => Get(ContextDescriptorField.R) != 0;

    /// <inheritdoc cref="ContextDescriptorField.A"/>
    public bool A => Get(ContextDescriptorField.A) != 0;

    /// <inheritdoc cref="ContextDescriptorField.ASET"/>
    public bool ASET => Get(ContextDescriptorField.ASET) != 0;

    /// <inheritdoc cref="ContextDescriptorField.ASID"/>
    public Asid ASID => new((ushort)Get(ContextDescriptorField.ASID));

    /// <inheritdoc cref="ContextDescriptorField.NSCFG0"/>
    public bool NSCFG0 => Get(ContextDescriptorField.NSCFG0) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HAD0"/>
    public bool HAD0 => Get(ContextDescriptorField.HAD0) != 0;

    /// <inheritdoc cref="ContextDescriptorField.E0PD0"/>
    public bool E0PD0 => Get(ContextDescriptorField.E0PD0) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HAFT"/>
    public bool HAFT => Get(ContextDescriptorField.HAFT) != 0;

    /// <inheritdoc cref="ContextDescriptorField.TTB0"/>
    public ulong TTB0 => Get(ContextDescriptorField.TTB0);

    /// <inheritdoc cref="ContextDescriptorField.PnCH"/>
    public bool PnCH => Get(ContextDescriptorField.PnCH) != 0;

    /// <inheritdoc cref="ContextDescriptorField.EPAN"/>
    public bool EPAN => Get(ContextDescriptorField.EPAN) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU059"/>
    public bool HWU059 => Get(ContextDescriptorField.HWU059) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU060"/>
    public bool HWU060 => Get(ContextDescriptorField.HWU060) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU061"/>
    public bool HWU061 => Get(ContextDescriptorField.HWU061) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU062"/>
    public bool HWU062 => Get(ContextDescriptorField.HWU062) != 0;

    /// <inheritdoc cref="ContextDescriptorField.NSCFG1"/>
    public bool NSCFG1 => Get(ContextDescriptorField.NSCFG1) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HAD1"/>
    public bool HAD1 => Get(ContextDescriptorField.HAD1) != 0;

    /// <inheritdoc cref="ContextDescriptorField.E0PD1"/>
    public bool E0PD1 => Get(ContextDescriptorField.E0PD1) != 0;

    /// <inheritdoc cref="ContextDescriptorField.AIE"/>
    public bool AIE => Get(ContextDescriptorField.AIE) != 0;

    /// <inheritdoc cref="ContextDescriptorField.TTB1"/>
    public ulong TTB1 => Get(ContextDescriptorField.TTB1);

    /// <inheritdoc cref="ContextDescriptorField.DS"/>
    public bool DS => Get(ContextDescriptorField.DS) != 0;

    /// <inheritdoc cref="ContextDescriptorField.PIE"/>
    public bool PIE => Get(ContextDescriptorField.PIE) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU159"/>
    public bool HWU159 => Get(ContextDescriptorField.HWU159) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU160"/>
    public bool HWU160 => Get(ContextDescriptorField.HWU160) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU161"/>
    public bool HWU161 => Get(ContextDescriptorField.HWU161) != 0;

    /// <inheritdoc cref="ContextDescriptorField.HWU162"/>
    public bool HWU162 => Get(ContextDescriptorField.HWU162) != 0;

    /// <inheritdoc cref="ContextDescriptorField.MAIR0"/>
    public uint MAIR0 => (uint)Get(ContextDescriptorField.MAIR0);

    /// <inheritdoc cref="ContextDescriptorField.MAIR1"/>
    public uint MAIR1 => (uint)Get(ContextDescriptorField.MAIR1);

    /// <inheritdoc cref="ContextDescriptorField.AMAIR0"/>
    public uint AMAIR0 => (uint)Get(ContextDescriptorField.AMAIR0);

    /// <inheritdoc cref="ContextDescriptorField.AMAIR1"/>
    public uint AMAIR1 => (uint)Get(ContextDescriptorField.AMAIR1);

    /// <inheritdoc cref="ContextDescriptorField.PARTID"/>
    public ushort PARTID => (ushort)Get(ContextDescriptorField.PARTID);

    /// <inheritdoc cref="ContextDescriptorField.PMG"/>
    public byte PMG => (byte)Get(ContextDescriptorField.PMG);

    /// <inheritdoc cref="ContextDescriptorField.PIIU"/>
    public ulong PIIU => Get(ContextDescriptorField.PIIU);

    /// <inheritdoc cref="ContextDescriptorField.PIIP"/>
    public ulong PIIP => Get(ContextDescriptorField.PIIP);

    /// <summary>HAD0 under its name for VMSAv9-128 tables.</summary>
    public bool DisCH0 => HAD0;

    /// <summary>HAD1 under its name for VMSAv9-128 tables.</summary>
    public bool DisCH1 => HAD1;

    /// <summary>HWU062 and HWU061 with IDR5.D128: levels to skip through TTB0.</summary>
    public byte SKL0 => (byte)BitRange.Get(words[1], 127_126);

    /// <summary>HWU162 and HWU161 with IDR5.D128: levels to skip through TTB1.</summary>
    public byte SKL1 => (byte)BitRange.Get(words[2], 191_190);

    /// <summary>MAIR1:MAIR0 as one word: byte n belongs to AttrIndx n.</summary>
    public ulong MAIR => words[3];

    /// <summary>Unprivileged base permission <paramref name="index"/>, 0 to 15: R is bit 0, X bit 1, W bit 2.</summary>
    public byte UnprivilegedPermission(int index) => (byte)((PIIU >> (3 * (index & 15))) & 7);

    /// <summary>Privileged base permission <paramref name="index"/>, 0 to 15, coded alike.</summary>
    public byte PrivilegedPermission(int index) => (byte)((PIIP >> (3 * (index & 15))) & 7);

    /// <summary>Word <paramref name="index"/>, 0 to 7.</summary>
    public ulong this[int index] => words[index];

    /// <summary>Equality of all 512 bits.</summary>
    public static bool operator ==(ContextDescriptor left, ContextDescriptor right) => left.Equals(right);

    /// <summary>Inequality of the 512 bits.</summary>
    public static bool operator !=(ContextDescriptor left, ContextDescriptor right) => !left.Equals(right);

    /// <summary>The value of a field: an address in full, anything else shifted down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Get(ContextDescriptorField field) => BitRange.Get(words[BitRange.WordOf((int)field)], (int)field);

    /// <summary>A copy with one field replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field cannot hold <paramref name="value"/>.</exception>
    public ContextDescriptor With(ContextDescriptorField field, ulong value)
    {
        EightWords changed = words;
        BitRange.Set(changed, (int)field, value);
        return new ContextDescriptor(in changed);
    }

    /// <summary>Copies the eight words to <paramref name="destination"/>.</summary>
    public void CopyTo(Span<ulong> destination) => ((ReadOnlySpan<ulong>)words).CopyTo(destination);

    /// <inheritdoc/>
    public bool Equals(ContextDescriptor other) => ((ReadOnlySpan<ulong>)words).SequenceEqual(other.words);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ContextDescriptor other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(words[0], words[1], words[2], words[3]);

    /// <summary>The fields that are not zero, by name.</summary>
    public override string ToString() => StructureField.Describe(Fields, words);
}
