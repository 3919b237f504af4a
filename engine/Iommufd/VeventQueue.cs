using System.Buffers.Binary;

namespace Smmu.Fast.Iommufd;

/// <summary>Events of a vIOMMU on their way to a user: a header with a number, then what the driver reported.</summary>
/// <remarks>
/// Numbers go from 0 to 2^31 - 1 and around. While the queue is full, events only count up; the latest one lost is shown at
/// the tail by a header of its own, until an event follows whose number shows the gap. The lock is held for list work alone.
/// </remarks>
internal sealed class VeventQueue(IommufdContext context, Viommu viommu, uint type, uint depth) : IommufdObject
{
    public const int HeaderBytes = 8;
    private const uint LostEvents = 1;

    private readonly Lock gate = new();
    private readonly LinkedList<Vevent> waiting = new();
    private uint next;
    private uint? lost;   // The number of the header at the tail.

    public uint Type => type;

    public VeventQueueFile? File { get; set; }

    public bool IsReadable
    {
        get
        {
            lock (gate) return waiting.Count != 0 || lost is not null;
        }
    }

    public void Report(ReadOnlySpan<byte> payload)
    {
        lock (gate)
        {
            uint number = next;
            next = (next + 1) & int.MaxValue;
            lost = (uint)waiting.Count < depth ? null : number;
            if (lost is null) waiting.AddLast(new Vevent(number, 0, payload.ToArray()));
        }

        File?.OnReadable();
    }

    /// <summary>Takes the next event if it fits.</summary>
    public bool TryTake(ulong room, out Vevent vevent)
    {
        lock (gate)
        {
            vevent = default;
            if (waiting.First is { } first)
            {
                vevent = first.Value;
                if ((ulong)vevent.SizeBytes > room) return false;
                waiting.RemoveFirst();
                return true;
            }

            if (lost is null || room < HeaderBytes) return false;
            vevent = new Vevent(lost.Value, LostEvents, []);
            lost = null;
            return true;
        }
    }

    /// <summary>Puts an event back that could not be handed over; of headers of lost events the latest counts.</summary>
    public void PutBack(in Vevent vevent)
    {
        lock (gate)
        {
            if ((vevent.Flags & LostEvents) != 0)
            {
                if (waiting.Count == 0) lost ??= vevent.Number;
                return;
            }

            waiting.AddFirst(vevent);
        }
    }

    public override void Destroy()
    {
        viommu.EventQueues.TryRemove(type, out _);
        context.Objects.DropUser(viommu);
    }

    /// <summary>An event with its header.</summary>
    internal readonly record struct Vevent(uint Number, uint Flags, byte[] Payload)
    {
        public int SizeBytes => HeaderBytes + Payload.Length;

        public void Write(Span<byte> bytes)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, Flags);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], Number);
            Payload.CopyTo(bytes[HeaderBytes..]);
        }
    }
}
