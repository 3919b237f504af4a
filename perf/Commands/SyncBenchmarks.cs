using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>CMD_SYNC with CS = SIG_NONE alone, one a write of CMDQ_PROD, until the write returns.</summary>
[MemoryDiagnoser]
public class SyncBenchmarks
{
    private const int Syncs = 256;

    private readonly BareSync bare = new();
    private TranslationScene? scene;
    private CommandFeed? feed;

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(pages: 1);
        feed = new CommandFeed(scene.Machine, Command.Sync());
        scene.Warm([TranslationScene.FirstPage]);
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Syncs)]
    public unsafe ulong Floor()
    {
        uint slotMask = (1u << scene!.Machine.CommandQueueLog2) - 1;
        ulong* commands = (ulong*)(scene.HostBase + scene.Machine.CommandQueue);
        ulong sum = 0;
        for (int i = 0; i < Syncs; i++) sum += bare.Consume(commands, feed!.Advance(1), slotMask);
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Syncs, Baseline = true)]
    public ulong Textbook()
    {
        for (int i = 0; i < Syncs; i++) scene!.Textbook.WriteCommandProducer(feed!.Advance(1));
        return feed!.Producer;
    }

    [Benchmark(OperationsPerInvoke = Syncs, Description = "SYNC")]
    public ulong Smmu()
    {
        for (int i = 0; i < Syncs; i++) feed!.Publish(1);
        return feed!.RequireConsumed();
    }
}
