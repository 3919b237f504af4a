using System.Diagnostics;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>
/// A CPU of the guest that invalidates pages nobody uses: 100,000 times a second TLBI_NH_VA of another ASID, and CMD_SYNC. When
/// it was kept from running it catches up, so that the rate holds on average.
/// </summary>
internal sealed class Invalidator : IDisposable
{
    /// <summary>Pairs of commands a second.</summary>
    public const int PerSecond = 100_000;

    private const ushort OtherAsid = 0x99;
    private const double LeastShareOfRate = 0.5;   // Of three threads on two cores, one has to wait.

    private static readonly long ticksOfPair = Stopwatch.Frequency / PerSecond;

    private readonly CommandFeed feed;
    private readonly Background thread;
    private readonly long start = Stopwatch.GetTimestamp();
    private long pairs;

    /// <summary>Begins.</summary>
    public Invalidator(GuestMachine machine)
    {
        feed = new CommandFeed(machine, Command.TlbiNhVa(default, new Asid(OtherAsid), 0x1000), Command.Sync());
        thread = new Background(PublishInTime);
    }

    /// <summary>Ends.</summary>
    /// <exception cref="InvalidOperationException">It did not reach half of the rate.</exception>
    public void Dispose()
    {
        thread.Dispose();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        TranslationScene.Require(
            !Steady.IsWanted || pairs >= seconds * PerSecond * LeastShareOfRate, $"{pairs} invalidations in {seconds:F1} s");
    }

    private void PublishInTime()
    {
        while (Stopwatch.GetTimestamp() - start < pairs * ticksOfPair) Thread.SpinWait(4);
        feed.Publish(2);
        pairs++;
    }
}
