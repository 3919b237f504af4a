using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Tests.Tlbs;

public sealed unsafe class TlbSetTests
{
    private static readonly ulong[] Three = [0x1111, 0x2222, 0x3333];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void RemovingAKeyLeavesTheOthersAndTheVersion(int way)
    {
        var set = Full(out long version);
        set.Remove(Three[way]);
        AssertHoldsAllBut(way, ref set, version);

        set = Full(out version);
        set.RemoveAlone(Three[way]);
        AssertHoldsAllBut(way, ref set, version);
    }

    [Fact]
    public void AKeyThatLooksLikeTheVersionRemovesNothingElse()
    {
        var set = Full(out long version);
        set.RemoveAlone((ulong)version);
        AssertHoldsAllBut(-1, ref set, version);
    }

    [Fact]
    public void AnEntryIsNotAddedWhenTheSetHasChangedSinceItWasLookedFor()
    {
        TlbSet set = default;
        InvalidationStamps domain = default;
        InvalidationStamps device = default;
        var dates = new InvalidationDates(&domain, &device);
        Assert.False(set.TryRead(Three[0], out _, out long version));
        set.Fill(Three[0], 7, in dates);   // Another port was quicker.
        set.Add(Three[0], 8, version, in dates);

        Assert.True(set.TryRead(Three[0], out ulong payload, out _));
        Assert.Equal(7UL, payload);
        set.Remove(Three[0]);
        Assert.False(set.TryRead(Three[0], out _, out _));   // No second one under the same key.
    }

    [Fact]
    public void AnEntryOfOldDatesIsNotAdded()
    {
        TlbSet set = default;
        InvalidationStamps domain = default;
        InvalidationStamps device = default;
        var dates = new InvalidationDates(&domain, &device);
        Assert.False(set.TryRead(Three[0], out _, out long version));
        domain.RaiseTranslations(tables: false);
        set.Add(Three[0], 8, version, in dates);
        Assert.False(set.TryRead(Three[0], out _, out _));
    }

    [Fact]
    public void AKeyThatIsThereKeepsItsWayAndAFourthTakesThePlaceOfOne()
    {
        var set = Full(out long version);
        InvalidationStamps domain = default;
        InvalidationStamps device = default;
        var dates = new InvalidationDates(&domain, &device);
        set.Fill(Three[1], 0x999, in dates);
        Assert.True(set.TryRead(Three[1], out ulong payload, out long later));
        Assert.Equal(0x999UL, payload);
        Assert.Equal(version + 2, later);
        Assert.True(set.TryFindWay(Three[0], out _) && set.TryFindWay(Three[2], out _));

        set.Fill(0x4444, 0x444, in dates);
        Assert.True(set.TryRead(0x4444, out payload, out _));
        Assert.Equal(0x444UL, payload);
        Assert.Equal(2, Three.Count(key => set.TryFindWay(key, out _)));
    }

    private static TlbSet Full(out long version)
    {
        TlbSet set = default;
        InvalidationStamps domain = default;
        InvalidationStamps device = default;
        var dates = new InvalidationDates(&domain, &device);
        foreach (ulong key in Three) set.Fill(key, key << 12, in dates);
        version = set.Version;
        Assert.Equal(2 * Three.Length, version);
        return set;
    }

    private static void AssertHoldsAllBut(int way, ref TlbSet set, long version)
    {
        for (int i = 0; i < Three.Length; i++)
        {
            Assert.Equal(i != way, set.TryRead(Three[i], out ulong payload, out long seen));
            if (i != way) Assert.Equal(Three[i] << 12, payload);
            Assert.Equal(version, seen);
        }
    }
}
