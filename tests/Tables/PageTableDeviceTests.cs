using Smmu.Fast.Formats;
using Smmu.Fast.Tables;
using Smmu.Fast.Tests.Repository;
using Smmu.Fast.Tests.Streams;

namespace Smmu.Fast.Tests.Tables;

/// <summary>What a change names is enough: an SMMU with all its caches forgets exactly what is no longer mapped.</summary>
public class PageTableDeviceTests
{
    private const uint Stream = 3;
    private const ulong Page = 0x1000;
    private const ulong Block = 0x20_0000;
    private const ushort AsidValue = 5;

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(0x1000 | 0x20_0000)]
    public void AfterTheInvalidationThatAChangeNamesNothingThatWasUnmappedIsReached(ulong pageSizes)
    {
        using var scene = new StreamScene();
        using var pool = new FramePool(scene.Machine.Memory.AddOwned(0x1_0000_0000, 16 << 20));
        using var table = new PageTable(pool, new PageTableOptions { PageSizes = pageSizes });
        ulong context = scene.NewContext(table.ApplyTo(default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.EPD1, 1)
            .With(ContextDescriptorField.A, 1)
            .With(ContextDescriptorField.R, 1)
            .With(ContextDescriptorField.ASID, AsidValue)
            .With(ContextDescriptorField.MAIR0, 0xff)));
        scene.SetStream(Stream, Smmu.Fast.Scenarios.Machines.Entries.Stage1(context));
        var random = new Random(23);
        var model = new MappingModel();
        for (int step = 0; step < TestScale.Of(150); step++)
        {
            ulong iova = Page * (ulong)random.Next(0, 2048);
            ulong bytes = random.Next(3) == 0 ? Block : Page * (ulong)random.Next(1, 40);
            if (random.Next(2) == 0) iova &= ~(Block - 1);
            if (!model.Overlaps(iova, bytes))
            {
                ulong pa = iova + ((ulong)random.Next(8) * 16 * Block);
                Assert.Equal(PageTableStatus.Done, table.Map(iova, pa, bytes, LeafAttributes.Stage1(LeafPermissions.Read)));
                model.Map(iova, pa, bytes);
            }
            else
            {
                PageTableChange change = default;
                Assert.Equal(PageTableStatus.Done, table.Unmap(iova, bytes, ref change));
                model.Unmap(iova, bytes);
                Invalidate(scene, in change);
                pool.Return(table.TakeUnlinked());
            }

            // Fills the caches, and finds what they should have forgotten.
            for (int probe = 0; probe < 24; probe++)
            {
                ulong at = Page * (ulong)random.Next(0, 2600);
                if (probe < 8) at = iova + (bytes / 8 * (ulong)probe & ~0xfffUL);
                if (model.Find(at) is { } expected) scene.AssertReaches(expected, Stream, at);
                else scene.AssertFaults(EventType.Translation, Stream, at);
            }
        }
    }

    // One command a leaf, and one a table, with the largest leaves that the level has; ranges would do the same.
    private static void Invalidate(StreamScene scene, in PageTableChange change)
    {
        var commands = new List<Command>();
        for (int level = 1; level <= 3; level++)
        {
            AddressRange range = change.LeavesOf(level);
            ulong step = 1UL << TranslationTableDescriptor.LeafSizeLog2(level, 12);
            for (ulong at = 0; at < range.Bytes; at += step)
            {
                commands.Add(Command.TlbiNhVa(default, new Asid(AsidValue), range.First + at));
            }
        }

        for (ulong at = 0; at < Math.Min(change.Tables.Bytes, 8 * Block); at += Page)
        {
            commands.Add(Command.TlbiNhVa(default, new Asid(AsidValue), change.Tables.First + at, leaf: false));
        }

        foreach (Command[] batch in commands.Chunk(200)) scene.Machine.SubmitAndSync(batch);
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }
}
