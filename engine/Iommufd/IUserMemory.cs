using Smmu.Fast.Formats;

namespace Smmu.Fast.Iommufd;

/// <summary>Pinned pages that lie next to each other in physical memory.</summary>
/// <param name="First">Physical address of the first byte.</param>
/// <param name="Bytes">Size in bytes.</param>
public readonly record struct PinnedRun(PhysicalAddress First, ulong Bytes);

/// <summary>The memory that addresses of user space lead to: of the process that asks, or of an emulator's own making.</summary>
/// <remarks>
/// Calls come from any thread, some with internal locks held: do not call back into the <see cref="IommufdContext"/>. Memory
/// may come and go while requests use it; what is pinned stays until it is unpinned as often as it was pinned.
/// </remarks>
public interface IUserMemory
{
    /// <summary>Copies from user memory.</summary>
    /// <param name="address">User address of the first byte; any value.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <returns>False when a byte cannot be read: the request ends with EFAULT.</returns>
    bool TryRead(ulong address, Span<byte> destination);

    /// <summary>Copies to user memory.</summary>
    /// <param name="address">User address of the first byte; any value.</param>
    /// <param name="source">The bytes.</param>
    /// <returns>False when a byte cannot be written: the request ends with EFAULT.</returns>
    bool TryWrite(ulong address, ReadOnlySpan<byte> source);

    /// <summary>Pins pages of 4 KiB: as many as lie next to each other in physical memory, and at least one.</summary>
    /// <param name="address">User address of the first page, a multiple of 4 KiB.</param>
    /// <param name="bytes">How much is wanted, a multiple of 4 KiB.</param>
    /// <param name="forWriting">Devices will write to it.</param>
    /// <param name="run">What was pinned: a multiple of 4 KiB, at most <paramref name="bytes"/>.</param>
    /// <returns>None, EFAULT when the first page is not there or not writable, or ENOMEM above the limit.</returns>
    Errno Pin(ulong address, ulong bytes, bool forWriting, out PinnedRun run);

    /// <summary>Unpins what was pinned, or a part of it in whole pages.</summary>
    /// <param name="run">Pages that were pinned by one call.</param>
    /// <param name="forWriting">As it was pinned; devices may have written to it then.</param>
    void Unpin(PinnedRun run, bool forWriting);

    /// <summary>Copies from pinned memory, wherever its user addresses may lead by now.</summary>
    /// <param name="physical">Physical address of the first byte.</param>
    /// <param name="destination">Where the bytes go; they do not leave the run that was pinned.</param>
    void ReadPinned(PhysicalAddress physical, Span<byte> destination);

    /// <summary>Copies to pinned memory, wherever its user addresses may lead by now.</summary>
    /// <param name="physical">Physical address of the first byte.</param>
    /// <param name="source">The bytes; they do not leave the run that was pinned.</param>
    void WritePinned(PhysicalAddress physical, ReadOnlySpan<byte> source);
}
