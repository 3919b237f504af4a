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
        if (!TryResolveEntry(memory, controls, features, stream, ref trace, out var entry, out resolved)) return;
        var fault = ChooseContext(in entry, features, substream, ref resolved, out uint index);
        if (fault != EventType.None)
        {
            Fail(ref resolved, fault);
            return;
        }

        if (resolved.Regime.Stage1Enabled)
        {
            ResolveContext(memory, in entry, features, index, ref trace, ref resolved);
        }
    }

    /// <summary>Resolves a stream for ATS Translated transactions without a PASID: no CD is read, and stage 1 is off.</summary>
    public static void ResolveTranslated<TTrace>(
        GuestMemory memory,
        StreamControls controls,
        SmmuFeatures features,
        StreamId stream,
        ref TTrace trace,
        out ResolvedStream resolved)
        where TTrace : struct, IStreamTrace
    {
        if (!TryResolveEntry(memory, controls, features, stream, ref trace, out var entry, out resolved)) return;
        var fault = ChooseContext(in entry, features, substream: null, ref resolved, out _);
        if (fault != EventType.None) Fail(ref resolved, fault);
        SkipStage1(ref resolved);
        RegimeBuilder.LeaveInputAttributes(ref resolved.Regime);
    }

    /// <summary>Reads and judges the STE: the first part of a resolution.</summary>
    /// <returns>False when <paramref name="resolved"/> is complete without a context.</returns>
    public static bool TryResolveEntry<TTrace>(
        GuestMemory memory,
        StreamControls controls,
        SmmuFeatures features,
        StreamId stream,
        ref TTrace trace,
        out StreamTableEntry entry,
        out ResolvedStream resolved)
        where TTrace : struct, IStreamTrace
    {
        entry = default;
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
            return false;
        }

        entry = new StreamTableEntry(new ReadOnlySpan<ulong>(words, StreamWords));
        if (!entry.IsValid)
        {
            Fail(ref resolved, EventType.BadStreamTableEntry);
            return false;
        }

        resolved.ResponsesKeepSubstream = entry.PPAR;
        resolved.HasEntry = true;
        if (((uint)entry.Config & Bypass) == 0) return false;   // 0b0xx: aborts, silently, whatever else the STE holds.

        var world = RegimeBuilder.WorldOf(in entry, features, controls.E2h);
        if (!StreamTableEntryRules.IsLegal(in entry, features, world))
        {
            resolved.HasEntry = false;
            Fail(ref resolved, EventType.BadStreamTableEntry);
            return false;
        }

        RegimeBuilder.Apply(in entry, features, world, ref resolved.Regime);
        resolved.Disposition = (uint)entry.Config == Bypass ? StreamDisposition.Bypass : StreamDisposition.Translate;
        resolved.Ats = AtsModeOf(in entry);
        return true;
    }

    // 0b11 asks for checks by a Device Permission Table, which is not modelled: ATS is off, as without IDR3.DPT.
    private static AtsMode AtsModeOf(in StreamTableEntry entry) => (uint)entry.Config == Bypass ? AtsMode.Disabled
        : entry.EATS switch
        {
            1 => AtsMode.Full,
            2 => AtsMode.SplitStage,
            _ => AtsMode.Disabled,
        };

    // Which CD the access uses, or that it skips stage 1, or that it must not come as it does (STE-11 to STE-19).
    private static EventType ChooseContext(
        in StreamTableEntry entry, SmmuFeatures features, SubstreamId? substream, ref ResolvedStream resolved, out uint index)
    {
        const uint SkipsStage1 = 1;
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
        if (entry.S1DSS != SkipsStage1) return EventType.StreamDisabled;
        SkipStage1(ref resolved);
        if (!resolved.Regime.Stage2Enabled) resolved.Disposition = StreamDisposition.Bypass;
        return EventType.None;
    }

    private static void SkipStage1(ref ResolvedStream resolved)
    {
        resolved.Regime.Stage1Enabled = false;
        resolved.Regime.Stage2.ProtectedTableWalk = false;
        resolved.Regime.World = StreamWorld.NonSecureEl1;
    }

    private static void ResolveContext<TTrace>(
        GuestMemory memory,
        in StreamTableEntry entry,
        SmmuFeatures features,
        uint index,
        ref TTrace trace,
        ref ResolvedStream resolved)
        where TTrace : struct, IStreamTrace
    {
        ulong* words = stackalloc ulong[ContextWords];
        if (!ContextDescriptorReader.TryRead(memory, in entry, features, index, ref trace, words, ref resolved)) return;
        var descriptor = new ContextDescriptor(new ReadOnlySpan<ulong>(words, ContextWords));
        if (!ContextDescriptorRules.IsLegal(in descriptor, in entry, features, resolved.Regime.World))
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
