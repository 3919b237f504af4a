namespace Smmu.Fast.Iommufd;

/// <summary>A structure that a user handed over for a driver, in user memory or at hand.</summary>
public readonly ref struct UserData
{
    private readonly IUserMemory? memory;
    private readonly ulong address;
    private readonly Span<byte> own;

    internal UserData(uint type, IUserMemory memory, ulong address, uint length)
    {
        Type = type;
        Length = length;
        this.memory = memory;
        this.address = address;
    }

    internal UserData(uint type, Span<byte> own)
    {
        Type = type;
        Length = (uint)own.Length;
        this.own = own;
    }

    /// <summary>The type of structure; 0 for none.</summary>
    public uint Type { get; }

    /// <summary>Size in bytes; 0 for none.</summary>
    public uint Length { get; }

    /// <summary>True when there is one.</summary>
    public bool HasData => Length != 0;

    /// <summary>Reads it: what it lacks at the end is zero, what it has too much must be.</summary>
    /// <param name="type">The type that is known.</param>
    /// <param name="leastBytes">What it must have at least.</param>
    /// <param name="destination">As long as the structure is known.</param>
    /// <returns>None; EINVAL for another type or too short; E2BIG; EFAULT.</returns>
    public Errno Read(uint type, int leastBytes, Span<byte> destination) =>
        Type != type || Length < (uint)leastBytes ? Errno.EINVAL : UserStructure.Read(memory, address, own, Length, destination);

    /// <summary>Writes an answer over its start, as much of it as there is room for.</summary>
    /// <param name="answer">The structure, answers filled in.</param>
    /// <returns>None or EFAULT.</returns>
    public Errno WriteBack(ReadOnlySpan<byte> answer)
    {
        ReadOnlySpan<byte> fitting = answer[..(int)Math.Min(Length, (uint)answer.Length)];
        if (memory is not null) return memory.TryWrite(address, fitting) ? Errno.None : Errno.EFAULT;
        fitting.CopyTo(own);
        return Errno.None;
    }
}

/// <summary>Entries that a user handed over for a driver, in user memory or at hand.</summary>
public readonly ref struct UserArray
{
    private readonly IUserMemory? memory;
    private readonly ulong address;
    private readonly ReadOnlySpan<byte> own;

    internal UserArray(uint type, IUserMemory memory, ulong address, uint entryLength, uint count)
    {
        Type = type;
        EntryLength = entryLength;
        Count = count;
        this.memory = memory;
        this.address = address;
    }

    internal UserArray(uint type, ReadOnlySpan<byte> own, uint entryLength)
    {
        Type = type;
        EntryLength = entryLength;
        Count = entryLength == 0 ? 0 : (uint)own.Length / entryLength;
        this.own = own;
    }

    /// <summary>The type of entries.</summary>
    public uint Type { get; }

    /// <summary>Bytes of each.</summary>
    public uint EntryLength { get; }

    /// <summary>How many there are; may be 0.</summary>
    public uint Count { get; }

    /// <summary>Reads an entry: what it lacks at the end is zero, what it has too much must be.</summary>
    /// <param name="index">Which, below <see cref="Count"/>.</param>
    /// <param name="destination">As long as an entry is known.</param>
    /// <returns>None; EINVAL for an index out of range; E2BIG; EFAULT.</returns>
    public Errno Read(uint index, Span<byte> destination)
    {
        if (index >= Count) return Errno.EINVAL;
        ulong offset = (ulong)index * EntryLength;
        ReadOnlySpan<byte> entry = memory is null ? own.Slice((int)offset, (int)EntryLength) : default;
        return UserStructure.Read(memory, address + offset, entry, EntryLength, destination);
    }
}
