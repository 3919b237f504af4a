using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Tests.Memory;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>Steps of real threads, one of which can be made to stop in the middle.</summary>
internal readonly struct StoppingSteps : ISubmissionSteps
{
    [ThreadStatic]
    private static Stop? stopOfThread;

    public static long Now => RealSteps.Now;

    /// <summary>Makes the calling thread stop after so many steps.</summary>
    public static Stop StopAfter(int steps) => stopOfThread = new Stop(steps);

    public static void Reach() => stopOfThread?.Reach();

    public static void Pass(int turns) => RealSteps.Pass(turns);

    /// <summary>Where a thread stops.</summary>
    internal sealed class Stop(int steps) : IDisposable
    {
        private readonly ManualResetEventSlim mayGoOn = new();
        private readonly ManualResetEventSlim hasStopped = new();
        private int left = steps;

        public void Reach()
        {
            if (left-- != 0) return;
            hasStopped.Set();
            mayGoOn.Wait(TimeSpan.FromSeconds(60));
        }

        /// <summary>True once it stands; false when it never got that far.</summary>
        public bool IsStanding(Worker worker)
        {
            while (!hasStopped.Wait(1) && !worker.IsOver) continue;
            return hasStopped.IsSet;
        }

        public void GoOn() => mayGoOn.Set();

        public void Dispose()
        {
            mayGoOn.Dispose();
            hasStopped.Dispose();
        }
    }
}

/// <summary>A producer that stops in the middle of a call stops nobody for longer than their patience, and costs nobody a command.</summary>
public class SubmissionStopTests
{
    private const int Others = 3;
    private const int MostSteps = 24;

    [Fact]
    public void WhereverAProducerStopsTheOthersReturnAndNothingIsLost()
    {
        using var scene = new SubmissionScene();
        int stood = 0;
        int gotThrough = 0;
        for (int steps = 0; steps < MostSteps; steps++)
        {
            using var queue = new FakeQueue(log2: 3);
            using var ring = NewRing(queue, milliseconds: 5);
            StoppingSteps.Stop? stop = null;
            using var isArmed = new ManualResetEventSlim();
            var stopped = new CommandProducer(scene.Submitter);
            int after = steps;
            var worker = new Worker(() =>
            {
                stop = StoppingSteps.StopAfter(after);
                isArmed.Set();
                ring.Submit(stopped, [FakeQueue.Numbered(100)], sync: false);
            });
            Assert.True(isArmed.Wait(TimeSpan.FromSeconds(60)));
            bool stands = stop!.IsStanding(worker);
            if (stands) stood++;
            var producers = Enumerable.Range(0, Others).Select(_ => new CommandProducer(scene.Submitter)).ToArray();
            for (int other = 0; other < Others; other++)
            {
                var result = ring.Submit(producers[other], [FakeQueue.Numbered((ulong)other)], sync: true);
                Assert.True(result.Status is SubmissionStatus.Completed or SubmissionStatus.TimedOut, $"{result}");
                if (stands && result.Status == SubmissionStatus.Completed) gotThrough++;
            }

            stop.GoOn();
            worker.Join();
            stop.Dispose();
            Assert.True(ring.Submit(stopped, [FakeQueue.Numbered(101)], sync: true).IsSuccess);
            Assert.Equal([0, 1, 2], queue.Executed.Where(number => number < 100));
            Assert.Equal([100, 101], queue.Executed.Where(number => number >= 100));
        }

        Assert.InRange(stood, 5, MostSteps - 1);
        Assert.NotEqual(0, gotThrough);   // It stood in nobody's way before it reserved, nor after it had published.
    }

    [Fact]
    public void AQueueThatCannotBeReadIsGivenUp()
    {
        using var scene = new SubmissionScene();
        using var queue = new FakeQueue(log2: 3) { Aborts = int.MaxValue };
        using var ring = NewRing(queue, milliseconds: 10_000);
        var producer = new CommandProducer(scene.Submitter);
        Assert.Equal(SubmissionStatus.Broken, ring.Submit(producer, [FakeQueue.Numbered(1)], sync: true).Status);
        Assert.InRange(int.MaxValue - queue.Aborts, 2, 20);
        for (int i = 0; i < 5; i++) Assert.Equal(SubmissionStatus.Broken, ring.Submit(producer, [FakeQueue.Numbered(2), FakeQueue.Numbered(3)], sync: true).Status);
    }

    private static unsafe SubmissionRing<FakeTarget, StoppingSteps> NewRing(FakeQueue queue, int milliseconds) => new(
        new FakeTarget(queue), queue.Commands, queue.Log2, milliseconds * System.Diagnostics.Stopwatch.Frequency / 1000);
}
