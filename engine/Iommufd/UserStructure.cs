namespace Smmu.Fast.Iommufd;

/// <summary>Structures that have grown over time, and may grow: shorter ones end in zeros, longer ones must.</summary>
internal static class UserStructure
{
    private const int ChunkBytes = 256;

    /// <summary>Reads a structure.</summary>
    /// <param name="memory">Where it is; null when it is at hand.</param>
    /// <param name="address">Its address there.</param>
    /// <param name="own">The structure, when it is at hand.</param>
    /// <param name="length">Its size.</param>
    /// <param name="destination">As long as it is known.</param>
    public static Errno Read(IUserMemory? memory, ulong address, ReadOnlySpan<byte> own, uint length, Span<byte> destination)
    {
        int known = (int)Math.Min(length, (uint)destination.Length);
        destination[known..].Clear();
        if (memory is null)
        {
            own[..known].CopyTo(destination);
            return own[known..].ContainsAnyExcept((byte)0) ? Errno.E2BIG : Errno.None;
        }

        Errno errno = CheckTail(memory, address, (uint)known, length);
        if (errno != Errno.None) return errno;
        return memory.TryRead(address, destination[..known]) ? Errno.None : Errno.EFAULT;
    }

    private static Errno CheckTail(IUserMemory memory, ulong address, uint known, uint length)
    {
        Span<byte> chunk = stackalloc byte[ChunkBytes];
        for (ulong at = known; at < length; at += ChunkBytes)
        {
            Span<byte> part = chunk[..(int)Math.Min(ChunkBytes, length - at)];
            if (!memory.TryRead(address + at, part)) return Errno.EFAULT;
            if (part.ContainsAnyExcept((byte)0)) return Errno.E2BIG;
        }

        return Errno.None;
    }
}
