using Smmu.Fast.Formats;
using Smmu.Fast.Props.Invalidation;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Props.Leaves;

/// <summary>
/// Every page below a leaf translates to its own place in the output, first and last byte included, and the bytes just
/// outside of it fault: for every size of page and block, with caches and without, at both stages. The same holds for contiguous runs.
/// </summary>
public class LeafProperties
{
    private const int PageBytes = 4096;
    private const int MostPages = 1 << 18;   // All pages of a 1 GiB block; of larger ones as many, spread over the whole.
    private const int PagesPerBatch = 512;
    private const ulong Attributes = (1UL << 11) | (1UL << 10) | (1UL << 6);   // Without SH, whose bits are address bits with DS.
    private const ulong Contiguous = 1UL << 52;

    private static readonly SmmuFeatures Largest = SmmuFeatures.Wide.With(SmmuFeatureField.DS, 1);

    [Theory]
    [InlineData(12, 3, true)]
    [InlineData(12, 3, false)]
    [InlineData(12, 2, true)]
    [InlineData(12, 2, false)]
    [InlineData(12, 1, true)]
    [InlineData(12, 1, false)]
    [InlineData(12, 0, true)]
    [InlineData(12, 0, false)]
    [InlineData(14, 3, true)]
    [InlineData(14, 3, false)]
    [InlineData(14, 2, true)]
    [InlineData(14, 2, false)]
    [InlineData(14, 1, true)]
    [InlineData(14, 1, false)]
    [InlineData(16, 3, true)]
    [InlineData(16, 3, false)]
    [InlineData(16, 2, true)]
    [InlineData(16, 2, false)]
    [InlineData(16, 1, true)]
    [InlineData(16, 1, false)]
    [Rule("DSC-03")]
    [Rule("DSC-04")]
    [Rule("DSC-05")]
    [Rule("W1-27")]
    public void EveryPageOfALeafHasItsOwnPlace(int granuleLog2, int level, bool caches) =>
        Check(granuleLog2, level, log2Members: 0, caches);

    [Theory]
    [InlineData(12, 3, 4, true)]
    [InlineData(12, 3, 4, false)]
    [InlineData(12, 2, 4, true)]
    [InlineData(12, 2, 4, false)]
    [InlineData(12, 1, 4, true)]
    [InlineData(12, 1, 4, false)]
    [InlineData(14, 3, 7, true)]
    [InlineData(14, 3, 7, false)]
    [InlineData(14, 2, 5, true)]
    [InlineData(14, 2, 5, false)]
    [InlineData(16, 3, 5, true)]
    [InlineData(16, 3, 5, false)]
    [InlineData(16, 2, 5, true)]
    [InlineData(16, 2, 5, false)]
    [Rule("DSC-28")]
    public void EveryPageOfAContiguousRunHasItsOwnPlace(int granuleLog2, int level, int log2Members, bool caches) =>
        Check(granuleLog2, level, log2Members, caches);

    [Theory]
    [InlineData(12, 3, 0)]
    [InlineData(12, 3, 4)]
    [InlineData(12, 2, 0)]
    [InlineData(12, 2, 4)]
    [InlineData(12, 1, 0)]
    [InlineData(12, 1, 4)]
    [InlineData(14, 3, 0)]
    [InlineData(14, 3, 7)]
    [InlineData(14, 2, 0)]
    [InlineData(14, 2, 5)]
    [InlineData(16, 3, 0)]
    [InlineData(16, 3, 5)]
    [InlineData(16, 2, 0)]
    [InlineData(16, 2, 5)]
    public void EveryPageOfAStage2LeafOrRunHasItsOwnPlace(int granuleLog2, int level, int log2Members)
    {
        foreach (bool caches in (bool[])[true, false])
        {
            using var machine = new GuestMachine(Largest, configure: options => options with { CachesEnabled = caches });
            ulong hint = log2Members == 0 ? 0 : Contiguous;
            var tables = new PlainTables(machine, new TableMemory(machine, 4 << 20), granuleLog2, PlainTables.Stage2Leaf | hint);
            machine.SetUpStreamTable();
            machine.SetStream(1, tables.Stage2Entry(Entries.Valid(0b110)));
            machine.Start();
            CheckMapped(machine, PlainTables.EntryLog2(granuleLog2, level), log2Members, (input, output) => tables.Map(input, output, level));
        }
    }

    [Theory]
    [InlineData(12, 0)]
    [InlineData(14, 1)]
    [InlineData(16, 1)]
    [Rule("DSC-06")]
    public void TheLargestBlocksNeedTheirFeature(int granuleLog2, int level)
    {
        using var machine = new GuestMachine(SmmuFeatures.Default);
        var space = new Stage1Space(machine, asid: 1, sizeOffset: 16, granuleLog2);
        machine.SetUpStreamTable();
        machine.AttachStage1(1, space);
        machine.Start();
        space.Map(0, 0, Attributes, level);

        var result = machine.Smmu.Translate(new StreamId(1), null, 0, AccessKind.Read);

        Assert.Equal(EventType.Translation, result.Event);
    }

    private static void Check(int granuleLog2, int level, int log2Members, bool caches)
    {
        using var machine = new GuestMachine(Largest, configure: options => options with { CachesEnabled = caches });
        var space = new Stage1Space(machine, asid: 1, sizeOffset: 16, granuleLog2);
        // Blocks of 512 GiB and 64 GiB exist with DS alone.
        bool needsDs = (granuleLog2, level) is (12, 0) or (14, 1);
        ulong context = machine.Allocate(64, 64);
        machine.SetContext(context, space.Descriptor().With(ContextDescriptorField.DS, needsDs ? 1UL : 0));
        machine.SetUpStreamTable();
        machine.SetStream(1, Entries.Stage1(context));
        machine.Start();
        ulong attributes = Attributes | (log2Members == 0 ? 0 : Contiguous);
        CheckMapped(machine, space.LeafLog2(level), log2Members, (input, output) => space.Map(input, output, attributes, level));
    }

    // Leaves that lie one after the other, and nothing beside them.
    private static void CheckMapped(GuestMachine machine, int leafLog2, int log2Members, Action<ulong, ulong> map)
    {
        int sizeLog2 = leafLog2 + log2Members;
        ulong input = 2UL << sizeLog2;
        ulong output = 5UL << sizeLog2;
        for (ulong offset = 0; offset < 1UL << sizeLog2; offset += 1UL << leafLog2) map(input + offset, output + offset);

        AssertPages(machine, input, output, sizeLog2, leafLog2);
        foreach (ulong outside in (ulong[])[input - 1, input + (1UL << sizeLog2), input - PageBytes])
        {
            var result = machine.Smmu.Translate(new StreamId(1), null, outside, AccessKind.Read);
            Assert.True(result.Event == EventType.Translation, $"0x{outside:x}: {result.Outcome} {result.Address}");
        }
    }

    private static void AssertPages(GuestMachine machine, ulong input, ulong output, int sizeLog2, int leafLog2)
    {
        using var port = machine.Smmu.OpenPort(new StreamId(1));
        ulong pages = 1UL << (sizeLog2 - 12);
        ulong step = Math.Max(1, pages / MostPages);
        var random = Cases.RandomOf(sizeLog2);
        ulong[] iovas = new ulong[2 * PagesPerBatch];
        var results = new TranslationResult[2 * PagesPerBatch];

        int seen = 0;
        for (ulong page = 0; page < pages;)
        {
            int count = 0;
            for (; count < iovas.Length && page < pages; page += step, count += 2)
            {
                // The first and the last page for certain; where pages are skipped, any one of each stretch.
                ulong chosen = page == 0 ? 0 : page + step >= pages ? pages - 1 : page + (ulong)random.NextInt64((long)step);
                iovas[count] = input + (chosen * PageBytes);
                iovas[count + 1] = iovas[count] + (PageBytes - 1);
            }

            port.TranslateBatch(iovas.AsSpan(0, count), results, AccessKind.Read);
            for (int i = 0; i < count; i++)
            {
                ulong expected = output + (iovas[i] - input);
                if (results[i].Address.Value == expected && results[i].LeafSize == 1UL << leafLog2) continue;
                Assert.Fail($"0x{iovas[i]:x}: {results[i].Address} {results[i].Event}, should be 0x{expected:x}");
            }

            seen += count / 2;
        }

        Assert.Equal(Math.Min(pages, MostPages), (ulong)seen);
    }
}
