using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>What a device does between two commands.</summary>
public enum StreamingAccess
{
    /// <summary>It reads the page that the next command takes away: a miss and a walk each time.</summary>
    NewPage,

    /// <summary>It reads a page that no command names: what an invalidation costs those whom it does not mean.</summary>
    OtherPage,
}

/// <summary>
/// A read, then TLBI_NH_VA (Leaf = 1) of one page and CMD_SYNC by one write of CMDQ_PROD, with 4,096 other pages cached: the
/// cycle of a driver that maps a buffer for each transfer. Work that an invalidation puts off comes to light here.
/// </summary>
[MemoryDiagnoser]
public class StreamingBenchmarks
{
    private const int Cycles = 128;
    private const int Others = 4_096;

    private readonly ulong[] reads = new ulong[Cycles];
    private TranslationScene? scene;
    private CommandFeed? feed;

    /// <summary>Which page is read.</summary>
    [Params(StreamingAccess.NewPage, StreamingAccess.OtherPage)]
    public StreamingAccess Access { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Others + Cycles);
        var commands = new Command[2 * Cycles];
        for (int i = 0; i < Cycles; i++)
        {
            ulong page = TranslationScene.PageOf(Others + i);
            reads[i] = Access == StreamingAccess.NewPage ? page : TranslationScene.PageOf(i * (Others / Cycles));
            commands[2 * i] = Command.TlbiNhVa(default, new Asid(TranslationScene.AsidNumber), page);
            commands[(2 * i) + 1] = Command.Sync();
        }

        feed = new CommandFeed(scene.Machine, commands);
        CachedPages.FillAndRequire(scene, Others);
        TranslationScene.Require(Smmu() == Textbook(), "the answers differ");

        ulong before = scene.Machine.Smmu.GetStatistics().Walks;
        Smmu();
        ulong walks = scene.Machine.Smmu.GetStatistics().Walks - before;
        TranslationScene.Require(walks == (Access == StreamingAccess.NewPage ? Cycles : 0u), $"{walks} of {Cycles} reads walked");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Cycles, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        foreach (ulong address in reads)
        {
            sum += smmu.Translate(TranslationScene.Stream, address, isWrite: false).Address;
            smmu.WriteCommandProducer(feed!.Advance(2));
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = Cycles, Description = "read, TLBI_NH_VA + SYNC")]
    public ulong Smmu()
    {
        var port = scene!.Port;
        ulong sum = 0;
        foreach (ulong address in reads)
        {
            sum += port.Translate(address, AccessKind.Read).Address.Value;
            feed!.Publish(2);
        }

        return sum;
    }
}
