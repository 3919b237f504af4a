using Smmu.Fast.Commands;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Device;

/// <content>PCIe ATS: requests without a port, and what goes to and comes from endpoints.</content>
public sealed unsafe partial class SmmuDevice
{
    private int completionsUnderWay;   // Behind the gate.

    /// <summary>Makes an ATS Translation Request of any stream, without a port: the answer is advice once this returns.</summary>
    /// <inheritdoc cref="DmaPort.RequestTranslation"/>
    /// <param name="stream">The StreamID.</param>
    /// <param name="substream">The PASID, or none.</param>
    /// <param name="iova">The untranslated address, all 64 bits.</param>
    /// <param name="wanted">What is wanted beside reads: <see cref="AccessKind.Write"/> is NW = 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are unknown marks, or the SubstreamID has more than 20 bits.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public AtsCompletion RequestTranslation(StreamId stream, SubstreamId? substream, ulong iova, AccessKind wanted)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        CheckSubstream(substream);
        int slot = oneOffs.Enter();
        try
        {
            return path.RequestTranslation(
                ref oneOffs.StateOf(slot, stream, substream), iova, wanted, ref oneOffs.StatisticsOf(slot));
        }
        finally
        {
            if (oneOffs.Exit(slot)) RunPending();
        }
    }

    /// <summary>Judges an access to a translated address, without a port: the answer is advice once this returns.</summary>
    /// <param name="stream">The StreamID.</param>
    /// <param name="address">An address that a Translation Request returned.</param>
    /// <param name="access">What is done there; it counts as unprivileged data.</param>
    /// <exception cref="ArgumentOutOfRangeException">The access neither reads nor writes.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public TranslationResult TranslateTranslated(StreamId stream, ulong address, AccessKind access)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        int slot = oneOffs.Enter();
        try
        {
            return path.TranslateTranslated(
                ref oneOffs.StateOf(slot, stream, null, isOfTranslated: true), address, access, ref oneOffs.StatisticsOf(slot));
        }
        finally
        {
            if (oneOffs.Exit(slot)) RunPending();
        }
    }

    /// <summary>
    /// Ends an ATC invalidation that an endpoint answered with <see cref="AtcInvalidationAnswer.Pending"/>, from any thread;
    /// the CMD_SYNC that waits for it goes on inside of this call.
    /// </summary>
    /// <param name="token">The token of the invalidation.</param>
    /// <param name="timedOut">True when the endpoint did not answer: the next CMD_SYNC stops with an error.</param>
    /// <returns>False when nobody waits for it: it was ended before, or the device was reset or disposed meanwhile.</returns>
    public bool CompleteInvalidation(uint token, bool timedOut = false)
    {
        gate.Enter();
        if (isDisposed)
        {
            gate.Exit();
            return false;
        }

        completionsUnderWay++;   // Dispose has to leave everything standing until this call is through.
        bool isFound = schedule.Invalidations.TryEnd(token, timedOut);
        try
        {
            ConsumeAndOpenGate();
        }
        finally
        {
            gate.Enter();
            completionsUnderWay--;
            gate.Exit();
        }

        return isFound;
    }

    // Enters and leaves with the gate closed.
    private void ReachEndpoint(CommandConsumer consumer)
    {
        var endpoints = options.AtsEndpoints!;
        var command = consumer.Outgoing;
        uint token = consumer.OutgoingToken;
        var answer = AtcInvalidationAnswer.TimedOut;   // Also of an endpoint that throws: nobody knows what it has kept.
        gate.Exit();
        try
        {
            if (token == 0) endpoints.Respond(AtcCommands.ResponseOf(in command, Features));
            else answer = endpoints.Invalidate(AtcCommands.InvalidationOf(in command, Features, token));
        }
        finally
        {
            gate.Enter();
            if (answer != AtcInvalidationAnswer.Pending)
            {
                schedule.Invalidations.TryEnd(token, timedOut: answer != AtcInvalidationAnswer.Completed);
            }
        }
    }

    private void RefuseWhileBusy(bool isLast)
    {
        gate.Enter();
        bool isBusy = isConsuming || completionsUnderWay != 0;
        if (!isBusy && isLast) isDisposed = true;   // Behind the gate, so that no completion can begin after it.
        gate.Exit();
        if (isBusy) throw new InvalidOperationException(
            "A call is running commands, perhaps the one whose callback this is: dispose the device once it has returned.");
    }
}
