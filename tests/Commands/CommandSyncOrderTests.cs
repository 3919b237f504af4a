using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>What is over, and what has not begun, when a CMD_SYNC completes (IHI 0070, 4.7.3).</summary>
public class CommandSyncOrderTests
{
    private const ulong Iova = 0x12_3000;
    private const ulong Unmapped = 0x45_6000;
    private const ulong Old = 0x4100_0000;
    private const ulong New = 0x4200_0000;

    [Fact]
    [Rule("CMD-SYNC-11")]
    public void LaterCommandsWaitForTheSync()
    {
        using var scene = new CommandScene();
        scene.Machine.SetStream(1, Entries.Bypass);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        using (port.Enter())
        {
            scene.Machine.Submit(Command.Sync(), new Command(0xff, 0));
            Assert.Equal(0u, scene.Consumer);
            Assert.False(scene.HasCommandError);
        }

        Assert.Equal(1u, scene.Consumer);
        Assert.True(scene.HasCommandError);
    }

    [Fact]
    [Rule("CMD-SYNC-11")]
    [Rule("CMD-SYNC-17")]
    public void SyncsCompleteInOrderEvenWhenASignalPublishesMore()
    {
        const int Syncs = 5;
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        int begun = 0;
        var signalled = new List<int>();
        bus.Writing = _ =>
        {
            int number = ++begun;
            if (number < Syncs) scene.Machine.Submit(SyncNumber(number + 1));   // Published while this signal is under way.
            signalled.Add(number);
        };

        scene.Machine.Submit(SyncNumber(1));

        Assert.Equal([1, 2, 3, 4, 5], signalled);
        Assert.Equal([1, 2, 3, 4, 5], bus.Writes.Select(write => (int)write.Bytes[0]));
        Assert.True(scene.Machine.IsCommandQueueEmpty);

        static Command SyncNumber(int number) => Command.SyncWithMsi(new PhysicalAddress(HostBus.Base), (uint)number);
    }

    [Theory]
    [InlineData(CommandOpcode.TlbiNsnhAll)]
    [InlineData(CommandOpcode.CfgiSteRange)]
    [Rule("CMD-SYNC-12")]
    public void SyncWaitsForAccessesThatUseWhatIsInvalidated(CommandOpcode opcode)
    {
        using var scene = new CommandScene();
        scene.Attach(1, 1).Map(Iova, Old);
        ulong target = scene.Machine.Allocate(64);
        using var port = scene.Machine.Smmu.OpenPort(new StreamId(1));
        using (var scope = port.Enter())
        {
            ulong address = scope.Translate(Iova, AccessKind.Write).Address.Value;
            scene.Machine.Submit(new Command((ulong)opcode, 31), Command.SyncWithMsi(new PhysicalAddress(target), 1));

            Assert.Equal(1u, scene.Consumer);
            scene.Machine.Smmu.RunPending();
            Assert.Equal(0u, scene.Machine.Read32(target));
            scene.Machine.Write64(address, 0x55);   // The client still uses the old address.
        }

        Assert.Equal(2u, scene.Consumer);
        Assert.Equal(1u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void SyncWaitsForAnAccessInTheMiddleOfItsWalk()
    {
        using var stopped = new StoppedAccess();
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        var space = scene.Attach(1, 1);
        space.Map(Iova, Old);
        ulong slot = MoveTableToBus(scene, space);
        bus.Answered = address =>
        {
            if (address == slot) stopped.StopHere();
        };
        stopped.Start(() => scene.Output(1, Iova));   // It has read the descriptor, and has kept nothing yet.

        scene.Machine.Write64(slot, (scene.Machine.Read64(slot) & ~Old) | New);
        scene.Machine.SubmitAndSync(Command.TlbiNhVa(default, new Asid(1), Iova));
        Assert.Equal(1u, scene.Consumer);

        stopped.Finish();
        Assert.Equal(2u, scene.Consumer);
        Assert.Equal(New, scene.Output(1, Iova));   // What it read was not kept after the command.
    }

    [Fact]
    [Rule("CMD-SYNC-13")]
    [Rule("FLT-13")]
    [Rule("CMD-SYNC-10")]
    public void EventsOfAbortedAccessesAreInTheQueueWhenTheSignalArrives()
    {
        using var scene = new CommandScene();
        scene.Attach(1, 1);
        uint eventsAtSignal = 0;
        scene.Machine.Smmu.InterruptRaised += _ => eventsAtSignal = scene.Machine.Read(RegisterOffset.EVENTQ_PROD);
        Assert.Equal(EventType.Translation, scene.Translate(1, Unmapped).Event);

        scene.Machine.Submit(Command.Sync(CompletionSignal.Interrupt));

        Assert.Equal(1u, eventsAtSignal);
        Assert.True(scene.Machine.TryTakeEvent(out var record));
        Assert.Equal(Unmapped, record.InputAddress);
    }

    [Fact]
    [Rule("CMD-SYNC-13")]
    [Rule("FLT-13")]
    public void SyncWaitsForEventsWhoseWriteIsUnderWay()
    {
        using var stopped = new StoppedAccess();
        var bus = new HostBus { Writing = _ => stopped.StopHere() };
        using var scene = new CommandScene(bus: bus, start: false);
        scene.Machine.SetUpEventQueue(address: HostBus.Base);
        scene.Machine.Start();
        scene.Attach(1, 1);
        stopped.Start(() => scene.Translate(1, Unmapped));

        // This one finds the writer busy, and its client sees the abort before the record is written.
        Assert.Equal(EventType.Translation, scene.Translate(1, Unmapped + 0x1000).Event);
        scene.Machine.Submit(Command.Sync());
        Assert.Equal(0u, scene.Consumer);

        stopped.Finish();
        Assert.Equal(1u, scene.Consumer);
        Assert.Equal(2u, scene.Machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.True(scene.Machine.TryTakeEvent(out _));
        Assert.True(scene.Machine.TryTakeEvent(out var second));
        Assert.Equal(Unmapped + 0x1000, second.InputAddress);
    }

    [Fact]
    [Rule("CMD-SYNC-13")]
    [Rule("FLT-13")]
    public void EventsThatTheQueueCouldNotTakeNeverAppear()
    {
        using var scene = new CommandScene(start: false);
        scene.Machine.SetUpEventQueue(log2Entries: 0);
        scene.Machine.Start();
        scene.Attach(1, 1);
        scene.Translate(1, Unmapped);
        scene.Translate(1, Unmapped + 0x1000);   // The queue is full.
        scene.Run();
        Assert.True(scene.Machine.TryTakeEvent(out _));
        Assert.False(scene.Machine.TryTakeEvent(out _));

        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.Smmu);
        scene.Translate(1, Unmapped + 0x2000);   // The queue is off.
        scene.Run();
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        Assert.False(scene.Machine.TryTakeEvent(out _));
    }

    [Fact]
    [Rule("CMD-SYNC-14")]
    [Rule("CMD-SYNC-13")]
    [Rule("FLT-13")]
    public void FaultsOfOldTranslationsAreRecordedBeforeTheSyncCompletes()
    {
        using var stopped = new StoppedAccess();
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        var space = scene.Attach(1, 1);
        space.Map(Iova, Old);
        ulong slot = MoveTableToBus(scene, space);
        scene.Machine.Write64(slot, 0);
        bus.Reading = address =>
        {
            if (address == slot + 8) stopped.StopHere();
        };

        // The walk of the neighbour, still unmapped, is stopped before it reads its descriptor.
        stopped.Start(() => scene.Translate(1, Iova + 0x1000));
        uint eventsAtSignal = uint.MaxValue;
        scene.Machine.Smmu.InterruptRaised += _ => eventsAtSignal = scene.Machine.Read(RegisterOffset.EVENTQ_PROD);
        scene.Machine.Submit(Command.TlbiNsnhAll(), Command.Sync(CompletionSignal.Interrupt));
        Assert.Equal(uint.MaxValue, eventsAtSignal);

        stopped.Finish();

        Assert.Equal(1u, eventsAtSignal);
        Assert.Equal(1u, scene.Machine.Read(RegisterOffset.EVENTQ_PROD));
    }

    [Fact]
    [Rule("CMD-SYNC-16")]
    [Rule("HTTU-25")]
    public void FlagsOfAccessesAreInMemoryWhenTheSyncCompletes()
    {
        const ulong DirtyBitModifier = 1UL << 51;
        const ulong AccessFlag = 1UL << 10;
        const ulong ReadOnlyBit = 1UL << 7;
        using var scene = new CommandScene();
        var space = scene.Attach(1, 1, change: descriptor => descriptor
            .With(ContextDescriptorField.HA, 1)
            .With(ContextDescriptorField.HD, 1));
        space.Map(Iova, Old, (Stage1Space.ReadOnly | DirtyBitModifier) & ~AccessFlag);
        ulong slot = space.Slot(Iova, 3);

        Assert.Equal(Old, scene.Output(1, Iova));
        scene.Run();
        Assert.Equal(AccessFlag | ReadOnlyBit, scene.Machine.Read64(slot) & (AccessFlag | ReadOnlyBit));

        Assert.True(scene.Translate(1, Iova, AccessKind.Write).IsSuccess);
        scene.Run();
        Assert.Equal(AccessFlag, scene.Machine.Read64(slot) & (AccessFlag | ReadOnlyBit));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("AFD-37")]
    [Rule("HTTU-25")]
    public void ASyncWaitsForTheFlagUpdateOfAnAccessUnderWay(bool invalidates)
    {
        const ulong AccessFlag = 1UL << 10;
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        var space = scene.Attach(1, 1, change: descriptor => descriptor.With(ContextDescriptorField.HA, 1));
        space.Map(Iova, Old, Stage1Space.ReadWrite & ~AccessFlag);
        ulong slot = MoveTableToBus(scene, space);
        using var stopped = new StoppedAccess();
        bus.Writing = address =>
        {
            if (address == slot) stopped.StopHere();
        };
        stopped.Start(() => scene.Translate(1, Iova));
        ulong seenAtSignal = 0;
        scene.Machine.Smmu.InterruptRaised += _ => seenAtSignal = scene.Machine.Read64(slot);
        if (invalidates) scene.Machine.Submit(Command.TlbiNhVa(default, new Asid(1), Iova));
        scene.Machine.Submit(Command.Sync(CompletionSignal.Interrupt));
        Assert.Equal(0UL, seenAtSignal);
        Assert.False(scene.Machine.IsCommandQueueEmpty);

        stopped.Finish();

        Assert.True(scene.Machine.IsCommandQueueEmpty);
        Assert.Equal(AccessFlag, seenAtSignal & AccessFlag);
    }

    // The last-level table goes behind the bus, where accesses can be stopped.
    private static ulong MoveTableToBus(CommandScene scene, Stage1Space space)
    {
        ulong leaf = scene.Machine.Read64(space.Slot(Iova, 3));
        scene.Machine.Write64(space.Slot(Iova, 2), HostBus.Base | Stage1Space.TableOrPage);
        ulong slot = HostBus.Base + (((Iova >> 12) & 0x1ff) * sizeof(ulong));
        scene.Machine.Write64(slot, leaf);
        return slot;
    }
}
