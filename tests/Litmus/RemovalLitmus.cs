using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>
/// The host takes lent memory back while a device reads it through host pointers inside scopes. Once the removal has
/// returned, the host fills its memory with poison, which the device never sees.
/// </summary>
internal static unsafe class RemovalLitmus
{
    private const ulong Iova = 0x1000;
    private const ulong Lent = 0x10_0000;
    private const int MostReads = 2048;

    public static void Run(LitmusRun run)
    {
        using var scene = new Scene();
        using var port = scene.OpenPort();
        using var block = new NativeBlock(Scene.PageBytes, (int)Scene.PageBytes);
        var memory = scene.Machine.Memory;
        var page = new Page((ulong*)block.Pointer);
        long rounds = 0;
        long reads = 0;
        scene.Space.Map(Iova, Lent);
        run.Race(Lend, Read);
        run.Summary = $"{rounds} times removed, {reads} times read";

        void Lend(Random random)
        {
            for (; !run.IsOver; rounds++)
            {
                page.Fill(poison: false);
                var region = memory.AddBorrowed(Lent, block.Pointer, Scene.PageBytes);
                run.AwaitProgress(ref reads);
                Thread.SpinWait(random.Next(300));
                memory.Remove(region);
                page.Fill(poison: true);
                Thread.SpinWait(random.Next(20));
            }
        }

        void Read(Random random)
        {
            var backlog = new StoreBacklog(random);
            while (!run.IsOver)
            {
                backlog.Grow();
                using var scope = port.Enter();
                ulong address = scope.Translate(Iova, AccessKind.Read).Address.Value;
                if (!memory.TryGetHostSpan(address, write: false, out byte* pointer, out _)) continue;
                Volatile.Write(ref reads, reads + 1);
                bool isPoisoned = Page.IsPoisoned((ulong*)pointer, random.Next(MostReads));
                if (isPoisoned) run.Fail("A scope read a region after its removal.");
            }
        }
    }
}
