using System.Globalization;
using System.Text;

namespace Smmu.Fast.Formats;

/// <summary>A field of a structure in memory: its name and its place, for tables that print, test and fill structures.</summary>
/// <param name="Name">The architecture's name.</param>
/// <param name="High">The highest bit, counted from the beginning of the structure.</param>
/// <param name="Low">The lowest bit; in the same 64-bit word.</param>
/// <param name="IsAddress">The value is an address, whose bits lie in their own places.</param>
public readonly record struct StructureField(string Name, int High, int Low, bool IsAddress)
{
    private int Range => (IsAddress ? BitRange.InPlace : 0) + (High * 1000) + Low;

    /// <summary>The value: an address in full, anything else shifted down to bit 0.</summary>
    /// <param name="words">The structure, its first word at the lowest address.</param>
    public ulong Get(ReadOnlySpan<ulong> words) => BitRange.Get(words[Low >> 6], Range);

    /// <summary>Replaces the value.</summary>
    /// <param name="words">The structure, its first word at the lowest address.</param>
    /// <param name="value">The value, as <see cref="Get"/> returns it.</param>
    /// <exception cref="ArgumentOutOfRangeException">The field cannot hold <paramref name="value"/>.</exception>
    public void Set(Span<ulong> words, ulong value) => BitRange.Set(words, Range, value);

    /// <summary>The name and the bits, as the architecture writes them.</summary>
    public override string ToString() => High == Low ? $"{Name} [{Low}]" : $"{Name} [{High}:{Low}]";

    /// <summary>The table of an enumeration whose values are bit ranges, in the order of the bits.</summary>
    internal static IReadOnlyList<StructureField> TableOf<TField>()
        where TField : struct, Enum
    {
        TField[] fields = Enum.GetValues<TField>();
        var table = new StructureField[fields.Length];
        for (int i = 0; i < fields.Length; i++)
        {
            int range = Convert.ToInt32(fields[i], CultureInfo.InvariantCulture);
            table[i] = new StructureField(
                fields[i].ToString(), BitRange.HighOf(range), BitRange.LowOf(range), range >= BitRange.InPlace);
        }

        Array.Sort(table, static (left, right) => left.Low.CompareTo(right.Low));
        return table;
    }

    /// <summary>All fields that are not zero, as one line.</summary>
    internal static string Describe(IReadOnlyList<StructureField> fields, ReadOnlySpan<ulong> words)
    {
        var text = new StringBuilder();
        foreach (StructureField field in fields)
        {
            ulong value = field.Get(words);
            if (value == 0) continue;
            if (text.Length > 0) text.Append(' ');
            text.Append(field.Name);
            if (field.High != field.Low) text.Append(CultureInfo.InvariantCulture, $"=0x{value:x}");
        }

        return text.Length == 0 ? "all fields zero" : text.ToString();
    }
}
