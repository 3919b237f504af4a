#pragma warning disable CS0649, CS0067, CA1051 // Nothing here is run: PublicApiTests reads the signatures.

namespace Smmu.Fast.Tests.Repository;

/// <summary>Signatures of every shape, for the tests of the reader of signatures.</summary>
public unsafe class Shapes
{
    /// <summary>A field.</summary>
    public delegate*<int, void> FunctionPointer;

    /// <summary>A field.</summary>
    public void*[]? PointerArray;

    /// <summary>A constructor.</summary>
    public Shapes(int value, string text) => Text = $"{value}{text}";

    /// <summary>An event.</summary>
    public event Action<int>? Happened;

    /// <summary>A property.</summary>
    public string Text { get; }

    /// <summary>An indexer.</summary>
    public int this[int row, long column] => row + (int)column;

    /// <summary>An operator.</summary>
    public static Shapes operator +(Shapes left, Shapes right) => left ?? right;

    /// <summary>A conversion.</summary>
    public static explicit operator int(Shapes shapes) => shapes.Text.Length;

    /// <summary>A method.</summary>
    public static int PointerParameter(int* value) => *value;

    /// <summary>A method.</summary>
    public static int* PointerReturn() => null;

    /// <summary>A method.</summary>
    public static int ByReference(in int first, ref long second, out short third) => third = (short)(first + second);

    /// <summary>A method.</summary>
    public static int Arrays(int[] first, int[,] second, byte[][] third) => first.Length + second.Length + third.Length;

    /// <summary>A method.</summary>
    public static TOne? Generic<TOne, TOther>(List<TOne> first, Dictionary<string, TOther[]> second) => second.Count == 0 ? first[0] : default;

    /// <summary>A method.</summary>
    public static int OfNested(Nested<int>.Inner<string> inner, int? perhaps) => inner is null ? 0 : perhaps ?? 0;

    public static int Undocumented(ReadOnlySpan<byte> bytes) => bytes.Length;

    /// <summary>A nested type.</summary>
    public class Nested<T>
    {
        /// <summary>A method.</summary>
        public T? Take(T value, Inner<T> inner) => inner is null ? default : value;

        /// <summary>A type in a nested type.</summary>
        public class Inner<TInner>;
    }
}
