using Smmu.Fast.Commands;

namespace Smmu.Fast.Device;

public sealed unsafe partial class SmmuDevice
{
    /// <summary>Saves the device: registers, queue indexes, errors and stalled accesses. The memory is the host's to save.</summary>
    /// <remarks>
    /// Call it while the machine stands still: ports may be open, but no scope, and no other call may be under way. What
    /// commands had published and not run is in the queue, and runs after <see cref="Restore"/>. Caches, statistics and
    /// ports are not part of the state.
    /// </remarks>
    /// <returns>Bytes that only <see cref="Restore"/> has to understand; they carry their version and a checksum.</returns>
    /// <exception cref="InvalidOperationException">
    /// A scope is open, a call runs commands, or an endpoint has not completed an ATS invalidation.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public byte[] Save()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        EnterAtRest();
        bool isReaching = schedule.Invalidations.HasPending || registers.PageRequests.IsBusy;
        var state = new SavedState(Features, QueuesWithTimeout(), registers.Save(), stalls.Save());
        gate.Exit();
        if (isReaching) throw new InvalidOperationException(
            "An ATS invalidation or a page request is under way: complete them before the device is saved.");
        return state.ToBytes();
    }

    /// <summary>Makes the device what it was when its state was saved, whatever it is now. Restore the memory first.</summary>
    /// <remarks>
    /// Stalled accesses of the device as it is now end with an abort, as in a reset. Those of the saved one go on: a port that
    /// is opened for the same stream and substream, with an <see cref="Faults.IStallClient"/>, hears of their ends under the
    /// tokens of old. Commands are run by the next call; <see cref="HasPendingWork"/> tells of them. Command queues of guests
    /// beside the device are reset; their state is restored after this one.
    /// </remarks>
    /// <param name="state">What <see cref="Save"/> returned, on this or another device with the same features.</param>
    /// <exception cref="InvalidDataException">
    /// The state is none, is damaged, has another version or is of an SMMU with other features. The device is unchanged.
    /// </exception>
    /// <exception cref="InvalidOperationException">A scope is open, or a call runs commands.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public void Restore(ReadOnlySpan<byte> state)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        var saved = SavedState.Parse(state);
        saved.CheckFor(Features);

        EnterAtRest();
        isConsuming = true;   // Nothing runs in between, not even for what clients do when they hear of ends.
        try
        {
            registers.Reset();
            attached?.ResetBehindGate();
            ForgetAll();
            while (stalls.HasAnswered) EndStall();
            registers.Restore(saved.Registers);
            foreach (uint queue in saved.Timeouts) ConsumerOf(queue).RestoreTimeout();
            stalls.Restore(saved.Stalls);
        }
        finally
        {
            isConsuming = false;
            wasAskedAgain = false;
            Volatile.Write(ref workLeft, schedule.HasWork);
            gate.Exit();
        }
    }

    // The Command queue is number 0, Enhanced Command queues follow.
    private CommandConsumer ConsumerOf(uint number) => number == 0 ? consumer : enhanced.Queues[(int)number - 1].Consumer;

    private uint[] QueuesWithTimeout()
    {
        var numbers = new List<uint>();
        for (uint number = 0; number <= (uint)enhanced.Queues.Length; number++)
        {
            if (ConsumerOf(number).HasTimedOutInvalidation) numbers.Add(number);
        }

        return [.. numbers];
    }

    // Leaves with the gate closed.
    internal void EnterAtRest()
    {
        gate.Enter();
        while (stalls.HasAnswered && !isConsuming) EndStall();
        bool isBusy = isConsuming;
        if (!isBusy && !epoch.HasOpenScope(ulong.MaxValue)) return;
        gate.Exit();
        throw new InvalidOperationException(isBusy
            ? "A call is running commands, perhaps the one whose callback this is: save and restore once it has returned."
            : "A scope is open: let all accesses end before the device is saved or restored.");
    }
}
