using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Memory;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>
/// Host code may come back into the device from wherever the device calls it: registers change at once, commands run after
/// the outer call, and no call runs without bound.
/// </summary>
public sealed class ReentranceTests : IDisposable
{
    private const ulong Watched = 0x0c00_0000;
    private const ulong ProducerOnBus = TestBus.Registers + RegisterOffset.CMDQ_PROD;

    private readonly ConcurrencyScene scene = new(commandQueueLog2: 4);

    public void Dispose() => scene.Dispose();

    [Fact]
    public void ADmaThatWritesCmdqProdIsAnsweredWhenItsScopeHasEnded()
    {
        using var port = scene.OpenBypassPort();
        uint producer = scene.Prepare(Command.TlbiNhAll(default), scene.SyncTelling(1));
        uint consumer = uint.MaxValue;
        scene.Bus.Writing = _ => consumer = scene.Machine.Read(RegisterOffset.CMDQ_CONS);
        Assert.True(port.Write(ProducerOnBus, BitConverter.GetBytes(producer)));
        Assert.Equal(0u, consumer);
        Assert.Equal(1u, scene.Received);
        Assert.Equal(2ul, scene.Consumed);
    }

    [Fact]
    public void AMessageOfCmdSyncThatLandsOnCmdqProdPublishesTheNextCommands()
    {
        uint last = scene.Prepare(Command.Sync(), scene.SyncTelling(1), scene.SyncTelling(2));
        scene.Prepare(Command.SyncWithMsi(new PhysicalAddress(ProducerOnBus), last));
        scene.Machine.Write(RegisterOffset.CMDQ_PROD, 1);
        Assert.Equal(2u, scene.Received);
        Assert.Equal(3ul, scene.Consumed);
        Assert.False(scene.Smmu.HasPendingWork);
    }

    [Fact]
    public void ALoopOfMessagesThatKeepsItselfGoingEndsEachCall()
    {
        const int Entries = 16;
        const ulong MostOfOneCall = 64 * Entries;
        bool isOn = true;
        scene.Bus.Writing = _ =>
        {
            uint next = (scene.Machine.Read(RegisterOffset.CMDQ_PROD) + 1) & (2 * Entries - 1);
            if (isOn) scene.Machine.Write(RegisterOffset.CMDQ_PROD, next);
        };
        scene.Prepare([.. Enumerable.Repeat(ConcurrencyScene.SyncRinging(), Entries)]);
        scene.Machine.Write(RegisterOffset.CMDQ_PROD, 1);

        ulong first = scene.Consumed;
        Assert.InRange(first, Entries + 1ul, MostOfOneCall);   // What callbacks publish counts as published anew.
        Assert.True(scene.Smmu.HasPendingWork);
        scene.Smmu.RunPending();
        Assert.InRange(scene.Consumed - first, 1ul, MostOfOneCall);
        Assert.True(scene.Smmu.HasPendingWork);

        isOn = false;
        scene.Smmu.RunPending();
        Assert.False(scene.Smmu.HasPendingWork);
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    [Theory]
    [InlineData("bus")]
    [InlineData("interrupt")]
    [InlineData("watch")]
    public void ARegisterWriteInsideACallbackTakesEffectAtOnceAndItsCommandsRunAfterTheOuterCall(string callback)
    {
        var inside = new List<ulong>();
        bool isDone = false;
        CallBackFrom(callback, () =>
        {
            if (isDone) return;
            isDone = true;
            scene.Machine.Write(RegisterOffset.IRQ_CTRL, 1);
            inside.Add(scene.Machine.Read(RegisterOffset.IRQ_CTRLACK));
            scene.Machine.Submit(scene.SyncTelling(1));
            inside.Add(scene.Consumed);
        });
        scene.Machine.Submit(SyncCalling(callback));
        Assert.Equal([1ul, 1], inside);
        Assert.Equal(1u, scene.Received);
        Assert.Equal(2ul, scene.Consumed);
    }

    [Theory]
    [InlineData("bus")]
    [InlineData("interrupt")]
    [InlineData("watch")]
    public void ACallbackThatSwitchesTheQueueOffStopsTheCommandsBehind(string callback)
    {
        CallBackFrom(callback, () => scene.Machine.Enable(ControlBits.Smmu));
        scene.Machine.Submit(SyncCalling(callback), scene.SyncTelling(1));
        Assert.Equal(1ul, scene.Consumed);
        Assert.Equal(0u, scene.Received);
        Assert.False(scene.Smmu.HasPendingWork);
    }

    [Fact]
    public void ACallbackInsideAScopeMaySynchronise()
    {
        using var port = scene.OpenBypassPort();
        bool isDone = false;
        scene.Bus.Writing = _ =>
        {
            if (isDone) return;
            isDone = true;
            scene.Machine.Submit(scene.SyncTelling(1));
            Assert.Equal(0u, scene.Received);
        };
        Assert.True(port.Write(TestBus.Doorbell, new byte[4]));
        Assert.Equal(1u, scene.Received);
    }

    [Fact]
    public void AHostThatHoldsItsOwnLockInCallbacksAndAroundRegisterWritesMakesProgress()
    {
        const uint Rounds = 500;
        var host = new Lock();
        using var port = scene.OpenBypassPort();
        scene.Bus.Writing = _ => { lock (host) { } };
        scene.Smmu.InterruptRaised += _ => { lock (host) { } };
        Worker[] threads = [new(() => Drive(0)), new(() => Drive(1)), new(Access)];
        foreach (var thread in threads) thread.Join();
        Assert.Equal(4ul * Rounds, scene.Consumed);

        void Drive(int driver)
        {
            for (uint round = 0; round < Rounds; round++)
            {
                lock (host) scene.Machine.Submit(Command.TlbiNhAll(default), ConcurrencyScene.SyncRinging());
                var spin = new SpinWait();
                while (!IsEmpty()) spin.SpinOnce();
            }
        }

        bool IsEmpty()
        {
            lock (host) return scene.Machine.IsCommandQueueEmpty;
        }

        void Access()
        {
            for (uint round = 0; round < Rounds; round++) Assert.True(port.Write(TestBus.Doorbell, new byte[4]));
        }
    }

    [Fact]
    public void ADeviceIsNotDisposedFromInsideACallbackOfItsCommands()
    {
        Exception? refused = null;
        scene.Bus.Writing = _ => refused = Record.Exception(scene.Smmu.Dispose);
        scene.Machine.Submit(ConcurrencyScene.SyncRinging());
        Assert.IsType<InvalidOperationException>(refused);
        scene.Bus.Writing = null;
        scene.AssertUsable();
    }

    // The message of the Event queue reaches a device that empties the queue and makes the next faulting access.
    [Fact]
    [Rule("GERR-14")]
    public void MessagesThatCauseMessagesEndInAnAbort()
    {
        const uint EventQueueMessageAborted = 1 << 5;
        using var port = scene.OpenPort();
        scene.Smmu.WriteRegister64(RegisterOffset.EVENTQ_IRQ_CFG0, TestBus.Doorbell);
        scene.Machine.Write(RegisterOffset.IRQ_CTRL, 4);
        int messages = 0;
        scene.Bus.Writing = _ =>
        {
            messages++;
            while (scene.Machine.TryTakeEvent(out EventRecord _)) { }
            using var next = scene.OpenPort();
            next.Translate(0x5000, AccessKind.Read);
        };
        port.Translate(0x5000, AccessKind.Read);
        Assert.InRange(messages, 2, 16);
        Assert.Equal(EventQueueMessageAborted, scene.Machine.Read(RegisterOffset.GERROR) & EventQueueMessageAborted);
        scene.Bus.Writing = null;
        scene.AssertUsable();
    }

    private static Command SyncCalling(string callback) =>
        callback == "bus" ? ConcurrencyScene.SyncRinging() : Command.SyncWithMsi(new PhysicalAddress(Watched), 5);

    // Makes the host run code when a CMD_SYNC sends its message: to the doorbell, or to the watched region.
    private void CallBackFrom(string callback, Action action)
    {
        var region = scene.Machine.Memory.AddOwned(Watched, 4096);
        switch (callback)
        {
            case "bus": scene.Bus.Writing = _ => action(); break;
            case "watch": scene.Machine.Memory.Watch(region, marksDirty: false, stored: (_, _) => action()); break;
            default: scene.Smmu.InterruptRaised += line => { if (line == InterruptLine.CommandSync) action(); }; break;
        }
    }
}
