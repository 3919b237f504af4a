using Smmu.Fast.Comparison;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Oracle;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Props.Tables;

/// <summary>
/// A driver that maps, unmaps, and asks what was written, in three windows of one builder's tables; an SMMU with caches whose
/// client uses them; the Oracle, which walks them; and a model, which knows what there should be.
/// </summary>
internal sealed class BuilderProgram : IDisposable
{
    private const uint Stream = 1;
    private const ushort Tag = 7;   // ASID or VMID.
    private const ulong PoolBase = 0x1_0000_0000;
    private const ulong PoolBytes = 96 << 20;
    private const int WindowBlocks = 64;   // Two contiguous runs of blocks, or more.

    private readonly Random random;
    private readonly BuilderCounts counts;
    private readonly GuestMachine machine = new(Features, ramBytes: 1 << 20);
    private readonly OverlayMemory view;
    private readonly OracleSmmu oracle;
    private readonly FramePool pool;
    private readonly PageTable table;
    private readonly DmaPort port;
    private readonly DmaBus bus;
    private readonly BuilderModel model;
    private readonly ulong page;
    private readonly bool obeys;   // False for a driver that forgets its invalidations.
    private readonly ulong windowBytes;
    private readonly ulong[] windows;

    public BuilderProgram(PageTableOptions options, Random random, BuilderCounts counts, bool obeys = true)
    {
        this.obeys = obeys;
        (this.random, this.counts) = (random, counts);
        pool = new FramePool(machine.Memory.AddOwned(PoolBase, PoolBytes));
        table = new PageTable(pool, options);
        page = 1UL << table.SmallestPageLog2;
        model = new BuilderModel(page);
        ulong space = 1UL << options.InputBits;
        windowBytes = Math.Min(WindowBlocks * (1UL << TranslationTableDescriptor.LeafSizeLog2(2, options.GranuleLog2)), space / 4);
        windows = [table.FirstAddress, table.FirstAddress + (space / 2), table.FirstAddress + (space - windowBytes)];

        Attach(options);
        machine.Start();
        port = machine.Smmu.OpenPort(new StreamId(Stream));
        bus = machine.Smmu.OpenBus();
        view = new OverlayMemory(machine.Memory);
        oracle = new OracleSmmu(FeatureGenerator.ForOracle(Features), view, CaseRunner.Choices);
        oracle.WriteRegister(RegisterOffset.STRTAB_BASE, machine.StreamTable);
        oracle.WriteRegister(RegisterOffset.STRTAB_BASE_CFG, 8);
        oracle.WriteRegister(RegisterOffset.CR0, 1);
    }

    /// <summary>All granules and sizes, and hardware that keeps dirty state.</summary>
    public static SmmuFeatures Features { get; } = SmmuFeatures.Wide;

    /// <summary>Runs steps, and then takes everything away.</summary>
    public void Run(int steps)
    {
        for (int step = 0; step < steps; step++)
        {
            switch (random.Next(8))
            {
                case < 3: Map(); break;
                case 3: Unmap(); break;
                case 4: Harvest(isWhole: true); break;
                case 5: Harvest(isWhole: false); break;
                default: Write(); break;
            }

            if (step % 6 == 5) Verify();
        }

        Verify();
        foreach (ulong window in windows) Take(window, windowBytes);
        Verify();
        Assert.Equal(0ul, table.MappedBytes);
        Assert.Equal(1, table.TableCount);
    }

    public void Dispose()
    {
        port.Dispose();
        table.Dispose();
        pool.Dispose();
        machine.Dispose();
    }

    private void Attach(PageTableOptions options)
    {
        machine.SetUpStreamTable();
        if (options.Stage == PageTableStage.Stage2)
        {
            machine.SetStream(Stream, table.ApplyTo(Entries.Valid(0b110)
                .With(StreamTableEntryField.S2VMID, Tag)
                .With(StreamTableEntryField.S2HA, 1)
                .With(StreamTableEntryField.S2HD, 1)
                .With(StreamTableEntryField.S2R, 1)));
            return;
        }

        ulong context = machine.Allocate(64, 64);
        machine.SetContext(context, table.ApplyTo(default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.R, 1)
            .With(ContextDescriptorField.ASID, Tag)
            .With(ContextDescriptorField.HA, 1)
            .With(ContextDescriptorField.HD, 1)
            .With(ContextDescriptorField.MAIR0, 0xff)
            .With(options.UpperRange ? ContextDescriptorField.EPD0 : ContextDescriptorField.EPD1, 1)));
        machine.SetStream(Stream, Entries.Stage1(context).With(StreamTableEntryField.S2VMID, Tag));
    }

    private (ulong First, ulong Bytes) Range()
    {
        ulong window = windows[random.Next(windows.Length)];
        ulong block = Math.Max(page, windowBytes / WindowBlocks);
        if (random.Next(6) == 0) return (window + (windowBytes / 2 * (ulong)random.Next(2)), windowBytes / 2);   // Runs of blocks.
        ulong bytes = random.Next(4) switch
        {
            0 => page,
            1 => page * (ulong)random.Next(1, 200),
            2 => block * (ulong)random.Next(1, 4),
            _ => (block * 2) + (page * (ulong)random.Next(1, 40)),
        };
        ulong unit = random.Next(2) == 0 ? page : block;
        ulong offset = (ulong)random.NextInt64((long)windowBytes) & ~(unit - 1);
        return (window + offset, Math.Min(bytes, windowBytes - offset));
    }

    // Mostly in step with the input, so that large leaves fit.
    private ulong Output(ulong first, ulong bytes)
    {
        ulong limit = 1UL << table.Options.OutputBits;
        ulong output = (first & (windowBytes - 1)) + (windowBytes * (ulong)random.Next(8));
        if (random.Next(3) == 0) output += limit / 2;
        if (random.Next(3) == 0) output += page * (ulong)random.Next(1, 60);
        return Math.Min(output, limit - bytes);
    }

    private void Map()
    {
        var (first, bytes) = Range();
        ulong output = Output(first, bytes);
        var all = LeafPermissions.Read | LeafPermissions.Write;
        var attributes = table.Options.Stage == PageTableStage.Stage1
            ? LeafAttributes.Stage1(all, dirty: DirtyState.Clean) : LeafAttributes.Stage2(all, dirty: DirtyState.Clean);
        var status = table.Map(first, output, bytes, attributes);
        Assert.Equal(model.Overlaps(first, bytes) ? PageTableStatus.AlreadyMapped : PageTableStatus.Done, status);
        if (status != PageTableStatus.Done) return;
        model.Map(first, output, bytes);
        counts.Maps++;
    }

    private void Unmap()
    {
        var (first, bytes) = Range();
        if (model.Pieces.Count != 0 && random.Next(2) == 0)
        {
            // Inside of something, so that leaves and runs are split.
            var piece = model.Pieces[random.Next(model.Pieces.Count)];
            ulong pages = (piece.Last - piece.First + 1) / page;
            ulong at = (ulong)random.NextInt64((long)pages);
            (first, bytes) = (piece.First + (at * page), page * (ulong)random.NextInt64(1, (long)Math.Min(pages - at, 64) + 1));
        }

        if (Take(first, bytes) != 0) counts.Unmaps++;
    }

    private ulong Take(ulong first, ulong bytes)
    {
        PageTableChange change = default;
        MarkBrokenRuns(first);
        MarkBrokenRuns(first + (bytes - 1));
        Assert.Equal(PageTableStatus.Done, table.Unmap(first, bytes, ref change));
        ulong removed = model.Unmap(first, bytes);
        Assert.Equal(removed, change.UnmappedBytes);
        Invalidate(in change);
        pool.Return(table.TakeUnlinked());
        return removed;
    }

    // What is left of a run counts as written: that of the leaf, and those that a block is split into.
    private void MarkBrokenRuns(ulong border)
    {
        if (!table.TryFind(border, out var mapping)) return;
        for (int level = mapping.Level; level <= 3; level++)
        {
            if (level == mapping.Level && !mapping.Descriptor.Contiguous) continue;
            model.Mark(border, TranslationTableDescriptor.LeafSizeLog2(level, table.Options.GranuleLog2) + RunLog2(level));
        }
    }

    private void Write()
    {
        if (model.Pieces.Count == 0) return;
        for (int i = 0; i < 8; i++)
        {
            var piece = model.Pieces[random.Next(model.Pieces.Count)];
            ulong address = piece.First + (ulong)random.NextInt64((long)(piece.Last - piece.First) + 1);
            AssertLeadsTo(model.Find(address), address, AccessKind.Write);
            Assert.True(table.TryFind(address, out var mapping));
            int marked = mapping.SizeLog2 + (mapping.Descriptor.Contiguous ? RunLog2(mapping.Level) : 0);
            model.Write(address, marked);
            counts.Writes++;
            if (mapping.SizeLog2 > table.SmallestPageLog2) counts.BlockWrites++;
            if (mapping.Descriptor.Contiguous) counts.RunWrites++;
        }
    }

    private void Harvest(bool isWhole)
    {
        ulong first = windows[random.Next(windows.Length)];
        ulong bytes = windowBytes;
        if (!isWhole)
        {
            ulong pages = windowBytes / page;
            ulong at = (ulong)random.NextInt64((long)pages);
            (first, bytes) = (first + (at * page), page * ((ulong)random.NextInt64((long)(pages - at)) + 1));
        }

        ulong[] bitmap = new ulong[(bytes / page / 64) + 1];
        PageTableChange change = default;
        Assert.Equal(PageTableStatus.Done, table.HarvestDirty(first, bytes, bitmap, table.SmallestPageLog2, clear: isWhole, ref change));
        if (isWhole) Invalidate(in change);
        foreach (ulong address in model.WrittenIn(first, bytes))
        {
            ulong at = (address - first) / page;
            Assert.True((bitmap[at / 64] >> (int)(at % 64) & 1) != 0, $"0x{address:x} was written, and is not reported.");
        }

        for (ulong at = 0; at < bytes / page; at++)
        {
            if ((bitmap[at / 64] >> (int)(at % 64) & 1) == 0) continue;
            ulong address = first + (at * page);
            Assert.True(model.MayBeDirty(address), $"0x{address:x} is reported, and nothing near it was written.");
            counts.DirtyPages++;
        }

        if (isWhole) model.Clean(first, bytes);
    }

    private void Verify()
    {
        Assert.Equal(model.Bytes, table.MappedBytes);
        foreach (var (first, last, _) in model.Pieces)
        {
            foreach (ulong at in (ulong[])[first, last, first - 1, last + 1, first + ((last - first) / 3)])
            {
                if ((at - table.FirstAddress) >> table.Options.InputBits == 0) AssertLeadsTo(model.Find(at), at, AccessKind.Read);
            }
        }

        for (int i = 0; i < 12; i++)
        {
            ulong at = windows[random.Next(windows.Length)] + (ulong)random.NextInt64((long)windowBytes);
            AssertLeadsTo(model.Find(at), at, AccessKind.Read);
        }
    }

    // The builder's look-up, the Oracle's walk and the engine's answer, the last by a port or without one.
    private void AssertLeadsTo(ulong? expected, ulong iova, AccessKind kind)
    {
        bool isWrite = kind == AccessKind.Write;
        var walked = oracle.Evaluate(view, Stream, null, iova, new OracleAccess(isWrite ? OracleDirection.Write : OracleDirection.Read));
        var answer = random.Next(3) switch
        {
            0 => port.Translate(iova, kind),
            1 => bus.Translate(new StreamId(Stream), null, iova, kind),
            _ => machine.Smmu.Translate(new StreamId(Stream), null, iova, kind),
        };
        view.AssertWrittenByOther();
        Assert.Equal(expected.HasValue, table.TryFind(iova, out var found));
        if (expected is not { } address)
        {
            Assert.True(answer.Event == EventType.Translation, $"0x{iova:x} is not mapped: {answer.Outcome} {answer.Address}");
            Assert.Equal((byte)EventType.Translation, (byte)(walked.Event?.Kind ?? 0));
            return;
        }

        Assert.True(answer.IsSuccess && answer.Address.Value == address, $"0x{iova:x}: 0x{address:x}, and not {answer.Address} {answer.Event}");
        Assert.Equal((OracleOutcome.Success, address), (walked.Outcome, walked.OutputAddress));
        Assert.Equal(address, found.Address);
        Assert.Equal(found.SizeLog2, walked.LeafSizeLog2);
        Assert.Equal(1UL << found.SizeLog2, answer.LeafSize);
        counts.Leaves.Add((table.Options.GranuleLog2, found.Level, found.Descriptor.Contiguous));
    }

    private int RunLog2(int level) => (table.Options.GranuleLog2, level) switch { (12, _) => 4, (14, 3) => 7, _ => 5 };

    // As the change says: leaf only and with the level for leaves, all levels for tables.
    private void Invalidate(in PageTableChange change)
    {
        if (!obeys) return;
        var commands = new List<Command>();
        for (int level = -1; level <= 3; level++) AddRange(commands, change.LeavesOf(level), (byte)Math.Max(0, level), leaf: true);
        AddRange(commands, change.Tables, level: 0, leaf: false);
        foreach (var batch in commands.Chunk(100)) machine.SubmitAndSync(batch);
        Assert.True(machine.IsCommandQueueEmpty, $"GERROR 0x{machine.Read(RegisterOffset.GERROR):x}");
    }

    private void AddRange(List<Command> commands, AddressRange range, byte level, bool leaf)
    {
        const int MostScale = 31;
        int granule = table.Options.GranuleLog2;
        ulong at = range.First;
        for (ulong left = range.Bytes >> granule; left != 0;)
        {
            int scale = Math.Min(MostScale, System.Numerics.BitOperations.TrailingZeroCount(left));
            ulong number = Math.Min(32, (left >> scale) & 31);
            if (number == 0) number = 32;
            bool isReserved = number == 1 && scale == 0 && level == 0;   // One granule and no level: two will do.
            var hint = new InvalidationRange(
                (byte)(granule switch { 12 => 1, 14 => 2, _ => 3 }), (byte)(isReserved ? 1 : number - 1), (byte)scale, level);
            commands.Add(table.Options.Stage == PageTableStage.Stage1
                ? Command.TlbiNhVa(new Vmid(Tag), new Asid(Tag), at, leaf, hint)
                : Command.TlbiS2Ipa(new Vmid(Tag), at, leaf, hint));
            at += (number << scale) << granule;
            left -= number << scale;
        }
    }
}
