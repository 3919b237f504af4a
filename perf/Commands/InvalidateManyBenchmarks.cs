using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// TLBI_NH_ASID of the ASID that owns all that is cached, or TLBI_NSNH_ALL, and CMD_SYNC: one pair a write of CMDQ_PROD,
/// until the write returns. One command empties a TLB, so each iteration fills those of several devices and then sends one
/// pair to each: the caches of the processor are as cold as after other work.
/// </summary>
[MemoryDiagnoser]
public class InvalidateManyBenchmarks
{
    private const int Devices = 16;

    private readonly TranslationScene[] scenes = new TranslationScene[Devices];
    private readonly CommandFeed[] feeds = new CommandFeed[Devices];

    /// <summary>Which of the two commands.</summary>
    [Params(CommandOpcode.TlbiNhAsid, CommandOpcode.TlbiNsnhAll)]
    public CommandOpcode Command { get; set; }

    /// <summary>Pages in the TLB of each device.</summary>
    [Params(200, 4_096, 65_536)]
    public int Cached { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var invalidation = Command == CommandOpcode.TlbiNhAsid
            ? Formats.Command.TlbiNhAsid(default, new Asid(TranslationScene.AsidNumber))
            : Formats.Command.TlbiNsnhAll();
        for (int i = 0; i < Devices; i++)
        {
            scenes[i] = new TranslationScene(Cached, CachedPages.Room(Cached));
            feeds[i] = new CommandFeed(scenes[i].Machine, invalidation, Formats.Command.Sync());
        }

        CachedPages.FillAndRequire(scenes[0], Cached);
        ulong walksBefore = scenes[0].Machine.Smmu.GetStatistics().Walks;
        feeds[0].Publish(2);
        CachedPages.FillEngine(scenes[0], Cached);
        ulong walks = scenes[0].Machine.Smmu.GetStatistics().Walks - walksBefore;
        TranslationScene.Require(walks == (ulong)Cached, $"the command took {walks} of {Cached} pages away");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        foreach (var scene in scenes) scene.Dispose();
    }

    [IterationSetup(Target = nameof(Textbook))]
    public void RefillTextbooks()
    {
        foreach (var scene in scenes) CachedPages.FillTextbook(scene, Cached);
    }

    [IterationSetup(Target = nameof(Smmu))]
    public void RefillEngines()
    {
        foreach (var scene in scenes) CachedPages.FillEngine(scene, Cached);
    }

    [Benchmark(OperationsPerInvoke = Devices, Baseline = true)]
    public ulong Textbook()
    {
        for (int i = 0; i < Devices; i++) scenes[i].Textbook.WriteCommandProducer(feeds[i].Advance(2));
        return feeds[0].Producer;
    }

    [Benchmark(OperationsPerInvoke = Devices, Description = "TLBI of all + SYNC")]
    public ulong Smmu()
    {
        for (int i = 0; i < Devices; i++) feeds[i].Publish(2);
        return feeds[0].RequireConsumed();
    }
}
