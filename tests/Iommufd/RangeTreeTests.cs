using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Tests.Iommufd;

/// <summary>Ranges in order: against a plain list, which is the definition.</summary>
public class RangeTreeTests
{
    [Theory]
    [InlineData(1, 64)]
    [InlineData(2, 1000)]
    [InlineData(3, 1 << 20)]
    public void LooksUpWhatAListWould(int seed, int span)
    {
        var random = new Random(seed);
        var tree = new RangeTree<int>();
        var list = new SortedList<ulong, (ulong Last, RangeTree<int>.Node Node)>();
        int holes = 0;
        for (int step = 0; step < 3000; step++)
        {
            ulong first = (ulong)random.Next(span);
            ulong last = first + (ulong)random.Next(8);
            bool overlaps = list.Any(range => range.Key <= last && range.Value.Last >= first);
            Assert.Equal(overlaps, tree.FirstIn(first, last) is not null);
            if (!overlaps && list.Count < 300)
            {
                list.Add(first, (last, tree.Add(first, last, step)));
            }
            else if (list.Count != 0 && random.Next(2) == 0)
            {
                int index = random.Next(list.Count);
                tree.Remove(list.Values[index].Node);
                list.RemoveAt(index);
            }

            Assert.Equal(list.Count, tree.Count);
            ulong from = (ulong)random.Next(span);
            ulong bytes = 1 + (ulong)random.Next(20);
            Assert.Equal(list.FirstOrDefault(range => range.Value.Last >= from).Value.Node, tree.FirstFrom(from));
            Assert.True(tree.TryFindHole(from, bytes, out IovaRange hole));
            Assert.Equal(Hole(list, from, bytes), hole);
            if (hole.Last != ulong.MaxValue) holes++;
        }

        Assert.True(holes > 300);
        Assert.Equal(list.Values.Select(value => value.Node), All(tree));
    }

    [Fact]
    public void TheEndsOfAllNumbersAreInReach()
    {
        var tree = new RangeTree<int>();
        Assert.True(tree.TryFindHole(0, ulong.MaxValue, out IovaRange hole));
        Assert.Equal(new IovaRange(0, ulong.MaxValue), hole);
        var top = tree.Add(ulong.MaxValue - 9, ulong.MaxValue, 1);
        var bottom = tree.Add(0, 9, 2);

        Assert.Null(tree.After(top));
        Assert.Same(top, tree.After(bottom));
        Assert.True(tree.TryFindHole(0, ulong.MaxValue - 19, out hole));
        Assert.Equal(new IovaRange(10, ulong.MaxValue - 10), hole);
        Assert.False(tree.TryFindHole(0, ulong.MaxValue - 18, out _));
        Assert.False(tree.TryFindHole(ulong.MaxValue - 5, 1, out _));
        tree.Add(10, ulong.MaxValue - 10, 3);
        Assert.False(tree.TryFindHole(0, 1, out _));
    }

    [Fact]
    public void ReservedRangesOfSeveralOwnersOverlap()
    {
        var reserved = new ReservedRanges();
        (object one, object two) = (new object(), new object());
        reserved.Add(10, 19, one);
        reserved.Add(15, 29, two);
        reserved.Add(30, 39, one);
        reserved.Add(ulong.MaxValue - 9, ulong.MaxValue, two);
        Assert.Equal([new(0, 9), new(40, ulong.MaxValue - 10)], reserved.Holes());
        Assert.True(reserved.Overlaps(0, 10));
        Assert.False(reserved.Overlaps(0, 9));
        Assert.False(reserved.Overlaps(40, 41));
        reserved.RemoveAll(one);

        Assert.Equal([new(0, 14), new(30, ulong.MaxValue - 10)], reserved.Holes());
        reserved.RemoveAll(two);
        Assert.Equal([new(0, ulong.MaxValue)], reserved.Holes());
    }

    private static IovaRange Hole(SortedList<ulong, (ulong Last, RangeTree<int>.Node Node)> list, ulong from, ulong bytes)
    {
        ulong start = from;
        foreach ((ulong first, (ulong last, _)) in list)
        {
            if (last < start) continue;
            if (first > start && first - start >= bytes) return new IovaRange(start, first - 1);
            start = last + 1;
        }

        return new IovaRange(start, ulong.MaxValue);
    }

    private static List<RangeTree<int>.Node> All(RangeTree<int> tree)
    {
        var all = new List<RangeTree<int>.Node>();
        for (var node = tree.FirstFrom(0); node is not null; node = tree.After(node)) all.Add(node);
        return all;
    }
}
