using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Iommufd.Submission;

/// <summary>Many threads put commands into one Command queue in memory, without locks.</summary>
/// <remarks>
/// Positions count commands and never wrap; the slot and the index of the hardware are their low bits. A producer
/// <em>reserves</em> a run of slots by moving the tail, <em>writes</em> its commands there, and <em>stamps</em> the first slot
/// with its position. Then somebody <em>serves</em> the queue: one thread at a time walks from stamp to stamp, writes the
/// producer index once for all that it found, and deals with what the hardware refuses.
/// <para>
/// Who finds somebody serving leaves its batch to them, and whoever serves looks again before it leaves. Neither fences for
/// that, so a batch may fall between the two, and somebody who served long enough leaves all the same. It does no harm: every
/// producer waits at least until its commands are published, and serves itself when nobody does.
/// </para>
/// <para>
/// Slots are free again when the hardware has passed them. <c>Consumed</c> is what whoever served last saw of that. It never
/// runs ahead of the hardware, nor lags behind by more than a queue; so an index that is read after it gives a position.
/// </para>
/// </remarks>
internal sealed unsafe class SubmissionRing<TTarget, TSteps> : IDisposable
    where TTarget : struct, ISubmissionTarget
    where TSteps : struct, ISubmissionSteps
{
    private const int MostInBatch = 64;
    private const int MostRounds = 64;
    private const int MostAborts = 8;
    private const int TurnsOnMemory = 4;   // Whoever serves is about to tell; registers would only be in its way.

    private readonly ulong* commands;
    private readonly long capacity;
    private readonly long slotMask;
    private readonly uint indexMask;
    private readonly int mostInBatch;
    private readonly long timeoutTicks;
    private readonly Command syncOfSlot0;
    private readonly ulong syncStride;
    private readonly NativeBlock slotBlock;
    private readonly SubmissionSlot* slots;
    private readonly CommandProducer?[] owners;

    private SubmissionCursors cursors;
    private readonly TTarget target;

    // Of whoever serves.
    private long scanned;
    private long abortedAt = -1;
    private int aborts;
    private bool isBroken;

    /// <summary>Makes the ring of an empty queue.</summary>
    /// <param name="target">The hardware; its producer and consumer indexes are 0.</param>
    /// <param name="commands">Host address of the queue's memory, which the caller keeps.</param>
    /// <param name="log2">log2 of its entries: 0 to 19.</param>
    /// <param name="timeoutTicks">What a call may wait.</param>
    /// <param name="messages">The queue's physical address, if CMD_SYNCs tell of themselves by messages into their own slots.</param>
    public SubmissionRing(TTarget target, ulong* commands, int log2, long timeoutTicks, PhysicalAddress? messages = null)
    {
        this.target = target;
        this.commands = commands;
        this.timeoutTicks = timeoutTicks;
        syncOfSlot0 = messages is { } queue ? Command.SyncWithMsi(queue, data: 0) : Command.Sync();
        syncStride = messages is null ? 0UL : Command.SizeBytes;   // The address is the lower part of its second word.
        capacity = 1L << log2;
        slotMask = capacity - 1;
        indexMask = QueuePointer.UsedMask(log2);
        mostInBatch = (int)Math.Min(capacity, MostInBatch);
        slotBlock = NativeBlock.Of<SubmissionSlot>(capacity);
        slots = (SubmissionSlot*)slotBlock.Pointer;
        owners = new CommandProducer?[capacity];
    }

    /// <summary>Slots of the queue.</summary>
    public int Capacity => (int)capacity;

    /// <summary>Submits commands, and a CMD_SYNC behind them if wanted.</summary>
    public CommandResult Submit(CommandProducer producer, ReadOnlySpan<Command> batch, bool sync)
    {
        int total = batch.Length + (sync ? 1 : 0);
        if (total == 0) return new CommandResult(SubmissionStatus.Published, CommandError.None, 0, 0);
        if (Volatile.Read(ref cursors.Server) == ThreadToken.Current) ThrowInsideCallback();

        long end = 0;
        for (int offset = 0; offset < total;)
        {
            int count = Math.Min(total - offset, mostInBatch);
            if (!TryReserve(count, out long first)) return new CommandResult(Unfinished, CommandError.None, 0, 0);
            if (offset == 0) producer.Begin(first);
            Write(first, producer, batch, offset, count);
            ref var slot = ref slots[first & slotMask];
            slot.Count = count;
            TSteps.Reach();

            // Release; pairs with the acquire in IsStamped: the commands are in memory before the stamp covers them.
            Volatile.Write(ref slot.Stamp, first + 1);
            Serve();
            offset += count;
            end = first + count;
        }

        if (!sync)
        {
            bool published = Volatile.Read(ref cursors.Published) >= end || Await(end, Milestone.Published);
            return new CommandResult(published ? SubmissionStatus.Published : Unfinished, CommandError.None, 0, 0);
        }

        var milestone = syncStride == 0 ? Milestone.Consumed : Milestone.Message;
        bool completed = Volatile.Read(ref cursors.Consumed) >= end || Await(end, milestone);
        return completed ? producer.Take() : new CommandResult(Unfinished, CommandError.None, 0, 0);
    }

    /// <inheritdoc/>
    public void Dispose() => slotBlock.Dispose();

    private SubmissionStatus Unfinished => Volatile.Read(ref isBroken) ? SubmissionStatus.Broken : SubmissionStatus.TimedOut;

    private bool TryReserve(int count, out long first)
    {
        while (true)
        {
            TSteps.Reach();
            first = Volatile.Read(ref cursors.Tail);
            long freed = first + count - capacity;   // What has to be passed before the last of these slots is free.
            if (Volatile.Read(ref cursors.Consumed) < freed && !Await(freed, Milestone.Consumed)) return false;

            TSteps.Reach();
            if (Interlocked.CompareExchange(ref cursors.Tail, first + count, first) == first) return true;
        }
    }

    private void Write(long first, CommandProducer producer, ReadOnlySpan<Command> batch, int offset, int count)
    {
        TSteps.Reach();
        for (int i = 0; i < count; i++)
        {
            long place = (first + i) & slotMask;
            if (slots[place].HasMessage) AwaitMessage(place);
            slots[place].HasMessage = syncStride != 0 && offset + i >= batch.Length;
            var command = offset + i < batch.Length ? batch[offset + i] : SyncAt(place);
            commands[place * 2] = command.Word0;
            commands[(place * 2) + 1] = command.Word1;

            // With each command: those before it in its batch may have made room for others when it is refused.
            slots[place].Index = offset + i;
            owners[place] = producer;
        }
    }

    // The consumer index passes a CMD_SYNC before its message is sent (IHI 0070, 4.7.3), so that a slot which is free may yet be
    // written by the SMMU: the next command in it would be changed.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void AwaitMessage(long place)
    {
        long deadline = 0;
        for (int turns = 0; Volatile.Read(ref *(uint*)(commands + (place * 2))) != 0; turns++)
        {
            long now = TSteps.Now;
            if (deadline == 0) deadline = timeoutTicks < 0 ? long.MaxValue : now + timeoutTicks;
            if (now > deadline) return;   // It has met an abort, which GERROR tells.
            TSteps.Pass(turns);
        }
    }

    private Command SyncAt(long place) => new(syncOfSlot0.Word0, syncOfSlot0.Word1 + ((ulong)place * syncStride));

    private void Serve()
    {
        TSteps.Reach();
        if (Volatile.Read(ref cursors.Server) != 0) return;
        TSteps.Reach();
        if (Interlocked.CompareExchange(ref cursors.Server, ThreadToken.Current, 0) != 0) return;
        try
        {
            int rounds = MostRounds;
            do Publish();
            while (--rounds > 0 && IsStamped(scanned));
        }
        finally
        {
            TSteps.Reach();
            Volatile.Write(ref cursors.Published, scanned);   // Not done yet when code of the host threw.
            Volatile.Write(ref cursors.Server, 0);            // Release: what the next one finds here is whole.
        }
    }

    private bool IsStamped(long position)
    {
        TSteps.Reach();
        return Volatile.Read(ref slots[position & slotMask].Stamp) == position + 1;
    }

    private void Publish()
    {
        long position = scanned;
        while (IsStamped(position)) position += slots[position & slotMask].Count;

        if (position != scanned)
        {
            scanned = position;
            KeepUp(position - capacity);
            TSteps.Reach();
            target.WriteProducer((uint)position & indexMask);
            Volatile.Write(ref cursors.Published, position);
        }

        if (Refresh() != position) RecoverFromErrors();
    }

    // The hardware's consumer index as a position. An answer may be out of date, so too low, but never too high.
    private long ReadConsumed()
    {
        TSteps.Reach();
        long known = Volatile.Read(ref cursors.Consumed);
        uint index = target.ReadConsumer();
        return known + ((index - (uint)known) & indexMask);
    }

    // Who reserved these slots saw them free. Without this note, hardware that runs through the whole queue before anybody reads
    // its index again would be two queues ahead of what is known, and an index cannot tell that from standing still.
    private void KeepUp(long position)
    {
        if (position > cursors.Consumed) Volatile.Write(ref cursors.Consumed, position);
    }

    // By whoever serves.
    private long Refresh()
    {
        long consumed = ReadConsumed();
        Volatile.Write(ref cursors.Consumed, consumed);
        return consumed;
    }

    // As drivers do: what is illegal makes way for a CMD_SYNC; what could not be read is tried again; a CMD_SYNC that tells
    // of a timeout is run again (IHI 0070, 7.1).
    private void RecoverFromErrors()
    {
        while (!isBroken && target.TryReadError(out var error))
        {
            long position = Refresh();
            if (error == CommandError.Abort)
            {
                aborts = position == abortedAt ? aborts + 1 : 1;
                abortedAt = position;
                if (aborts > MostAborts)
                {
                    Volatile.Write(ref isBroken, true);
                    return;
                }
            }
            else
            {
                TellOwner(position, error);
                if (error == CommandError.Illegal) Replace(position);
            }

            TSteps.Reach();
            target.AcknowledgeError();
            Refresh();
        }
    }

    private void Replace(long position)
    {
        ulong* words = commands + ((position & slotMask) * 2);
        words[0] = (ulong)CommandOpcode.Sync;
        words[1] = 0;
    }

    private void TellOwner(long position, CommandError error)
    {
        long place = position & slotMask;
        owners[place]!.Tell(position, slots[place].Index, error);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool Await(long position, Milestone milestone)
    {
        long deadline = 0;
        for (int turns = 0; ; turns++)
        {
            if (HasCome(position, milestone)) return true;
            if (Volatile.Read(ref isBroken)) return false;
            if (Volatile.Read(ref cursors.Server) == 0 && Volatile.Read(ref cursors.Published) < position) Serve();
            if (turns >= TurnsOnMemory)
            {
                // Also makes the SMMU continue what it had to leave, and shows errors.
                if (ReadConsumed() >= position) return true;
                if (Volatile.Read(ref cursors.Server) == 0 && target.TryReadError(out _)) Serve();
                if (HasCome(position, milestone)) return true;

                long now = TSteps.Now;
                if (deadline == 0) deadline = timeoutTicks < 0 ? long.MaxValue : now + timeoutTicks;
                if (now > deadline) return false;
            }

            TSteps.Pass(turns);
        }
    }

    // A slot is written again only when Consumed has passed it, so a message is either seen or not needed any more.
    private bool HasCome(long position, Milestone milestone)
    {
        TSteps.Reach();
        if (milestone == Milestone.Published) return Volatile.Read(ref cursors.Published) >= position;
        if (milestone == Milestone.Message && Volatile.Read(ref *(uint*)(commands + (((position - 1) & slotMask) * 2))) == 0) return true;
        return Volatile.Read(ref cursors.Consumed) >= position;
    }

    [DoesNotReturn]
    private static void ThrowInsideCallback() => throw new InvalidOperationException(
        "This thread is inside a callback of the SMMU that runs commands of this queue, so what it submits cannot complete before "
        + "the callback returns: submit it from another place.");

    private enum Milestone
    {
        Published,
        Consumed,
        Message,
    }
}
