using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// TLBI_NSNH_ALL and CMD_SYNC: one pair a write of CMDQ_PROD, until the write returns. One command takes everything, so there
/// are two ways to measure it. Either each pair goes to another one of 32 devices, in all of which all pages are cached: the
/// devices are not in the caches of the processor then. Or 800 pairs go to one device, and the first takes everything.
/// </summary>
[MemoryDiagnoser]
public class InvalidateAllBenchmarks
{
    private const int Devices = 32;

    private readonly TranslationScene[] scenes = new TranslationScene[Devices];
    private readonly CommandFeed[] feeds = new CommandFeed[Devices];
    private readonly CommandFeed[] textbookFeeds = new CommandFeed[Devices];   // So that no SMMU is left behind by a whole queue.
    private CommandWorld? world;

    /// <summary>Pages in the TLB.</summary>
    [Params(0, 200, 4_096, 65_536)]
    public int Cached { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        for (int i = 0; i < Devices; i++)
        {
            scenes[i] = new TranslationScene(Math.Max(Cached, 1));
            feeds[i] = new CommandFeed(scenes[i].Machine, Command.TlbiNsnhAll(), Command.Sync());
            textbookFeeds[i] = new CommandFeed(scenes[i].Machine, Command.TlbiNsnhAll(), Command.Sync());
        }

        RefillEngines();
        OnManyDevices();
        ulong before = scenes[^1].Machine.Smmu.GetStatistics().Walks;
        RefillEngines();
        ulong walks = scenes[^1].Machine.Smmu.GetStatistics().Walks - before;
        TranslationScene.Require(walks == (ulong)Cached, $"the command took {walks} of {Cached} pages");
        RefillTextbooks();
        TranslationScene.Require(scenes[^1].Textbook.Cached == Cached, "the textbook has not cached the pages");
        Textbook();
        TranslationScene.Require(scenes[^1].Textbook.Cached == 0, "the textbook does not take the pages away");

        world = new CommandWorld(CommandKind.All["TLBI_NSNH_ALL"], Cached);
        int taken = world.RequireCached();
        TranslationScene.Require(taken == Cached, $"the commands took {taken} pages away");
        RefillOne();
        Steady.Reach(() =>
        {
            Smmu();
            RefillOne();
            OnManyDevices();
        });
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        foreach (var scene in scenes) scene.Dispose();
        world!.Dispose();
    }

    [IterationSetup(Target = nameof(Textbook))]
    public void RefillTextbooks()
    {
        foreach (var scene in scenes)
        {
            for (int i = 0; i < Cached; i++)
            {
                scene.Textbook.Translate(TranslationScene.Stream, TranslationScene.PageOf(i), isWrite: false);
            }
        }
    }

    [IterationSetup(Target = nameof(OnManyDevices))]
    public void RefillEngines()
    {
        foreach (var scene in scenes)
        {
            for (int i = 0; i < Cached; i++) scene.Port.Translate(TranslationScene.PageOf(i), AccessKind.Read);
        }
    }

    [IterationSetup(Target = nameof(Smmu))]
    public void RefillOne() => world!.RefillEngines();

    [Benchmark(OperationsPerInvoke = Devices, Baseline = true)]
    public ulong Textbook()
    {
        for (int i = 0; i < Devices; i++) scenes[i].Textbook.WriteCommandProducer(textbookFeeds[i].Advance(2));
        return textbookFeeds[0].Producer;
    }

    [Benchmark(OperationsPerInvoke = Devices, Description = "TLBI_NSNH_ALL + SYNC, each on another device")]
    public ulong OnManyDevices()
    {
        for (int i = 0; i < Devices; i++) feeds[i].Publish(2);
        return feeds[0].RequireConsumed();
    }

    [Benchmark(OperationsPerInvoke = CommandWorld.Pairs, Description = "TLBI_NSNH_ALL + SYNC")]
    public ulong Smmu() => world!.PublishToEngines();
}
