using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Floors;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>How a CMD_SYNC says that it is done, besides CMDQ_CONS.</summary>
public enum SyncSignal
{
    /// <summary>CS = SIG_NONE.</summary>
    None,

    /// <summary>CS = SIG_IRQ with a message to RAM.</summary>
    Msi,

    /// <summary>CS = SIG_SEV.</summary>
    Event,
}

/// <summary>CMD_SYNC alone, one a write of CMDQ_PROD, until the write returns. No other thread has a port in use.</summary>
[MemoryDiagnoser]
public class SyncBenchmarks
{
    private const int Syncs = 256;

    private readonly BareSync bare = new();
    private TranslationScene? scene;
    private CommandFeed? feed;

    /// <summary>The signal.</summary>
    [Params(SyncSignal.None, SyncSignal.Msi, SyncSignal.Event)]
    public SyncSignal Signal { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        const uint Data = 0x5a5a;
        scene = new TranslationScene(pages: 1);
        ulong message = scene.Machine.Allocate(64);
        feed = new CommandFeed(scene.Machine, Signal switch
        {
            SyncSignal.Msi => Command.SyncWithMsi(new PhysicalAddress(message), Data),
            SyncSignal.Event => Command.Sync(CompletionSignal.Event),
            _ => Command.Sync(),
        });
        scene.Warm([TranslationScene.FirstPage]);
        Smmu();
        uint written = scene.Machine.Read32(message);
        TranslationScene.Require(written == (Signal == SyncSignal.Msi ? Data : 0), "the message is not there");
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
