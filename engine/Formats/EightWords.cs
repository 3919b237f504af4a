using System.Runtime.CompilerServices;

namespace Smmu.Fast.Formats;

/// <summary>The words of a 64-byte structure.</summary>
[InlineArray(Count)]
internal struct EightWords
{
    public const int Count = 8;

    private ulong first;

    public EightWords(ReadOnlySpan<ulong> words)
    {
        if (words.Length != Count) throw new ArgumentException(
            $"The structure has {Count} words, but {words.Length} were given: pass exactly {Count}.", nameof(words));
        words.CopyTo(this);
    }
}
