using System.Runtime.CompilerServices;

namespace Smmu.Fast.Formats;

/// <summary>A Level 1 Context Descriptor (IHI 0070, 5.3).</summary>
/// <remarks>Where a two-level CD table goes on for 64 or 1024 substreams.</remarks>
/// <param name="Word">The descriptor as it lies in memory.</param>
public readonly record struct Level1ContextDescriptor(ulong Word)
{
    /// <summary>Bytes of one descriptor.</summary>
    public const int SizeBytes = 8;

    /// <summary>Every field with its place, in the order of the bits.</summary>
    public static IReadOnlyList<StructureField> Fields { get; } = StructureField.TableOf<Level1ContextDescriptorField>();

    /// <inheritdoc cref="Level1ContextDescriptorField.V"/>
    public bool IsValid => Get(Level1ContextDescriptorField.V) != 0;

    /// <inheritdoc cref="Level1ContextDescriptorField.L2Ptr"/>
    public ulong L2Ptr => Get(Level1ContextDescriptorField.L2Ptr);

    /// <summary>The value of a field: an address in full, anything else shifted down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Get(Level1ContextDescriptorField field) => BitRange.Get(Word, (int)field);

    /// <summary>A copy with one field replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field cannot hold <paramref name="value"/>.</exception>
    public Level1ContextDescriptor With(Level1ContextDescriptorField field, ulong value)
    {
        ulong word = Word;
        BitRange.Set(new Span<ulong>(ref word), (int)field, value);
        return new Level1ContextDescriptor(word);
    }

    /// <summary>The fields that are not zero, by name.</summary>
    public override string ToString() => StructureField.Describe(Fields, [Word]);
}
