using Smmu.Fast.Formats;
using Smmu.Fast.Queues;

namespace Smmu.Fast.Device;

/// <summary>What became of a page request.</summary>
public enum PageRequestOutcome : byte
{
    /// <summary>It is in the PRI queue: software will answer its group.</summary>
    Queued = 0,

    /// <summary>It is not in the queue; the SMMU has sent an automatic response (IHI 0070, 8.1 and 8.2).</summary>
    Answered = 1,

    /// <summary>It is not in the queue, and no response will come: it was a Stop Marker, or not the last of its group.</summary>
    Dropped = 2,
}

/// <content>PCIe PRI: the way of page requests into the PRI queue, and automatic responses (IHI 0070, 8).</content>
public sealed unsafe partial class SmmuDevice
{
    // An endpoint that repeats its request while it is given an automatic response nests; a guest can keep it at that.
    private const int DeepestRequestNesting = 4;

    [ThreadStatic]
    private static int requestsOfThread;

    /// <summary>Sends a PCIe Page Request of any stream to the PRI queue.</summary>
    /// <param name="stream">The endpoint.</param>
    /// <param name="substream">The PASID, or none.</param>
    /// <param name="page">Address of the page; the low 12 bits do not count.</param>
    /// <param name="group">PRGIndex, 0 to 511.</param>
    /// <param name="wanted">R, W, X and Priv, the latter two with a PASID only.</param>
    /// <param name="last">True for the last request of its group. With a PASID and nothing wanted it is a Stop Marker.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The group has more than 9 bits, the SubstreamID more than 20, or there are unknown marks.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PageRequestOutcome SubmitPageRequest(
        StreamId stream, SubstreamId? substream, ulong page, ushort group, AccessKind wanted, bool last)
    {
        const ushort LargestGroup = 511;
        const AccessKind Known = AccessKind.Atomic | AccessKind.Instruction | AccessKind.Privileged;
        ObjectDisposedException.ThrowIf(isDisposed, this);
        CheckSubstream(substream);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(group, LargestGroup);
        if ((wanted & ~Known) != 0) throw new ArgumentOutOfRangeException(
            nameof(wanted), wanted, "A page request has no other marks than those of AccessKind.");

        if (requestsOfThread == DeepestRequestNesting) return PageRequestOutcome.Dropped;
        requestsOfThread++;
        try
        {
            return Submit(new PageRequestEntry(stream, substream, page, group, wanted, last));
        }
        finally
        {
            requestsOfThread--;
        }
    }

    /// <summary>Sends a PASID Stop Marker: no page request of the PASID will follow. It gets no response.</summary>
    /// <param name="stream">The endpoint.</param>
    /// <param name="substream">The PASID.</param>
    /// <exception cref="ArgumentOutOfRangeException">The SubstreamID has more than 20 bits.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public PageRequestOutcome SubmitStopMarker(StreamId stream, SubstreamId substream) =>
        SubmitPageRequest(stream, substream, page: 0, group: 0, wanted: 0, last: true);

    private PageRequestOutcome Submit(in PageRequestEntry request)
    {
        var queue = registers.PageRequests;
        var result = queue.Write(in request);
        bool isOverflow = (result & PageRequestWriteResult.Overflowed) != 0;
        interrupts.AfterPageRequest(
            becameNonEmpty: (result & PageRequestWriteResult.BecameNonEmpty) != 0,
            cameLast: (result & PageRequestWriteResult.LastWritten) != 0 || (isOverflow && request.Last));

        if ((result & PageRequestWriteResult.Aborted) != 0)
        {
            // Before the error shows: then software may go on, and new requests take the place of those that were lost.
            while (queue.TryTakeLost(out var lost)) Fail(in lost);
            interrupts.RaiseError(GlobalErrors.PRIQ_ABT_ERR);
        }

        if (isOverflow) return AnswerOverflow(in request);
        if ((result & PageRequestWriteResult.Refused) != 0) return Fail(in request);
        if ((result & PageRequestWriteResult.Queued) != 0) return PageRequestOutcome.Queued;
        return request.IsStopMarker ? PageRequestOutcome.Dropped : PageRequestOutcome.Answered;   // Lost by the abort.
    }

    private PageRequestOutcome Fail(in PageRequestEntry request) =>
        request.IsStopMarker ? PageRequestOutcome.Dropped : Respond(in request, null, PageResponseCode.ResponseFailure);

    private PageRequestOutcome AnswerOverflow(in PageRequestEntry request)
    {
        if (!request.Last || request.IsStopMarker) return PageRequestOutcome.Dropped;
        if (!request.SSV || Features.SubstreamIdBits == 0) return Respond(in request, null, PageResponseCode.Success);
        bool keepsSubstream = true;
        if (!Features.PPS && !TryReadResponseRule(request.StreamId, out keepsSubstream)) return Fail(in request);
        return Respond(in request, keepsSubstream ? request.SubstreamId : null, PageResponseCode.Success);
    }

    // In a scope, as everything is that reads the configuration and records events (CMD-SYNC-13).
    private bool TryReadResponseRule(StreamId stream, out bool keepsSubstream)
    {
        int slot = oneOffs.Enter();
        try
        {
            return path.TryReadResponseRule(stream, out keepsSubstream);
        }
        finally
        {
            if (oneOffs.Exit(slot)) RunPending();
        }
    }

    private PageRequestOutcome Respond(in PageRequestEntry request, SubstreamId? substream, PageResponseCode code)
    {
        options.AtsEndpoints?.Respond(
            new PageGroupResponse(request.StreamId, substream, request.PRGIndex, code, IsAutomatic: true));
        return PageRequestOutcome.Answered;
    }
}
