using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Smmu.Fast.Memory;

/// <summary>Copies bytes to and from shared memory without tearing what is naturally aligned there.</summary>
/// <remarks>
/// A general copy may write the two ends of a range with overlapping unaligned moves, so that a word in between is seen
/// half new. Here each aligned word of 2, 4 or 8 bytes that lies whole in the range is moved at once: alone, or in an
/// aligned vector, which processors move in parts of no less than 8 bytes.
/// </remarks>
internal static unsafe class WholeWordCopy
{
    private const int WordBytes = sizeof(ulong);
    private const int VectorBytes = 32;

    /// <summary>Reads shared memory into private memory of any alignment.</summary>
    public static void Load(byte* shared, byte* destination, ulong count)
    {
        byte* end = shared + count;
        if (count == WordBytes && ((nuint)shared & (WordBytes - 1)) == 0)
        {
            Unsafe.WriteUnaligned(destination, *(ulong*)shared);
            return;
        }

        if (count >= 2 * VectorBytes)
        {
            while (((nuint)shared & (VectorBytes - 1)) != 0) LoadPart(ref shared, ref destination, end);
            for (; end - shared >= VectorBytes; shared += VectorBytes, destination += VectorBytes)
            {
                Vector256.LoadAligned(shared).Store(destination);
            }
        }

        while (shared < end) LoadPart(ref shared, ref destination, end);
    }

    /// <summary>Writes private memory of any alignment into shared memory.</summary>
    public static void Store(byte* shared, byte* source, ulong count)
    {
        byte* end = shared + count;
        if (count == WordBytes && ((nuint)shared & (WordBytes - 1)) == 0)
        {
            *(ulong*)shared = Unsafe.ReadUnaligned<ulong>(source);
            return;
        }

        if (count >= 2 * VectorBytes)
        {
            while (((nuint)shared & (VectorBytes - 1)) != 0) StorePart(ref shared, ref source, end);
            for (; end - shared >= VectorBytes; shared += VectorBytes, source += VectorBytes)
            {
                Vector256.Load(source).StoreAligned(shared);
            }
        }

        while (shared < end) StorePart(ref shared, ref source, end);
    }

    private static void LoadPart(ref byte* shared, ref byte* destination, byte* end)
    {
        int bytes = PartBytes(shared, end);
        switch (bytes)
        {
            case 8: Unsafe.WriteUnaligned(destination, *(ulong*)shared); break;
            case 4: Unsafe.WriteUnaligned(destination, *(uint*)shared); break;
            case 2: Unsafe.WriteUnaligned(destination, *(ushort*)shared); break;
            default: *destination = *shared; break;
        }

        shared += bytes;
        destination += bytes;
    }

    private static void StorePart(ref byte* shared, ref byte* source, byte* end)
    {
        int bytes = PartBytes(shared, end);
        switch (bytes)
        {
            case 8: *(ulong*)shared = Unsafe.ReadUnaligned<ulong>(source); break;
            case 4: *(uint*)shared = Unsafe.ReadUnaligned<uint>(source); break;
            case 2: *(ushort*)shared = Unsafe.ReadUnaligned<ushort>(source); break;
            default: *shared = *source; break;
        }

        shared += bytes;
        source += bytes;
    }

    // The largest word that is aligned at the pointer and ends within the range.
    private static int PartBytes(byte* shared, byte* end)
    {
        int bytes = WordBytes;
        while (((nuint)shared & (nuint)(bytes - 1)) != 0 || end - shared < bytes) bytes >>= 1;
        return bytes;
    }
}
