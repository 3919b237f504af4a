using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

/// <summary>The file of a fault queue: page faults are read from it, answers are written to it.</summary>
public sealed class FaultQueueFile : IommufdFile
{
    /// <summary>Bytes of an answer: the cookie, then the code.</summary>
    public const int ResponseBytes = 8;

    private readonly FaultQueue queue;

    internal FaultQueueFile(IommufdContext context, FaultQueue queue)
        : base(context, queue)
    {
        this.queue = queue;
        queue.File = this;
    }

    /// <inheritdoc/>
    public override bool IsReadable => queue.IsReadable;

    /// <summary>Reads whole groups of faults, records of 40 bytes.</summary>
    /// <inheritdoc/>
    public override long Read(ulong address, ulong count, ulong position = 0)
    {
        if (position != 0 || count % PageFaultRecord.SizeBytes != 0) return -(long)Errno.ESPIPE;
        ulong done = 0;
        while (queue.TryTake((count - done) / PageFaultRecord.SizeBytes, out FaultQueue.Delivery delivery))
        {
            byte[] bytes = new byte[delivery.SizeBytes];
            delivery.Write(bytes);
            if (!Memory.TryWrite(address + done, bytes))
            {
                queue.PutBack(in delivery);
                return done == 0 ? -(long)Errno.EFAULT : (long)done;
            }

            done += (ulong)bytes.Length;
        }

        return (long)done;
    }

    /// <summary>Reads whole groups of faults, records of 40 bytes.</summary>
    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        if (buffer.Length % PageFaultRecord.SizeBytes != 0) throw new IommufdException(Errno.ESPIPE, "Reading page faults");
        int done = 0;
        while (queue.TryTake((ulong)(buffer.Length - done) / PageFaultRecord.SizeBytes, out FaultQueue.Delivery delivery))
        {
            delivery.Write(buffer[done..]);
            done += delivery.SizeBytes;
        }

        return done;
    }

    /// <summary>Takes answers of 8 bytes each: the cookie, then 0 for success or 1 for invalid.</summary>
    /// <inheritdoc/>
    public override long Write(ulong address, ulong count, ulong position = 0)
    {
        if (position != 0 || count % ResponseBytes != 0) return -(long)Errno.ESPIPE;
        Span<byte> response = stackalloc byte[ResponseBytes];
        for (ulong done = 0; done < count; done += ResponseBytes)
        {
            var errno = Memory.TryRead(address + done, response)
                ? queue.Respond(BinaryPrimitives.ReadUInt32LittleEndian(response), BinaryPrimitives.ReadUInt32LittleEndian(response[4..]))
                : Errno.EFAULT;
            if (errno != Errno.None) return done == 0 ? -(long)errno : (long)done;
        }

        return (long)count;
    }

    /// <summary>Answers a group of faults.</summary>
    /// <param name="cookie">From its records.</param>
    /// <param name="response">The answer.</param>
    /// <exception cref="IommufdException">EINVAL: no group waits for an answer under this cookie, or no such answer.</exception>
    public void Respond(uint cookie, FaultResponse response) =>
        IommufdException.ThrowIfRefused(queue.Respond(cookie, (uint)response), "Answering page faults");

    private protected override void OnClosed() => queue.File = null;
}
