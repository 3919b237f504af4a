namespace Smmu.Fast.Oracle;

/// <summary>Finds the CD of a SubstreamID (IHI 0070, 3.3.2, 5.2 and 5.3).</summary>
internal sealed class ContextTable(
    IOracleMemory memory, OracleFeatures features, OracleChoices choices, StreamTableEntry ste, StageTwo? stageTwo)
{
    private const int EntryLog2 = 6;   // 64 bytes.
    private const int DescriptorLog2 = 3;   // 8 bytes.

    /// <summary>Reads the CD.</summary>
    /// <param name="index">SubstreamID, or 0 for the CD of a transaction without one.</param>
    /// <param name="descriptor">The CD, legal or not; null on a fault.</param>
    /// <returns>The fault; null when there is a CD.</returns>
    public TranslationFault? Find(uint index, out Structure descriptor)
    {
        descriptor = null!;
        var fault = Locate(index, out ulong address);
        if (fault is not null) return fault;

        fault = ToPhysical(address, out ulong physicalAddress);
        if (fault is not null) return fault;

        var read = Structure.Read(memory, physicalAddress, new OracleRead(OracleStructure.ContextDescriptor, index));
        if (read is null) return FetchFault(physicalAddress);
        descriptor = read;
        return null;
    }

    // Address of the CD: an IPA with stage 2, else a PA. RES0 bits below the size of a table count as zero.
    private TranslationFault? Locate(uint index, out ulong address)
    {
        address = ste.S1ContextPtr;
        if (!ste.SubstreamsEnabled) return null;

        int leafLog2;
        switch (ste.S1Fmt)
        {
            case 0b01:
                leafLog2 = 6;
                break;
            case 0b10:
                leafLog2 = 10;
                break;
            default:
                address = Bits.AlignDown(address, ste.S1CDMax + EntryLog2) + ((ulong)index << EntryLog2);
                return null;
        }

        int tableLog2 = Math.Max(ste.S1CDMax - leafLog2 + DescriptorLog2, EntryLog2);
        ulong entry = Bits.AlignDown(address, tableLog2) + ((ulong)(index >> leafLog2) << DescriptorLog2);
        var fault = ToPhysical(entry, out ulong physicalAddress);
        if (fault is not null) return fault;
        var read = new OracleRead(OracleStructure.Level1ContextDescriptor, index);
        if (!memory.TryRead(physicalAddress, read, out ulong pointer)) return FetchFault(physicalAddress);

        // 7.3.9: V 0, or an L2Ptr out of range; two stages leave the range to stage 2, unless chosen otherwise.
        ulong table = Bits.AlignDown(Bits.Field(pointer, 55, 12) << 12, leafLog2 + EntryLog2);
        bool checksRange = stageTwo is null || choices.ContextPointerBeyondIntermediateSizeIsIllegal;
        bool isOut = checksRange && Bits.Exceeds(table, features.OutputBits);
        if (!Bits.Bit(pointer, 0) || isOut) return new TranslationFault(OracleEventKind.BadSubstreamId) { SubstreamId = index };

        address = table + ((index & Bits.Below(leafLog2)) << EntryLog2);
        return null;
    }

    private TranslationFault? ToPhysical(ulong address, out ulong physicalAddress)
    {
        physicalAddress = address;
        if (stageTwo is null) return null;
        var fault = stageTwo.Translate(address, StageTwoAccess.ContextFetch, probes: false, out var located);
        if (fault is null) physicalAddress = located.Output;
        return fault;
    }

    private static TranslationFault FetchFault(ulong address) => new(OracleEventKind.ContextFetch) { FetchAddress = address };
}
