namespace Smmu.Fast.Oracle;

/// <summary>What a walk needs to know of one set of VMSAv8-64 tables.</summary>
internal sealed record TableParameters(Granule Granule, int InputBits, int StartLevel, ulong Base, int OutputBits, bool DS, bool BigEndian);

/// <summary>The Block or Page descriptor at the end of a walk.</summary>
/// <param name="Descriptor">Its value, little-endian whatever the tables are.</param>
/// <param name="Address">Where it lies: a PA, or an IPA if stage 2 is on.</param>
/// <param name="SizeLog2">Log2 of the bytes it maps.</param>
/// <param name="Output">Output address of the walk.</param>
/// <param name="Tables">The Table descriptors on the way.</param>
internal sealed record Leaf(ulong Descriptor, ulong Address, int SizeLog2, ulong Output, IReadOnlyList<ulong> Tables);

/// <summary>Gives the physical address of a descriptor, or the fault met on the way to it.</summary>
internal delegate TranslationFault? DescriptorLocator(ulong address, out ulong physicalAddress);

/// <summary>A walk of one stage (Arm ARM, D8.2.1; faults in the order of IHI 0070, 7.3.22).</summary>
internal sealed class TableWalk(IOracleMemory memory, OracleFeatures features, OracleChoices choices, TableParameters tables)
{
    /// <summary>Locates a descriptor: the identity unless another stage translates the tables.</summary>
    public required DescriptorLocator Locate { get; init; }

    /// <summary>What the descriptors are read for; level and sizes are filled in.</summary>
    public required OracleRead Reads { get; init; }

    /// <summary>Makes the record of an aborted read at a physical address.</summary>
    public required Func<ulong, TranslationFault> Abort { get; init; }

    /// <summary>Makes the record of another fault.</summary>
    public required Func<OracleEventKind, TranslationFault> Fault { get; init; }

    /// <summary>Walks to the leaf of an input address.</summary>
    /// <returns>The fault; null when there is a leaf.</returns>
    public TranslationFault? Run(ulong input, out Leaf leaf)
    {
        leaf = null!;
        var passed = new List<ulong>();
        ulong table = tables.Base;
        for (int level = tables.StartLevel; ; level++)
        {
            int shift = TableGeometry.Shift(tables.Granule, level);
            int top = level == tables.StartLevel ? tables.InputBits : shift + TableGeometry.Stride(tables.Granule);
            ulong address = table + 8 * Bits.Field(input, top - 1, shift);

            var fault = Read(address, level, shift, out ulong descriptor);
            if (fault is not null) return fault;

            bool isLast = level == TableGeometry.LastLevel;
            if (!Bits.Bit(descriptor, 0)) return Fault(OracleEventKind.Translation);
            if (isLast && !Bits.Bit(descriptor, 1)) return Fault(OracleEventKind.Translation);
            bool isTable = !isLast && Bits.Bit(descriptor, 1);
            if (!isTable && !isLast && !TableGeometry.HasBlocks(tables.Granule, level, tables.DS, features.Wide64KB))
            {
                return Fault(OracleEventKind.Translation);
            }

            ulong descriptorBase = AddressIn(descriptor, isTable ? (int)tables.Granule : shift);
            ulong output = isTable ? descriptorBase : descriptorBase | (input & Bits.Below(shift));
            ulong judged = choices.BlockAddressCheckIgnoresOffset ? descriptorBase : output;
            if (Bits.Exceeds(judged, tables.OutputBits) || HoldsUnsupportedBits(descriptor)) return Fault(OracleEventKind.AddressSize);
            if (!isTable)
            {
                leaf = new Leaf(descriptor, address, shift, output, passed);
                return null;
            }

            passed.Add(descriptor);
            table = output;
        }
    }

    private TranslationFault? Read(ulong address, int level, int shift, out ulong descriptor)
    {
        descriptor = 0;
        var fault = Locate(address, out ulong physicalAddress);
        if (fault is not null) return fault;
        var read = Reads with
        {
            Level = level,
            SpanLog2 = shift,
            GranuleLog2 = (int)tables.Granule,
            IsBigEndian = tables.BigEndian,
        };
        if (!memory.TryRead(physicalAddress, read, out ulong word)) return Abort(physicalAddress);
        descriptor = tables.BigEndian ? Bits.Reversed(word) : word;
        return null;
    }

    // D8.3.1.1, D8.3.1.2: bits [47:x], and the high bits in the places that 52-bit formats give them.
    private ulong AddressIn(ulong descriptor, int lowest)
    {
        ulong address = Bits.AlignDown(descriptor & Bits.Below(48), lowest);
        if (tables.Granule == Granule.Size64KB)
        {
            return features.Wide64KB ? address | (Bits.Field(descriptor, 15, 12) << 48) : address;
        }

        return tables.DS ? address | (Bits.Field(descriptor, 49, 48) << 48) | (Bits.Field(descriptor, 9, 8) << 50) : address;
    }

    // D8.15.1.1: without 52-bit addresses, bits [15:12] of a 64KB descriptor that are not zero give an Address size fault.
    private bool HoldsUnsupportedBits(ulong descriptor) =>
        tables.Granule == Granule.Size64KB && !features.Wide64KB && Bits.Field(descriptor, 15, 12) != 0;
}
