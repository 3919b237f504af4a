using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Tests.Tlbs;

public sealed unsafe class WalkCacheTests : IDisposable
{
    private const uint Number = 5;
    private const ulong Address = 0x40_2000_0000;
    private const int CoverageLog2 = 21;

    private readonly WalkCache cache = new(capacity: 64);

    public void Dispose() => cache.Dispose();

    [Fact]
    public void ATableIsFoundUnderItsNumberAndStamp()
    {
        InvalidationStamps domain = default;
        InvalidationStamps device = default;
        cache.Fill(Entry(stamp: 0), new InvalidationDates(&domain, &device));

        Assert.True(cache.TryFind(Number, Address | 0x12345, stamp: 0, out var found));
        Assert.Equal(0x1000UL, found.Table);
        Assert.False(cache.TryFind(Number + 1, Address, stamp: 0, out _));
        Assert.False(cache.TryFind(Number, Address, stamp: 1, out _));
        Assert.False(cache.TryFind(Number, Address + (1 << CoverageLog2), stamp: 0, out _));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AWalkThatBeganBeforeAllWasForgottenLeavesNoTableToTheNextOwnerOfItsNumber(bool isOfDevice)
    {
        InvalidationStamps domain = default;
        InvalidationStamps device = default;
        var dates = new InvalidationDates(&domain, &device);
        if (isOfDevice) device.RaiseTranslations(tables: true);
        else domain.RaiseTranslations(tables: false);
        cache.Clear();
        cache.Fill(Entry(dates.DomainTables), in dates);

        Assert.False(cache.TryFind(Number, Address, dates.DomainTables, out _));
    }

    [Fact]
    public void ASlotThatWasLeftAsItIsCanBeFilledAgain()
    {
        InvalidationStamps domain = default;
        InvalidationStamps device = default;
        var dates = new InvalidationDates(&domain, &device);
        device.RaiseTranslations(tables: true);
        cache.Fill(Entry(stamp: 0), in dates);
        cache.Fill(Entry(stamp: 0), new InvalidationDates(&domain, &device));

        Assert.True(cache.TryFind(Number, Address, stamp: 0, out _));
    }

    private static WalkCacheEntry Entry(ulong stamp) => new()
    {
        Level = 3,
        CoverageLog2 = CoverageLog2,
        Prefix = Address >> CoverageLog2,
        Number = Number,
        Table = 0x1000,
        Stamp = stamp,
    };
}
