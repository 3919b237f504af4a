using System.Buffers.Binary;

namespace Smmu.Fast.Memory;

/// <summary>Physical memory as the SMMU sees it: one region of bytes.</summary>
public sealed unsafe class GuestMemory
{
    private byte[] bytes = [];
    private byte* origin;
    private ulong start;

    /// <summary>Adds zeroed memory that belongs to this object.</summary>
    /// <param name="base">Physical address of the first byte, a multiple of 8.</param>
    /// <param name="size">Bytes, a multiple of 8.</param>
    /// <exception cref="InvalidOperationException">There is a region already.</exception>
    public void AddOwned(ulong @base, ulong size)
    {
        if (origin != null) throw new InvalidOperationException("There is a region already: ask for one that covers both.");
        bytes = GC.AllocateArray<byte>(checked((int)size), pinned: true);
        origin = (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref bytes[0]);
        start = @base;
    }

    /// <summary>Writes bytes; false when they are not all inside of memory.</summary>
    public bool Write(ulong pa, ReadOnlySpan<byte> data) =>
        TryLocate(pa, data.Length, out int offset) && data.TryCopyTo(bytes.AsSpan(offset));

    /// <summary>Reads bytes; false when they are not all inside of memory.</summary>
    public bool Read(ulong pa, Span<byte> data) =>
        TryLocate(pa, data.Length, out int offset) && bytes.AsSpan(offset, data.Length).TryCopyTo(data);

    /// <summary>Reads an aligned little-endian word at once; false is an external abort.</summary>
    internal bool TryRead64(ulong pa, out ulong value)
    {
        ulong offset = pa - start;
        if (offset >= (ulong)bytes.Length || (pa & 7) != 0)
        {
            value = 0;
            return false;
        }

        value = LittleEndian(Volatile.Read(ref *(ulong*)(origin + offset)));
        return true;
    }

    /// <summary>Replaces an aligned little-endian word if it holds what is expected; false is an external abort.</summary>
    internal bool TryCompareExchange64(ulong pa, ulong expected, ulong desired, out ulong observed)
    {
        ulong offset = pa - start;
        if (offset >= (ulong)bytes.Length || (pa & 7) != 0)
        {
            observed = 0;
            return false;
        }

        observed = LittleEndian(Interlocked.CompareExchange(
            ref *(ulong*)(origin + offset), LittleEndian(desired), LittleEndian(expected)));
        return true;
    }

    private static ulong LittleEndian(ulong value) =>
        BitConverter.IsLittleEndian ? value : BinaryPrimitives.ReverseEndianness(value);

    private bool TryLocate(ulong pa, int length, out int offset)
    {
        ulong distance = pa - start;
        offset = (int)distance;
        return distance <= (ulong)bytes.Length && (ulong)length <= (ulong)bytes.Length - distance;
    }
}
