using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>
/// Several ports fill a shared TLB that is far too small for their pages, while a driver moves pages and invalidates them.
/// Every answer is a target of the page that was asked for, and after CMD_SYNC the new one.
/// </summary>
internal static class FillsLitmus
{
    private const int Pages = 24;
    private const int TlbEntries = 16;
    private const ulong Distance = 1 << 20;   // Pages share one entry of a port's own table, so that ports ask the TLB.

    public static void Run(LitmusRun run)
    {
        using var scene = new Scene(tlbEntries: TlbEntries);
        using var first = scene.OpenPort();
        using var second = scene.OpenPort();
        using var third = scene.OpenPort();
        ulong targets = scene.Machine.Allocate(2 * Pages * Scene.PageBytes);
        var states = new long[Pages];   // As in RemapLitmus, for each page.
        long moves = 0;
        long seen = 0;
        for (int page = 0; page < Pages; page++) scene.Space.Map((ulong)page * Distance, Target(page, 0));
        run.Race(Drive, random => Read(first, random), random => Read(second, random));
        run.Summary = $"{moves} times moved, {seen} times seen at rest";

        ulong Target(int page, long state) => targets + (((ulong)page * 2) + ((ulong)(state + 1) / 2 & 1)) * Scene.PageBytes;

        void Drive(Random random)
        {
            for (; !run.IsOver; moves++)
            {
                int page = random.Next(Pages);
                Interlocked.Increment(ref states[page]);
                scene.Space.Map((ulong)page * Distance, Target(page, states[page]));
                scene.InvalidateAndSync((ulong)page * Distance);
                Interlocked.Increment(ref states[page]);
                ulong address = third.Translate((ulong)page * Distance, AccessKind.Read).Address.Value;
                if (address != Target(page, states[page])) run.Fail("The shared TLB kept what CMD_SYNC had taken away.");
            }
        }

        void Read(DmaPort port, Random random)
        {
            while (!run.IsOver)
            {
                int page = random.Next(Pages);
                long before = Volatile.Read(ref states[page]);
                ulong address = port.Translate((ulong)page * Distance, AccessKind.Read).Address.Value;
                Volatile.ReadBarrier();   // The answer comes before the second look.
                long after = Volatile.Read(ref states[page]);

                if ((address - targets) / (2 * Scene.PageBytes) != (ulong)page) run.Fail("An answer is that of another page.");
                if (before != after || (before & 1) != 0) continue;
                Interlocked.Increment(ref seen);
                if (address != Target(page, before)) run.Fail("A port translated to the old target after CMD_SYNC.");
            }
        }
    }
}
