namespace Smmu.Fast.Oracle;

/// <summary>A configuration structure of 64 bytes, read by the bit numbers of the text (IHI 0070, chapter 5): bit 64n + x is
/// bit x of the n-th word.</summary>
internal sealed class Structure(ulong[] words)
{
    /// <summary>Words of an STE and of a CD.</summary>
    public const int Words = 8;

    /// <summary>Reads a whole structure.</summary>
    /// <returns>Null when any word is aborted.</returns>
    public static Structure? Read(IOracleMemory memory, ulong address, OracleRead read)
    {
        ulong[] words = new ulong[Words];
        for (int i = 0; i < Words; i++)
        {
            if (!memory.TryRead(address + 8 * (ulong)i, read, out words[i])) return null;
        }

        return new Structure(words);
    }

    /// <summary>Bits [high:low] of the structure; a field never crosses a word.</summary>
    public ulong Field(int high, int low) => Bits.Field(words[low / 64], high % 64, low % 64);

    /// <summary>Bits [high:low] as a small number.</summary>
    public int Number(int high, int low) => (int)Field(high, low);

    /// <summary>One bit of the structure.</summary>
    public bool Bit(int number) => Field(number, number) != 0;
}
