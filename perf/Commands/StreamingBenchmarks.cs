using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Commands;

/// <summary>
/// The cycle of a driver that maps a buffer for each transfer: it stores a page descriptor, the device reads the page (a miss
/// and a walk), the driver stores 0, and publishes TLBI_NH_VA of a range of one page and CMD_SYNC. Every second page leads
/// elsewhere each time it is mapped, so that an answer from the past would show.
/// </summary>
[MemoryDiagnoser]
public class StreamingBenchmarks
{
    private const int Cycles = 256;
    private const ulong Elsewhere = 0x10_0000;

    private TranslationScene? scene;
    private CommandFeed? feed;
    private ulong flip;

    /// <summary>Other pages, which are cached all the time.</summary>
    [Params(0, 4_096, 65_536)]
    public int Others { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        scene = new TranslationScene(Others + Cycles, commandQueueLog2: 9);
        var range = CommandKind.Range(1);
        var commands = new Command[2 * Cycles];
        for (int i = 0; i < Cycles; i++)
        {
            commands[2 * i] = range.Make(0, TranslationScene.PageOf(Others + i));
            commands[(2 * i) + 1] = Command.Sync();
            scene.DescriptorOf(Others + i) = 0;
        }

        feed = new CommandFeed(scene.Machine, commands);
        for (int i = 0; i < Others; i++) scene.Warm([TranslationScene.PageOf(i)]);
        ulong before = scene.Machine.Smmu.GetStatistics().Walks;
        ulong sum = Smmu();
        ulong walks = scene.Machine.Smmu.GetStatistics().Walks - before;
        TranslationScene.Require(walks == Cycles, $"{walks} of {Cycles} reads walked");
        TranslationScene.Require(sum - Smmu() == ulong.MaxValue - ((Cycles / 2) << 20) + 1, "an answer is from the past");
        flip = 0;
        TranslationScene.Require(sum == Textbook(), "the answers differ");
    }

    [GlobalCleanup]
    public void CleanUp() => scene!.Dispose();

    [Benchmark(OperationsPerInvoke = Cycles, Baseline = true)]
    public ulong Textbook()
    {
        var smmu = scene!.Textbook;
        ulong sum = 0;
        for (int i = 0; i < Cycles; i++)
        {
            Map(i);
            sum += smmu.Translate(TranslationScene.Stream, TranslationScene.PageOf(Others + i), isWrite: false).Address;
            Unmap(i);
            smmu.WriteCommandProducer(feed!.Advance(2));
        }

        flip ^= Elsewhere;
        return sum;
    }

    [Benchmark(OperationsPerInvoke = Cycles, Description = "map, read, unmap, range TLBI + SYNC")]
    public ulong Smmu()
    {
        var port = scene!.Port;
        ulong sum = 0;
        for (int i = 0; i < Cycles; i++)
        {
            Map(i);
            sum += port.Translate(TranslationScene.PageOf(Others + i), AccessKind.Read).Address.Value;
            Unmap(i);
            feed!.Publish(2);
        }

        flip ^= Elsewhere;
        return sum;
    }

    private void Map(int cycle)
    {
        ulong output = TranslationScene.FirstOutput + ((ulong)cycle * TranslationScene.PageBytes) + ((cycle & 1) == 0 ? flip : 0);
        Volatile.Write(ref scene!.DescriptorOf(Others + cycle), output | TranslationScene.Leaf);
    }

    private void Unmap(int cycle) => Volatile.Write(ref scene!.DescriptorOf(Others + cycle), 0);
}
