using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Queues;

/// <summary>A page of memory that only the host serves, with a hand on every access.</summary>
internal sealed class HookedBus : IGuestBus
{
    public const ulong Base = 0x1000_0000;

    private readonly byte[] memory;

    public HookedBus(int bytes = 4096) => memory = new byte[bytes];

    /// <summary>Called before the bytes are stored, with their place; false aborts the write.</summary>
    public Func<int, bool>? BeforeWrite { get; set; }

    /// <summary>Called after the bytes were loaded, with their place; false aborts the read.</summary>
    public Func<int, bool>? AfterRead { get; set; }

    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!TryPlace(address, destination.Length, out int place)) return false;
        memory.AsSpan(place, destination.Length).CopyTo(destination);
        return AfterRead?.Invoke(place) ?? true;
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!TryPlace(address, source.Length, out int place)) return false;
        if (BeforeWrite?.Invoke(place) == false) return false;
        source.CopyTo(memory.AsSpan(place));
        return true;
    }

    private bool TryPlace(ulong address, int length, out int place)
    {
        place = (int)(address - Base);
        return address >= Base && address - Base + (ulong)length <= (ulong)memory.Length;
    }
}
