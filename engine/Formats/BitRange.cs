using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.Formats;

/// <summary>A place in a structure of 64-bit words as one constant: [165:160] is written 165_160.</summary>
/// <remarks>
/// One number, so that it can be a constant and the value of an enumeration, and the JIT folds all arithmetic on it away.
/// Three decimal digits for the low bit: a structure has at most 1000 bits. A range lies inside one word. Address fields
/// carry <see cref="InPlace"/>: in every structure of the architecture their bits lie where the address has them.
/// </remarks>
internal static class BitRange
{
    /// <summary>Added to a range whose value is not shifted down.</summary>
    public const int InPlace = 1_000_000;

    /// <summary>The highest bit, counted from the beginning of the structure.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int HighOf(int range) => range / 1000 % 1000;

    /// <summary>The lowest bit, counted from the beginning of the structure.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int LowOf(int range) => range % 1000;

    /// <summary>The index of the word that holds the range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int WordOf(int range) => LowOf(range) >> 6;

    /// <summary>The value of the range in its word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Get(ulong word, int range) => range >= InPlace
        ? word & BitField.Mask(HighOf(range) & 63, LowOf(range) & 63)
        : BitField.Get(word, HighOf(range) & 63, LowOf(range) & 63);

    /// <summary>The range as part of a word; bits of <paramref name="value"/> that do not fit are dropped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Place(int range, ulong value)
    {
        if (range < InPlace) value <<= LowOf(range) & 63;
        return value & BitField.Mask(HighOf(range) & 63, LowOf(range) & 63);
    }

    /// <summary>The word with the range replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range cannot hold <paramref name="value"/>.</exception>
    public static ulong With(ulong word, int range, ulong value)
    {
        ulong placed = Place(range, value);
        if (Get(placed, range) != value) ThrowDoesNotFit(range, value);
        return (word & ~BitField.Mask(HighOf(range) & 63, LowOf(range) & 63)) | placed;
    }

    /// <summary>Replaces the range in a structure.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range cannot hold <paramref name="value"/>.</exception>
    public static void Set(Span<ulong> words, int range, ulong value)
    {
        ref ulong word = ref words[WordOf(range)];
        word = With(word, range, value);
    }

    [DoesNotReturn]
    private static void ThrowDoesNotFit(int range, ulong value) => throw new ArgumentOutOfRangeException(
        nameof(value),
        $"0x{value:x} does not fit into bits [{HighOf(range)}:{LowOf(range)}]: " + (range >= InPlace
            ? $"give an address aligned to {1UL << (LowOf(range) & 63)} bytes and below 2^{(HighOf(range) & 63) + 1}."
            : $"give a value of at most {HighOf(range) - LowOf(range) + 1} bits."));
}
