namespace Smmu.Fast.Iommufd;

/// <summary>Page faults of attached devices on their way to a user, and the answers back.</summary>
/// <remarks>
/// Its lock is taken by whoever reports a fault, so it is held for list work alone: readers are woken and answers are given
/// without it. A group is in one place at a time: waiting, or delivered under its cookie.
/// </remarks>
internal sealed class FaultQueue : IommufdObject
{
    private const int MostGroups = 1 << 16;   // Waiting and delivered; devices cannot take more memory than that.

    private readonly Lock gate = new();
    private readonly LinkedList<Group> waiting = new();
    private readonly Dictionary<uint, Group> delivered = [];
    private readonly PriorityQueue<uint, uint> freeCookies = new();
    private uint highestCookie;

    public FaultQueueFile? File { get; set; }

    public bool IsReadable
    {
        get
        {
            lock (gate) return waiting.Count != 0;
        }
    }

    public Errno Report(Attachment attachment, ReadOnlySpan<PageFault> faults, IFaultResponder responder, ulong token)
    {
        var group = new Group(attachment, faults.ToArray(), responder, token);
        lock (gate)
        {
            if (attachment.IsClosed) return Errno.ENODEV;
            if (waiting.Count + delivered.Count >= MostGroups) return Errno.EBUSY;
            waiting.AddLast(group);
        }

        File?.OnReadable();
        return Errno.None;
    }

    /// <summary>Takes the next group if it has no more faults than there is room for, under a new cookie.</summary>
    public bool TryTake(ulong room, out Delivery delivery)
    {
        delivery = default;
        lock (gate)
        {
            if (waiting.First is not { } first || (ulong)first.Value.Faults.Length > room) return false;
            waiting.RemoveFirst();
            if (!freeCookies.TryDequeue(out uint cookie, out _)) cookie = ++highestCookie;
            delivered.Add(cookie, first.Value);
            delivery = new Delivery(cookie, first.Value);
            return true;
        }
    }

    /// <summary>Lets a group wait again that could not be handed over, unless it was answered meanwhile.</summary>
    public void PutBack(in Delivery delivery)
    {
        lock (gate)
        {
            if (delivered.TryGetValue(delivery.Cookie, out Group? found) && found == delivery.Group)
            {
                Forget(delivery.Cookie);
                waiting.AddFirst(delivery.Group);
            }
        }
    }

    public Errno Respond(uint cookie, uint code)
    {
        Group? group;
        if (code > (uint)FaultResponse.Invalid) return Errno.EINVAL;
        lock (gate)
        {
            if (!delivered.TryGetValue(cookie, out group)) return Errno.EINVAL;
            Forget(cookie);
        }

        group.Responder.Respond(group.Token, (FaultResponse)code);
        return Errno.None;
    }

    public override void Destroy() => EndAll(_ => true);

    // The answers go out without the lock: a device may fault again at once.
    private void EndAll(Predicate<Group> belongs)
    {
        var ended = new List<Group>();
        lock (gate)
        {
            for (LinkedListNode<Group>? node = waiting.First; node is not null;)
            {
                LinkedListNode<Group>? next = node.Next;
                if (belongs(node.Value))
                {
                    ended.Add(node.Value);
                    waiting.Remove(node);
                }

                node = next;
            }

            foreach ((uint cookie, Group group) in delivered.Where(pair => belongs(pair.Value)).ToArray())
            {
                Forget(cookie);
                ended.Add(group);
            }
        }

        foreach (Group group in ended) group.Responder.Respond(group.Token, FaultResponse.Invalid);
    }

    private void Forget(uint cookie)
    {
        delivered.Remove(cookie);
        freeCookies.Enqueue(cookie, cookie);
    }

    /// <summary>A group under its cookie.</summary>
    internal readonly record struct Delivery(uint Cookie, Group Group)
    {
        public int SizeBytes => Group.Faults.Length * PageFaultRecord.SizeBytes;

        public void Write(Span<byte> bytes)
        {
            for (int index = 0; index < Group.Faults.Length; index++)
            {
                new PageFaultRecord(Group.Faults[index], Group.Attachment.DeviceId, Cookie).Write(bytes[(index * PageFaultRecord.SizeBytes)..]);
            }
        }
    }

    /// <summary>Faults that are answered together.</summary>
    internal sealed class Group(Attachment attachment, PageFault[] faults, IFaultResponder responder, ulong token)
    {
        public Attachment Attachment => attachment;

        public PageFault[] Faults => faults;

        public IFaultResponder Responder => responder;

        public ulong Token => token;
    }

    /// <summary>What a device reports to while it is attached to a page table of this queue.</summary>
    internal sealed class Attachment(FaultQueue queue, uint deviceId) : IFaultSink
    {
        public uint DeviceId => deviceId;

        public bool IsClosed { get; private set; }   // Guarded by the lock of the queue.

        public Errno Report(ReadOnlySpan<PageFault> group, IFaultResponder responder, ulong token)
        {
            ArgumentNullException.ThrowIfNull(responder);
            if (group.IsEmpty) throw new ArgumentException("A group has one fault at least: pass the faults.", nameof(group));
            return queue.Report(this, group, responder, token);
        }

        /// <summary>The device is detached: answers what is still open.</summary>
        public void Close()
        {
            lock (queue.gate) IsClosed = true;
            queue.EndAll(group => group.Attachment == this);
        }
    }
}
