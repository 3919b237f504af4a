using Smmu.Fast.Commands;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Device;

/// <content>What a block with further command queues does through its SMMU.</content>
public sealed unsafe partial class SmmuDevice
{
    private IAttachedQueues? attached;

    /// <summary>True once the device is disposed.</summary>
    internal bool IsDisposed => isDisposed;

    /// <summary>Takes a block with further command queues.</summary>
    /// <exception cref="InvalidOperationException">There is one.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    internal void Attach(IAttachedQueues queues)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if (Interlocked.CompareExchange(ref attached, queues, null) is not null) throw new InvalidOperationException(
            "This SMMU has command queues of guests beside it: give it one block that is large enough.");
    }

    /// <summary>Makes what runs the commands of a further queue.</summary>
    internal CommandConsumer NewConsumer(CommandQueueReader reader, IRefusalListener listener) =>
        new(reader, context, epoch, events) { Listener = listener };

    /// <summary>Closes the control gate, for changes to a further queue.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    internal void EnterGate()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        gate.Enter();
    }

    /// <summary>True when no queue has anything to do, so that one can consume at once; behind the gate.</summary>
    internal bool IsIdle => IsAtRest;

    /// <summary>Runs what there is to run, and opens the gate.</summary>
    internal void RunAndLeaveGate() => ConsumeAndOpenGate();

    /// <summary>Opens the gate when nothing has come to be done.</summary>
    internal void LeaveIdleGate() => gate.Exit();

    /// <summary>Opens the gate after changes that are to run with the next call.</summary>
    internal void LeaveGate()
    {
        if (!isConsuming) Volatile.Write(ref workLeft, HasWorkLeft);
        gate.Exit();
    }

    /// <summary>
    /// Leaves the ATS invalidations that a queue has out to the Command queue, since the queue is to change hands; behind the
    /// gate.
    /// </summary>
    internal void TakeOverInvalidations(CommandConsumer from) => schedule.Invalidations.HandOver(from, consumer);

    /// <summary>True while an endpoint owes an answer; behind the gate.</summary>
    internal bool HasInvalidationsOut => schedule.Invalidations.HasPending;

    private void TellOfRefusal(IRefusalListener listener)
    {
        listener.NoteRefusal();
        gate.Exit();
        try
        {
            listener.TellOfRefusal();
        }
        finally
        {
            gate.Enter();
        }
    }
}
