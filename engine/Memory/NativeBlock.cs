using System.Numerics;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Memory;

/// <summary>Zeroed unmanaged memory with one owner. All the engine keeps outside of the managed heap lies in one.</summary>
/// <remarks>
/// The operating system commits pages of large blocks at their first use, so a block may be as large as a guest.
/// A forgotten block is counted in Debug builds, never freed: raw pointers into it may outlive the last reference to it.
/// </remarks>
internal sealed unsafe class NativeBlock : IDisposable
{
    /// <summary>Alignment unless asked otherwise: one cache line.</summary>
    public const int DefaultAlignment = 64;

    private static long liveBlocks;
    private static long liveBytes;
#if SMMU_ASSERT
    private static long forgottenBlocks;
#endif

    private void* allocation;

    /// <summary>Takes <paramref name="sizeBytes"/> zeroed bytes.</summary>
    /// <param name="sizeBytes">Size, above 0.</param>
    /// <param name="alignment">Alignment of the first byte: a power of two, 1 to 2^30.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is 0 or exceeds the address space, or the alignment is not a
    /// power of two in range.</exception>
    /// <exception cref="OutOfMemoryException">The system refuses.</exception>
    public NativeBlock(ulong sizeBytes, int alignment = DefaultAlignment)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sizeBytes);
        if (!BitOperations.IsPow2(alignment)) throw new ArgumentOutOfRangeException(
            nameof(alignment), alignment, "Pass a power of two.");
        ulong slack = (ulong)alignment - 1;
        if (sizeBytes > (ulong)nint.MaxValue - slack) throw new ArgumentOutOfRangeException(
            nameof(sizeBytes), sizeBytes, "The block exceeds the address space of a process: pass a smaller size.");

        // Not AlignedAlloc and Clear: that would touch, and so commit, every page.
        allocation = NativeMemory.AllocZeroed((nuint)(sizeBytes + slack));
        Pointer = (byte*)(((nuint)allocation + (nuint)slack) & ~(nuint)slack);
        SizeBytes = sizeBytes;
        Interlocked.Increment(ref liveBlocks);
        Interlocked.Add(ref liveBytes, (long)sizeBytes);
    }

#if SMMU_ASSERT
    /// <summary>Blocks that were collected without being disposed.</summary>
    public static long ForgottenBlocks => Volatile.Read(ref forgottenBlocks);

    ~NativeBlock()
    {
        if (allocation != null) Interlocked.Increment(ref forgottenBlocks);   // Null when the constructor threw.
    }
#endif

    /// <summary>Blocks of the process that are not disposed.</summary>
    public static long LiveBlocks => Volatile.Read(ref liveBlocks);

    /// <summary>Bytes that the owners of live blocks asked for.</summary>
    public static long LiveBytes => Volatile.Read(ref liveBytes);

    /// <summary>The first byte; null once disposed.</summary>
    public byte* Pointer { get; private set; }

    /// <summary>The size asked for.</summary>
    public ulong SizeBytes { get; }

    /// <summary>Takes zeroed room for <paramref name="count"/> values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is not above 0, or the size exceeds the address space.</exception>
    /// <exception cref="OutOfMemoryException">The system refuses.</exception>
    public static NativeBlock Of<T>(long count, int alignment = DefaultAlignment) where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        UInt128 sizeBytes = (UInt128)count * (ulong)sizeof(T);
        if (sizeBytes > (ulong)nint.MaxValue) throw new ArgumentOutOfRangeException(
            nameof(count), count, $"That many values of {sizeof(T)} bytes exceed the address space of a process: pass fewer.");
        return new NativeBlock((ulong)sizeBytes, alignment);
    }

    /// <summary>Gives the memory back. Later calls do nothing.</summary>
    public void Dispose()
    {
        if (allocation == null) return;
        NativeMemory.Free(allocation);
        allocation = null;
        Pointer = null;
        Interlocked.Decrement(ref liveBlocks);
        Interlocked.Add(ref liveBytes, -(long)SizeBytes);
        GC.SuppressFinalize(this);
    }
}
