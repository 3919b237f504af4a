using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>
/// Whatever the order in which threads make their steps: no command is lost, doubled or overwritten, those of a producer keep
/// their order, a CMD_SYNC returns after its commands, and each hears of its own errors alone.
/// </summary>
public sealed class SubmissionOrderTests : IDisposable
{
    private readonly GuestMemory memory = new();
    private readonly SmmuDevice smmu;
    private readonly CommandSubmitter anySubmitter;

    public SubmissionOrderTests()
    {
        memory.AddOwned(0, 1 << 20);
        smmu = new SmmuDevice(new SmmuOptions { Memory = memory });
        smmu.WriteRegister64(RegisterOffset.CMDQ_BASE, 3);
        smmu.WriteRegister32(RegisterOffset.CR0, 8);
        anySubmitter = new CommandSubmitter(smmu);
    }

    public void Dispose()
    {
        anySubmitter.Dispose();
        smmu.Dispose();
        memory.Dispose();
    }

    [Fact]
    public void TwoProducersOnce() => Explore(mostPreemptions: 4, log2: 3, isInline: true, atLeast: 1_000,
        [new(1)], [new(2)]);

    [Fact]
    public void TwoProducersTwice() => Explore(mostPreemptions: 3, log2: 3, isInline: true, atLeast: 1_000,
        [new(1), new(1)], [new(1), new(2)]);

    [Fact]
    public void ThreeProducers() => Explore(mostPreemptions: 2, log2: 3, isInline: true, atLeast: 1_000,
        [new(1)], [new(1)], [new(1)]);

    [Fact]
    public void TwoProducersInAQueueThatIsAlwaysFull() => Explore(mostPreemptions: 2, log2: 1, isInline: true, atLeast: 500,
        [new(1), new(2)], [new(1), new(1)]);

    [Fact]
    public void AQueueOfOneEntry() => Explore(mostPreemptions: 2, log2: 0, isInline: true, atLeast: 500,
        [new(1)], [new(1)]);

    [Fact]
    public void HardwareThatTakesItsTime() => Explore(mostPreemptions: 2, log2: 1, isInline: false, atLeast: 1_000,
        [new(1), new(1)], [new(1)]);

    [Fact]
    public void ErrorsAreToldToTheProducerWhoseTheyAre() => Explore(mostPreemptions: 3, log2: 3, isInline: true, atLeast: 1_000,
        [new(2, Bad: 1)], [new(1), new(1)]);

    [Fact]
    public void ErrorsOfBothProducersInASmallQueueOfSlowHardware() => Explore(mostPreemptions: 1, log2: 1, isInline: false, atLeast: 200,
        [new(2, Bad: 0)], [new(1, Bad: 0), new(1)]);

    [Fact]
    public void ErrorsWithoutASyncAreToldByTheNextOne() => Explore(mostPreemptions: 2, log2: 2, isInline: true, atLeast: 500,
        [new(1, Bad: 0, Sync: false), new(1)], [new(1, Sync: false), new(1, Bad: 0)]);

    [Fact]
    public void ReadsThatAbortForAWhileAreTriedAgain() => Explore(mostPreemptions: 2, log2: 2, isInline: true, atLeast: 200, aborts: 3,
        [new(1)], [new(1)]);

    private void Explore(int mostPreemptions, int log2, bool isInline, int atLeast, params Call[][] producers) =>
        Explore(mostPreemptions, log2, isInline, atLeast, aborts: 0, producers);

    private void Explore(int mostPreemptions, int log2, bool isInline, int atLeast, int aborts, params Call[][] producers)
    {
        using var explorer = new Explorer(producers.Length + (isInline ? 0 : 1), mostPreemptions);
        FakeQueue? queue = null;
        SubmissionRing<FakeTarget, ExploredSteps>? ring = null;
        int mostWrites = 0;
        int fewestWrites = int.MaxValue;
        explorer.Explore(() =>
        {
            ring?.Dispose();
            queue?.Dispose();
            queue = new FakeQueue(log2, isInline) { Aborts = aborts };
            ring = NewRing(queue);
            int running = producers.Length;
            var bodies = producers.Select((calls, number) => (Action)(() =>
            {
                try
                {
                    Submit(ring, queue, number, calls);
                }
                finally
                {
                    running--;
                }
            })).ToList();
            if (!isInline) bodies.Add(() => Consume(queue, () => running > 0));

            void Check()
            {
                AssertNothingLost(queue, producers);
                mostWrites = Math.Max(mostWrites, queue.ProducerWrites);
                fewestWrites = Math.Min(fewestWrites, queue.ProducerWrites);
            }

            return ([.. bodies], Check);
        });
        ring!.Dispose();
        queue!.Dispose();
        Assert.True(explorer.Runs >= atLeast, $"Only {explorer.Runs} orders were tried.");
        Assert.True(mostWrites >= fewestWrites);
        if (log2 == 3 && mostPreemptions > 1) Assert.True(fewestWrites < mostWrites, "No write of PROD ever covered two batches.");
    }

    private static void Consume(FakeQueue queue, Func<bool> isRunning)
    {
        while (isRunning())
        {
            Explorer.Reach();
            if (!queue.Step()) Explorer.Pass();
        }
    }

    private static unsafe SubmissionRing<FakeTarget, ExploredSteps> NewRing(FakeQueue queue) =>
        new(new FakeTarget(queue), queue.Commands, queue.Log2, timeoutTicks: -1);

    private void Submit(SubmissionRing<FakeTarget, ExploredSteps> ring, FakeQueue queue, int number, Call[] calls)
    {
        var producer = new CommandProducer(anySubmitter);
        int unheard = 0;
        for (int call = 0; call < calls.Length; call++)
        {
            var (commands, bad, sync) = calls[call];
            var batch = Enumerable.Range(0, commands).Select(i => FakeQueue.Numbered(NumberOf(number, call, i), i == bad)).ToArray();
            var result = ring.Submit(producer, batch, sync);
            int failures = bad >= 0 ? 1 : 0;
            if (!sync)
            {
                Assert.Equal(SubmissionStatus.Published, result.Status);
                unheard += failures;
                continue;
            }

            failures += unheard;
            Assert.Equal(failures == 0 ? SubmissionStatus.Completed : SubmissionStatus.Refused, result.Status);
            Assert.Equal(failures, result.Failures);
            if (failures > 0) Assert.Equal((unheard > 0 ? -1 : bad, CommandError.Illegal), (result.FailedIndex, result.Error));
            unheard = 0;
            for (int i = 0; i < commands; i++) Assert.True(i == bad || queue.Executed.Contains(NumberOf(number, call, i)));
        }
    }

    private static void AssertNothingLost(FakeQueue queue, Call[][] producers)
    {
        for (int number = 0; number < producers.Length; number++)
        {
            var expected = producers[number].SelectMany((call, at) => Enumerable.Range(0, call.Commands)
                .Where(i => i != call.Bad).Select(i => NumberOf(number, at, i)));
            Assert.Equal(expected, queue.Executed.Where(command => command >> 16 == (ulong)number));
        }

        Assert.Equal(producers.Sum(calls => calls.Sum(call => call.Commands - (call.Bad >= 0 ? 1 : 0))), queue.Executed.Count);
        Assert.Equal(producers.Sum(calls => calls.Sum(call => (call.Sync ? 1 : 0) + (call.Bad >= 0 ? 1 : 0))), queue.Syncs);
    }

    private static ulong NumberOf(int producer, int call, int command) => (ulong)(uint)((producer << 16) + (call << 8) + command);

    private sealed record Call(int Commands, int Bad = -1, bool Sync = true);
}
