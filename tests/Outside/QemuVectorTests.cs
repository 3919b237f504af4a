using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Outside;

/// <summary>
/// The three cases that QEMU tests its SMMU with: stage 1, stage 2, and both. Addresses, fields, the order of the registers
/// and the expected place are QEMU's; all tables of both stages share four pages.
/// </summary>
public sealed class QemuVectorTests : IDisposable
{
    private const ulong Ram = 0x4000_0000;
    private const ulong CommandQueue = Ram + 0x0e16_b000;
    private const ulong EventQueue = Ram + 0x0e17_0000;
    private const ulong StreamTable = Ram + 0x0e17_9000;
    private const ulong Context = StreamTable - 0x40;
    private const ulong RootTable = Ram + 0x0e4d_0000;
    private const ulong Page = Ram + 0x0ecb_a000;
    private const ulong Iova = 0x80_8060_4567;
    private const ulong Target = 0x4ecb_a567;
    private const ulong FirstByte = Ram + 0x0e00_0000;
    private const ulong Bytes = 16 << 20;

    private const uint QueueLog2 = 10;
    private const uint Value = 0x1234_5678;
    private const ulong Table = 0x8000_0000_0000_0003;
    private const ulong Stage1Leaf = 0x0400_0000_0000_0763;
    private const ulong Stage2Leaf = 0x0400_0000_0000_07e3;
    private const ulong Stage2LeafOfStructures = 0x0400_0000_0000_0763;

    private readonly GuestMachine machine = new(
        SmmuFeatures.QemuVirt.With(SmmuFeatureField.S2P, 1).With(SmmuFeatureField.VMID16, 1), ramBytes: 1 << 20);

    public QemuVectorTests() => machine.Memory.AddOwned(FirstByte, Bytes);

    public void Dispose() => machine.Dispose();

    [Theory]
    [InlineData(0b101)]
    [InlineData(0b110)]
    [InlineData(0b111)]
    public void ADmaOfFourBytesArrivesWhereQemuSaysItDoes(ulong configuration)
    {
        bool hasStage1 = (configuration & 1) != 0;
        bool hasStage2 = (configuration & 2) != 0;
        WriteRegisters();
        WriteContext();
        Map(Iova, Page, hasStage1 ? Stage1Leaf : Stage2Leaf);
        if (hasStage1 && hasStage2)
        {
            Map(Page, Page, Stage2Leaf);
            Map(Context, Context & ~0xffful, Stage2LeafOfStructures);
            for (ulong level = 0; level < 4; level++) Map(TableOf(level), TableOf(level), Stage2LeafOfStructures);
        }

        foreach (uint stream in (uint[])[0, 8, 31])
        {
            machine.Write64(StreamTable + (stream * 64UL), Words(StreamTableEntryOf(configuration)));
            machine.Write64(Target & ~7ul, [0, 0]);
            using var port = machine.Smmu.OpenPort(new StreamId(stream));

            Assert.True(port.Write(Iova, BitConverter.GetBytes(Value)));

            byte[] arrived = new byte[sizeof(uint)];
            Assert.True(machine.Memory.Read(Target, arrived));
            Assert.Equal(Value, BitConverter.ToUInt32(arrived));
            Assert.Equal(Target, machine.Smmu.Translate(new StreamId(stream), null, Iova, AccessKind.Write).Address.Value);
        }

        Assert.Equal(0u, machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.Equal(0u, machine.Read(RegisterOffset.GERROR));
    }

    private void WriteRegisters()
    {
        machine.Write(RegisterOffset.GBPA, 0x8000_0000);
        machine.Write(RegisterOffset.CR0, 0);
        machine.Write(RegisterOffset.CR1, 0xd75);
        machine.Smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, CommandQueue | QueueLog2);
        machine.Write(RegisterOffset.CMDQ_CONS, 0);
        machine.Write(RegisterOffset.CMDQ_PROD, 0);
        machine.Smmu.WriteRegister64(RegisterOffset.EVENTQ_BASE, EventQueue | QueueLog2);
        machine.Write(RegisterOffset.EVENTQ_PROD, 0);
        machine.Write(RegisterOffset.EVENTQ_CONS, 0);
        machine.Write(RegisterOffset.STRTAB_BASE_CFG, 5);
        machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, StreamTable);
        machine.Write(RegisterOffset.CR0, 0xd);
        Assert.Equal(0xdu, machine.Read(RegisterOffset.CR0ACK));
    }

    private void WriteContext() => machine.SetContext(Context, default(ContextDescriptor)
        .With(ContextDescriptorField.ASID, 0x1e20)
        .With(ContextDescriptorField.AA64, 1)
        .With(ContextDescriptorField.V, 1)
        .With(ContextDescriptorField.A, 1)
        .With(ContextDescriptorField.R, 1)
        .With(ContextDescriptorField.IPS, 4)
        .With(ContextDescriptorField.T0SZ, 16)
        .With(ContextDescriptorField.EPD1, 1)
        .With(ContextDescriptorField.TTB0, RootTable));

    private static StreamTableEntry StreamTableEntryOf(ulong configuration) => default(StreamTableEntry)
        .With(StreamTableEntryField.V, 1)
        .With(StreamTableEntryField.Config, configuration)
        .With(StreamTableEntryField.S1ContextPtr, Context)
        .With(StreamTableEntryField.S2T0SZ, 0x14)
        .With(StreamTableEntryField.S2SL0, 2)
        .With(StreamTableEntryField.S2TG, 0)
        .With(StreamTableEntryField.S2PS, 5)
        .With(StreamTableEntryField.S2AA64, 1)
        .With(StreamTableEntryField.S2TTB, RootTable);

    /// <summary>Maps a page through the four tables, whichever stage will walk them.</summary>
    private void Map(ulong input, ulong output, ulong leaf)
    {
        for (ulong level = 0; level < 3; level++) machine.Write64(SlotOf(input, level), TableOf(level + 1) | Table);
        machine.Write64(SlotOf(input, 3), output | leaf);
    }

    private static ulong TableOf(ulong level) => RootTable + (level << 12);

    private static ulong SlotOf(ulong input, ulong level) =>
        TableOf(level) + (((input >> (39 - (9 * (int)level))) & 0x1ff) * sizeof(ulong));

    private static ulong[] Words(StreamTableEntry entry)
    {
        var words = new ulong[8];
        entry.CopyTo(words);
        return words;
    }
}
