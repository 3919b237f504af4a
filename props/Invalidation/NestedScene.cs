using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Props.Invalidation;

/// <summary>What changes behind the caches.</summary>
internal enum ChangedThing
{
    /// <summary>A descriptor of stage 1.</summary>
    Stage1,

    /// <summary>A descriptor of stage 2 on the way from an output of stage 1.</summary>
    Stage2,

    /// <summary>The stage 2 leaf below the stage 1 table with the leaf: stage 2 leads to another table then.</summary>
    Stage2OfTable,
}

/// <summary>Leaves of both stages, and the descriptor that changes.</summary>
/// <param name="Level1">Level of the stage 1 leaves; 0 for a stream without stage 1.</param>
/// <param name="Level2">Level of the stage 2 leaves.</param>
/// <param name="Thing">What changes.</param>
/// <param name="Level">Level of the descriptor that changes; that of the leaf or less.</param>
/// <param name="Part">Which of the three parts that are used the change concerns: 0 the first, 2 the last.</param>
/// <param name="IsGlobal">nG = 0 at stage 1.</param>
internal readonly record struct NestedTarget(int Level1, int Level2, ChangedThing Thing, int Level, int Part, bool IsGlobal);

/// <summary>
/// A region as large as the larger one of a stage 1 and a stage 2 leaf, of which the first, a middle and the last of the smaller
/// leaves are used. So the caches hold whole leaves, pieces of a stage 1 leaf, or pieces of a stage 2 leaf.
/// </summary>
internal sealed class NestedScene : IDisposable
{
    public const ushort Vmid = 9;
    public const ushort Asid = 0x105;
    public const int Parts = 3;

    private const uint Stream = 1;
    private const ulong TableBytes = 24 << 20;
    private const ulong NotGlobal = 1UL << 11;
    private const ulong Stage1Leaf = (1UL << 10) | (3UL << 8) | (1UL << 6);
    private const int TableLevel = 3;   // Stage 2 maps tables in its smallest leaves.

    private readonly GuestMachine machine = new(ramBytes: 64 << 20);
    private readonly TableMemory memory;
    private readonly ulong context;
    private readonly DmaPort port;
    private readonly DmaBus bus;
    private readonly ulong[] expected = new ulong[Parts];
    private PlainTables stage1 = null!;
    private PlainTables stage2 = null!;
    private NestedTarget target;

    /// <summary>Makes a machine.</summary>
    /// <param name="granule1">Granule of stage 1; 0 for none.</param>
    /// <param name="granule2">Granule of stage 2.</param>
    public NestedScene(int granule1, int granule2)
    {
        (Granule1, Granule2) = (granule1, granule2);
        memory = new TableMemory(machine, TableBytes);
        machine.SetUpStreamTable();
        context = machine.Allocate(1 << 16, 1 << 16);
        machine.Start();
        port = machine.Smmu.OpenPort(new StreamId(Stream));
        bus = machine.Smmu.OpenBus();
    }

    public int Granule1 { get; }

    public int Granule2 { get; }

    public bool HasStage1 => Granule1 != 0;

    /// <summary>log2 of a stage 1 leaf of the target; of the whole region for a stream without stage 1.</summary>
    public int Size1 => HasStage1 ? PlainTables.EntryLog2(Granule1, target.Level1) : Size2;

    /// <summary>log2 of a stage 2 leaf of the target.</summary>
    public int Size2 => PlainTables.EntryLog2(Granule2, target.Level2);

    /// <summary>First IPA of the region.</summary>
    public ulong Ipa => IpaOf(4);

    /// <summary>First VA of the region, the IPA where there is no stage 1.</summary>
    public ulong Va => HasStage1 ? 8UL << RegionLog2 : Ipa;

    private int RegionLog2 => Math.Max(Size1, Size2);

    /// <summary>Builds everything for a target, and fills the caches.</summary>
    public void Build(in NestedTarget chosen)
    {
        target = chosen;
        memory.Clear();
        stage2 = new PlainTables(machine, memory, Granule2, PlainTables.Stage2Leaf);
        machine.SetStream(Stream, stage2.Stage2Entry(Entries.Valid(HasStage1 ? 0b111UL : 0b110)
            .With(StreamTableEntryField.S1ContextPtr, context)
            .With(StreamTableEntryField.S2VMID, Vmid)));
        if (HasStage1)
        {
            ulong attributes = Stage1Leaf | (target.IsGlobal ? 0 : NotGlobal);
            stage1 = new PlainTables(machine, memory, Granule1, attributes);
            machine.SetContext(context, default(ContextDescriptor)
                .With(ContextDescriptorField.V, 1)
                .With(ContextDescriptorField.T0SZ, 64 - PlainTables.InputBits)
                .With(ContextDescriptorField.TG0, PlainTables.GranuleCode(Granule1))
                .With(ContextDescriptorField.EPD1, 1)
                .With(ContextDescriptorField.IPS, 5)
                .With(ContextDescriptorField.AA64, 1)
                .With(ContextDescriptorField.A, 1)
                .With(ContextDescriptorField.R, 1)
                .With(ContextDescriptorField.ASID, Asid)
                .With(ContextDescriptorField.TTB0, stage1.Root)
                .With(ContextDescriptorField.MAIR0, 0xff));
        }

        // The region, and where stage 1 shall lead elsewhere another one.
        ulong[] regions = target.Thing == ChangedThing.Stage2 ? [4] : [4, 6];
        foreach (ulong region in regions)
        {
            for (int part = 0; part < Parts; part++) stage2.Map(IpaOf(region) + OffsetOf(part), PaOf(region) + OffsetOf(part), target.Level2);
        }

        for (int part = 0; part < Parts; part++)
        {
            if (HasStage1) stage1.Map(Va + OffsetOf(part), Ipa + OffsetOf(part), target.Level1);
            expected[part] = PaOf(4) + OffsetOf(part);
        }

        MapTables();
        machine.SubmitAndSync(Command.CfgiAll(), Command.TlbiNsnhAll());
        Expect("before the change");
    }

    /// <summary>Changes what the target names; the caches go on answering.</summary>
    public void Change()
    {
        ulong at = OffsetOf(target.Part);
        if (target.Thing == ChangedThing.Stage2OfTable) MoveTable(Va + at);
        else if (target.Thing == ChangedThing.Stage1) Replace(stage1, Va, IpaOf(6), target.Level1);
        else Replace(stage2, Ipa, PaOf(6), target.Level2);
        MapTables();

        Expect("without an invalidation: nothing was cached");
        int changedLog2 = target.Thing switch
        {
            ChangedThing.Stage1 => PlainTables.EntryLog2(Granule1, target.Level),
            ChangedThing.Stage2 => PlainTables.EntryLog2(Granule2, target.Level),
            _ => Size1,
        };
        for (int part = 0; part < Parts; part++)
        {
            if ((OffsetOf(part) ^ at) >> changedLog2 == 0) expected[part] = PaOf(6) + OffsetOf(part);
        }
    }

    /// <summary>Has commands consumed, one after the other, and asserts that the change shows everywhere.</summary>
    public void Check(IReadOnlyList<Command> commands)
    {
        machine.SubmitAndSync([.. commands]);
        string names = string.Join(", ", commands);
        Assert.True(machine.IsCommandQueueEmpty, $"{names} was refused.");
        Expect($"after {names}");
    }

    /// <summary>Offset of a part in the region.</summary>
    public ulong OffsetOf(int part)
    {
        int smaller = Math.Min(Size1, Size2);
        ulong count = 1UL << (RegionLog2 - smaller);
        ulong index = part switch { 0 => 0, 1 => count / 2, _ => count - 1 };
        return index << smaller;
    }

    /// <summary>The parts that the change concerns.</summary>
    public IEnumerable<int> Concerned => Enumerable.Range(0, Parts).Where(part => expected[part] >= PaOf(6));

    /// <summary>IPA of the stage 2 page that holds the descriptor of the target's part.</summary>
    public ulong TablePage => stage1.SlotOf(Va + OffsetOf(target.Part), target.Level1) & ~0xfffUL;

    public void Dispose()
    {
        port.Dispose();
        machine.Dispose();
    }

    private ulong IpaOf(ulong region) => region << Math.Max(RegionLog2, 12);

    private ulong PaOf(ulong region) => (region + 16) << RegionLog2;

    private void Replace(PlainTables tables, ulong first, ulong output, int leafLevel)
    {
        int changedLog2 = PlainTables.EntryLog2(ReferenceEquals(tables, stage1) ? Granule1 : Granule2, target.Level);
        ulong at = OffsetOf(target.Part);
        if (target.Level != leafLevel) tables.Cut(first + at, target.Level);
        for (int part = 0; part < Parts; part++)
        {
            ulong offset = OffsetOf(part);
            if ((offset ^ at) >> changedLog2 == 0) tables.Map(first + offset, output + offset, leafLevel);
        }
    }

    // A copy of the page that holds the descriptor, with another output in it, behind the same IPA.
    private void MoveTable(ulong va)
    {
        ulong slot = stage1.SlotOf(va, target.Level1);
        int pageLog2 = PlainTables.EntryLog2(Granule2, TableLevel);
        ulong page = slot >> pageLog2 << pageLog2;
        ulong copy = memory.Take(Math.Max(pageLog2, 12));
        byte[] bytes = new byte[1 << pageLog2];
        machine.Memory.Read(page, bytes);
        machine.Memory.Write(copy, bytes);
        ulong moved = copy + (slot - page);
        ulong low = (1UL << Size1) - 1;
        machine.Write64(moved, (machine.Read64(moved) & ~(((1UL << 48) - 1) & ~0xfffUL)) | ((IpaOf(6) + OffsetOf(target.Part)) & ~low));
        stage2.Map(page, copy, TableLevel);
    }

    private void MapTables()
    {
        if (!HasStage1) return;
        int pageLog2 = PlainTables.EntryLog2(Granule2, TableLevel);
        foreach (ulong table in (IEnumerable<ulong>)[context, .. stage1.Tables])
        {
            for (ulong page = table >> pageLog2; page <= (table + (1UL << Granule1) - 1) >> pageLog2; page++)
            {
                if (!stage2.IsMapped(page << pageLog2)) stage2.Map(page << pageLog2, page << pageLog2, TableLevel);
            }
        }
    }

    private void Expect(string when)
    {
        ulong last = (1UL << Math.Min(Size1, Size2)) - 1;
        for (int part = 0; part < Parts; part++)
        {
            foreach (ulong offset in (ulong[])[0, last])
            {
                ulong va = Va + OffsetOf(part) + offset;
                var byPort = port.Translate(va, AccessKind.Read);
                var oneOff = machine.Smmu.Translate(new StreamId(Stream), null, va, AccessKind.Read);
                Assert.True(byPort.Address.Value == expected[part] + offset, $"{target}, part {part} {when}, by a port: {byPort.Address} {byPort.Event}");
                var byBus = bus.Translate(new StreamId(Stream), null, va, AccessKind.Read);
                Assert.True(byBus.Address.Value == expected[part] + offset, $"{target}, part {part} {when}, by a bus: {byBus.Address} {byBus.Event}");
                Assert.True(oneOff.Address.Value == expected[part] + offset, $"{target}, part {part} {when}: {oneOff.Address} {oneOff.Event}");
            }
        }
    }
}
