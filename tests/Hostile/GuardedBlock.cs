using System.Runtime.InteropServices;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>Host memory between pages that nobody may touch: an access outside of it ends the process on the spot.</summary>
/// <remarks>
/// Memory that fills whole pages of the host touches the forbidden pages at its end and, where it is a multiple of such
/// pages, at its start. Memory that begins within a page has marked bytes before and behind it instead, see
/// <see cref="IsSlackIntact"/>. Linux alone.
/// </remarks>
internal sealed unsafe partial class GuardedBlock : IDisposable
{
    private const int None = 0;
    private const int ReadWrite = 1 | 2;
    private const int PrivateAnonymous = 0x02 | 0x20;
    private const byte Mark = 0xa7;

    // An overrun of a whole table or queue still lands in it.
    private const ulong GuardBytes = 1 << 20;

    private readonly byte* mapping;
    private readonly ulong usable;
    private readonly ulong front;

    /// <summary>Takes memory: zeroed, but for its slack.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="shift">Bytes of slack before it, a multiple of 8 below a page; 0 for memory that ends at the guard.</param>
    public GuardedBlock(ulong bytes, ulong shift = 0)
    {
        ulong page = (ulong)Environment.SystemPageSize;
        Bytes = bytes;
        usable = (shift + bytes + page - 1) & ~(page - 1);
        front = shift == 0 ? usable - bytes : shift;
        mapping = (byte*)MemoryMap(0, (nuint)(usable + (2 * GuardBytes)), None, PrivateAnonymous, -1, 0);
        if ((nint)mapping == -1) throw new InvalidOperationException("mmap fails.");
        Allow();
        new Span<byte>(mapping + GuardBytes, (int)front).Fill(Mark);
        new Span<byte>(Start + bytes, (int)(usable - front - bytes)).Fill(Mark);
    }

    /// <summary>The first byte.</summary>
    public byte* Start => mapping + GuardBytes + front;

    /// <summary>How many there are.</summary>
    public ulong Bytes { get; }

    /// <summary>All bytes.</summary>
    public Span<byte> Span => new(Start, (int)Bytes);

    /// <summary>All bytes as words.</summary>
    public Span<ulong> Words => new(Start, (int)(Bytes / sizeof(ulong)));

    /// <summary>True when nobody wrote to what shares a page with the memory.</summary>
    public bool IsSlackIntact =>
        new ReadOnlySpan<byte>(mapping + GuardBytes, (int)front).IndexOfAnyExcept(Mark) < 0
        && new ReadOnlySpan<byte>(Start + Bytes, (int)(usable - front - Bytes)).IndexOfAnyExcept(Mark) < 0;

    /// <summary>Makes every access crash, as to memory that was given back.</summary>
    public void Forbid() => Protect(None);

    /// <summary>Ends what <see cref="Forbid"/> began.</summary>
    public void Allow() => Protect(ReadWrite);

    public void Dispose() => _ = MemoryUnmap((nint)mapping, (nuint)(usable + (2 * GuardBytes)));

    private void Protect(int protection)
    {
        bool done = MemoryProtect((nint)(mapping + GuardBytes), (nuint)usable, protection) == 0;
        if (!done) throw new InvalidOperationException("mprotect fails.");
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int MemoryProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MemoryUnmap(nint address, nuint length);
}
