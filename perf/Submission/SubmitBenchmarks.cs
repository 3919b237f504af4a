using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Submission;

/// <summary>What is submitted before the CMD_SYNC.</summary>
public enum SubmittedCommands
{
    /// <summary>Nothing: the price of a submission.</summary>
    None,

    /// <summary>TLBI_NH_VA of an address that nobody has cached.</summary>
    OneInvalidation,

    /// <summary>Sixteen of those.</summary>
    SixteenInvalidations,
}

/// <summary>Commands and a CMD_SYNC, from the call to the return with its result, by one thread alone.</summary>
[MemoryDiagnoser]
public class SubmitBenchmarks
{
    private const int Submissions = 256;

    private SubmissionWorld? world;
    private Command[] commands = [];

    /// <summary>What comes before the CMD_SYNC.</summary>
    [Params(SubmittedCommands.None, SubmittedCommands.OneInvalidation, SubmittedCommands.SixteenInvalidations)]
    public SubmittedCommands Before { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        int count = Before switch { SubmittedCommands.None => 0, SubmittedCommands.OneInvalidation => 1, _ => 16 };
        commands = [.. Enumerable.Range(0, count).Select(i => Command.TlbiNhVa(default, new Asid(1), (ulong)i << 12))];
        world = new SubmissionWorld();
        ulong before = world.Consumed;
        Smmu();
        ulong consumed = world.Consumed - before;
        TranslationScene.Require(consumed == (ulong)(Submissions * (count + 1)), $"{consumed} commands were consumed");
    }

    [GlobalCleanup]
    public void CleanUp() => world!.Dispose();

    [Benchmark(OperationsPerInvoke = Submissions, Baseline = true)]
    public void Textbook()
    {
        for (int i = 0; i < Submissions; i++) world!.SubmitLocked(commands);
    }

    [Benchmark(OperationsPerInvoke = Submissions, Description = "submit + SYNC")]
    public void Smmu()
    {
        for (int i = 0; i < Submissions; i++) world!.Submit(commands);
    }

    [Benchmark(OperationsPerInvoke = Submissions, Description = "submit + SYNC with a message")]
    public void WithMessage()
    {
        for (int i = 0; i < Submissions; i++) world!.SubmitWithMessage(commands);
    }

    [Benchmark(OperationsPerInvoke = Submissions, Description = "submit + SYNC, Enhanced Command queue")]
    public void Enhanced()
    {
        for (int i = 0; i < Submissions; i++) world!.SubmitEnhanced(commands);
    }
}
