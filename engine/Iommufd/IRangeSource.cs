using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

/// <summary>Ranges of a request, in user memory or at hand.</summary>
internal interface IRangeSource
{
    uint Count { get; }

    bool TryRead(int index, out IovaRange range);
}

/// <summary>Ranges at hand.</summary>
internal readonly ref struct RangeSpan(ReadOnlySpan<IovaRange> ranges) : IRangeSource
{
    private readonly ReadOnlySpan<IovaRange> ranges = ranges;

    public uint Count => (uint)ranges.Length;

    public bool TryRead(int index, out IovaRange range)
    {
        range = ranges[index];
        return true;
    }
}

/// <summary>Ranges in user memory: pairs of 64-bit numbers, first and last.</summary>
internal readonly struct UserRanges(IUserMemory memory, ulong address, uint count) : IRangeSource
{
    public const int SizeBytes = 16;

    public uint Count => count;

    public bool TryRead(int index, out IovaRange range)
    {
        Span<byte> bytes = stackalloc byte[SizeBytes];
        range = default;
        if (!memory.TryRead(address + ((ulong)index * SizeBytes), bytes)) return false;
        range = new IovaRange(BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));
        return true;
    }
}
