using System.Runtime.CompilerServices;

namespace Smmu.Fast.Foundation;

/// <summary>Reads and writes bit ranges of 64-bit words, named by their lowest and highest bit as the architecture does.</summary>
internal static class BitField
{
    /// <summary>A mask with bits <paramref name="high"/> down to <paramref name="low"/> set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mask(int high, int low) => (ulong.MaxValue >> (63 - high)) & (ulong.MaxValue << low);

    /// <summary>The value of bits <paramref name="high"/> down to <paramref name="low"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Get(ulong word, int high, int low) => (word >> low) & (ulong.MaxValue >> (63 - (high - low)));

    /// <summary>Bit <paramref name="bit"/> as a truth value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Test(ulong word, int bit) => ((word >> bit) & 1) != 0;

    /// <summary>The word with bits <paramref name="high"/> down to <paramref name="low"/> replaced by <paramref name="value"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Set(ulong word, int high, int low, ulong value)
    {
        ulong mask = Mask(high, low);
        return (word & ~mask) | ((value << low) & mask);
    }

    /// <summary>The word with bits below <paramref name="log2"/> cleared.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong AlignDown(ulong word, int log2) => log2 >= 64 ? 0 : word & (ulong.MaxValue << log2);

    /// <summary>True when <paramref name="address"/> does not fit into <paramref name="bits"/> bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Exceeds(ulong address, int bits) => bits < 64 && (address >> bits) != 0;
}
