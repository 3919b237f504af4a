using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Commands;

/// <summary>A stage 2 address space of 39 bits over 4 KiB granules; RAM is mapped to itself in 2 MiB blocks.</summary>
internal sealed class Stage2Space
{
    private const ulong TableOrPage = 0b11;
    private const ulong Block = 0b01;
    private const ulong BlockBytes = 2 << 20;
    private const ulong AddressMask = 0xffff_ffff_f000;

    // AF, inner shareable, read and write, Normal Write-Back.
    private const ulong ReadWrite = (1UL << 10) | (3UL << 8) | (3UL << 6) | (0xfUL << 2);

    private readonly GuestMachine machine;
    private readonly ulong root;

    public Stage2Space(GuestMachine machine, ushort vmid)
    {
        this.machine = machine;
        Vmid = vmid;
        root = NewTable();
        for (ulong at = 0; at < 64 << 20; at += BlockBytes) Map(GuestMachine.RamBase + at, GuestMachine.RamBase + at, level: 2);
    }

    public ushort Vmid { get; }

    /// <summary>Maps a page (level 3) or a 2 MiB block (level 2).</summary>
    public void Map(ulong ipa, ulong output, int level = 3) =>
        machine.Write64(Slot(ipa, level), output | ReadWrite | (level == 3 ? TableOrPage : Block));

    /// <summary>Config = 0b110 with this space.</summary>
    public StreamTableEntry Alone() => Entries.Valid(0b110)
        .With(StreamTableEntryField.S2VMID, Vmid)
        .With(StreamTableEntryField.S2T0SZ, 25)
        .With(StreamTableEntryField.S2SL0, 1)
        .With(StreamTableEntryField.S2PS, 5)
        .With(StreamTableEntryField.S2AA64, 1)
        .With(StreamTableEntryField.S2R, 1)
        .With(StreamTableEntryField.S2TTB, root);

    /// <summary>Config = 0b111: a stage 1 context above this space.</summary>
    public StreamTableEntry Under(ulong context) => Alone()
        .With(StreamTableEntryField.Config, 0b111)
        .With(StreamTableEntryField.S1ContextPtr, context);

    /// <summary>Gives a stream a stage 1 context above this space.</summary>
    public Stage1Space AttachNested(uint stream, ushort asid)
    {
        var space = new Stage1Space(machine, asid);
        ulong context = machine.Allocate(64, 64);
        machine.SetContext(context, space.Descriptor());
        machine.SetStream(stream, Under(context));
        return space;
    }

    private ulong Slot(ulong ipa, int level)
    {
        ulong table = root;
        for (int at = 1; ; at++)
        {
            ulong slot = table + (((ipa >> (39 - (9 * at))) & 0x1ff) * sizeof(ulong));
            if (at == level) return slot;
            ulong descriptor = machine.Read64(slot);
            if ((descriptor & 0b11) != TableOrPage)
            {
                descriptor = NewTable() | TableOrPage;
                machine.Write64(slot, descriptor);
            }

            table = descriptor & AddressMask;
        }
    }

    private ulong NewTable() => machine.Allocate(4096);
}
