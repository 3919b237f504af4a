namespace Smmu.Fast.Commands;

/// <summary>The Command queues that can go on, and those that wait for something, each in the order in which they came.</summary>
/// <remarks>
/// Behind the control gate only. What a write of a register or the end of a scope costs does not depend on how many queues
/// there are: a queue stands in at most one list, and moves between them in constant time. Queues that wait for scopes stand
/// in the order of their grace periods, because only one of them makes a step at a time.
/// </remarks>
internal sealed class CommandSchedule
{
    private ConsumerList ready;
    private ConsumerList waiting;
    private ConsumerList withoutTag;
    private int count;

    /// <summary>Where a queue stands.</summary>
    internal enum Place : byte
    {
        /// <summary>In no list: it is empty, off, stopped, or an endpoint owes it an answer.</summary>
        Nowhere,

        /// <summary>Its next step finds something to do.</summary>
        Ready,

        /// <summary>Its CMD_SYNC waits for scopes.</summary>
        Waiting,

        /// <summary>Its CMD_ATC_INV waits for a tag, whichever queue gives one back.</summary>
        WithoutTag,
    }

    /// <summary>The ATS invalidations of all queues: endpoints have one set of tags for all of them.</summary>
    public AtcInvalidationTable Invalidations { get; } = new();

    /// <summary>Commands consumed since the beginning.</summary>
    public ulong Consumed { get; set; }

    /// <summary>True when no queue stands anywhere.</summary>
    public bool IsEmpty => count == 0;

    /// <summary>True when a step of some queue would find something to do.</summary>
    public bool HasWork => ready.First is not null || (withoutTag.First is not null && Invalidations.HasRoom);

    /// <summary>The queue that has waited longest for scopes.</summary>
    public CommandConsumer? FirstWaiting => waiting.First;

    /// <summary>The queue that came to wait for scopes last.</summary>
    public CommandConsumer? LastWaiting => waiting.Last;

    /// <summary>The queue whose turn it is; null when none can go on.</summary>
    public CommandConsumer? Next()
    {
        if (withoutTag.First is { } waiter && Invalidations.HasRoom) waiter.JudgeAnew();
        return ready.First;
    }

    /// <summary>Ends the turn of a queue that could go on.</summary>
    public void EndTurn(CommandConsumer consumer)
    {
        if (consumer.Position.Place != Place.Ready || ready.Last == consumer) return;
        ready.Remove(consumer);
        ready.Add(consumer);
    }

    /// <summary>Moves a queue to where it belongs; one that is there keeps its turn.</summary>
    public void Put(CommandConsumer consumer, Place place)
    {
        var position = consumer.Position;
        if (position.Place == place) return;
        if (position.Place != Place.Nowhere)
        {
            ListOf(position.Place).Remove(consumer);
            count--;
        }

        position.Place = place;
        if (place == Place.Nowhere) return;
        ListOf(place).Add(consumer);
        count++;
    }

    private ref ConsumerList ListOf(Place place)
    {
        if (place == Place.Ready) return ref ready;
        if (place == Place.Waiting) return ref waiting;
        return ref withoutTag;
    }

    /// <summary>Links of a queue; written by the schedule alone.</summary>
    internal sealed class Position
    {
        /// <summary>The list.</summary>
        public Place Place { get; set; }

        /// <summary>The queue before it there.</summary>
        public CommandConsumer? Previous { get; set; }

        /// <summary>The queue behind it there.</summary>
        public CommandConsumer? Next { get; set; }
    }

    private struct ConsumerList
    {
        public CommandConsumer? First;
        public CommandConsumer? Last;

        public void Add(CommandConsumer consumer)
        {
            consumer.Position.Previous = Last;
            consumer.Position.Next = null;
            if (Last is null) First = consumer;
            else Last.Position.Next = consumer;
            Last = consumer;
        }

        public void Remove(CommandConsumer consumer)
        {
            var (previous, next) = (consumer.Position.Previous, consumer.Position.Next);
            if (previous is null) First = next;
            else previous.Position.Next = next;
            if (next is null) Last = previous;
            else next.Position.Previous = previous;
        }
    }
}
