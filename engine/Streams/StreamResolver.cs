using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Streams;

/// <summary>Reads what the configuration says of a stream and substream, in the architecture's order (IHI 0070, 7.3.22).</summary>
internal static unsafe class StreamResolver
{
    private const int StreamWords = StreamTableEntry.SizeBytes / sizeof(ulong);
    private const int ContextWords = ContextDescriptor.SizeBytes / sizeof(ulong);

    private const uint Bypass = 0b100;

    /// <summary>Resolves a stream; reads memory, caches nothing.</summary>
    public static void Resolve<TTrace>(
        GuestMemory memory,
        StreamControls controls,
        SmmuFeatures features,
        StreamId stream,
        SubstreamId? substream,
        ref TTrace trace,
        out ResolvedStream resolved)
        where TTrace : struct, IStreamTrace
    {
        resolved = default;
        ulong* words = stackalloc ulong[StreamWords];
        var layout = controls.Layout;
        var fault = StreamTableReader.TryRead(memory, in layout, features, stream, ref trace, words, out ulong fetchAddress);
        if (fault != EventType.None)
        {
            bool silent = fault == EventType.BadStreamId && !controls.RecordInvalidStreams;
            resolved.Disposition = silent ? StreamDisposition.Abort : StreamDisposition.Fault;
            resolved.Event = fault;
            resolved.FetchAddress = fault == EventType.StreamTableEntryFetch ? fetchAddress : 0;
            return;
        }

        var entry = new StreamTableEntry(new ReadOnlySpan<ulong>(words, StreamWords));
        if (!entry.IsValid)
        {
            Fail(ref resolved, EventType.BadStreamTableEntry);
            return;
        }

        if (((uint)entry.Config & Bypass) == 0) return;   // 0b0xx: aborts, silently, whatever else the STE holds.

        var world = RegimeBuilder.WorldOf(in entry, features, controls.E2h);
        if (!StreamTableEntryRules.IsLegal(in entry, features, world))
        {
            Fail(ref resolved, EventType.BadStreamTableEntry);
            return;
        }

        RegimeBuilder.Apply(in entry, features, world, ref resolved.Regime);
        resolved.Disposition = (uint)entry.Config == Bypass ? StreamDisposition.Bypass : StreamDisposition.Translate;
        fault = ChooseContext(in entry, features, substream, ref resolved, out uint index);
        if (fault != EventType.None)
        {
            Fail(ref resolved, fault);
            return;
        }

        if (resolved.Regime.Stage1Enabled)
        {
            ResolveContext(memory, in entry, features, index, world, ref trace, ref resolved);
        }
    }

    // Which CD the access uses, or that it skips stage 1, or that it must not come as it does (STE-11 to STE-19).
    private static EventType ChooseContext(
        in StreamTableEntry entry, SmmuFeatures features, SubstreamId? substream, ref ResolvedStream resolved, out uint index)
    {
        const uint SkipStage1 = 1;
        const uint UseContext0 = 2;
        index = substream?.Value ?? 0;
        bool hasSubstreams = resolved.Regime.Stage1Enabled && features.SubstreamIdBits != 0 && entry.S1CDMax != 0;
        if (!hasSubstreams) return substream is null ? EventType.None : EventType.BadSubstreamId;

        if (substream is not null)
        {
            if (BitField.Exceeds(index, entry.S1CDMax)) return EventType.BadSubstreamId;
            return entry.S1DSS == UseContext0 && index == 0 ? EventType.StreamDisabled : EventType.None;
        }

        if (entry.S1DSS == UseContext0) return EventType.None;
        if (entry.S1DSS != SkipStage1) return EventType.StreamDisabled;
        resolved.Regime.Stage1Enabled = false;
        resolved.Regime.Stage2.ProtectedTableWalk = false;
        resolved.Regime.World = StreamWorld.NonSecureEl1;
        if (!resolved.Regime.Stage2Enabled) resolved.Disposition = StreamDisposition.Bypass;
        return EventType.None;
    }

    private static void ResolveContext<TTrace>(
        GuestMemory memory,
        in StreamTableEntry entry,
        SmmuFeatures features,
        uint index,
        StreamWorld world,
        ref TTrace trace,
        ref ResolvedStream resolved)
        where TTrace : struct, IStreamTrace
    {
        ulong* words = stackalloc ulong[ContextWords];
        if (!ContextDescriptorReader.TryRead(memory, in entry, features, index, ref trace, words, ref resolved)) return;
        var descriptor = new ContextDescriptor(new ReadOnlySpan<ulong>(words, ContextWords));
        if (!ContextDescriptorRules.IsLegal(in descriptor, in entry, features, world))
        {
            Fail(ref resolved, EventType.BadContextDescriptor);
            return;
        }

        RegimeBuilder.Apply(in descriptor, features, ref resolved.Regime);
    }

    private static void Fail(ref ResolvedStream resolved, EventType type)
    {
        resolved.Disposition = StreamDisposition.Fault;
        resolved.Event = type;
    }
}
