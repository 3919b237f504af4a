namespace Smmu.Fast.Iommufd;

/// <summary>The file of a vIOMMU's event queue: headers of 8 bytes {flags, number}, each with the event behind it.</summary>
/// <remarks>A header with flag 1 (LOST_EVENTS) has no event: those up to its number are lost.</remarks>
public sealed class VeventQueueFile : IommufdFile
{
    private readonly VeventQueue queue;

    internal VeventQueueFile(IommufdContext context, VeventQueue queue)
        : base(context, queue)
    {
        this.queue = queue;
        queue.File = this;
    }

    /// <inheritdoc/>
    public override bool IsReadable => queue.IsReadable;

    /// <summary>Reads as many whole events as fit.</summary>
    /// <inheritdoc/>
    public override long Read(ulong address, ulong count, ulong position = 0)
    {
        if (position != 0) return -(long)Errno.ESPIPE;
        ulong done = 0;
        while (queue.TryTake(count - done, out VeventQueue.Vevent vevent))
        {
            byte[] bytes = new byte[vevent.SizeBytes];
            vevent.Write(bytes);
            if (!Memory.TryWrite(address + done, bytes))
            {
                queue.PutBack(in vevent);
                return done == 0 ? -(long)Errno.EFAULT : (long)done;
            }

            done += (ulong)bytes.Length;
        }

        return (long)done;
    }

    /// <summary>Reads as many whole events as fit.</summary>
    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int done = 0;
        while (queue.TryTake((ulong)(buffer.Length - done), out VeventQueue.Vevent vevent))
        {
            vevent.Write(buffer[done..]);
            done += vevent.SizeBytes;
        }

        return done;
    }

    private protected override void OnClosed() => queue.File = null;
}
