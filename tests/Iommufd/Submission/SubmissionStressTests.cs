using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Tests.Memory;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>Many threads, an SMMU, and everything that can come at once: full queues, errors, scopes, callbacks.</summary>
public class SubmissionStressTests
{
    private const int Rounds = 300;

    [Theory]
    [InlineData(2, 1, SyncCompletion.Consumer)]
    [InlineData(4, 3, SyncCompletion.Consumer)]
    [InlineData(8, 2, SyncCompletion.Message)]
    [InlineData(32, 5, SyncCompletion.Consumer)]
    public void EveryCommandRunsOnceInTheOrderOfItsProducerAndEachHearsOfItsOwnErrors(int producers, int log2, SyncCompletion completion)
    {
        using var scene = new SubmissionScene(log2, SubmissionScene.Patient with { Completion = completion });
        int rounds = Math.Max(20, Rounds * 4 / producers);
        int errors = RunProducers(producers, rounds, (_, commands, sync) => scene.Submitter.Submit(commands, sync), scene);
        Assert.NotEqual(0, errors);
    }

    [Theory]
    [InlineData(3, 4)]
    [InlineData(12, 4)]
    public void EnhancedQueuesOfThreadsLoseNothingEither(int producers, int queues)
    {
        using var scene = new EnhancedDriverScene(queuesLog2: System.Numerics.BitOperations.Log2((uint)queues), log2: 2);
        int errors = RunProducers(producers, 100, (_, commands, sync) => scene.Driver.Submit(commands, sync), scene.Main);
        Assert.NotEqual(0, errors);
    }

    [Fact]
    public void ScopesThatComeAndGoHoldUpSyncsAndLoseNothing()
    {
        using var scene = new SubmissionScene(log2: 2);
        bool isOver = false;
        var device = new Worker(() =>
        {
            using var port = scene.Smmu.OpenPort(new StreamId(1));
            while (!Volatile.Read(ref isOver))
            {
                using (var scope = port.Enter()) Thread.SpinWait(200);
            }
        });
        RunProducers(3, 100, (_, commands, sync) => scene.Submitter.Submit(commands, sync), scene);
        Volatile.Write(ref isOver, true);
        device.Join();
    }

    // Each producer's commands carry consecutive numbers; one in sixteen is illegal instead.
    private static int RunProducers(int producers, int rounds, Func<int, Command[], bool, CommandResult> submit, SubmissionScene scene)
    {
        var sent = new int[producers];
        int errors = 0;
        var threads = Enumerable.Range(0, producers)
            .Select(producer => new Worker(() => Interlocked.Add(ref errors, Produce(producer, rounds, submit, ref sent[producer]))))
            .ToList();
        foreach (var thread in threads) thread.Join();

        var heard = scene.Endpoints.Heard.ToLookup(command => command.Producer, command => command.Number);
        for (int producer = 0; producer < producers; producer++) Assert.Equal(Enumerable.Range(0, sent[producer]), heard[producer]);
        Assert.False(scene.Smmu.HasPendingWork);
        return errors;
    }

    private static int Produce(int producer, int rounds, Func<int, Command[], bool, CommandResult> submit, ref int sent)
    {
        var random = new Random(producer + 1);
        int unheard = 0;
        int errors = 0;
        for (int round = 0; round < rounds; round++)
        {
            bool sync = round == rounds - 1 || random.Next(4) != 0;
            var commands = new Command[random.Next(6)];
            int first = -1;
            int bad = 0;
            for (int i = 0; i < commands.Length; i++)
            {
                bool isBad = random.Next(16) == 0;
                if (isBad && bad++ == 0) first = i;
                commands[i] = isBad ? SubmissionScene.Illegal : SubmissionScene.Numbered(producer, sent++);
            }

            var result = submit(producer, commands, sync);
            errors += bad;
            if (!sync)
            {
                unheard += bad;
                Assert.Equal(SubmissionStatus.Published, result.Status);
                continue;
            }

            var expected = unheard + bad == 0
                ? default
                : new CommandResult(SubmissionStatus.Refused, CommandError.Illegal, unheard > 0 ? -1 : first, unheard + bad);
            Assert.Equal(expected, result);
            unheard = 0;
        }

        return errors;
    }
}
