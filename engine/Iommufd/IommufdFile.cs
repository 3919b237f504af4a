namespace Smmu.Fast.Iommufd;

/// <summary>A file that a request opened: the end of a queue that its user reads from. It keeps its queue and the context.</summary>
/// <remarks>Thread-safe. Close it with <see cref="Dispose"/>.</remarks>
public abstract class IommufdFile : IDisposable
{
    private readonly IommufdContext context;
    private readonly IommufdObject queue;
    private int isClosed;

    private protected IommufdFile(IommufdContext context, IommufdObject queue)
    {
        this.context = context;
        this.queue = queue;
        context.Objects.AddUser(queue);
        context.AddHolder();
        Descriptor = context.Files.Open(this);
    }

    /// <summary>Something may be there to be read now. Raised on the thread that reported it, without locks of the context.</summary>
    public event Action? BecameReadable;

    /// <summary>Its number in the context.</summary>
    public int Descriptor { get; }

    /// <summary>Something is there to be read.</summary>
    public abstract bool IsReadable { get; }

    private protected IUserMemory Memory => context.Memory;

    /// <summary>Reads as the file descriptor is read.</summary>
    /// <param name="address">User address of the buffer.</param>
    /// <param name="count">Its size in bytes.</param>
    /// <param name="position">Position in the file, which has to be 0.</param>
    /// <returns>Bytes that were read, 0 when nothing waits or fits; or a negative errno: ESPIPE, EFAULT.</returns>
    public abstract long Read(ulong address, ulong count, ulong position = 0);

    /// <summary>Reads into a buffer at hand.</summary>
    /// <param name="buffer">The buffer.</param>
    /// <returns>Bytes that were read, 0 when nothing waits or fits.</returns>
    /// <exception cref="IommufdException">ESPIPE: a bad size.</exception>
    public abstract int Read(Span<byte> buffer);

    /// <summary>Writes as the file descriptor is written.</summary>
    /// <param name="address">User address of the bytes.</param>
    /// <param name="count">How many.</param>
    /// <param name="position">Position in the file, which has to be 0.</param>
    /// <returns>Bytes that were used, or a negative errno: EINVAL for a file that takes none.</returns>
    public virtual long Write(ulong address, ulong count, ulong position = 0) => -(long)Errno.EINVAL;

    /// <summary>Closes the file; later calls do nothing.</summary>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (Interlocked.Exchange(ref isClosed, 1) != 0) return;
        context.Files.Close(Descriptor);
        OnClosed();
        context.Objects.DropUser(queue);
        context.DropHolder();
    }

    internal void OnReadable() => BecameReadable?.Invoke();

    private protected abstract void OnClosed();
}

/// <summary>The open files of a context by number: the lowest free one first, and none of the three that programs have.</summary>
internal sealed class FileTable
{
    private const int Lowest = 3;

    private readonly Lock gate = new();
    private readonly List<IommufdFile?> files = [];
    private readonly PriorityQueue<int, int> free = new();

    public int Open(IommufdFile file)
    {
        lock (gate)
        {
            if (!free.TryDequeue(out int index, out _))
            {
                index = files.Count;
                files.Add(null);
            }

            files[index] = file;
            return index + Lowest;
        }
    }

    public void Close(int descriptor)
    {
        lock (gate)
        {
            files[descriptor - Lowest] = null;
            free.Enqueue(descriptor - Lowest, descriptor - Lowest);
        }
    }

    public IommufdFile? Find(int descriptor)
    {
        lock (gate) return descriptor >= Lowest && descriptor - Lowest < files.Count ? files[descriptor - Lowest] : null;
    }
}
