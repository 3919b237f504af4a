using Smmu.Fast.Formats;
using Smmu.Fast.Tables;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Tables;

/// <summary>
/// Whatever is mapped and unmapped, in any order and size, an SMMU finds exactly that: random programs against a model.
/// </summary>
public class PageTableProgramTests
{
    [Theory]
    [MemberData(nameof(Shape.All), MemberType = typeof(Shape))]
    public void AnSmmuFindsWhatAProgramLeavesMapped(string shape)
    {
        for (int seed = 1; seed <= TestScale.Of(4); seed++) new Program(Shape.Of(shape), seed).Run(60);
    }

    [Fact]
    public void AProgramInRunsAloneFindsTheSame() =>
        new Program(new PageTableOptions { PageSizes = (1UL << 16) | (1UL << 21) | (1UL << 25) }, seed: 7).Run(80);

    [Fact]
    public void AProgramInSinglePagesFindsTheSame() =>
        new Program(new PageTableOptions { InputBits = 32, PageSizes = 1UL << 12 }, seed: 8).Run(60);

    [Fact]
    public void TheModelIsAbleToDisagree()
    {
        using var scene = new TablesScene(new PageTableOptions());
        scene.Map(0x1000, 0x20_0000, 0x1000);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => scene.AssertLeadsTo(0x20_1000, 0x1000));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => scene.AssertLeadsTo(null, 0x1000));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => scene.AssertLeadsTo(0x20_0000, 0x2000));
    }

    /// <summary>Maps and unmaps in a few windows, each around a border of large leaves, so that steps meet.</summary>
    private sealed class Program(PageTableOptions options, int seed)
    {
        private readonly Random random = new(seed);
        private readonly MappingModel model = new();
        private readonly int blockLog2 = TranslationTableDescriptor.LeafSizeLog2(2, options.GranuleLog2);
        private int mapped;
        private int refused;
        private int unmapped;

        public void Run(int steps)
        {
            using var scene = new TablesScene(options, poolBytes: 192 << 20);
            for (int step = 0; step < steps; step++)
            {
                Step(scene);
                if (step % 8 == 7) Verify(scene);
            }

            Verify(scene);
            Assert.True(mapped > 5 && refused > 0 && unmapped > 3);
            scene.Unmap(scene.Table.FirstAddress, 1UL << options.InputBits);
            scene.Reclaim();
            Assert.Equal(1, scene.Table.TableCount);
            Assert.Equal(0ul, scene.Table.MappedBytes);
        }

        private void Step(TablesScene scene)
        {
            ulong page = 1UL << scene.Table.SmallestPageLog2;
            (ulong offset, ulong bytes) = RandomRange(page);
            ulong iova = scene.Table.FirstAddress + offset;
            if (random.Next(5) < 3)
            {
                ulong pa = RandomOutput(offset, bytes, page);
                bool overlaps = model.Overlaps(iova, bytes);
                PageTableStatus status = scene.Table.Map(iova, pa, bytes, scene.ReadWrite);
                Assert.Equal(overlaps ? PageTableStatus.AlreadyMapped : PageTableStatus.Done, status);
                if (overlaps) refused++;
                else model.Map(iova, pa, bytes);
                mapped++;
                return;
            }

            PageTableChange change = scene.Unmap(iova, bytes, keepTables: random.Next(4) == 0);
            ulong removed = model.Unmap(iova, bytes);
            Assert.Equal(removed, change.UnmappedBytes);
            if (removed != 0) unmapped++;
            if (random.Next(2) == 0) scene.Reclaim();
            if (random.Next(4) != 0) return;
            PageTableChange trimmed = default;
            scene.Table.UnlinkEmptyTables(scene.Table.FirstAddress, 1UL << options.InputBits, ref trimmed);
        }

        private (ulong Offset, ulong Bytes) RandomRange(ulong page)
        {
            ulong space = 1UL << options.InputBits;
            ulong block = Math.Min(1UL << blockLog2, space / 16);
            ulong[] windows = [0, space / 2, space - (6 * block)];
            ulong window = windows[random.Next(windows.Length)];
            ulong bytes = random.Next(4) switch
            {
                0 => page * (ulong)random.Next(1, 5),
                1 => page * (ulong)random.Next(1, 200),
                2 => block * (ulong)random.Next(1, 3),
                _ => block + (page * (ulong)random.Next(1, 100)),
            };
            ulong unit = random.Next(3) == 0 ? block : page;
            ulong offset = window + ((ulong)random.NextInt64((long)(4 * block)) & ~(unit - 1));
            return (offset, Math.Min(bytes, space - offset));
        }

        // Mostly in step with the input, so that large leaves fit; across the places where descriptors split addresses.
        private ulong RandomOutput(ulong offset, ulong bytes, ulong page)
        {
            ulong block = 1UL << blockLog2;
            ulong limit = 1UL << options.OutputBits;
            ulong[] bases = [0, limit / 2, limit / 16, limit - (16 * block)];
            ulong pa = bases[random.Next(bases.Length)] + ((ulong)random.Next(4) * block);
            if (pa >= 2 * block && random.Next(2) == 0) pa -= block;
            pa += random.Next(3) == 0 ? page * (ulong)random.Next(1, 60) : offset & (block - 1);
            return Math.Min(pa, limit - bytes);
        }

        private void Verify(TablesScene scene)
        {
            scene.Audit();
            Assert.Equal(model.Bytes, scene.Table.MappedBytes);
            foreach ((ulong first, ulong last, _) in model.Pieces)
            {
                foreach (ulong at in new[] { first, last, first - 1, last + 1, first + ((last - first) / 3) })
                {
                    if (at - scene.Table.FirstAddress >> options.InputBits == 0) scene.AssertLeadsTo(model.Find(at), at);
                }
            }

            for (int probe = 0; probe < 20; probe++)
            {
                ulong at = scene.Table.FirstAddress + RandomRange(1UL << scene.Table.SmallestPageLog2).Offset + (ulong)random.Next(4096);
                scene.AssertLeadsTo(model.Find(at), at);
            }
        }
    }
}
