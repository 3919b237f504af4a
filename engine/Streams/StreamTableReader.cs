using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Streams;

/// <summary>Finds and reads the STE of a stream: linear and two-level tables (IHI 0070, 3.3.1 and 5.1).</summary>
internal static unsafe class StreamTableReader
{
    /// <summary>Reads an STE.</summary>
    /// <param name="memory">Physical memory.</param>
    /// <param name="layout">The table.</param>
    /// <param name="features">OAS bounds the addresses.</param>
    /// <param name="stream">Whose STE.</param>
    /// <param name="trace">Watches the reads.</param>
    /// <param name="words">Eight words of the STE.</param>
    /// <param name="fetchAddress">The address of the read that aborted.</param>
    /// <returns>None, C_BAD_STREAMID or F_STE_FETCH.</returns>
    public static EventType TryRead<TTrace>(
        GuestMemory memory,
        in StreamTableLayout layout,
        SmmuFeatures features,
        StreamId stream,
        ref TTrace trace,
        ulong* words,
        out ulong fetchAddress)
        where TTrace : struct, IStreamTrace
    {
        fetchAddress = 0;
        if (!layout.Contains(stream)) return EventType.BadStreamId;

        ulong address;
        if (!layout.IsTwoLevel)
        {
            address = layout.Base + ((ulong)stream.Value << StreamTableLayout.EntryLog2);
        }
        else
        {
            var fault = TryDescend(memory, in layout, features, stream, ref trace, out address, out fetchAddress);
            if (fault != EventType.None) return fault;
        }

        if (BitField.Exceeds(address, features.OutputAddressBits)
            || !memory.TryReadStructure(address, words, StreamTableEntry.SizeBytes / sizeof(ulong)))
        {
            fetchAddress = address & BitField.Mask(features.OutputAddressBits - 1, 0);   // FetchAddr has no bits above the OAS.
            return EventType.StreamTableEntryFetch;
        }

        trace.StructureRead(
            StructureKind.StreamTableEntry, address, new ReadOnlySpan<ulong>(words, StreamTableEntry.SizeBytes / sizeof(ulong)));
        return EventType.None;
    }

    private static EventType TryDescend<TTrace>(
        GuestMemory memory,
        in StreamTableLayout layout,
        SmmuFeatures features,
        StreamId stream,
        ref TTrace trace,
        out ulong address,
        out ulong fetchAddress)
        where TTrace : struct, IStreamTrace
    {
        const int LargestSpan = 11;
        address = 0;
        fetchAddress = layout.Base + ((ulong)(stream.Value >> layout.Split) << StreamTableLayout.Level1EntryLog2);
        if (BitField.Exceeds(fetchAddress, features.OutputAddressBits) || !memory.TryRead64(fetchAddress, out ulong word))
        {
            return EventType.StreamTableEntryFetch;
        }

        trace.StructureRead(StructureKind.Level1StreamTableDescriptor, fetchAddress, new ReadOnlySpan<ulong>(in word));
        var descriptor = new Level1StreamTableDescriptor(word);
        int span = (int)descriptor.Span;
        uint index = stream.Value & ((1u << layout.Split) - 1);
        if (span is 0 or > LargestSpan || span > layout.Split + 1 || index >= 1u << (span - 1)) return EventType.BadStreamId;

        ulong table = BitField.AlignDown(descriptor.L2Ptr, StreamTableLayout.EntryLog2 + span - 1);
        address = table + ((ulong)index << StreamTableLayout.EntryLog2);
        return EventType.None;
    }
}
