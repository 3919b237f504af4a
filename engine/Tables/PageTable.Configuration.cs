using Smmu.Fast.Formats;

namespace Smmu.Fast.Tables;

/// <content>The fields of CDs and STEs that say where the tables are and what shape they have (IHI 0070, 5.2 and 5.4).</content>
public sealed unsafe partial class PageTable
{
    /// <summary>A CD with base, size, granule and output size of this table for its range, AA64, and DS. The rest is the caller's.</summary>
    /// <remarks>IPS and DS hold for both ranges of a CD: tables of one CD are to agree in them.</remarks>
    /// <exception cref="InvalidOperationException">It is a stage 2 table, or disposed.</exception>
    public ContextDescriptor ApplyTo(in ContextDescriptor descriptor)
    {
        ThrowIfOther(PageTableStage.Stage1);
        ulong sizeOffset = 64 - (ulong)geometry.InputBits;
        var common = descriptor
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.IPS, OutputCode())
            .With(ContextDescriptorField.DS, Options.LargeAddresses ? 1UL : 0);
        return Options.UpperRange
            ? common.With(ContextDescriptorField.TTB1, Root)
                .With(ContextDescriptorField.T1SZ, sizeOffset)
                .With(ContextDescriptorField.TG1, geometry.GranuleLog2 switch { 12 => 2UL, 14 => 1, _ => 3 })
            : common.With(ContextDescriptorField.TTB0, Root)
                .With(ContextDescriptorField.T0SZ, sizeOffset)
                .With(ContextDescriptorField.TG0, GranuleCode());
    }

    /// <summary>An STE with base, size, start level, granule and output size of this table, S2AA64, and S2DS. The rest is the caller's.</summary>
    /// <exception cref="InvalidOperationException">It is a stage 1 table, or disposed.</exception>
    public StreamTableEntry ApplyTo(in StreamTableEntry entry)
    {
        ThrowIfOther(PageTableStage.Stage2);
        int startCode = geometry.GranuleLog2 == 12
            ? StartLevel switch { 2 => 0, 1 => 1, 0 => 2, 3 => 3, _ => 4 }
            : 3 - StartLevel;
        return entry
            .With(StreamTableEntryField.S2TTB, Root)
            .With(StreamTableEntryField.S2T0SZ, 64 - (ulong)geometry.InputBits)
            .With(StreamTableEntryField.S2SL0, (ulong)startCode & 3)
            .With(StreamTableEntryField.S2SL0_2, (ulong)startCode >> 2)
            .With(StreamTableEntryField.S2TG, GranuleCode())
            .With(StreamTableEntryField.S2PS, OutputCode())
            .With(StreamTableEntryField.S2AA64, 1)
            .With(StreamTableEntryField.S2DS, Options.LargeAddresses ? 1UL : 0);
    }

    private ulong GranuleCode() => geometry.GranuleLog2 switch { 12 => 0, 14 => 2, _ => 1 };

    private ulong OutputCode()
    {
        uint code = 0;
        while (AddressSize.FromCode(code) != geometry.OutputBits) code++;
        return code;
    }

    private void ThrowIfOther(PageTableStage stage)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (Options.Stage != stage) throw new InvalidOperationException(
            $"These are tables of {Options.Stage}: stage 1 tables go into a ContextDescriptor, stage 2 tables into a StreamTableEntry.");
    }
}
