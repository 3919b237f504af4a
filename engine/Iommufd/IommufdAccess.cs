namespace Smmu.Fast.Iommufd;

/// <summary>An access with an id. It has a user of its own, so that only its owner removes it.</summary>
internal sealed class AccessObject : IommufdObject
{
    public const int UsersWhenUnused = 2;

    public AccessObject() => Users = UsersWhenUnused;

    public override void Destroy()
    {
    }
}

/// <summary>Mapped memory as software uses it: reads, writes and pins addresses that a device would use.</summary>
/// <remarks>Thread-safe. Its owner may call <see cref="Unpin"/> from <see cref="IAccessOwner.Unmap"/>.</remarks>
public sealed class IommufdAccess : IDisposable
{
    private readonly IommufdContext context;
    private readonly AccessObject identity;
    private readonly IAccessOwner owner;
    private readonly ulong alignment;
    private readonly Lock gate = new();   // Of the one that attaches, and never while others are called.
    private Attachment? attachment;
    private Attachment? leaving;          // Its owner is asked to unpin.
    private int isDisposed;

    internal IommufdAccess(IommufdContext context, AccessObject identity, IAccessOwner owner, ulong alignment)
    {
        this.context = context;
        this.identity = identity;
        this.owner = owner;
        this.alignment = alignment;
    }

    /// <summary>Its id in the context.</summary>
    public uint Id => identity.Id;

    /// <summary>Begins to use an address space.</summary>
    /// <param name="ioas">Its id.</param>
    /// <exception cref="IommufdException">EINVAL: it uses one already. ENOENT: no such address space. EADDRINUSE: mappings are
    /// not aligned as it needs.</exception>
    public void Attach(uint ioas) => IommufdException.ThrowIfRefused(Change(ioas, replace: false), "Attaching an access");

    /// <summary>Uses another address space from now on; the owner is asked to unpin, and what it does not unpin is unpinned.</summary>
    /// <param name="ioas">Its id.</param>
    /// <exception cref="IommufdException">ENOENT: it uses none, or no such address space. EADDRINUSE: mappings are not aligned as
    /// it needs.</exception>
    public void Replace(uint ioas) => IommufdException.ThrowIfRefused(Change(ioas, replace: true), "Moving an access");

    /// <summary>Ends the use of its address space; the owner is asked to unpin, and what it does not unpin is unpinned.</summary>
    public void Detach()
    {
        Attachment? old;
        lock (gate)
        {
            old = attachment;
            attachment = null;
        }

        End(old);
    }

    /// <summary>Pins a range: it stays where it is until it is unpinned.</summary>
    /// <param name="iova">First address; its user memory begins a page.</param>
    /// <param name="length">Size in bytes.</param>
    /// <param name="flags">Whether it will be written.</param>
    /// <returns>Where it is.</returns>
    /// <exception cref="IommufdException">As <see cref="TryPin"/> answers.</exception>
    public IReadOnlyList<PinnedRun> Pin(ulong iova, ulong length, AccessFlags flags = AccessFlags.None)
    {
        var runs = new List<PinnedRun>();
        IommufdException.ThrowIfRefused(TryPin(iova, length, flags, runs), "Pinning");
        return runs;
    }

    /// <summary>Pins a range, without exceptions.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="length">Size in bytes.</param>
    /// <param name="flags">Whether it will be written.</param>
    /// <param name="runs">Where it is, is added to it.</param>
    /// <returns>None; EINVAL: no length, memory that does not begin with a page, or that is being unmapped. EOVERFLOW: the range
    /// leaves 64 bits. ENOENT: not all of it is mapped, or no address space is used. EPERM: it lacks the permission. EFAULT,
    /// ENOMEM: the memory cannot be pinned.</returns>
    public Errno TryPin(ulong iova, ulong length, AccessFlags flags, ICollection<PinnedRun> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        if (Current is not { } current) return Errno.ENOENT;
        var found = new List<PinnedRun>();
        Errno errno = current.Ioas.Pin(current.Point, iova, length, flags, found);
        foreach (PinnedRun run in found) runs.Add(run);
        return errno;
    }

    /// <summary>Undoes one pin.</summary>
    /// <param name="iova">As it was pinned.</param>
    /// <param name="length">As it was pinned.</param>
    /// <returns>None; ENOENT: nothing is pinned so. EINVAL, EOVERFLOW: no such range.</returns>
    public Errno Unpin(ulong iova, ulong length)
    {
        Errno errno = UnpinFrom(Volatile.Read(ref leaving), iova, length);
        return errno == Errno.ENOENT ? UnpinFrom(Current, iova, length) : errno;
    }

    /// <summary>Reads memory as a device would.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <param name="flags">How.</param>
    /// <returns>None; EINVAL: nothing to copy. EOVERFLOW: the range leaves 64 bits. ENOENT: not mapped, or no address space is
    /// used. EPERM: it lacks the permission. EBUSY: it is being unmapped. EFAULT, ENOMEM: the memory is not there.</returns>
    public Errno Read(ulong iova, Span<byte> destination, AccessFlags flags = AccessFlags.None) =>
        Current is { } current ? current.Ioas.Copy(iova, destination, flags & ~AccessFlags.Write) : Errno.ENOENT;

    /// <summary>Writes memory as a device would.</summary>
    /// <param name="iova">First address.</param>
    /// <param name="source">The bytes.</param>
    /// <param name="flags">How.</param>
    /// <returns>As <see cref="Read"/>.</returns>
    public Errno Write(ulong iova, ReadOnlySpan<byte> source, AccessFlags flags = AccessFlags.None)
    {
        if (Current is not { } current) return Errno.ENOENT;

        // Copied in both directions by one method, which leaves the buffer alone when it writes.
        var buffer = System.Runtime.InteropServices.MemoryMarshal.CreateSpan(
            ref System.Runtime.InteropServices.MemoryMarshal.GetReference(source), source.Length);
        return current.Ioas.Copy(iova, buffer, flags | AccessFlags.Write);
    }

    /// <summary>Ends the access; what it has pinned is unpinned. Later calls do nothing.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0) return;
        Detach();
        context.Objects.Remove(identity.Id, AccessObject.UsersWhenUnused, out _);
        context.DropHolder();
    }

    private Attachment? Current => Volatile.Read(ref attachment);

    private Errno Change(uint id, bool replace)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref isDisposed) != 0, this);
        Attachment? old;
        lock (gate)
        {
            old = attachment;
            if (!replace && old is not null) return Errno.EINVAL;
            if (replace && old is null) return Errno.ENOENT;
            using var space = context.Objects.Borrow<Ioas>(id);
            if (space.IsMissing) return Errno.ENOENT;
            if (old?.Ioas == space.Object) return Errno.None;
            var next = new Attachment(space.Object, new AccessPoint(owner, alignment));
            Errno errno = next.Ioas.AddAccess(next.Point);
            if (errno != Errno.None) return errno;
            context.Objects.AddUser(next.Ioas);
            Volatile.Write(ref attachment, next);
        }

        End(old);
        return Errno.None;
    }

    private static Errno UnpinFrom(Attachment? from, ulong iova, ulong length) =>
        from is null ? Errno.ENOENT : from.Ioas.Unpin(from.Point, iova, length);

    private void End(Attachment? old)
    {
        if (old is null) return;
        Volatile.Write(ref leaving, old);
        owner.Unmap(0, ulong.MaxValue);
        Interlocked.CompareExchange(ref leaving, null, old);
        old.Ioas.RemoveAccess(old.Point);
        context.Objects.DropUser(old.Ioas);
    }

    private sealed record Attachment(Ioas Ioas, AccessPoint Point);
}
