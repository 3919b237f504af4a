using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Formats;

/// <summary>PROD and CONS behave as positions in an endless stream of entries, taken modulo twice the queue.</summary>
public class QueuePointerTests
{
    [Theory]
    [InlineData(0, 0x1u)]
    [InlineData(1, 0x3u)]
    [InlineData(8, 0x1ffu)]
    [InlineData(19, 0xfffffu)]
    [Rule("QUE-01")]
    [Rule("QUE-04")]
    public void IndexLiesBelowTheWrapFlag(int log2, uint used)
    {
        Assert.Equal(used, QueuePointer.UsedMask(log2));
        Assert.Equal(used >> 1, QueuePointer.IndexOf(uint.MaxValue, log2));
        Assert.Equal(0u, QueuePointer.IndexOf(1u << log2, log2));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(19)]
    [Rule("QUE-02")]
    [Rule("QUE-03")]
    [Rule("QUE-04")]
    public void PointersAgreeWithAQueueThatOnlyCounts(int log2)
    {
        var random = new Random(1);
        ulong size = 1UL << log2;
        ulong produced = 0, consumed = 0;
        uint producer = 0, consumer = 0;
        bool wasFull = false, wrapped = false;
        for (int step = 0; step < 20_000; step++)
        {
            ulong outstanding = produced - consumed;
            Assert.Equal(outstanding == 0, QueuePointer.IsEmpty(producer, consumer, log2));
            Assert.Equal(outstanding == size, QueuePointer.IsFull(producer, consumer, log2));
            Assert.Equal((uint)outstanding, QueuePointer.Count(producer, consumer, log2));
            Assert.True(QueuePointer.IsConsistent(producer, consumer, log2));
            Assert.Equal((uint)(produced % size), QueuePointer.IndexOf(producer, log2));
            wasFull |= outstanding == size;
            wrapped |= consumed > size;

            if (random.Next(2) == 0)
            {
                ulong batch = (ulong)random.NextInt64((long)(size - outstanding) + 1);
                produced += batch;
                producer = QueuePointer.Advance(producer, (uint)batch, log2);
            }
            else if (outstanding > 0)
            {
                consumed++;
                consumer = QueuePointer.Next(consumer, log2);
            }

            if (random.Next(64) != 0) continue;
            ulong rest = produced - consumed;
            consumed += rest;
            consumer = QueuePointer.Advance(consumer, (uint)rest, log2);
        }

        Assert.True(wrapped);
        Assert.True(wasFull || log2 == 19);
    }

    [Fact]
    [Rule("QUE-03")]
    public void SteppingPastTheLastEntryTurnsTheWrapFlagOver()
    {
        Assert.Equal(0b1000u, QueuePointer.Next(0b0111, 3));
        Assert.Equal(0b0000u, QueuePointer.Next(0b1111, 3));
        Assert.Equal(1u, QueuePointer.Next(0, 0));
        Assert.Equal(0u, QueuePointer.Next(1, 0));
    }

    [Fact]
    public void BitsAboveTheWrapFlagNeverMatter()
    {
        const uint above = 0xffff_fff0;

        Assert.True(QueuePointer.IsEmpty(0b0101 | above, 0b0101, 3));
        Assert.True(QueuePointer.IsFull(0b1101 | above, 0b0101, 3));
        Assert.Equal(0b0110u, QueuePointer.Next(0b0101 | above, 3));
        Assert.Equal(5u, QueuePointer.IndexOf(0b0101 | above, 3));
    }

    [Fact]
    public void ExactlyHalfOfAllPairsAreInconsistentButForTheFullOnes()
    {
        int consistent = 0;
        for (uint producer = 0; producer < 16; producer++)
        {
            for (uint consumer = 0; consumer < 16; consumer++)
            {
                if (!QueuePointer.IsConsistent(producer, consumer, 3)) continue;
                consistent++;
                Assert.InRange(QueuePointer.Count(producer, consumer, 3), 0u, 8u);
            }
        }

        Assert.Equal(16 * 9, consistent);   // Nine fillings, none to all eight, for each place of the consumer.
    }
}
