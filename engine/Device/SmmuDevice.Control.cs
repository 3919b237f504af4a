using Smmu.Fast.Commands;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

public sealed unsafe partial class SmmuDevice
{
    // Times one call takes up what other threads publish while it consumes; then it leaves the rest to the next call.
    private const int MostRounds = 16;

    private readonly uint registerBytes;   // Both pages, and those of Enhanced Command queues.

    private bool isConsuming;   // Behind the gate: some call is consuming, perhaps out in host code.
    private bool wasAskedAgain; // Behind the gate: somebody found that, and left their part to it.
    private bool workLeft;

    /// <summary>Writes a 32-bit register, or one half of a 64-bit one.</summary>
    /// <param name="offset">
    /// Bytes from the base of Page 0; Page 1 begins at 0x10000, pages of Enhanced Command queues where CMDQ_CONTROL_PAGE_BASE
    /// says. Others, and unaligned ones, are ignored.
    /// </param>
    /// <param name="value">The value.</param>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void WriteRegister32(uint offset, uint value)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if ((offset & 3) != 0 || offset >= registerBytes) return;
        gate.Enter();
        if (offset == RegisterOffset.CMDQ_PROD && IsAtRest && registers.TryWriteCommandProducer(value))
        {
            gate.Exit();
            return;
        }

        registers.Write32(offset, value);
        ConsumeAndOpenGate();
    }

    /// <summary>Writes a 64-bit register, or two neighbouring 32-bit ones, the lower first (ACC-06).</summary>
    /// <inheritdoc cref="WriteRegister32"/>
    public void WriteRegister64(uint offset, ulong value)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if ((offset & 7) != 0 || offset >= registerBytes) return;
        gate.Enter();
        if (!registers.TryWrite64(offset, value))
        {
            registers.Write32(offset, (uint)value);
            registers.Write32(offset + 4, (uint)(value >> 32));
        }

        ConsumeAndOpenGate();
    }

    /// <summary>Reads a 32-bit register, or one half of a 64-bit one; 0 where there is none.</summary>
    /// <param name="offset">
    /// Bytes from the base of Page 0; Page 1 begins at 0x10000, pages of Enhanced Command queues where CMDQ_CONTROL_PAGE_BASE
    /// says.
    /// </param>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public uint ReadRegister32(uint offset)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if ((offset & 3) != 0 || offset >= registerBytes) return 0;
        if (HasPendingWork) RunPending();
        return registers.Read32(offset);
    }

    /// <summary>Reads a 64-bit register, or two neighbouring 32-bit ones; 0 where there is none.</summary>
    /// <inheritdoc cref="ReadRegister32"/>
    public ulong ReadRegister64(uint offset)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if ((offset & 7) != 0 || offset >= registerBytes) return 0;
        if (HasPendingWork) RunPending();
        return registers.TryRead64(offset, out ulong value)
            ? value
            : registers.Read32(offset) | ((ulong)registers.Read32(offset + 4) << 32);
    }

    /// <summary>
    /// Resets the device: registers, queues and all that is cached, and the command queues of guests beside it. Ports stay open
    /// and their scopes go on.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void Reset()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        gate.Enter();
        registers.Reset();
        attached?.ResetBehindGate();
        ForgetAll();
        ConsumeAndOpenGate();
    }

    /// <summary>Continues the Command queues where an earlier call left them. Does nothing when there is nothing to do.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void RunPending()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        gate.Enter();
        ConsumeAndOpenGate();
    }

    private void ForgetAll()
    {
        dates.RaiseAll();
        caches.BeginAnew();
    }

    // Entered with the gate closed, left with it open.
    private void ConsumeAndOpenGate()
    {
        if (stalls.HasUnrecorded) stalls.RetryUnrecorded(events.Room);
        if (!TryConsumeAndOpenGate(out ulong unanswered) || !epoch.HasElapsed(unanswered)) return;
        gate.Enter();
        TryConsumeAndOpenGate(out _);
    }

    // One call consumes at a time; host code that it runs may come back here, and other threads may come, and both leave
    // their commands to it. True when it stopped with a question to the epoch that somebody left to it: it is to be asked
    // once more now that those who come later ask for themselves.
    private bool TryConsumeAndOpenGate(out ulong unanswered)
    {
        unanswered = 0;
        if (isConsuming)
        {
            wasAskedAgain = true;
            gate.Exit();
            return false;
        }

        if (!HasWorkLeft)
        {
            Volatile.Write(ref workLeft, false);   // A write of a register may have ended what was left.
            gate.Exit();
            return false;
        }

        isConsuming = true;
        bool isUnanswered = false;
        try
        {
            Consume();
            isUnanswered = wasAskedAgain && schedule.FirstWaiting is not null;
            unanswered = schedule.FirstWaiting?.Grace ?? 0;
        }
        finally
        {
            isConsuming = false;
            wasAskedAgain = false;
            Volatile.Write(ref workLeft, HasWorkLeft);
            gate.Exit();
        }

        return isUnanswered;
    }

    // Accesses that stalled while the Event queue took no record, which it does now.
    private bool HasRetries => stalls.HasUnrecorded && events.Room != 0;

    // As good as that nothing is left over, if somewhat less often true.
    private bool IsAtRest => !isConsuming && !Volatile.Read(ref workLeft) && schedule.IsEmpty && stalls.IsIdle;

    private bool HasWorkLeft => schedule.HasWork || schedule.FirstWaiting is not null || stalls.HasAnswered;

    // Enters and leaves with the gate closed. Queues take turns; all that one call does fits into the queue that it begins
    // with, however many there are, and going from one to the next counts as a command.
    private void Consume()
    {
        int ends = stalls.Capacity;
        int rounds = MostRounds;
        AskWaiting();
        var current = schedule.Next() ?? consumer;
        int budget = current.Entries;
        while (true)
        {
            switch (current.Step(ref budget))
            {
                case ConsumerStep.Yield:
                    gate.Exit();
                    gate.Enter();
                    schedule.EndTurn(current);
                    current = schedule.Next() ?? consumer;
                    break;

                case ConsumerStep.FetchThroughHost:
                    FetchThroughHost(current);
                    break;

                case ConsumerStep.AskEpoch:
                    AskEpoch(current);
                    break;

                case ConsumerStep.ReachEndpoint:
                    ReachEndpoint(current);
                    break;

                case ConsumerStep.Signal:
                    SignalSync(current);
                    break;

                case ConsumerStep.EndStall:
                    if (ends-- == 0) return;
                    EndStall();
                    break;

                case ConsumerStep.Error:
                    if (current.Listener is { } listener) TellOfRefusal(listener);
                    else RaiseCommandError(current.IsEnhanced ? GlobalErrors.CMDQP_ERR : GlobalErrors.CMDQ_ERR);
                    break;

                case ConsumerStep.WakeUp:
                    SignalWakeUp();
                    break;

                default:
                    current.Reconsider();
                    schedule.EndTurn(current);
                    if (--budget > 0 && schedule.Next() is { } next)
                    {
                        current = next;
                        break;
                    }

                    if (!wasAskedAgain || rounds-- == 0) return;
                    wasAskedAgain = false;
                    AskWaiting();
                    current = schedule.Next() ?? consumer;
                    budget = current.Entries;
                    break;
            }
        }
    }

    // All CMD_SYNCs that wait, in the order of their grace periods: the first tells whether there is news at all. The answer
    // to the last made a barrier if one was called for, and it is younger than all of them: the others need but a look.
    private void AskWaiting()
    {
        if (schedule.FirstWaiting is not { } first) return;
        AskEpoch(first);
        if (first.IsWaiting || schedule.LastWaiting is not { } last) return;

        ulong grace = last.Grace;
        bool elapsed = HasElapsed(grace, wasAnnounced: false);
        while (schedule.FirstWaiting is { } next && next.Grace <= grace)
        {
            if (!elapsed && epoch.HasOpenScope(next.Grace)) break;
            next.AcceptEpoch(next.Grace, elapsed: true);
        }
    }

    private void AskEpoch(CommandConsumer consumer)
    {
        ulong grace = consumer.Grace;
        bool wasAnnounced = consumer.IsWaiting;
        bool elapsed = HasElapsed(grace, wasAnnounced);
        if (!elapsed && !wasAnnounced)
        {
            consumer.ExpectWaiting();
            elapsed = HasElapsed(grace, wasAnnounced: false);
        }

        consumer.AcceptEpoch(grace, elapsed);
    }

    // While a CMD_SYNC waits for one scope, the ends of all others come here: they pay for a look, not for a barrier.
    private bool HasElapsed(ulong grace, bool wasAnnounced)
    {
        gate.Exit();
        bool elapsed = (!wasAnnounced || !epoch.HasOpenScope(grace)) && epoch.HasElapsed(grace);
        gate.Enter();
        return elapsed;
    }

    private void FetchThroughHost(CommandConsumer consumer)
    {
        ulong* words = stackalloc ulong[2];
        ulong address = consumer.FetchAddress;
        bool succeeded = false;
        gate.Exit();
        try
        {
            succeeded = consumer.TryRead(address, words);
        }
        finally
        {
            gate.Enter();
            consumer.EndFetch();
        }

        consumer.AcceptFetch(succeeded, words);
    }

    private void SignalSync(CommandConsumer consumer)
    {
        var sync = consumer.CompletedSync;
        gate.Exit();
        try
        {
            interrupts.Signal(in sync);
        }
        finally
        {
            gate.Enter();
        }
    }

    private void EndStall()
    {
        if (!stalls.TryTakeAnswered(out var end)) return;
        gate.Exit();
        try
        {
            (end.Client ?? FindStallClient(end.Stream, end.Substream))?.Tell(in end);
        }
        finally
        {
            gate.Enter();
        }
    }

    private void SignalWakeUp()
    {
        gate.Exit();
        try
        {
            interrupts.WakeUp();
        }
        finally
        {
            gate.Enter();
        }
    }

    private void RaiseCommandError(GlobalErrors error)
    {
        if (!registers.Errors.TryActivate(error)) return;
        gate.Exit();
        try
        {
            interrupts.AfterError(error);
        }
        finally
        {
            gate.Enter();
        }
    }
}
