using System.Runtime.CompilerServices;

namespace Smmu.Fast.Formats;

/// <summary>A Level 1 Stream Table Descriptor (IHI 0070, 5.1).</summary>
/// <remarks>Where a two-level Stream table goes on for 2^SPLIT StreamIDs.</remarks>
/// <param name="Word">The descriptor as it lies in memory.</param>
public readonly record struct Level1StreamTableDescriptor(ulong Word)
{
    /// <summary>Bytes of one descriptor.</summary>
    public const int SizeBytes = 8;

    /// <summary>Every field with its place, in the order of the bits.</summary>
    public static IReadOnlyList<StructureField> Fields { get; } = StructureField.TableOf<Level1StreamTableDescriptorField>();

    /// <inheritdoc cref="Level1StreamTableDescriptorField.Span"/>
    public byte Span => (byte)Get(Level1StreamTableDescriptorField.Span);

    /// <inheritdoc cref="Level1StreamTableDescriptorField.L2Ptr"/>
    public ulong L2Ptr => Get(Level1StreamTableDescriptorField.L2Ptr);

    /// <summary>True when there is a second level: Span is 1 to 11.</summary>
    public bool HasSecondLevel => (uint)(Span - 1) <= 10;

    /// <summary>The address of the second level as the SMMU takes it: aligned to its size.</summary>
    /// <remarks>Of no meaning without <see cref="HasSecondLevel"/>.</remarks>
    public ulong AlignedL2Ptr => L2Ptr & (ulong.MaxValue << (5 + Span));

    /// <summary>The value of a field: an address in full, anything else shifted down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Get(Level1StreamTableDescriptorField field) => BitRange.Get(Word, (int)field);

    /// <summary>A copy with one field replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field cannot hold <paramref name="value"/>.</exception>
    public Level1StreamTableDescriptor With(Level1StreamTableDescriptorField field, ulong value)
    {
        ulong word = Word;
        BitRange.Set(new Span<ulong>(ref word), (int)field, value);
        return new Level1StreamTableDescriptor(word);
    }

    /// <summary>The fields that are not zero, by name.</summary>
    public override string ToString() => StructureField.Describe(Fields, [Word]);
}
