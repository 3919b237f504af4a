using System.Collections.Concurrent;
using System.Diagnostics;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Props.Hostile;

/// <summary>
/// Whatever registers, tables, commands and accesses a guest comes with, no call throws, every call ends, and no byte outside
/// of its memory is touched: that memory lies between pages whose use would end the process.
/// </summary>
public class HostileInputProperties
{
    private const int RoundsOnOneThread = 32;
    private const int RoundsOnThreeThreads = 32;
    private const int Steps = 1200;
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(60);

    private static readonly SmmuFeatures[] Features =
    [
        SmmuFeatures.Stage1Only,
        SmmuFeatures.Default,
        SmmuFeatures.QemuVirt,
        SmmuFeatures.Wide.With(SmmuFeatureField.ATS, 1).With(SmmuFeatureField.PRI, 1).With(SmmuFeatureField.PRIQS, 8),
    ];

    [Fact]
    [Rule("CACHE-07")]
    public void AHostileGuestReachesNothingButItsMemory()
    {
        var outcomes = new ConcurrentDictionary<string, long>();
        var statistics = new List<SmmuStatistics>();
        for (int round = 0; round < TestScale.Of(RoundsOnOneThread); round++)
        {
            using var machine = Prepare(round, out var words);
            var device = new HostileClient(machine, words, outcomes);
            var cpu = new HostileClient(machine, words, outcomes);
            for (int step = 0; step < Steps; step++)
            {
                try
                {
                    device.StepAsDevice();
                    device.StepAsDevice();
                    cpu.StepAsCpu();
                }
                catch (Exception problem)
                {
                    Assert.Fail($"Seed {Cases.Seed}, round {round}, step {step}: {problem}");
                }
            }

            device.Stop();
            statistics.Add(machine.Smmu.GetStatistics());
            AssertRecovers(machine, round);
        }

        AssertReachesDeep(outcomes, statistics);
    }

    [Fact]
    public void AHostileGuestOnThreeThreadsReachesNothingButItsMemory()
    {
        var outcomes = new ConcurrentDictionary<string, long>();
        var statistics = new List<SmmuStatistics>();
        for (int round = 0; round < TestScale.Of(RoundsOnThreeThreads); round++)
        {
            using var machine = Prepare(1000 + round, out _);
            var problems = new ConcurrentQueue<Exception>();
            Thread[] threads =
            [
                Begin(machine, (3 * round) + 1, outcomes, problems, client => client.StepAsDevice()),
                Begin(machine, (3 * round) + 2, outcomes, problems, client => client.StepAsDevice()),
                Begin(machine, (3 * round) + 3, outcomes, problems, client => client.StepAsCpu()),
            ];

            var watch = Stopwatch.StartNew();
            foreach (var thread in threads)
            {
                var left = MostTime - watch.Elapsed;
                bool ended = thread.Join(left > TimeSpan.Zero ? left : TimeSpan.Zero);
                Assert.True(ended, $"Seed {Cases.Seed}, round {round}: {thread.Name} still runs after {MostTime}.");
            }

            Assert.True(problems.IsEmpty, $"Seed {Cases.Seed}, round {round}: {string.Join('\n', problems)}");
            statistics.Add(machine.Smmu.GetStatistics());
            AssertRecovers(machine, round);
        }

        // How three threads mix is up to the machine, so only that they got somewhere is certain.
        Assert.True(outcomes.Count >= 5 && statistics.Sum(each => (long)each.Walks) > 0, string.Join(", ", outcomes.Keys));
    }

    private static HostileMachine Prepare(int round, out HostileWords words)
    {
        var features = Features[round % Features.Length];
        words = new HostileWords(Cases.RandomOf(round), features, HostileMachine.MemoryBase, HostileMachine.MemoryBytes);
        var machine = new HostileMachine(features, round % 3 == 0 ? 16 : 256);
        machine.FillMemory(words);
        machine.Start();

        // The host's handler comes back into the device, as hosts do; it stops after a few levels, as hosts must.
        machine.Smmu.InterruptRaised += new HandlerOfRound(machine.Smmu).Handle;
        return machine;
    }

    private static Thread Begin(
        HostileMachine machine,
        int seed,
        ConcurrentDictionary<string, long> outcomes,
        ConcurrentQueue<Exception> problems,
        Action<HostileClient> step)
    {
        var words = new HostileWords(
            Cases.RandomOf(10_000 + seed), machine.Smmu.Features, HostileMachine.MemoryBase, HostileMachine.MemoryBytes);
        var client = new HostileClient(machine, words, outcomes);
        var thread = new Thread(() =>
        {
            try
            {
                for (int i = 0; i < Steps; i++) step(client);
                client.Stop();
            }
            catch (Exception problem)
            {
                problems.Enqueue(problem);
            }
        })
        {
            IsBackground = true,   // A test that hangs must not keep the process from ending.
            Name = $"hostile {seed}",
        };
        thread.Start();
        return thread;
    }

    // Nothing that the guest did lasts beyond a reset: a sane driver finds a device that works.
    private static void AssertRecovers(HostileMachine machine, int round)
    {
        machine.Smmu.Reset();
        machine.Start();
        machine.MakeSane();
        var result = machine.Smmu.Translate(new StreamId(1), null, 0x1234, AccessKind.Read);
        Assert.True(
            result.Outcome == TranslationOutcome.Translated && result.Address.Value == 0x1234,
            $"Seed {Cases.Seed}, round {round}: {result.Outcome} {result.Event} {result.Address} after a reset.");
        Assert.True(
            machine.Smmu.ReadRegister32(RegisterOffset.CMDQ_CONS) == machine.Smmu.ReadRegister32(RegisterOffset.CMDQ_PROD),
            $"Seed {Cases.Seed}, round {round}: commands are not consumed after a reset.");
    }

    private static void AssertReachesDeep(ConcurrentDictionary<string, long> outcomes, List<SmmuStatistics> statistics)
    {
        long accesses = outcomes.Values.Sum();
        ulong walks = 0, reads = 0, tlbHits = 0, commands = 0, recorded = 0;
        foreach (var each in statistics)
        {
            walks += each.Walks;
            reads += each.DescriptorReads;
            tlbHits += each.TlbHits;
            commands += each.CommandsConsumed;
            recorded += each.EventsRecorded;
        }

        string reached = $"{walks} walks with {reads} reads, {tlbHits} TLB hits, {commands} commands, {recorded} records; "
            + string.Join(", ", outcomes.OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Key} {pair.Value}"));
        Assert.True(outcomes.GetValueOrDefault($"{TranslationOutcome.Translated}") * 100 > accesses * 10, reached);
        Assert.True(outcomes.GetValueOrDefault($"{EventType.Translation}") * 100 > accesses * 10, reached);
        Assert.True(outcomes.Count >= 10, reached);
        Assert.True(walks * 100 > (ulong)accesses * 20 && reads > walks, reached);
        Assert.True(tlbHits * 100 > (ulong)accesses * 2, reached);
        Assert.True(commands * 100 > (ulong)accesses && recorded * 100 > (ulong)accesses * 10, reached);
    }

    private sealed class HandlerOfRound(SmmuDevice smmu)
    {
        private const int MostLevels = 3;

        [ThreadStatic]
        private static int levels;

        public void Handle(InterruptLine line)
        {
            if (levels == MostLevels) return;
            levels++;
            smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, smmu.ReadRegister32(RegisterOffset.CMDQ_PROD) + 1);
            smmu.WriteRegister32(RegisterOffset.EVENTQ_CONS, smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD));
            levels--;
        }
    }
}
