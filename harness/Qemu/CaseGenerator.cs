using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <summary>Makes cases: most of them legal and one step from the edge, the rest just beyond it.</summary>
/// <remarks>
/// Cases follow what the architecture asks of software wherever the answer would be free otherwise: whatever may be cached is
/// invalidated before the next access, entries are global only when there is a single context, the Contiguous bit covers
/// whole runs, and nothing points to the devices below RAM.
/// </remarks>
internal sealed partial class CaseGenerator
{
    private const int MostRounds = 4;

    private readonly Random random;
    private readonly Dictionary<ulong, ulong> words = [];
    private readonly Dictionary<ulong, string> meanings = [];
    private readonly TableSpace space = new();
    private readonly List<GeneratedContext> contexts = [];
    private readonly Dictionary<int, StreamTableEntry> entries = [];   // By device.
    private readonly Dictionary<int, GeneratedContext?> attached = [];
    private readonly List<Step> steps = [];
    private readonly bool isTwoLevel;
    private readonly bool keepsEvents;
    private int log2Streams;
    private int split;
    private ulong tableBase;

    private CaseGenerator(int seed, long index)
    {
        random = new Random(unchecked((seed * 0x9e3779b1L) ^ (index * 0x85ebca6bL) ^ (index >> 32)).GetHashCode());
        isTwoLevel = Chance(35);
        keepsEvents = Chance(4);
    }

    /// <summary>Makes a case; the same seed and index make the same case.</summary>
    public static QemuCase Create(int seed, long index)
    {
        var generator = new CaseGenerator(seed, index);
        generator.MakeContexts();
        generator.MakeStreams();
        generator.MakeRegisters();
        generator.MakeRounds();
        var stores = generator.words.OrderBy(word => word.Key)
            .Select(word => new StoreStep(word.Key, word.Value, generator.meanings.GetValueOrDefault(word.Key, "descriptor")));
        return new QemuCase(seed, index, generator.isTwoLevel, generator.keepsEvents, [.. stores, .. generator.steps]);
    }

    private bool Chance(int percent) => random.Next(100) < percent;

    private T Pick<T>(params ReadOnlySpan<T> values) => values[random.Next(values.Length)];

    private T PickFrom<T>(IReadOnlyList<T> values) => values[random.Next(values.Count)];

    private void MakeContexts()
    {
        int count = Pick(1, 1, 2, 3);
        int asid = random.Next(1, 0x1_0000);
        for (int i = 0; i < count; i++)
        {
            var context = new GeneratedContext(MachineMap.Contexts + ((ulong)i * 64), (ushort)(asid + (i * 0x101)))
            {
                MayBeGlobal = count == 1 && Chance(25),
            };
            contexts.Add(context);
            int shape = random.Next(100);
            if (shape != 99) context.Lower = MakeRange(context, isUpper: false);
            if (shape is 99 or < 30) context.Upper = MakeRange(context, isUpper: true);
            context.Descriptor = MakeDescriptor(context);
            Put(context.Address, context.Descriptor);
        }
    }

    private TableBuilder MakeRange(GeneratedContext context, bool isUpper)
    {
        int granule = Pick(12, 12, 14, 16);
        int sizeOffset = Chance(50) ? Pick(16, 16, 20, 25, 32, 39) : random.Next(16, 40);
        var range = new TableBuilder(words, space, granule, sizeOffset, isUpper);
        int leaves = isUpper ? 1 : random.Next(2, 6);   // QEMU's devices reach the lower range only.
        ulong near = RandomAddress(range);
        for (int i = 0; i < leaves; i++)
        {
            if (Chance(35)) near = RandomAddress(range);
            int level = LeafLevel(range);
            ulong iova = near + ((ulong)random.Next(4) << range.SizeLog2(level));
            iova = range.First | (iova & ((1UL << (64 - sizeOffset)) - 1));
            if (Chance(5)) MapRun(context, range, iova);
            else range.TryMap(iova, level, MakeLeaf(context, range, level), MakeTableAttributes());
        }

        if (range.Leaves.Count > 0 && Chance(35)) Break(range);
        return range;
    }

    private int LeafLevel(TableBuilder range)
    {
        int lowest = range.GranuleLog2 == 12 ? 1 : 2;
        int first = Math.Max(lowest, range.StartLevel);
        return Chance(55) ? 3 : random.Next(Math.Min(first, 3), 4);
    }

    private ulong RandomAddress(TableBuilder range)
    {
        ulong offset = (ulong)random.NextInt64() & ((1UL << (64 - range.SizeOffset)) - 1);
        return range.First | (Chance(10) ? 0 : offset);
    }

    // What a leaf maps to: pages of the output area, blocks so large that they have it within, or nothing at all.
    private ulong MakeOutput(int sizeLog2)
    {
        if (Chance(4)) return (MachineMap.Hole + ((ulong)random.Next(16) << 32)) & ~((1UL << sizeLog2) - 1);
        if (sizeLog2 > 23) return MachineMap.Outputs & ~((1UL << sizeLog2) - 1);
        int pages = 1 << (23 - sizeLog2);
        return MachineMap.Outputs + ((ulong)random.Next(pages) << sizeLog2);
    }

    private ulong MakeLeaf(GeneratedContext context, TableBuilder range, int level)
    {
        const ulong AccessFlag = 1UL << 10;
        const ulong NotGlobal = 1UL << 11;
        ulong descriptor = MakeOutput(range.SizeLog2(level)) | (level == 3 ? 0b11UL : 0b01UL);
        descriptor |= (ulong)random.Next(8) << 2;                                   // AttrIndx.
        descriptor |= Chance(94) ? 1UL << 6 : 0;                                    // AP[1].
        descriptor |= Chance(30) ? 1UL << 7 : 0;                                    // AP[2].
        descriptor |= (ulong)random.Next(4) << 8;                                   // SH.
        descriptor |= Chance(94) ? AccessFlag : 0;
        descriptor |= context.MayBeGlobal && Chance(70) ? 0 : NotGlobal;
        if (Chance(20)) descriptor |= ((ulong)random.Next(1 << 6) << 53) | ((ulong)random.Next(2) << 5);
        return descriptor;
    }

    private ulong MakeTableAttributes()
    {
        ulong attributes = Chance(8) ? 1UL << 62 : 0;                               // APTable: no writes.
        if (Chance(2)) attributes |= 1UL << 61;                                     // APTable: nothing unprivileged.
        if (Chance(10)) attributes |= (ulong)random.Next(4) << 59;
        return Chance(5) ? attributes | (1UL << 63) : attributes;
    }

    private void MapRun(GeneratedContext context, TableBuilder range, ulong iova)
    {
        const ulong Contiguous = 1UL << 52;
        int entriesLog2 = range.GranuleLog2 switch { 12 => 4, 14 => 7, _ => 5 };
        int runLog2 = range.GranuleLog2 + entriesLog2;
        if (runLog2 > 64 - range.SizeOffset) return;
        ulong first = iova & ~((1UL << runLog2) - 1);
        ulong leaf = MakeLeaf(context, range, 3) & ~TableBuilder.AddressMask;
        ulong output = MakeOutput(runLog2);
        ulong table = MakeTableAttributes();
        if (output >= MachineMap.RamEnd) return;
        for (int i = 0; i < 1 << entriesLog2; i++)
        {
            ulong offset = (ulong)i << range.GranuleLog2;
            range.TryMap(first + offset, 3, leaf | (output + offset) | Contiguous, table, isContiguous: true);
        }

        // Part of the run met other leaves: then it is no run, and the hint would be a mistake of software.
        var run = range.Leaves.Where(part => part.IsContiguous && part.Iova - first < 1UL << runLog2).ToList();
        if (run.Count == 1 << entriesLog2) return;
        foreach (var part in run) words[part.Slot] &= ~Contiguous;
    }

    private void Break(TableBuilder range)
    {
        var leaf = PickFrom(range.Leaves);
        if (leaf.IsContiguous) return;
        range.IsBroken = true;
        int level = random.Next(range.StartLevel, leaf.Level + 1);
        ulong slot = range.SlotOf(leaf.Iova, level);
        ulong whole = words[slot];
        ulong inside = (1UL << range.GranuleLog2) - 1;
        ulong attributes = whole & ~TableBuilder.AddressMask;
        words[slot] = random.Next(12) switch
        {
            0 => whole & ~1UL,
            1 => attributes | ((MachineMap.Hole + ((ulong)random.Next(1 << 16) << 16)) & ~inside),
            2 => attributes | (whole & TableBuilder.AddressMask) | ((ulong)random.Next(1, 16) << 44),
            3 => attributes | ((whole | (1UL << random.Next(32, 44))) & TableBuilder.AddressMask),
            4 => 3 | (range.Root & TableBuilder.AddressMask) | attributes,
            5 => (slot & ~inside & TableBuilder.AddressMask) | attributes | 3,
            6 => (whole & ~2UL) | 1,
            7 => whole & ~(1UL << 10),
            8 => whole ^ (1UL << random.Next(2, 11)),   // Not nG: what is global must be so in every context.
            9 => whole ^ (1UL << random.Next(50, 64)),
            10 => whole | ((ulong)random.Next(16) << 12),
            _ => whole ^ (1UL << 7),
        };
        if ((words[slot] & TableBuilder.AddressMask) < MachineMap.RamBase) words[slot] |= MachineMap.RamBase;
    }

    private void Put(ulong address, ContextDescriptor descriptor)
    {
        Span<ulong> parts = stackalloc ulong[8];
        descriptor.CopyTo(parts);
        for (int i = 0; i < parts.Length; i++)
        {
            words[address + ((ulong)i * 8)] = parts[i];
            meanings[address + ((ulong)i * 8)] = $"CD, word {i}";
        }
    }

    private void Put(ulong address, StreamTableEntry entry, int device)
    {
        Span<ulong> parts = stackalloc ulong[8];
        entry.CopyTo(parts);
        for (int i = 0; i < parts.Length; i++)
        {
            words[address + ((ulong)i * 8)] = parts[i];
            meanings[address + ((ulong)i * 8)] = Step.Text($"STE of stream 0x{MachineMap.Streams[device].Value:x}, word {i}");
        }
    }
}

/// <summary>A CD with its tables.</summary>
internal sealed class GeneratedContext(ulong address, ushort asid)
{
    public ulong Address { get; } = address;

    public ushort Asid { get; } = asid;

    /// <summary>True when some of its entries are not of its ASID alone.</summary>
    public bool MayBeGlobal { get; init; }

    public TableBuilder? Lower { get; set; }

    public TableBuilder? Upper { get; set; }

    public ContextDescriptor Descriptor { get; set; }

    public IEnumerable<TableBuilder> Ranges => new[] { Lower, Upper }.OfType<TableBuilder>();
}
