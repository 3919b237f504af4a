using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Ats;
using Smmu.Fast.Tests.Device;
using Smmu.Fast.Tests.Queues;
using Smmu.Fast.Tests.Registers;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>Enhanced Command queues run the same commands, each on its own: what one does or meets is none of the others'
/// affair (IHI 0070, 3.5.6).</summary>
public class EnhancedCommandQueueTests
{
    private const ulong Iova = 0x1000;
    private const ulong From = 0x1_0000_0000;
    private const ulong To = 0x2_0000_0000;

    private static readonly SmmuFeatures Ats = SmmuFeatures.Default;

    [Fact]
    [Rule("ECMDQ-08")]
    public void TheirCommandsActOnTheSameCaches()
    {
        using var scene = new EnhancedQueueScene();
        scene.Machine.Enable(ControlBits.EventQueue | ControlBits.Smmu);   // CMDQEN is not theirs.
        scene.SetUp(3);
        var space = new Stage1Space(scene.Machine, asid: 3);
        space.Map(Iova, From);
        scene.Machine.AttachStage1(8, space);
        Assert.Equal(From, Output(scene));
        space.Map(Iova, To);
        Assert.Equal(From, Output(scene));

        scene.Submit(3, Command.TlbiNhVa(default, new Asid(3), Iova), Command.Sync());

        Assert.Equal(To, Output(scene));
        Assert.Equal(2UL, scene.Smmu.GetStatistics().CommandsConsumed);
    }

    [Fact]
    [Rule("ECMDQ-11")]
    [Rule("ECMDQ-12")]
    [Rule("RR-05")]
    [Rule("RR-06")]
    public void AnErrorStopsItsQueueAtTheCommandUntilItIsAcknowledged()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.SetUp(1);
        for (int round = 0; round < 3; round++)
        {
            uint flag = scene.Consumer(0) & EnhancedQueueScene.ErrorFlag;
            uint first = scene.ReadIndex(0);
            scene.Submit(0, Command.Sync(), Scenes.IllegalCommand, scene.Mark(0, (uint)round + 1));

            Assert.Equal(flag ^ EnhancedQueueScene.ErrorFlag, scene.Consumer(0) & EnhancedQueueScene.ErrorFlag);
            Assert.Equal(CommandError.Illegal, scene.Reason(0));
            Assert.Equal((first + 1) & 0xf, scene.ReadIndex(0));
            Assert.NotEqual(0u, scene.Consumer(0) & EnhancedQueueScene.Enable);

            scene.Submit(0);                                      // Another write does not help.
            Assert.Equal((uint)round, scene.MarkIn(0));
            scene.Submit(1, scene.Mark(1, (uint)round + 1));      // Others go on.
            Assert.Equal((uint)round + 1, scene.MarkIn(1));
            scene.Machine.Submit(scene.Mark(2, (uint)round + 1));
            Assert.Equal((uint)round + 1, scene.MarkIn(2));

            scene.Store(0, ((uint)round * 3) + 1 & 7, Command.Sync());
            scene.Acknowledge(0);
            Assert.False(scene.HasError(0));
            Assert.Equal((uint)round + 1, scene.MarkIn(0));
        }
    }

    [Fact]
    [Rule("ECMDQ-11")]
    public void AReadOfACommandThatAbortsIsAnErrorOfItsOwn()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0, address: 0x7_0000_0000);
        scene.WriteProducer(0, EnhancedQueueScene.Enable | 1);
        Assert.Equal((CommandError.Abort, true, 0u), (scene.Reason(0), scene.HasError(0), scene.ReadIndex(0)));
    }

    [Fact]
    [Rule("ECMDQ-13")]
    [Rule("GERR-16")]
    [Rule("IRQ-08")]
    public void TheGlobalErrorTellsOfThemAndChangesNothing()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.SetUp(1);
        scene.Machine.EnableInterrupts(InterruptEnables.GERROR_IRQEN);
        var seen = new List<(bool, CommandError)>();
        scene.Smmu.InterruptRaised += line =>
        {
            if (line == InterruptLine.GlobalError) seen.Add((scene.HasError(0), scene.Reason(0)));
        };

        scene.Submit(0, Scenes.IllegalCommand, scene.Mark(0));
        Assert.Equal(GlobalErrors.CMDQP_ERR, scene.Machine.ActiveErrors());
        Assert.Equal([(true, CommandError.Illegal)], seen);

        scene.Submit(1, Scenes.IllegalCommand);   // A second one leaves no trace there.
        Assert.Equal(GlobalErrors.CMDQP_ERR, scene.Machine.ActiveErrors());
        Assert.Single(seen);

        scene.Machine.AcknowledgeErrors();        // Neither restarts a queue,
        Assert.Equal((true, true), (scene.HasError(0), scene.HasError(1)));
        scene.Submit(0);
        Assert.Equal(0u, scene.MarkIn(0));

        scene.Store(0, 0, Scenes.IllegalCommand); // nor does an active error stop one.
        scene.Acknowledge(0);
        Assert.Equal(GlobalErrors.CMDQP_ERR, scene.Machine.ActiveErrors());
        scene.Store(0, 0, Command.Sync());
        scene.Acknowledge(0);
        Assert.Equal(1u, scene.MarkIn(0));

        using var plain = new GuestMachine();
        plain.Write(RegisterOffset.GERRORN, (uint)GlobalErrors.CMDQP_ERR);
        Assert.Equal(0u, plain.Read(RegisterOffset.GERRORN));
    }

    [Fact]
    [Rule("ECMDQ-14")]
    public void AnErrorOfTheCommandQueueIsNoneOfTheirs()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.Machine.Submit(Scenes.IllegalCommand);
        Assert.Equal(GlobalErrors.CMDQ_ERR, scene.Machine.ActiveErrors());
        scene.Submit(0, scene.Mark(0));
        Assert.Equal(1u, scene.MarkIn(0));
        Assert.Equal(GlobalErrors.CMDQ_ERR, scene.Machine.ActiveErrors());
        Assert.False(scene.Machine.IsCommandQueueEmpty);
    }

    [Fact]
    [Rule("ECMDQ-16")]
    public void AMessageThatAbortsIsReportedAsThatOfAnySync()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.Submit(0, Command.SyncWithMsi(new PhysicalAddress(0x7_0000_0000), 1), scene.Mark(0));
        Assert.Equal(GlobalErrors.MSI_CMDQ_ABT_ERR, scene.Machine.ActiveErrors());
        Assert.Equal(1u, scene.MarkIn(0));
        Assert.False(scene.HasError(0));
    }

    [Fact]
    [Rule("ECMDQ-18")]
    public void AnAcknowledgeOfNothingHaltsAQueueUntilItIsTakenBack()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.WriteProducer(0, 0);
        scene.WriteProducer(0, EnhancedQueueScene.Enable | EnhancedQueueScene.ErrorFlag);
        scene.Submit(0, scene.Mark(0));
        Assert.Equal((0u, EnhancedQueueScene.Enable), (scene.MarkIn(0), scene.Consumer(0)));
        scene.WriteProducer(0, EnhancedQueueScene.Enable | 1);
        Assert.Equal(1u, scene.MarkIn(0));

        scene.WriteProducer(0, 1);                                  // The same with ERR, which is software's while it is off.
        scene.WriteConsumer(0, EnhancedQueueScene.ErrorFlag | 1);
        scene.WriteProducer(0, EnhancedQueueScene.Enable | 1);
        scene.Submit(0, scene.Mark(1));
        Assert.Equal(0u, scene.MarkIn(1));
        scene.Acknowledge(0);
        Assert.Equal(1u, scene.MarkIn(1));
    }

    [Fact]
    [Rule("ECMDQ-19")]
    public void AQueueThatBecomesNonFullWakesThePEs()
    {
        using var scene = new EnhancedQueueScene();
        var pulses = scene.Machine.RecordPulses();
        scene.SetUp(0, log2: 2);
        scene.Submit(0, Command.Sync(), Command.Sync(), Command.Sync());
        Assert.DoesNotContain(InterruptLine.WakeUpEvent, pulses);
        scene.Submit(0, Command.Sync(), Command.Sync(), Command.Sync(), Command.Sync());
        Assert.Single(pulses, InterruptLine.WakeUpEvent);
    }

    [Fact]
    [Rule("ECMDQ-15")]
    public void ASyncWaitsForTheInvalidationsOfItsOwnQueueAlone()
    {
        var endpoints = new RecordingEndpoints { Answer = _ => AtcInvalidationAnswer.Pending };
        using var scene = new EnhancedQueueScene(features: Ats, configure: options => options with { AtsEndpoints = endpoints });
        scene.SetUp(0);
        scene.SetUp(1);
        scene.Submit(0, Command.AtcInv(new StreamId(1), Iova, 0), scene.Mark(0));
        Assert.Equal((1u, 0u), (scene.ReadIndex(0), scene.MarkIn(0)));

        scene.Submit(1, scene.Mark(1));
        Assert.Equal(1u, scene.MarkIn(1));
        scene.Machine.Submit(scene.Mark(2));
        Assert.Equal(1u, scene.MarkIn(2));
        Assert.Equal(0u, scene.MarkIn(0));

        Assert.True(scene.Smmu.CompleteInvalidation(endpoints.Invalidations[0].Token));
        Assert.Equal(1u, scene.MarkIn(0));
    }

    [Fact]
    [Rule("ECMDQ-11")]
    [Rule("ECMDQ-15")]
    public void ATimeoutIsToldByTheNextSyncOfTheQueueThatSentTheInvalidation()
    {
        var endpoints = new RecordingEndpoints { Answer = _ => AtcInvalidationAnswer.TimedOut };
        using var scene = new EnhancedQueueScene(features: Ats, configure: options => options with { AtsEndpoints = endpoints });
        scene.SetUp(0);
        scene.SetUp(1);
        scene.Submit(0, Command.AtcInv(new StreamId(1), Iova, 0));
        scene.Submit(1, scene.Mark(1));
        scene.Machine.Submit(scene.Mark(2));
        Assert.Equal((1u, 1u), (scene.MarkIn(1), scene.MarkIn(2)));

        byte[] state = scene.Smmu.Save();   // Who is to be told outlives the device.
        scene.Smmu.Reset();
        scene.Smmu.Restore(state);
        scene.Submit(1, scene.Mark(1, 2));
        Assert.Equal(2u, scene.MarkIn(1));

        scene.Submit(0, scene.Mark(0));
        Assert.Equal((CommandError.AtcInvalidationSync, 1u, 0u), (scene.Reason(0), scene.ReadIndex(0), scene.MarkIn(0)));
        scene.Acknowledge(0);
        Assert.Equal(1u, scene.MarkIn(0));
    }

    [Fact]
    public void QueuesThatFindNoTagGoOnInTurnAsTagsComeBack()
    {
        const int Tags = 32;
        var endpoints = new RecordingEndpoints { Answer = _ => AtcInvalidationAnswer.Pending };
        using var scene = new EnhancedQueueScene(features: Ats, configure: options => options with { AtsEndpoints = endpoints });
        scene.SetUp(0, log2: 6);
        scene.SetUp(1);
        scene.SetUp(2);
        scene.SetUp(3);
        var invalidation = Command.AtcInv(new StreamId(1), Iova, 0);
        scene.Submit(0, [.. Enumerable.Repeat(invalidation, Tags)]);
        scene.Submit(1, invalidation, scene.Mark(1));
        scene.Submit(2, invalidation, scene.Mark(2));
        scene.Submit(3, scene.Mark(3));
        Assert.Equal((0u, 0u, 1u), (scene.ReadIndex(1), scene.ReadIndex(2), scene.MarkIn(3)));
        Assert.Equal(Tags, endpoints.Invalidations.Length);

        // The first that waits has changed its mind; the tag goes to the next.
        scene.WriteProducer(1, 0);
        Assert.True(scene.Smmu.CompleteInvalidation(endpoints.Invalidations[0].Token));
        Assert.Equal((0u, 1u), (scene.ReadIndex(1), scene.ReadIndex(2)));
        Assert.Equal(Tags + 1, endpoints.Invalidations.Length);

        scene.WriteProducer(1, EnhancedQueueScene.Enable | 2);
        Assert.Equal(0u, scene.ReadIndex(1));
        scene.Store(1, 0, Command.Sync());   // It wants no tag any more, but finds out only when there is one.
        Assert.True(scene.Smmu.CompleteInvalidation(endpoints.Invalidations[1].Token));
        Assert.Equal(1u, scene.MarkIn(1));
        Assert.True(scene.Smmu.CompleteInvalidation(endpoints.Invalidations[Tags].Token));
        Assert.Equal(1u, scene.MarkIn(2));
    }

    [Fact]
    [Rule("ECMDQ-15")]
    public void SyncsOfAllQueuesCompleteWhenTheScopesEndThatTheyWaitFor()
    {
        using var scene = new EnhancedQueueScene();
        using var early = scene.Smmu.OpenPort(new StreamId(8));
        using var late = scene.Smmu.OpenPort(new StreamId(9));
        scene.SetUp(0);
        scene.SetUp(1);
        scene.SetUp(2);
        using (var first = new ScopeHolder(early))
        {
            scene.Submit(0, scene.Mark(0));
            scene.Machine.Submit(scene.Mark(4));
            using var second = new ScopeHolder(late);
            scene.Submit(1, scene.Mark(1));
            scene.Submit(2, scene.Mark(2), scene.Mark(3));
            Assert.Equal((0u, 0u, 0u, 0u), (scene.MarkIn(0), scene.MarkIn(1), scene.MarkIn(2), scene.MarkIn(4)));
            Assert.True(scene.Smmu.HasPendingWork);

            scene.WriteProducer(0, 1);               // One leaves the line and comes back at its end.
            scene.WriteProducer(0, EnhancedQueueScene.Enable | 1);
            first.Leave();
            Assert.Equal((0u, 0u, 0u, 1u), (scene.MarkIn(0), scene.MarkIn(1), scene.MarkIn(2), scene.MarkIn(4)));
            second.Leave();
        }

        Assert.Equal((1u, 1u, 1u, 1u), (scene.MarkIn(0), scene.MarkIn(1), scene.MarkIn(2), scene.MarkIn(3)));
        Assert.False(scene.Smmu.HasPendingWork);
    }

    [Fact]
    public void OneCallRunsNoMoreThanOneQueuesWorthHoweverManyWait()
    {
        const int Queues = 8;
        const ulong Commands = 8;
        using var scene = new EnhancedQueueScene();
        using var port = scene.Smmu.OpenPort(new StreamId(8));
        using (var holder = new ScopeHolder(port))
        {
            for (int queue = 0; queue < Queues; queue++)
            {
                scene.SetUp(queue);
                scene.Submit(queue, [.. Enumerable.Repeat(Command.Sync(), (int)Commands)]);
            }
        }

        ulong before = scene.Smmu.GetStatistics().CommandsConsumed;
        Assert.InRange(before, 1UL, Commands);
        Assert.True(scene.Smmu.HasPendingWork);
        while (scene.Smmu.HasPendingWork)
        {
            scene.Smmu.RunPending();
            ulong now = scene.Smmu.GetStatistics().CommandsConsumed;
            Assert.InRange(now, before + 1, before + Commands);
            before = now;
        }

        Assert.Equal(Queues * Commands, before);
    }

    [Fact]
    public void ALongQueueLetsAShortOneThrough()
    {
        const int Long = 1 << 10;
        using var scene = new EnhancedQueueScene();
        using var port = scene.Smmu.OpenPort(new StreamId(8));
        scene.SetUp(0, log2: 10);
        scene.SetUp(1);
        using (var holder = new ScopeHolder(port))
        {
            scene.Submit(0, [.. Enumerable.Repeat(Command.Sync(), Long - 1), scene.Mark(0)]);
            scene.Submit(1, scene.Mark(1));
        }

        Assert.Equal(1u, scene.MarkIn(1));
        Assert.Equal(0u, scene.MarkIn(0));   // One command of the long one's worth went to the short one.
        scene.Smmu.RunPending();
        Assert.Equal(1u, scene.MarkIn(0));
    }

    [Fact]
    public void TheirStateIsSavedWithTheDevice()
    {
        using var scene = new EnhancedQueueScene();
        scene.SetUp(0);
        scene.SetUp(6, log2: 4);
        scene.Submit(0, Command.Sync(), Scenes.IllegalCommand, scene.Mark(0));
        scene.Submit(6, Command.Sync(), Command.Sync(), Command.Sync());
        scene.WriteProducer(6, 5);   // Off, with two commands to run.
        scene.Store(6, 3, scene.Mark(1));
        scene.Store(6, 4, scene.Mark(2));
        byte[] state = scene.Smmu.Save();

        var registers = Enumerable.Range(0, 8).Select(queue => (scene.Base(queue), scene.Producer(queue), scene.Consumer(queue))).ToList();
        scene.Smmu.Reset();
        scene.Smmu.Restore(state);

        Assert.Equal(registers, Enumerable.Range(0, 8).Select(queue => (scene.Base(queue), scene.Producer(queue), scene.Consumer(queue))));
        Assert.Equal(GlobalErrors.CMDQP_ERR, scene.Machine.ActiveErrors());
        scene.Store(0, 1, Command.Sync());
        scene.Acknowledge(0);
        scene.WriteProducer(6, EnhancedQueueScene.Enable | 5);
        Assert.Equal((1u, 1u, 1u), (scene.MarkIn(0), scene.MarkIn(1), scene.MarkIn(2)));
    }

    [Fact]
    public void AQueueOnTheBusReentersFromTheReadOfAnother()
    {
        var bus = new HookedBus();
        using var scene = new EnhancedQueueScene(bus: bus);
        scene.SetUp(0, log2: 2, address: HookedBus.Base);
        scene.SetUp(1);
        scene.Store(0, 0, scene.Mark(0));
        bus.AfterRead = _ =>
        {
            bus.AfterRead = null;
            scene.Submit(1, scene.Mark(1));
            return true;
        };
        scene.WriteProducer(0, EnhancedQueueScene.Enable | 1);
        Assert.Equal((1u, 1u), (scene.MarkIn(0), scene.MarkIn(1)));
        Assert.False(scene.Smmu.HasPendingWork);
    }

    [Fact]
    public void ThreadsWithAQueueEachLoseNothing()
    {
        const int Rounds = 2_000;
        using var scene = new EnhancedQueueScene();
        var registers = Enumerable.Range(0, 4).Select(scene.Registers).ToArray();
        for (int queue = 0; queue < 4; queue++)
        {
            scene.SetUp(queue, log2: 2);
            for (uint slot = 0; slot < 4; slot++) scene.Store(queue, slot, scene.Mark(queue, slot + 1));
        }

        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, queue =>
        {
            uint producer = 0;
            for (int round = 0; round < Rounds; round++)
            {
                producer = (producer + 1) & 7;
                scene.Smmu.WriteRegister32(registers[queue] + EnhancedCommandQueueOffset.ECMDQ_PROD, EnhancedQueueScene.Enable | producer);
                while ((scene.Smmu.ReadRegister32(registers[queue] + EnhancedCommandQueueOffset.ECMDQ_CONS) & 7) != producer) Thread.Yield();
            }
        });

        Assert.Equal(4UL * Rounds, scene.Smmu.GetStatistics().CommandsConsumed);
        Assert.All(Enumerable.Range(0, 4), queue => Assert.Equal(((Rounds - 1) & 3) + 1, (int)scene.MarkIn(queue)));
    }

    private static ulong Output(EnhancedQueueScene scene) =>
        scene.Smmu.Translate(new StreamId(8), null, Iova, AccessKind.Read).Address.Value;
}
