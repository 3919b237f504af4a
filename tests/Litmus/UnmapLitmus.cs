using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>
/// A driver unmaps a page, invalidates, waits for CMD_SYNC and gives the page to somebody else, who fills it with poison. A
/// device that reads inside scopes never sees the poison.
/// </summary>
internal static unsafe class UnmapLitmus
{
    private const ulong Iova = 0x1000;
    private const int MostReads = 2048;

    public static void Run(LitmusRun run)
    {
        using var scene = new Scene();
        using var port = scene.OpenPort();
        ulong target = scene.Machine.Allocate(Scene.PageBytes);
        var page = new Page(scene.HostOf(target));
        ulong* words = scene.HostOf(target);
        long rounds = 0;
        long reads = 0;
        page.Fill(poison: false);
        run.Race(Drive, Read);
        run.Summary = $"{rounds} times unmapped, {reads} times read";

        void Drive(Random random)
        {
            for (; !run.IsOver; rounds++)
            {
                scene.Space.Map(Iova, target);
                run.AwaitProgress(ref reads);
                Thread.SpinWait(random.Next(300));
                scene.Space.Unmap(Iova);
                scene.InvalidateAndSync(Iova);
                page.Fill(poison: true);
                Thread.SpinWait(random.Next(20));
                page.Fill(poison: false);
            }

            scene.Space.Map(Iova, target);
        }

        void Read(Random random)
        {
            var backlog = new StoreBacklog(random);
            while (!run.IsOver)
            {
                backlog.Grow();
                using var scope = port.Enter();
                if (!scope.Translate(Iova, AccessKind.Read).IsSuccess) continue;
                Volatile.Write(ref reads, reads + 1);
                bool isPoisoned = Page.IsPoisoned(words, random.Next(MostReads));
                if (isPoisoned) run.Fail("A scope read a page after CMD_SYNC had taken it away.");
            }
        }
    }
}
