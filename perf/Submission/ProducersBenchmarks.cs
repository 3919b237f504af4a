using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Submission;

/// <summary>TLBI_NH_VA and CMD_SYNC, by several threads at once: elapsed time of all divided by all submissions.</summary>
[ManyThreads]
[Allocates]
public class ProducersBenchmarks
{
    private const int Submissions = 64 * 128;

    private readonly Command[] commands = [Command.TlbiNhVa(default, new Asid(1), 0x1000)];
    private SubmissionWorld? world;
    private Producers? locked;
    private Producers? producers;
    private Producers? enhanced;

    /// <summary>Threads that submit.</summary>
    [Params(1, 2, 8, 64)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        world = new SubmissionWorld();
        locked = new Producers(Threads, _ => Repeat(() => world.SubmitLocked(commands)));
        producers = new Producers(Threads, _ => Repeat(() => world.Submit(commands)));
        enhanced = new Producers(Threads, _ => Repeat(() => world.SubmitEnhanced(commands)));
        ulong before = world.Consumed;
        Smmu();
        ulong consumed = world.Consumed - before;
        TranslationScene.Require(consumed == 2 * Submissions, $"{consumed} commands were consumed");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        locked!.Dispose();
        producers!.Dispose();
        enhanced!.Dispose();
        world!.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Submissions, Baseline = true)]
    public void Textbook() => locked!.Run();

    [Benchmark(OperationsPerInvoke = Submissions, Description = "submit TLBI + SYNC")]
    public void Smmu() => producers!.Run();

    [Benchmark(OperationsPerInvoke = Submissions, Description = "submit TLBI + SYNC, Enhanced Command queue each")]
    public void Enhanced() => enhanced!.Run();

    private void Repeat(Action submit)
    {
        int each = Submissions / Threads;
        for (int i = 0; i < each; i++) submit();
    }
}
