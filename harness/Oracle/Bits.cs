namespace Smmu.Fast.Oracle;

/// <summary>Bit fields as the architecture writes them: the high bit first, both inclusive.</summary>
internal static class Bits
{
    /// <summary>Bits [high:low] of a word, moved down to bit 0.</summary>
    public static ulong Field(ulong word, int high, int low) => (word >> low) & Below(high - low + 1);

    /// <summary>One bit of a word.</summary>
    public static bool Bit(ulong word, int number) => ((word >> number) & 1) != 0;

    /// <summary>A word with the given number of low bits set; 64 and more give all of them.</summary>
    public static ulong Below(int count) => count >= 64 ? ulong.MaxValue : (1UL << count) - 1;

    /// <summary>True when a value has a bit at or above a position.</summary>
    public static bool Exceeds(ulong value, int position) => (value & ~Below(position)) != 0;

    /// <summary>A value with its low bits cleared.</summary>
    public static ulong AlignDown(ulong value, int sizeLog2) => value & ~Below(sizeLog2);

    /// <summary>The bytes of a word in the opposite order.</summary>
    public static ulong Reversed(ulong word)
    {
        ulong reversed = 0;
        for (int i = 0; i < 8; i++) reversed |= Field(word, 8 * i + 7, 8 * i) << (56 - 8 * i);
        return reversed;
    }
}
