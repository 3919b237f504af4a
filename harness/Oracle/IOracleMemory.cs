namespace Smmu.Fast.Oracle;

/// <summary>The physical memory that an <see cref="OracleSmmu"/> reads and writes, in whole 64-bit words.</summary>
/// <remarks>Words are little-endian values: byte n of the word lies at <c>address + n</c>. Every address is a multiple of 8.
/// An answer of false is an external abort (IHI 0070, 7.3.4, 7.3.10, 7.3.12 and 7.1).</remarks>
public interface IOracleMemory
{
    /// <summary>Reads one word.</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    /// <param name="value">The word; 0 when the read is aborted.</param>
    /// <returns>False when the read is aborted.</returns>
    bool TryRead(ulong address, out ulong value);

    /// <summary>Reads one word of a structure. Whoever models what caches still hold may answer with an older value.</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    /// <param name="read">What it is read for.</param>
    /// <param name="value">The word; 0 when the read is aborted.</param>
    /// <returns>False when the read is aborted.</returns>
    bool TryRead(ulong address, OracleRead read, out ulong value) => TryRead(address, out value);

    /// <summary>Writes one word.</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    /// <param name="value">What the word becomes.</param>
    /// <returns>False when the write is aborted; the word then keeps its value.</returns>
    bool TryWrite(ulong address, ulong value);

    /// <summary>Says whether a write would arrive.</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    bool CanWrite(ulong address) => true;

    /// <summary>Replaces one word if it still holds what was read: the update of a descriptor (IHI 0070, 3.13).</summary>
    /// <param name="address">Physical address, a multiple of 8.</param>
    /// <param name="expected">The word as it was read.</param>
    /// <param name="desired">What it becomes if it still is <paramref name="expected"/>.</param>
    /// <param name="seen">The word as it was found; 0 when the access is aborted.</param>
    /// <returns>False when the access is aborted; the word then keeps its value.</returns>
    bool TryCompareExchange(ulong address, ulong expected, ulong desired, out ulong seen);
}
