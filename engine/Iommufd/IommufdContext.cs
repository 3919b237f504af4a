namespace Smmu.Fast.Iommufd;

/// <summary>What one opening of /dev/iommu gives: address spaces, page tables, vIOMMUs and the devices that use them.</summary>
/// <remarks>
/// <para>
/// Every operation exists twice, as a typed method, which throws an <see cref="IommufdException"/> with the errno, and as
/// <see cref="Ioctl"/>, which takes the kernel's structures byte for byte. Both have the order of checks of Linux. All methods
/// are thread-safe.
/// </para>
/// <para>
/// Locks, in the order in which they are taken: the topology (what is made of, attached to and nested on what), one for each
/// address space, one for user memory that is mapped, and last the tables of objects, files and windows and the queues.
/// A request finds its objects first and keeps them until it ends; DESTROY waits for requests without any lock.
/// </para>
/// <para>
/// What still has the context keeps it: bound devices, accesses, open files and mapped windows. It ends with the last of
/// them and <see cref="Dispose"/>, and then destroys its objects, leaves first.
/// </para>
/// </remarks>
public sealed partial class IommufdContext : IDisposable
{
    private readonly Dictionary<object, DeviceGroup> groups = [];   // Guarded by the lock of the topology.
    private readonly IommufdOptions options;
    private uint compatibleIoas;   // Of the VFIO interface; 0 for none.
    private uint rlimitMode;
    private int holders = 1;
    private int isDisposed;

    /// <summary>Opens a context.</summary>
    /// <param name="memory">Where user addresses lead; it outlives the context.</param>
    /// <param name="options">Limits and policies; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit is out of range.</exception>
    public IommufdContext(IUserMemory memory, IommufdOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        this.options = options ?? new IommufdOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(this.options.MaxObjects, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(this.options.MaxAllowedRanges, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(this.options.DestroyPatience, TimeSpan.Zero, nameof(options));
        Memory = memory;
        Objects = new ObjectTable(this.options.MaxObjects, this.options.DestroyPatience);
        Windows = new Windows(this);
    }

    /// <summary>Limits and policies.</summary>
    public IommufdOptions Options => options;

    internal IUserMemory Memory { get; }

    internal ObjectTable Objects { get; }

    internal FileTable Files { get; } = new();

    internal Windows Windows { get; }

    internal Lock Topology { get; } = new();

    /// <summary>Destroys an object that nothing uses.</summary>
    /// <param name="id">Its id.</param>
    /// <exception cref="IommufdException">ENOENT: there is none. EBUSY: something uses it.</exception>
    public void Destroy(uint id) => IommufdException.ThrowIfRefused(TryDestroy(id), "Destroying an object");

    /// <summary>Finds an open file of the context.</summary>
    /// <param name="descriptor">Its number.</param>
    /// <returns>The file; null when there is none.</returns>
    public IommufdFile? FindFile(int descriptor) => Files.Find(descriptor);

    /// <summary>Maps registers that a vIOMMU has published, shared and not executable.</summary>
    /// <param name="offset">What the vIOMMU's data said.</param>
    /// <param name="length">Size in bytes, exactly as published.</param>
    /// <exception cref="IommufdException">EINVAL: not whole pages. ENXIO: no such window.</exception>
    public WindowMapping MapWindow(ulong offset, ulong length)
    {
        IommufdException.ThrowIfRefused(TryMapWindow(offset, length, isShared: true, isExecutable: false, out WindowMapping? mapping), "Mapping a window");
        return mapping!;
    }

    /// <summary>Maps registers as mmap does, with its refusals.</summary>
    /// <param name="offset">Offset in the file.</param>
    /// <param name="length">Size in bytes.</param>
    /// <param name="isShared">The mapping is shared (MAP_SHARED).</param>
    /// <param name="isExecutable">Execution is wanted (PROT_EXEC).</param>
    /// <param name="mapping">The mapping, with the answer None.</param>
    /// <returns>None; EINVAL for a private mapping or a part of a page; EPERM for an executable one; ENXIO when no window is
    /// exactly there.</returns>
    public Errno TryMapWindow(ulong offset, ulong length, bool isShared, bool isExecutable, out WindowMapping? mapping) =>
        Windows.Map(offset, length, isShared, isExecutable, out mapping);

    /// <summary>
    /// Closes the context; what still has it keeps it until it is closed, too. Later calls do nothing, and later requests are
    /// refused.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) == 0) DropHolder();
    }

    internal Errno TryDestroy(uint id)
    {
        ThrowIfDisposed();
        Errno errno = Objects.Remove(id, expectedUsers: 1, out IommufdObject? removed);
        if (errno != Errno.None) return errno;
        Interlocked.CompareExchange(ref compatibleIoas, 0, id);
        lock (Topology) removed!.Destroy();
        return Errno.None;
    }

    internal void AddHolder() => Interlocked.Increment(ref holders);

    internal void DropHolder()
    {
        if (Interlocked.Decrement(ref holders) == 0) DestroyAll();
    }

    /// <summary>Gives a finished object an id, or undoes it.</summary>
    internal Errno Adopt(IommufdObject made)
    {
        Errno errno = Objects.Reserve(made);
        if (errno != Errno.None) Undo(made);
        return errno;
    }

    /// <summary>Undoes an object whose id its user never learnt.</summary>
    internal void Abandon(IommufdObject made)
    {
        Undo(made);
        Objects.Abandon(made);
    }

    /// <summary>Publishes what a typed method has made, or throws.</summary>
    private uint Finish(Errno errno, IommufdObject? made, string operation)
    {
        IommufdException.ThrowIfRefused(errno, operation);
        Objects.Publish(made!);
        return made!.Id;
    }

    private void Undo(IommufdObject made)
    {
        lock (Topology) made.Destroy();
    }

    // Whatever has users is a user's user, and becomes a leaf when those are gone.
    private void DestroyAll()
    {
        for (bool goesOn = true; goesOn;)
        {
            goesOn = false;
            foreach (IommufdObject leaf in Objects.Leaves())
            {
                if (Objects.Remove(leaf.Id, expectedUsers: 1, out _) != Errno.None) continue;
                lock (Topology) leaf.Destroy();
                goesOn = true;
            }
        }
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref isDisposed) != 0, this);
}
