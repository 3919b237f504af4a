using Smmu.Fast.Formats;
using Smmu.Fast.Streams;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Faults;

/// <summary>Makes the report of a fault: who is told what (IHI 0070, 7.3).</summary>
internal static class FaultRecords
{
    /// <summary>A configuration error, a fetch that failed, or a stage 2 fault of such a fetch.</summary>
    public static FaultReport OfConfiguration(in FaultRequest request, in ResolvedStream resolved)
    {
        if (resolved.HasStageTwoFault)
        {
            var access = resolved.Regime.Overrides.Apply(request.Access);
            return OfWalk(in request, in resolved.Regime, access, in resolved.StageTwoFault);
        }

        var fetch = new PhysicalAddress(resolved.FetchAddress);
        var (stream, substream) = (request.Stream, request.Substream);
        var record = resolved.Event switch
        {
            EventType.BadStreamId => EventRecord.BadStreamId(stream, substream),
            EventType.StreamTableEntryFetch => EventRecord.StreamTableEntryFetch(stream, substream, fetch),
            EventType.StreamDisabled => EventRecord.StreamDisabled(stream),
            EventType.BadSubstreamId => EventRecord.BadSubstreamId(stream, substream ?? default),
            EventType.ContextDescriptorFetch => EventRecord.ContextDescriptorFetch(stream, substream, fetch),
            EventType.BadContextDescriptor => EventRecord.BadContextDescriptor(stream, substream),
            _ => EventRecord.BadStreamTableEntry(stream, substream),
        };
        return new FaultReport(resolved.Event, FaultPolicy.Ungoverned, in record);
    }

    /// <summary>An address too large for a stream that passes untranslated: F_ADDR_SIZE, whatever the flags say (ASZ-06).</summary>
    public static FaultReport OfBypassSize(in FaultRequest request, in ResolvedStream resolved)
    {
        var access = resolved.Regime.Overrides.Apply(request.Access);
        var record = EventRecord.Stage1Fault(
            EventType.AddressSize, request.Stream, request.Substream, request.InputAddress, access);
        return new FaultReport(EventType.AddressSize, FaultPolicy.Ungoverned, in record);
    }

    /// <summary>A page that stage 1 does not map, of a stream that overrides nothing.</summary>
    public static FaultReport OfUnmapped(in FaultRequest request, in TranslationRegime regime)
    {
        var record = EventRecord.Stage1Fault(
            EventType.Translation, request.Stream, request.Substream, request.InputAddress, request.Access);
        return new FaultReport(EventType.Translation, FaultPolicy.Decide(EventType.Translation, stage2: false, in regime), in record);
    }

    /// <summary>A fault of a walk.</summary>
    /// <param name="request">The access.</param>
    /// <param name="regime">Holds the fault flags.</param>
    /// <param name="access">The access after the overrides of the stream.</param>
    /// <param name="walk">How the walk ended.</param>
    public static FaultReport OfWalk(
        in FaultRequest request, in TranslationRegime regime, AccessKind access, in WalkResult walk)
    {
        // An atomic that may write but not read is recorded as a read (EVT-39).
        var recorded = walk.RefusedAsRead ? access & ~AccessKind.Write : access;
        EventRecord record;
        if (walk.Event == EventType.WalkExternalAbort)
        {
            record = EventRecord.WalkExternalAbort(
                request.Stream,
                request.Substream,
                request.InputAddress,
                recorded,
                walk.Stage2,
                walk.FaultClass,
                new PhysicalAddress(walk.FetchAddress));
        }
        else if (walk.Stage2)
        {
            record = EventRecord.Stage2Fault(
                walk.Event,
                request.Stream,
                request.Substream,
                request.InputAddress,
                recorded,
                walk.FaultClass,
                walk.Ipa,
                tableRead: walk.TableRead);
        }
        else
        {
            record = EventRecord.Stage1Fault(walk.Event, request.Stream, request.Substream, request.InputAddress, recorded);
        }

        return new FaultReport(walk.Event, FaultPolicy.Decide(walk.Event, walk.Stage2, in regime), in record);
    }
}
