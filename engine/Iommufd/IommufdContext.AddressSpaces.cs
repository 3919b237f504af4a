namespace Smmu.Fast.Iommufd;

public sealed partial class IommufdContext
{
    private const MapFlags AllMapFlags = MapFlags.FixedIova | MapFlags.Writeable | MapFlags.Readable;

    /// <summary>Makes an address space of 2^64 bytes in which nothing is mapped.</summary>
    /// <returns>Its id.</returns>
    /// <exception cref="IommufdException">ENOMEM: too many objects.</exception>
    public uint AllocateIoas() => Finish(TryAllocateIoas(0, out IommufdObject? made), made, "Making an address space");

    /// <summary>Tells what of an address space can be mapped.</summary>
    /// <param name="ioas">Its id.</param>
    /// <param name="alignment">What mappings have to be aligned to, in bytes.</param>
    /// <returns>The ranges that no device and no page table has reserved.</returns>
    /// <exception cref="IommufdException">ENOENT: no such address space.</exception>
    public IReadOnlyList<IovaRange> GetIovaRanges(uint ioas, out ulong alignment)
    {
        ThrowIfDisposed();
        using var space = Objects.Borrow<Ioas>(ioas);
        if (space.IsMissing) throw new IommufdException(Errno.ENOENT, "Listing ranges");
        return space.Object.UsableRanges(out alignment);
    }

    /// <summary>Limits the choice of addresses to ranges, in place of those given before.</summary>
    /// <param name="ioas">Id of the address space.</param>
    /// <param name="ranges">The ranges, which do not overlap and have two addresses at least; none for no limit.</param>
    /// <exception cref="IommufdException">ENOENT: no such address space. EINVAL: ranges overlap or are empty. EADDRINUSE: a
    /// range meets a reserved one. ENOMEM: too many.</exception>
    public void AllowIovas(uint ioas, ReadOnlySpan<IovaRange> ranges) =>
        IommufdException.ThrowIfRefused(TryAllow(ioas, new RangeSpan(ranges)), "Allowing ranges");

    /// <summary>Maps user memory for devices.</summary>
    /// <param name="ioas">Id of the address space.</param>
    /// <param name="flags">Permissions, and whether the address is fixed.</param>
    /// <param name="userAddress">User address of the first byte.</param>
    /// <param name="length">Size in bytes, a multiple of the alignment.</param>
    /// <param name="iova">The address for <see cref="MapFlags.FixedIova"/>.</param>
    /// <returns>The address.</returns>
    /// <exception cref="IommufdException">EOPNOTSUPP: unknown flags. EOVERFLOW: a range leaves 64 bits. EINVAL: no permission,
    /// bad alignment or a reserved address. ENOENT: no such address space. EEXIST: something is mapped there. ENOSPC: no room.
    /// EFAULT, ENOMEM: the memory cannot be pinned.</exception>
    public ulong Map(uint ioas, MapFlags flags, ulong userAddress, ulong length, ulong iova = 0)
    {
        IommufdException.ThrowIfRefused(TryMap(ioas, flags, userAddress, length, ref iova), "Mapping");
        return iova;
    }

    /// <summary>Maps once more what is mapped already.</summary>
    /// <param name="ioas">Id of the address space that it is mapped into.</param>
    /// <param name="source">Id of the address space that has it; may be the same.</param>
    /// <param name="flags">Permissions, and whether the address is fixed.</param>
    /// <param name="length">Size in bytes, a multiple of the alignment.</param>
    /// <param name="sourceIova">First address in the source.</param>
    /// <param name="iova">The address for <see cref="MapFlags.FixedIova"/>.</param>
    /// <returns>The address.</returns>
    /// <exception cref="IommufdException">As <see cref="Map"/>; ENOENT: the source has a hole; EPERM: it is read-only.</exception>
    public ulong Copy(uint ioas, uint source, MapFlags flags, ulong length, ulong sourceIova, ulong iova = 0)
    {
        IommufdException.ThrowIfRefused(TryCopy(ioas, source, flags, length, sourceIova, ref iova), "Copying a mapping");
        return iova;
    }

    /// <summary>Unmaps all areas in a range; holes between them do not matter.</summary>
    /// <param name="ioas">Id of the address space.</param>
    /// <param name="iova">First address.</param>
    /// <param name="length">Size in bytes; 2^64 - 1 from address 0 for everything, which may be nothing.</param>
    /// <returns>Bytes that were unmapped.</returns>
    /// <exception cref="IommufdException">ENOENT: no such address space, nothing there, or an area that is only partly inside;
    /// areas before that are gone. EINVAL: no size. EOVERFLOW: the range leaves 64 bits. EBUSY: a hardware queue lies there.
    /// EDEADLOCK: an access does not let go.</exception>
    public ulong Unmap(uint ioas, ulong iova, ulong length)
    {
        IommufdException.ThrowIfRefused(TryUnmap(ioas, iova, length, out ulong bytes), "Unmapping");
        return bytes;
    }

    /// <summary>Reads an option.</summary>
    /// <param name="option">Which.</param>
    /// <param name="id">Id of the address space that has it; 0 for what the context has.</param>
    /// <exception cref="IommufdException">EOPNOTSUPP: it is not known, or not an option of that object. ENOENT: no such address
    /// space.</exception>
    public ulong GetOption(IommufdOption option, uint id)
    {
        IommufdException.ThrowIfRefused(TryGetOption((uint)option, id, out ulong value), "Reading an option");
        return value;
    }

    /// <summary>Sets an option.</summary>
    /// <param name="option">Which.</param>
    /// <param name="id">Id of the address space that has it; 0 for what the context has.</param>
    /// <param name="value">The value: 0 or 1.</param>
    /// <exception cref="IommufdException">EOPNOTSUPP: it is not known, or not an option of that object. ENOENT: no such address
    /// space. EINVAL: no such value, or mappings are in page tables already. EADDRINUSE: mappings are not aligned to pages.
    /// EBUSY: the context has objects already.</exception>
    public void SetOption(IommufdOption option, uint id, ulong value) =>
        IommufdException.ThrowIfRefused(TrySetOption((uint)option, id, value), "Setting an option");

    internal Errno TryAllocateIoas(uint flags, out IommufdObject? made)
    {
        ThrowIfDisposed();
        made = null;
        if (flags != 0) return Errno.EOPNOTSUPP;
        made = new Ioas(Memory, options.MaxAllowedRanges);
        return Adopt(made);
    }

    internal Errno TryAllow<TRanges>(uint ioas, TRanges ranges)
        where TRanges : struct, IRangeSource, allows ref struct
    {
        ThrowIfDisposed();
        using var space = Objects.Borrow<Ioas>(ioas);
        return space.IsMissing ? Errno.ENOENT : space.Object.Allow(ranges);
    }

    internal Errno TryMap(uint ioas, MapFlags flags, ulong userAddress, ulong length, ref ulong iova)
    {
        ThrowIfDisposed();
        if ((flags & ~AllMapFlags) != 0) return Errno.EOPNOTSUPP;
        if (iova == ulong.MaxValue || length == ulong.MaxValue) return Errno.EOVERFLOW;
        if ((flags & (MapFlags.Readable | MapFlags.Writeable)) == 0) return Errno.EINVAL;
        using var space = Objects.Borrow<Ioas>(ioas);
        return space.IsMissing ? Errno.ENOENT : space.Object.Map(flags, userAddress, length, ref iova);
    }

    internal Errno TryCopy(uint ioas, uint source, MapFlags flags, ulong length, ulong sourceIova, ref ulong iova)
    {
        ThrowIfDisposed();
        if ((flags & ~AllMapFlags) != 0) return Errno.EOPNOTSUPP;
        if (length == ulong.MaxValue || sourceIova == ulong.MaxValue || iova == ulong.MaxValue) return Errno.EOVERFLOW;
        if ((flags & (MapFlags.Readable | MapFlags.Writeable)) == 0) return Errno.EINVAL;
        using var from = Objects.Borrow<Ioas>(source);
        if (from.IsMissing) return Errno.ENOENT;
        using var to = Objects.Borrow<Ioas>(ioas);
        return to.IsMissing ? Errno.ENOENT : to.Object.Copy(from.Object, flags, length, sourceIova, ref iova);
    }

    internal Errno TryUnmap(uint ioas, ulong iova, ulong length, out ulong bytes)
    {
        ThrowIfDisposed();
        bytes = 0;
        using var space = Objects.Borrow<Ioas>(ioas);
        if (space.IsMissing) return Errno.ENOENT;
        bool everything = iova == 0 && length == ulong.MaxValue;
        if (!everything && (iova == ulong.MaxValue || length == ulong.MaxValue)) return Errno.EOVERFLOW;
        IovaRange range = new(0, ulong.MaxValue);
        Errno errno = everything ? Errno.None : RangeOf(iova, length, out range);
        return errno != Errno.None ? errno : space.Object.Unmap(range, mayBeEmpty: everything, out bytes);
    }

    internal Errno TryGetOption(uint option, uint id, out ulong value)
    {
        ThrowIfDisposed();
        value = 0;
        if (option == (uint)IommufdOption.RlimitMode)
        {
            if (id != 0) return Errno.EOPNOTSUPP;
            value = Volatile.Read(ref rlimitMode);
            return Errno.None;
        }

        if (option != (uint)IommufdOption.HugePages) return Errno.EOPNOTSUPP;
        using var space = Objects.Borrow<Ioas>(id);
        if (space.IsMissing) return Errno.ENOENT;
        value = space.Object.GetHugePages();
        return Errno.None;
    }

    internal Errno TrySetOption(uint option, uint id, ulong value)
    {
        ThrowIfDisposed();
        if (option == (uint)IommufdOption.RlimitMode) return SetRlimitMode(id, value);
        if (option != (uint)IommufdOption.HugePages) return Errno.EOPNOTSUPP;
        using var space = Objects.Borrow<Ioas>(id);
        return space.IsMissing ? Errno.ENOENT : space.Object.SetHugePages(value);
    }

    // What is pinned already stays charged as it was, so there must be nothing yet.
    private Errno SetRlimitMode(uint id, ulong value)
    {
        if (id != 0) return Errno.EOPNOTSUPP;
        if (!Objects.IsEmpty) return Errno.EBUSY;
        if (value > 1) return Errno.EINVAL;
        Volatile.Write(ref rlimitMode, (uint)value);
        return Errno.None;
    }

    /// <summary>The address space of the VFIO interface: found, set (0 clears it).</summary>
    internal Errno TrySetCompatibleIoas(uint ioas)
    {
        ThrowIfDisposed();
        if (ioas == 0)
        {
            Interlocked.Exchange(ref compatibleIoas, 0);
            return Errno.None;
        }

        using var space = Objects.Borrow<Ioas>(ioas);
        if (space.IsMissing) return Errno.ENOENT;
        Interlocked.Exchange(ref compatibleIoas, ioas);
        return Errno.None;
    }

    internal Errno TryGetCompatibleIoas(out uint ioas)
    {
        ThrowIfDisposed();
        ioas = Volatile.Read(ref compatibleIoas);
        return ioas == 0 ? Errno.ENODEV : Errno.None;
    }

    /// <summary>Whether the process may change: memory of a process must not be mapped.</summary>
    internal Errno TryChangeProcess()
    {
        ThrowIfDisposed();
        return Objects.All<Ioas>().Any(space => space.HasAreas) ? Errno.EINVAL : Errno.None;
    }
}
