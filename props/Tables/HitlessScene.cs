using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Props.Tables;

/// <summary>All that a client and software see of one access.</summary>
internal readonly record struct SeenAnswer(
    TranslationOutcome Outcome, ulong Address, ulong LeafSize, AccessPermissions Permissions, MemoryAttributes Attributes, EventRecord? Record);

/// <summary>An access of the stream whose entry is rewritten.</summary>
internal readonly record struct Probe(uint? Substream, ulong Address, AccessKind Kind);

/// <summary>
/// Three SMMUs over one memory and the same stream: one without caches, one whose caches are always warm, and one whose caches
/// are empty until a store that chance chooses. Two stage 1 and two stage 2 spaces wait to be used.
/// </summary>
internal sealed class HitlessScene : IDisposable
{
    public const uint Stream = 3;

    private const ulong PoolBytes = 16 << 20;
    private const ulong PoolBase = 0x8000_0000;
    private const ulong Page = 0x1000;
    private const ulong Data = 0x9_0000_0000;

    private static readonly ulong[] Iovas = [0x1000, 0x20_0000, 0x40_1000, 0x7000_0000, 0xffff_ffff_ffff_f000 - 0x1000];

    private readonly GuestMachine plain;
    private readonly GuestMachine warm;
    private readonly GuestMachine late;
    private readonly FramePool pool;
    private readonly PageTable[] stage1;
    private readonly PageTable[] stage2;
    private readonly ulong[] contexts;

    public HitlessScene()
    {
        plain = new GuestMachine(configure: options => options with { CachesEnabled = false });
        warm = plain.AddSmmu(options => options with { CachesEnabled = true });
        late = plain.AddSmmu(options => options with { CachesEnabled = true });
        pool = new FramePool(plain.Memory.AddOwned(PoolBase, PoolBytes));
        stage1 = [Stage1(0, false), Stage1(1, false), Stage1(2, true)];
        stage2 = [Stage2(0), Stage2(1)];

        ulong table = plain.Allocate(64 << 4, 64 << 4);
        contexts = [.. Enumerable.Range(0, 2).Select(_ => plain.Allocate(64 * 4, 64 * 4))];
        foreach (var machine in Machines)
        {
            machine.Smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, table);
            machine.Write(RegisterOffset.STRTAB_BASE_CFG, 4);
            machine.SetUpCommandQueue();
            machine.SetUpEventQueue(log2Entries: 10);
            machine.Write(RegisterOffset.CR1, 0xd75);
            machine.Write(RegisterOffset.CR2, 3);   // With E2H, so that contexts of EL2 have ASIDs too.
            machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        }

        EntryAddress = table + (Stream * 64UL);
        foreach (uint substream in (uint[])[0, 1, 3])
        {
            for (int i = 0; i < contexts.Length; i++) plain.SetContext(contexts[i] + (substream * 64), FirstContext(i, (int)substream));
        }
    }

    /// <summary>Where the STE lies.</summary>
    public ulong EntryAddress { get; }

    /// <summary>Where the CD of substream 0 lies that STEs with the first CD table use.</summary>
    public ulong ContextAddress => contexts[0];

    /// <summary>What is asked after every store.</summary>
    public static IReadOnlyList<Probe> Probes { get; } =
    [
        .. from substream in (uint?[])[null, 0, 1, 2]
           from address in Iovas
           from kind in (AccessKind[])[AccessKind.Read, AccessKind.Write | AccessKind.Privileged]
           select new Probe(substream, address, kind),
        new Probe(null, Iovas[0], AccessKind.Read | AccessKind.Instruction),
        new Probe(null, 1UL << 50, AccessKind.Read),
    ];

    private GuestMachine[] Machines => [plain, warm, late];

    /// <summary>Answers of the SMMU without caches.</summary>
    public SeenAnswer[] AskPlain() => Ask(plain);

    /// <summary>Answers of the SMMU whose caches are warm.</summary>
    public SeenAnswer[] AskWarm() => Ask(warm);

    /// <summary>Answers of the SMMU whose caches are empty until this is called.</summary>
    public SeenAnswer[] AskLate() => Ask(late);

    /// <summary>Loads eight words.</summary>
    public ulong[] Load(ulong address) => [.. Enumerable.Range(0, 8).Select(word => plain.Read64(address + ((ulong)word * 8)))];

    /// <summary>Loads a word.</summary>
    public ulong Load(ulong address, int word) => plain.Read64(address + ((ulong)word * 8));

    /// <summary>Stores a word.</summary>
    public void Store(ulong address, int word, ulong value) => plain.Write64(address + ((ulong)word * 8), value);

    /// <summary>Stores eight words.</summary>
    public void Store(ulong address, ulong[] words) => plain.Write64(address, words);

    /// <summary>Makes both SMMUs with caches forget the entry, and the translations made with it.</summary>
    /// <param name="commands">CFGI commands.</param>
    public void Synchronize(params ReadOnlySpan<Command> commands)
    {
        Command[] all = [.. commands, Command.TlbiNsnhAll(), Command.TlbiEl2All()];
        foreach (var machine in (GuestMachine[])[warm, late])
        {
            machine.SubmitAndSync(all);
            Assert.True(machine.IsCommandQueueEmpty);
        }
    }

    /// <summary>Any STE that a driver may write: aborts, bypasses, either stage or both, with all that goes with it.</summary>
    public StreamTableEntry Entry(Random random)
    {
        ulong[] configurations = [0b000, 0b100, 0b101, 0b101, 0b110, 0b111, 0b111];
        var entry = default(StreamTableEntry)
            .With(StreamTableEntryField.V, random.Next(12) == 0 ? 0UL : 1)
            .With(StreamTableEntryField.Config, configurations[random.Next(configurations.Length)])
            .With(StreamTableEntryField.S1ContextPtr, contexts[random.Next(contexts.Length)])
            .With(StreamTableEntryField.S1CDMax, random.Next(2) == 0 ? 0UL : 2)
            .With(StreamTableEntryField.S1DSS, (ulong)random.Next(3))
            .With(StreamTableEntryField.STRW, random.Next(4) == 0 ? 2UL : 0)
            .With(StreamTableEntryField.SHCFG, (ulong)random.Next(4))
            .With(StreamTableEntryField.MTCFG, (ulong)random.Next(2))
            .With(StreamTableEntryField.MemAttr, (ulong)random.Next(16))
            .With(StreamTableEntryField.ALLOCCFG, random.Next(2) == 0 ? 0UL : 0xf)
            .With(StreamTableEntryField.PRIVCFG, (ulong)random.Next(4))
            .With(StreamTableEntryField.INSTCFG, (ulong)random.Next(4))
            .With(StreamTableEntryField.S2VMID, (ulong)random.Next(1, 3))
            .With(StreamTableEntryField.S2R, random.Next(4) == 0 ? 0UL : 1)
            .With(StreamTableEntryField.S2PTW, (ulong)random.Next(2))
            .With(StreamTableEntryField.S2AFFD, (ulong)random.Next(2))
            .With(StreamTableEntryField.MEV, (ulong)random.Next(2));
        if ((ulong)entry.Config == 0b111) entry = entry.With(StreamTableEntryField.STRW, 0);
        return stage2[random.Next(stage2.Length)].ApplyTo(entry);
    }

    /// <summary>Any CD that a driver may write.</summary>
    public ContextDescriptor Context(Random random)
    {
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.V, random.Next(8) == 0 ? 0UL : 1)
            .With(ContextDescriptorField.ASID, (ulong)random.Next(1, 4))
            .With(ContextDescriptorField.ASET, (ulong)random.Next(2))
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.R, random.Next(4) == 0 ? 0UL : 1)
            .With(ContextDescriptorField.AFFD, (ulong)random.Next(2))
            .With(ContextDescriptorField.WXN, (ulong)random.Next(2))
            .With(ContextDescriptorField.TBI0, (ulong)random.Next(2))
            .With(ContextDescriptorField.MAIR0, random.Next(2) == 0 ? 0xffUL : 0x44);
        var both = stage1[2].ApplyTo(stage1[random.Next(2)].ApplyTo(descriptor));
        return random.Next(5) switch
        {
            0 => both.With(ContextDescriptorField.EPD0, 1),
            1 or 2 => both.With(ContextDescriptorField.EPD1, 1),
            3 => descriptor.With(ContextDescriptorField.AA64, 1).With(ContextDescriptorField.IPS, 5)
                .With(ContextDescriptorField.EPD0, 1).With(ContextDescriptorField.EPD1, 1),
            _ => both,
        };
    }

    public void Dispose()
    {
        foreach (var table in (PageTable[])[.. stage1, .. stage2]) table.Dispose();
        pool.Dispose();
        late.Dispose();
        warm.Dispose();
        plain.Dispose();
    }

    // Each space leads elsewhere, has another size of leaf here and there, and lacks a page that the others have.
    private PageTable Stage1(int index, bool isUpper)
    {
        var table = new PageTable(pool, new PageTableOptions { InputBits = index == 1 ? 39 : 48, UpperRange = isUpper });
        var permissions = LeafPermissions.Read | (index == 1 ? LeafPermissions.None : LeafPermissions.Write);
        foreach (ulong iova in Iovas)
        {
            bool isOfTable = isUpper == (iova >> 63 != 0);
            if (!isOfTable || (index == 1 && iova == Iovas[2])) continue;
            ulong size = iova == Iovas[1] ? 2ul << 20 : Page;
            ulong at = iova & ~(size - 1);
            Assert.Equal(PageTableStatus.Done, table.Map(
                at, Data + ((ulong)index << 28) + (at & 0xfff_ffff), size, LeafAttributes.Stage1(permissions)));
        }

        return table;
    }

    private PageTable Stage2(int index)
    {
        var table = new PageTable(pool, new PageTableOptions
        {
            Stage = PageTableStage.Stage2,
            InputBits = index == 0 ? 40 : 48,
            GranuleLog2 = index == 0 ? 12 : 16,
        });
        const LeafPermissions Everything = LeafPermissions.Read | LeafPermissions.Write | LeafPermissions.Execute;
        var all = LeafAttributes.Stage2(Everything);
        Map(GuestMachine.RamBase, GuestMachine.RamBase, 64 << 20);   // CDs.
        Map(PoolBase, PoolBase, PoolBytes, isDevice: index == 1);    // Stage 1 tables, of which S2PTW may say something.
        Map(Data, Data + ((ulong)(index + 1) << 32), index == 0 ? 1UL << 30 : 1UL << 29);
        Map(0, Data + ((ulong)(index + 3) << 32), 4 << 20);          // What streams with stage 2 alone reach.
        return table;

        void Map(ulong from, ulong to, ulong bytes, bool isDevice = false) => Assert.Equal(
            PageTableStatus.Done, table.Map(from, to, bytes, isDevice ? LeafAttributes.Stage2(Everything, memAttr: 1) : all));
    }

    // Nobody shares an ASID with tables of another meaning.
    private ContextDescriptor FirstContext(int table, int substream)
    {
        var random = Cases.RandomOf((table * 8) + substream);
        return Context(random).With(ContextDescriptorField.V, 1).With(ContextDescriptorField.ASID, (ulong)(0x10 + (table * 8) + substream));
    }

    private static SeenAnswer[] Ask(GuestMachine machine)
    {
        var answers = new SeenAnswer[Probes.Count];
        for (int i = 0; i < answers.Length; i++)
        {
            var probe = Probes[i];
            SubstreamId? substream = probe.Substream is { } value ? new SubstreamId(value) : null;
            var result = machine.Smmu.Translate(new StreamId(Stream), substream, probe.Address, probe.Kind);
            EventRecord? record = machine.TryTakeEvent(out var taken) ? taken : null;
            bool isSuccess = result.IsSuccess;
            answers[i] = new SeenAnswer(
                result.Outcome, result.Address.Value, isSuccess ? result.LeafSize : 0, isSuccess ? result.Permissions : default,
                isSuccess ? result.Attributes : default, record);
        }

        return answers;
    }
}
