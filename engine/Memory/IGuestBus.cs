namespace Smmu.Fast.Memory;

/// <summary>Serves addresses that lie in no region of a <see cref="GuestMemory"/>: device registers, doorbells.</summary>
/// <remarks>
/// Called by any thread that accesses memory, by several at once, with no lock of the engine held. An access arrives
/// whole unless it runs into a region; its length is above 0 and its end does not wrap. Implementations do not throw.
/// </remarks>
public interface IGuestBus
{
    /// <summary>Reads bytes; false when the access aborted, and what the destination then holds is of no meaning.</summary>
    /// <param name="address">Physical address of the first byte.</param>
    /// <param name="destination">Where the bytes go, in the order of their addresses.</param>
    bool TryRead(ulong address, Span<byte> destination);

    /// <summary>Writes bytes; false when the access aborted.</summary>
    /// <param name="address">Physical address of the first byte.</param>
    /// <param name="source">The bytes, in the order of their addresses.</param>
    bool TryWrite(ulong address, ReadOnlySpan<byte> source);
}
