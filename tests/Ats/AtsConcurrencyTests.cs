using System.Collections.Concurrent;
using System.Diagnostics;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Memory;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Ats;

/// <summary>Endpoints complete invalidations from threads of their own, whatever the driver and the host do meanwhile.</summary>
public class AtsConcurrencyTests
{
    private const int Rounds = 300;
    private const ulong Page = 0x4000_0000;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly StreamId Endpoint = new(AtsScene.Stream);

    [Fact]
    [Rule("CMD-ATC-09")]
    public void AfterCmdSyncNoEndpointUsesWhatWasInvalidated()
    {
        using var scene = new AtsScene(control: AtsScene.Translation | AtsScene.CheckTranslated);
        scene.AttachStage1();
        using var tokens = new BlockingCollection<uint>();
        long cached = 0;    // The endpoint's own translation cache: one entry, the number of the round that it is of.
        long retired = 0;   // Rounds whose CMD_SYNC has completed.
        long uses = 0;
        bool isOver = false;
        scene.Endpoints.Answer = invalidation =>
        {
            tokens.Add(invalidation.Token);
            return AtcInvalidationAnswer.Pending;
        };

        var completer = new Worker(() =>
        {
            foreach (uint token in tokens.GetConsumingEnumerable())
            {
                Volatile.Write(ref cached, 0);
                Assert.True(scene.Smmu.CompleteInvalidation(token));
            }
        });
        var user = new Worker(() =>
        {
            using var port = scene.Smmu.OpenPort(Endpoint);
            while (!Volatile.Read(ref isOver))
            {
                using var scope = port.Enter();
                long entry = Volatile.Read(ref cached);
                if (entry == 0) continue;
                Assert.True(scope.TranslateTranslated(Page, AccessKind.Write).IsSuccess);
                Assert.True(Volatile.Read(ref retired) < entry);
                Volatile.Write(ref uses, uses + 1);
            }
        });

        for (int round = 1; round <= Rounds; round++)
        {
            long before = Volatile.Read(ref uses);
            Volatile.Write(ref cached, round);
            if (round % 10 == 0) WaitUntil(() => Volatile.Read(ref uses) != before || user.IsOver);
            scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 52));
            WaitUntil(() => scene.Machine.IsCommandQueueEmpty);
            Volatile.Write(ref retired, round);
        }

        Volatile.Write(ref isOver, true);
        tokens.CompleteAdding();
        completer.Join();
        user.Join();
        Assert.True(uses > 0);
    }

    [Fact]
    public void ResetsLeaveNoWaitBehind()
    {
        using var scene = new AtsScene();
        using var tokens = new BlockingCollection<uint>();
        scene.Endpoints.Answer = invalidation =>
        {
            tokens.Add(invalidation.Token);
            return AtcInvalidationAnswer.Pending;
        };
        int found = 0;
        var completer = new Worker(() =>
        {
            foreach (uint token in tokens.GetConsumingEnumerable())
            {
                if (scene.Smmu.CompleteInvalidation(token, timedOut: token % 3 == 0)) found++;
            }
        });
        ulong queue = scene.Machine.CommandQueue;
        for (int round = 0; round < Rounds; round++)
        {
            scene.Machine.SubmitAndSync(Command.AtcInv(Endpoint, 0, 0), Command.AtcInv(Endpoint, 0, 0));
            scene.Smmu.Reset();
            scene.Machine.SetUpCommandQueue(address: queue);
            scene.Control(AtsScene.Translation);
        }

        tokens.CompleteAdding();
        completer.Join();
        Assert.InRange(found, 0, 2 * Rounds);
        scene.Machine.SubmitAndSync();
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    [Fact]
    public void CompletionsMeetADisposeUnharmed()
    {
        for (int round = 0; round < 40; round++)
        {
            var scene = new AtsScene();
            var tokens = new List<uint>();
            scene.Endpoints.Answer = invalidation =>
            {
                tokens.Add(invalidation.Token);
                return AtcInvalidationAnswer.Pending;
            };
            scene.Machine.SubmitAndSync([.. Enumerable.Repeat(Command.AtcInv(Endpoint, 0, 0), 20)]);
            using var start = new Barrier(2);
            var completer = new Worker(() =>
            {
                start.SignalAndWait(Limit);
                foreach (uint token in tokens.ToArray()) scene.Smmu.CompleteInvalidation(token);
            });
            start.SignalAndWait(Limit);
            WaitUntil(() => TryDispose(scene.Smmu));
            completer.Join();
            scene.Dispose();
        }
    }

    [Fact]
    public void WarmAtsAndPageRequestsAllocateNothing()
    {
        using var scene = new AtsScene(control: AtsScene.Translation | AtsScene.CheckTranslated);
        var quiet = new QuietEndpoints();
        using var machine = scene.Machine.AddSmmu(options => options with { AtsEndpoints = quiet });
        machine.SetUpStreamTable(log2Streams: 4);
        machine.SetUpCommandQueue();
        machine.SetUpEventQueue();
        machine.Write(RegisterOffset.CR2, AtsScene.RecordAtsErrors);
        machine.Write(RegisterOffset.CR0, 0b1_1101);
        var space = scene.AttachStage1(context => context.With(ContextDescriptorField.HA, 1));
        space.Map(AtsScene.Iova, Page);
        machine.SetStream(AtsScene.Stream, Entries.Stage1(scene.NewContext(space))
            .With(StreamTableEntryField.EATS, 1));
        using var port = machine.Smmu.OpenPort(Endpoint);
        var commands = new[] { Command.AtcInv(Endpoint, 0, 0), Command.PriResp(Endpoint, 0, PageResponse.Success), Command.Sync() };
        for (int slot = 0; slot < 1 << machine.CommandQueueLog2; slot++)
        {
            var command = commands[slot % commands.Length];
            machine.Write64(machine.CommandQueue + ((ulong)slot * Command.SizeBytes), [command.Word0, command.Word1]);
        }

        Run(rounds: 2_000);
        int calls = quiet.Calls;
        long before = GC.GetAllocatedBytesForCurrentThread();

        Run(rounds: 1_000);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(quiet.Calls > calls + 1_000);

        void Run(int rounds)
        {
            uint used = (2u << machine.CommandQueueLog2) - 1;
            for (int i = 0; i < rounds; i++)
            {
                machine.Write(RegisterOffset.CMDQ_PROD, (machine.Read(RegisterOffset.CMDQ_PROD) + 1) & used);
                Assert.True(port.RequestTranslation(AtsScene.Iova, AccessKind.Write).W);
                Assert.False(port.RequestTranslation(0, AccessKind.Write).W);
                Assert.True(port.TranslateTranslated(Page, AccessKind.Write).IsSuccess);
                Assert.True(port.SubmitPageRequest(0, 0, AccessKind.Read, last: true) == PageRequestOutcome.Answered);
                machine.Write(RegisterOffset.EVENTQ_CONS, machine.Read(RegisterOffset.EVENTQ_PROD));
            }
        }
    }

    private static bool TryDispose(SmmuDevice device)
    {
        try
        {
            device.Dispose();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;   // A completion was running commands.
        }
    }

    private static void WaitUntil(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Limit, "It never happens.");
            Thread.Yield();
        }
    }

    private sealed class QuietEndpoints : IAtsEndpoints
    {
        public int Calls { get; private set; }

        public AtcInvalidationAnswer Invalidate(in AtcInvalidation invalidation)
        {
            Calls++;
            return AtcInvalidationAnswer.Completed;
        }

        public void Respond(in PageGroupResponse response) => Calls++;
    }
}
