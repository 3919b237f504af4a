namespace Smmu.Fast.Oracle;

/// <summary>Finds the STE of a StreamID (IHI 0070, 3.3.1 and 5.1).</summary>
internal sealed class StreamTable(IOracleMemory memory, OracleFeatures features, OracleChoices choices, RegisterFile registers)
{
    private const int EntryLog2 = 6;   // 64 bytes.
    private const int DescriptorLog2 = 3;   // 8 bytes.

    /// <summary>Reads the STE.</summary>
    /// <returns>The fault; null when there is an STE, legal or not.</returns>
    public TranslationFault? Find(uint streamId, out Structure entry)
    {
        entry = null!;

        // 6.3.25: the table has 2^min(LOG2SIZE, SIDSIZE) entries, its alignment goes by LOG2SIZE as written.
        int sizeLog2 = registers.StreamTableLog2;
        if (Bits.Exceeds(streamId, Math.Min(sizeLog2, features.StreamIdBits))) return BadStreamId();

        ulong address;
        if (!registers.IsStreamTableTwoLevel)
        {
            address = Bits.AlignDown(registers.StreamTableBase, sizeLog2 + EntryLog2) + ((ulong)streamId << EntryLog2);
        }
        else
        {
            var fault = FindInTwoLevels(streamId, sizeLog2, out address);
            if (fault is not null) return fault;
        }

        var read = Structure.Read(memory, Truncated(address), new OracleRead(OracleStructure.StreamTableEntry, streamId));
        if (read is null) return FetchFault(address);
        entry = read;
        return null;
    }

    private TranslationFault? FindInTwoLevels(uint streamId, int sizeLog2, out ulong address)
    {
        int split = registers.StreamTableSplit;
        int tableLog2 = Math.Max(EntryLog2, sizeLog2 - split + DescriptorLog2);
        address = Bits.AlignDown(registers.StreamTableBase, tableLog2) + ((ulong)(streamId >> split) << DescriptorLog2);
        var read = new OracleRead(OracleStructure.Level1StreamTableDescriptor, streamId);
        if (!memory.TryRead(Truncated(address), read, out ulong descriptor)) return FetchFault(address);

        // 5.1.1: Span 1 to 11, no more than SPLIT + 1, and the StreamID within it.
        int span = (int)Bits.Field(descriptor, 4, 0);
        ulong index = streamId & Bits.Below(split);
        if (span is 0 or > 11 || span > split + 1 || Bits.Exceeds(index, span - 1)) return BadStreamId();

        address = Bits.AlignDown(Bits.Field(descriptor, 55, 6) << 6, 6 + span - 1) + (index << EntryLog2);
        bool isBeyond = Bits.Exceeds(address, features.OutputBits);
        return isBeyond && choices.StreamTablePointerBeyondOutputSizeFaults ? FetchFault(address) : null;
    }

    private ulong Truncated(ulong address) => address & Bits.Below(features.OutputBits);

    private TranslationFault FetchFault(ulong address) =>
        new(OracleEventKind.StreamTableFetch) { FetchAddress = Truncated(address) };

    private static TranslationFault BadStreamId() => new(OracleEventKind.BadStreamId);
}
