using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Device;

public sealed unsafe partial class SmmuDevice
{
    /// <summary>
    /// Resolves an access as it would be resolved now, and tells each step. It reads memory only: no cache is asked or
    /// filled, no record is written, and Access flags and dirty states stay as they are (a page that the access would make
    /// dirty is shown as one that denies the write).
    /// </summary>
    /// <inheritdoc cref="Translate"/>
    public TranslationExplanation Explain(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        CheckSubstream(substream);
        if (!RequiredPermissions.IsAccess(access)) throw new ArgumentOutOfRangeException(
            nameof(access), access, "An access reads, writes or does both, with known marks.");

        int slot = oneOffs.Enter();
        bool awaited = false;
        try
        {
            return ExplainInside(new FaultRequest(stream, substream, iova, access));
        }
        finally
        {
            awaited = oneOffs.Exit(slot);
            if (awaited) RunPending();
        }
    }

    private TranslationExplanation ExplainInside(in FaultRequest request)
    {
        var recorder = new ExplanationRecorder();
        ulong control = registers.TranslationControl;
        if (control >> 32 == 0)
        {
            recorder.Add(new ExplanationStep(
                ExplanationKind.GlobalBypass, "SMMUEN is 0: GBPA decides", 0, [(uint)control],
                [new("ABORT", BitField.Get(control, 20, 20), string.Empty)], []));
            return Finish(in recorder, path.BypassDevice((uint)control, request.InputAddress), null);
        }

        StreamResolver.Resolve(
            options.Memory, registers.StreamControls, Features, request.Stream, request.Substream, ref recorder, out var resolved);
        switch (resolved.Disposition)
        {
            case StreamDisposition.Fault:
                return Finish(in recorder, FaultRecords.OfConfiguration(in request, in resolved));
            case StreamDisposition.Abort:
                return Finish(in recorder, TranslationPath.SilentAbort, null);
            case StreamDisposition.Bypass:
                return BitField.Exceeds(request.InputAddress, Features.OutputAddressBits)
                    ? Finish(in recorder, FaultRecords.OfBypassSize(in request, in resolved))
                    : Finish(in recorder, TranslationPath.BypassStream(in resolved, request.InputAddress), null);
            default:
                break;
        }

        var regime = WithoutUpdates(in resolved.Regime);
        var judged = regime.Overrides.Apply(request.Access);
        Walker.Walk(options.Memory, in regime, request.InputAddress, judged, default, ref recorder, out var walk);
        return walk.IsSuccess
            ? Finish(in recorder, TranslationPath.Success(in regime, in walk), null)
            : Finish(in recorder, FaultRecords.OfWalk(in request, in regime, judged, in walk));
    }

    private static TranslationRegime WithoutUpdates(in TranslationRegime regime)
    {
        var copy = regime;
        copy.Stage1.AccessFlagFaultDisabled |= copy.Stage1.HardwareAccessFlag;
        copy.Stage1.HardwareAccessFlag = false;
        copy.Stage1.HardwareDirtyState = false;
        copy.Stage2.AccessFlagFaultDisabled |= copy.Stage2.HardwareAccessFlag;
        copy.Stage2.HardwareAccessFlag = false;
        copy.Stage2.HardwareDirtyState = false;
        return copy;
    }

    private static TranslationExplanation Finish(in ExplanationRecorder recorder, FaultReport report) =>
        Finish(in recorder, report.Result, report.IsRecorded ? report.Record : null);

    private static TranslationExplanation Finish(
        in ExplanationRecorder recorder, TranslationResult result, EventRecord? record)
    {
        string title = result.IsSuccess
            ? $"{result.Outcome}: 0x{result.Address.Value:x}"
            : result.Event == EventType.None ? result.Outcome.ToString() : $"{result.Outcome}: {result.Event}";
        recorder.Add(new ExplanationStep(ExplanationKind.Outcome, title, 0, [], [], []));
        return new TranslationExplanation(recorder.Steps, result, record);
    }
}
