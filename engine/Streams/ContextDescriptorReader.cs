using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Walks;

namespace Smmu.Fast.Streams;

/// <summary>Finds and reads a CD: a lone one, linear and two-level tables, in physical or in IPA space (IHI 0070, 5.2 to 5.4).</summary>
internal static unsafe class ContextDescriptorReader
{
    private const int EntryLog2 = 6;
    private const int Level1EntryLog2 = 3;
    private const int Words = ContextDescriptor.SizeBytes / sizeof(ulong);

    /// <summary>Reads the CD of a substream.</summary>
    /// <param name="memory">Physical memory.</param>
    /// <param name="entry">The STE, which is legal.</param>
    /// <param name="features">OAS and SSIDSIZE count.</param>
    /// <param name="index">Index into the CD table; 0 for a lone CD.</param>
    /// <param name="trace">Watches the reads.</param>
    /// <param name="words">Eight words of the CD.</param>
    /// <param name="stream">Holds stage 2 of the stream; takes the fault.</param>
    /// <returns>False when <paramref name="stream"/> says why there is no CD.</returns>
    public static bool TryRead<TTrace>(
        GuestMemory memory,
        in StreamTableEntry entry,
        SmmuFeatures features,
        uint index,
        ref TTrace trace,
        ulong* words,
        ref ResolvedStream stream)
        where TTrace : struct, IStreamTrace
    {
        int tableBits = features.SubstreamIdBits == 0 ? 0 : entry.S1CDMax;
        int format = tableBits == 0 ? 0 : entry.S1Fmt;
        ulong address;
        if (format is 1 or 2)
        {
            int leafBits = format == 1 ? 6 : 10;
            ulong table = BitField.AlignDown(
                entry.S1ContextPtr, Math.Max(EntryLog2, tableBits - leafBits + Level1EntryLog2));
            ulong slot = table + ((ulong)(index >> leafBits) << Level1EntryLog2);
            if (!TryReadLevel1(memory, features, slot, leafBits, ref trace, ref stream, out ulong leafTable)) return false;
            address = leafTable + ((ulong)(index & ((1u << leafBits) - 1)) << EntryLog2);
        }
        else
        {
            address = BitField.AlignDown(entry.S1ContextPtr, tableBits + EntryLog2) + ((ulong)index << EntryLog2);
        }

        if (!TryReach(memory, features, address, ref trace, ref stream, out ulong physical)) return false;
        if (!memory.TryReadStructure(physical, words, Words)) return Fail(ref stream, EventType.ContextDescriptorFetch, physical);
        trace.StructureRead(StructureKind.ContextDescriptor, physical, new ReadOnlySpan<ulong>(words, Words));
        return true;
    }

    private static bool TryReadLevel1<TTrace>(
        GuestMemory memory,
        SmmuFeatures features,
        ulong address,
        int leafBits,
        ref TTrace trace,
        ref ResolvedStream stream,
        out ulong leafTable)
        where TTrace : struct, IStreamTrace
    {
        leafTable = 0;
        if (!TryReach(memory, features, address, ref trace, ref stream, out ulong physical)) return false;
        if (!memory.TryRead64(physical, out ulong word)) return Fail(ref stream, EventType.ContextDescriptorFetch, physical);
        trace.StructureRead(StructureKind.Level1ContextDescriptor, physical, new ReadOnlySpan<ulong>(in word));

        var descriptor = new Level1ContextDescriptor(word);
        leafTable = BitField.AlignDown(descriptor.L2Ptr, leafBits + EntryLog2);
        bool reachable = stream.Regime.Stage2Enabled || features.Version == 0
            || !BitField.Exceeds(descriptor.L2Ptr, features.OutputAddressBits);
        return (descriptor.IsValid && reachable) || Fail(ref stream, EventType.BadSubstreamId, 0);
    }

    // With stage 2 on, tables of CDs lie in IPA space, and each read is translated as a data read (STR-27).
    private static bool TryReach<TTrace>(
        GuestMemory memory,
        SmmuFeatures features,
        ulong address,
        ref TTrace trace,
        ref ResolvedStream stream,
        out ulong physical)
        where TTrace : struct, IStreamTrace
    {
        physical = address;
        if (!stream.Regime.Stage2Enabled)
        {
            return !BitField.Exceeds(address, features.OutputAddressBits)
                || Fail(ref stream, EventType.ContextDescriptorFetch, address);
        }

        Walker.TranslateStage2(
            memory, in stream.Regime, address, AccessKind.Read, FaultClass.ContextDescriptor, ref trace, out var walk);
        if (walk.IsSuccess)
        {
            physical = walk.OutputAddress;
            return true;
        }

        walk.Ipa &= BitField.Mask(features.OutputAddressBits - 1, 0);   // Of what lies above the OAS the record has nothing (EVT-27).
        stream.StageTwoFault = walk;
        stream.HasStageTwoFault = true;
        return Fail(ref stream, walk.Event, walk.FetchAddress);
    }

    private static bool Fail(ref ResolvedStream stream, EventType type, ulong fetchAddress)
    {
        stream.Disposition = StreamDisposition.Fault;
        stream.Event = type;
        stream.FetchAddress = fetchAddress;
        return false;
    }
}
