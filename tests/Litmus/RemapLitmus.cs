using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>
/// A driver moves a page to and fro between two targets. A device sees one or the other, and after CMD_SYNC the new one
/// only, in its own port as well.
/// </summary>
internal static class RemapLitmus
{
    private const ulong Iova = 0x1000;
    private const ulong Neighbour = Iova + (1 << 20);   // Has the same place in a port's own table.

    public static void Run(LitmusRun run)
    {
        using var scene = new Scene();
        using var port = scene.OpenPort();
        using var own = scene.OpenPort();
        ulong[] targets = [scene.Machine.Allocate(Scene.PageBytes), scene.Machine.Allocate(Scene.PageBytes)];
        long state = 0;   // Twice the number of moves, and 1 more while one is under way.
        long reads = 0;
        long seen = 0;
        scene.Space.Map(Iova, targets[0]);
        scene.Space.Map(Neighbour, scene.Machine.Allocate(Scene.PageBytes));
        run.Race(Drive, Read);
        run.Summary = $"{state / 2} times moved, {seen} times seen at rest";

        void Drive(Random random)
        {
            while (!run.IsOver)
            {
                Interlocked.Increment(ref state);
                scene.Space.Map(Iova, targets[((state + 1) / 2) & 1]);
                scene.InvalidateAndSync(Iova);
                Interlocked.Increment(ref state);

                // Fills the shared TLB, from which the device then may be answered.
                ulong address = own.Translate(Iova, AccessKind.Read).Address.Value;
                if (address != targets[(state / 2) & 1]) run.Fail("The driver's own port found the old target after CMD_SYNC.");
                if (random.Next(2) == 0) run.AwaitProgress(ref reads);   // Else the device may come late, into the next move.
                Thread.SpinWait(random.Next(60));
            }
        }

        void Read(Random random)
        {
            while (!run.IsOver)
            {
                // Else all misses of the port come right after an invalidation.
                if (random.Next(4) == 0) port.Translate(Neighbour, AccessKind.Read);
                long before = Volatile.Read(ref state);
                ulong address = port.Translate(Iova, AccessKind.Read).Address.Value;
                Volatile.ReadBarrier();   // The answer comes before the second look.
                long after = Volatile.Read(ref state);
                Volatile.Write(ref reads, reads + 1);

                if (!targets.Contains(address)) run.Fail($"0x{address:x} never was a target.");
                if (before != after || (before & 1) != 0) continue;
                seen++;
                if (address != targets[(before / 2) & 1]) run.Fail("A port translated to the old target after CMD_SYNC.");
            }
        }
    }
}
