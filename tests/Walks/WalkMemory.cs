using System.Buffers.Binary;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Walks;

/// <summary>A few megabytes of guest memory to build tables in; all other addresses abort.</summary>
internal sealed class WalkMemory
{
    public const ulong Start = 0x8000_0000;
    public const ulong Size = 4 << 20;

    private ulong next = Start;

    public WalkMemory() => Guest.AddOwned(Start, Size);

    public GuestMemory Guest { get; } = new();

    /// <summary>The 64-bit little-endian word at a physical address.</summary>
    public ulong this[ulong address]
    {
        get
        {
            Span<byte> bytes = stackalloc byte[8];
            Assert.True(Guest.Read(address, bytes));
            return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        }

        set
        {
            Span<byte> bytes = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
            Assert.True(Guest.Write(address, bytes));
        }
    }

    /// <summary>Zeroed memory, aligned to its size.</summary>
    public ulong Allocate(int sizeLog2)
    {
        ulong size = 1UL << sizeLog2;
        ulong address = (next + size - 1) & ~(size - 1);
        next = address + size;
        Assert.True(next <= Start + Size);
        return address;
    }
}
