using System.Runtime.InteropServices;

namespace Smmu.Fast.Props.Hostile;

/// <summary>Host memory between pages that nobody may touch: an access outside of it ends the process on the spot.</summary>
internal sealed unsafe partial class GuardedBlock : IDisposable
{
    private const int None = 0;
    private const int ReadWrite = 1 | 2;
    private const int PrivateAnonymous = 0x02 | 0x20;
    private const nuint GuardBytes = 1 << 20;

    private readonly nuint bytes;
    private readonly byte* mapping;

    /// <summary>Takes zeroed memory; Linux alone.</summary>
    public GuardedBlock(nuint bytes)
    {
        this.bytes = bytes;
        mapping = (byte*)MemoryMap(0, bytes + (2 * GuardBytes), None, PrivateAnonymous, -1, 0);
        if ((nint)mapping == -1) throw new InvalidOperationException("mmap fails.");
        if (MemoryProtect((nint)Start, bytes, ReadWrite) != 0) throw new InvalidOperationException("mprotect fails.");
    }

    /// <summary>The first byte.</summary>
    public byte* Start => mapping + GuardBytes;

    public void Dispose() => _ = MemoryUnmap((nint)mapping, bytes + (2 * GuardBytes));

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int MemoryProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MemoryUnmap(nint address, nuint length);
}
