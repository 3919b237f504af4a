namespace Smmu.Fast.Iommufd;

/// <summary>Where a driver says what was written: a bit a page, in memory of whoever asked. Bits are only ever set.</summary>
/// <remarks>Not thread-safe. Parts of user memory that cannot be written are left out, as the kernel does it.</remarks>
public sealed class DirtyBitmap
{
    private const int WindowBytes = 512;

    private readonly IUserMemory? memory;
    private readonly ulong address;
    private readonly Memory<byte> own;
    private readonly byte[] window = [];
    private readonly ulong first;
    private readonly ulong last;
    private readonly int pageLog2;
    private ulong windowAt = ulong.MaxValue;   // First byte of the bitmap that the window holds.
    private int windowLength;

    internal DirtyBitmap(IUserMemory memory, ulong address, ulong iova, ulong length, ulong pageBytes)
        : this(iova, length, pageBytes)
    {
        this.memory = memory;
        this.address = address;
        window = new byte[WindowBytes];
    }

    internal DirtyBitmap(Memory<byte> own, ulong iova, ulong length, ulong pageBytes)
        : this(iova, length, pageBytes) => this.own = own;

    private DirtyBitmap(ulong iova, ulong length, ulong pageBytes)
    {
        first = iova;
        last = iova + (length - 1);
        pageLog2 = System.Numerics.BitOperations.TrailingZeroCount(pageBytes);
    }

    /// <summary>Sets the bits of the pages that a range touches; what lies outside of the bitmap is left out.</summary>
    /// <param name="iova">First address that was written.</param>
    /// <param name="bytes">Size in bytes; 0 for nothing.</param>
    public void Record(ulong iova, ulong bytes)
    {
        if (bytes == 0) return;
        ulong end = iova > ulong.MaxValue - (bytes - 1) ? ulong.MaxValue : iova + (bytes - 1);
        if (end < first || iova > last) return;
        ulong bit = (Math.Max(iova, first) - first) >> pageLog2;
        ulong lastBit = (Math.Min(end, last) - first) >> pageLog2;
        while (bit <= lastBit)
        {
            ulong position = bit >> 3;
            Span<byte> bitmap = BytesFrom(position, out bool isThere);
            ulong next = Math.Min(lastBit + 1, (position + (ulong)bitmap.Length) << 3);
            if (isThere) SetBits(bitmap, (int)(bit & 7), (int)(next - (position << 3)));
            bit = next;
        }
    }

    /// <summary>Writes back what is still held.</summary>
    internal void Flush()
    {
        if (windowLength == 0) return;
        memory!.TryWrite(address + windowAt, window.AsSpan(0, windowLength));
        windowLength = 0;
    }

    private Span<byte> BytesFrom(ulong position, out bool isThere)
    {
        isThere = true;
        if (memory is null) return own.Span[(int)position..];
        // Windows are aligned in user memory, so that none lies in two pages of it.
        ulong inWindow = (address + position) & (WindowBytes - 1);
        ulong at = position - Math.Min(inWindow, position);
        int skip = (int)(position - at);
        if (at != windowAt || windowLength == 0)
        {
            Flush();
            windowAt = at;
            ulong size = (((last - first) >> pageLog2) >> 3) + 1;
            int length = (int)Math.Min(WindowBytes - ((address + at) & (WindowBytes - 1)), size - at);
            isThere = memory.TryRead(address + at, window.AsSpan(0, length));
            windowLength = isThere ? length : 0;
            if (!isThere) return window.AsSpan(skip, length - skip);
        }

        return window.AsSpan(skip, windowLength - skip);
    }

    private static void SetBits(Span<byte> bytes, int from, int to)
    {
        for (int bit = from; bit < to;)
        {
            if ((bit & 7) == 0 && to - bit >= 8)
            {
                bytes[bit >> 3] = 0xff;
                bit += 8;
                continue;
            }

            bytes[bit >> 3] |= (byte)(1 << (bit & 7));
            bit++;
        }
    }
}
