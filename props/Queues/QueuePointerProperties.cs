using FsCheck;
using FsCheck.Fluent;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Props.Queues;

/// <summary>The arithmetic of queue indexes makes a FIFO of 2^LOG2SIZE entries, for every LOG2SIZE there is.</summary>
public class QueuePointerProperties
{
    private const int Programs = 40;

    public static TheoryData<int> Sizes => [.. Enumerable.Range(0, QueuePointer.MaxLog2 + 1)];

    [Theory]
    [MemberData(nameof(Sizes))]
    [Rule("QUE-01")]
    [Rule("QUE-02")]
    [Rule("QUE-03")]
    [Rule("QUE-04")]
    public void IndexesBehaveAsAFifo(int log2)
    {
        int wraps = 0, fills = 0;

        // Positive numbers put that many entries in, negative ones take them out. A queue that is too large to be filled
        // that way begins just before its end, and almost full.
        Check.One(Cases.Exactly(Programs), Prop.ForAll(ArbMap.Default.ArbFor<int[]>(), steps =>
        {
            var fifo = new FifoModel(log2, start: (1u << log2) - Math.Min(1u << log2, 5u));
            fifo.Fill((1 << log2) - Math.Min(1 << log2, 3));
            foreach (int step in steps)
            {
                for (int i = 0; i < Math.Abs(step); i++)
                {
                    if (step > 0) fifo.Put();
                    else fifo.Take();
                    fifo.AssertPointersAgree();
                }
            }

            wraps += fifo.Wraps;
            fills += fifo.Fills;
        }));

        Assert.True(wraps > 0 && fills > 0, $"{wraps} wraps, {fills} times full.");
    }

    /// <summary>A queue in an array, moved by the arithmetic, beside a list of what has to be in it.</summary>
    private sealed class FifoModel(int log2, uint start)
    {
        private readonly int[] storage = new int[1 << log2];
        private readonly Queue<int> contents = new();
        private uint producer = start;
        private uint consumer = start;
        private int next = 1;

        public int Wraps { get; private set; }

        public int Fills { get; private set; }

        public void Fill(int count)
        {
            for (int i = 0; i < count; i++) Store();
        }

        public void Put()
        {
            Assert.Equal(contents.Count == storage.Length, QueuePointer.IsFull(producer, consumer, log2));
            if (contents.Count == storage.Length)
            {
                Fills++;
                return;
            }

            Assert.Equal(QueuePointer.Advance(producer, 1, log2), QueuePointer.Next(producer, log2));
            Store();
            if (QueuePointer.IndexOf(producer, log2) == 0) Wraps++;
        }

        public void Take()
        {
            Assert.Equal(contents.Count == 0, QueuePointer.IsEmpty(producer, consumer, log2));
            if (contents.Count == 0) return;
            Assert.Equal(contents.Dequeue(), storage[QueuePointer.IndexOf(consumer, log2)]);
            consumer = QueuePointer.Next(consumer, log2);
        }

        public void AssertPointersAgree()
        {
            uint mask = QueuePointer.UsedMask(log2);
            Assert.Equal((uint)contents.Count, QueuePointer.Count(producer, consumer, log2));
            Assert.True(QueuePointer.IsConsistent(producer, consumer, log2));
            Assert.Equal(0u, (producer | consumer) & ~mask);
            Assert.Equal(consumer, QueuePointer.Advance(producer, (2u << log2) - (uint)contents.Count, log2));

            // What lies above the wrap flag is nobody's business (QUE-09).
            Assert.Equal(contents.Count == 0, QueuePointer.IsEmpty(producer | (1u << 31), consumer, log2));
        }

        private void Store()
        {
            storage[QueuePointer.IndexOf(producer, log2)] = next;
            contents.Enqueue(next++);
            producer = QueuePointer.Next(producer, log2);
        }
    }
}
