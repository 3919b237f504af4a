using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>Stage 2 tables over 48 bits, in which RAM is mapped to itself: of four levels (4 KiB) or three (64 KiB).</summary>
internal sealed unsafe class Stage2Tables
{
    private const int AddressBits = 48;
    private const ulong TableOrPage = 0b11;
    private const ulong Block = 0b01;

    // AF, inner shareable, read and write, Normal Write-Back.
    private const ulong ReadWrite = (1UL << 10) | (3UL << 8) | (3UL << 6) | (0xfUL << 2);

    private readonly GuestMachine machine;
    private readonly byte* hostBase;
    private readonly int granuleLog2;

    /// <summary>Makes the tables.</summary>
    /// <param name="machine">Whose RAM holds them.</param>
    /// <param name="granuleLog2">12 or 16.</param>
    /// <param name="levelOfRam">Level of the leaves that map RAM.</param>
    public Stage2Tables(GuestMachine machine, int granuleLog2 = 12, int levelOfRam = 2)
    {
        const ulong RamBytes = 64 << 20;
        this.machine = machine;
        this.granuleLog2 = granuleLog2;
        bool isThere = machine.Memory.TryGetHostSpan(GuestMachine.RamBase, write: true, out byte* host, out _);
        hostBase = isThere ? host - GuestMachine.RamBase : throw new InvalidOperationException("The machine has lost its RAM.");
        Root = NewTable();
        ulong leafBytes = 1UL << LeafLog2(levelOfRam);
        for (ulong at = 0; at < RamBytes; at += leafBytes) Map(GuestMachine.RamBase + at, GuestMachine.RamBase + at, levelOfRam);
    }

    /// <summary>Physical address of the first table.</summary>
    public ulong Root { get; }

    /// <summary>Maps a leaf; tables are made on the way.</summary>
    public void Map(ulong ipa, ulong output, int level = 3) =>
        Slot(ipa, level) = output | ReadWrite | (level == 3 ? TableOrPage : Block);

    /// <summary>Config = 0b110.</summary>
    public StreamTableEntry Alone(ushort vmid) => Entries.Valid(0b110)
        .With(StreamTableEntryField.S2VMID, vmid)
        .With(StreamTableEntryField.S2T0SZ, 64 - AddressBits)
        .With(StreamTableEntryField.S2SL0, 2)   // The topmost level of either granule.
        .With(StreamTableEntryField.S2TG, granuleLog2 == 16 ? 1UL : 0)
        .With(StreamTableEntryField.S2PS, 5)
        .With(StreamTableEntryField.S2AA64, 1)
        .With(StreamTableEntryField.S2R, 1)
        .With(StreamTableEntryField.S2TTB, Root);

    /// <summary>Config = 0b111: a stage 1 context above.</summary>
    public StreamTableEntry Under(ulong context, ushort vmid) => Alone(vmid)
        .With(StreamTableEntryField.Config, 0b111)
        .With(StreamTableEntryField.S1ContextPtr, context);

    private int LeafLog2(int level) => granuleLog2 + ((3 - level) * (granuleLog2 - 3));

    private ref ulong Slot(ulong ipa, int level)
    {
        ulong inTable = (1UL << (granuleLog2 - 3)) - 1;
        ulong table = Root;
        for (int at = granuleLog2 == 16 ? 1 : 0; ; at++)
        {
            ref ulong slot = ref *(ulong*)(hostBase + table + (((ipa >> LeafLog2(at)) & inTable) * sizeof(ulong)));
            if (at == level) return ref slot;
            if (slot == 0) slot = NewTable() | TableOrPage;
            table = slot & ~TableOrPage;
        }
    }

    private ulong NewTable() => machine.Allocate(1UL << granuleLog2, 1UL << granuleLog2);
}
