using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Memory;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>CMD_SYNC completes when every access that began before it has ended, and no register write waits for that.</summary>
public sealed class SyncGraceTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly ConcurrencyScene scene = new();

    public void Dispose() => scene.Dispose();

    [Fact]
    [Rule("CMD-SYNC-11")]
    [Rule("CMD-SYNC-12")]
    public void CmdSyncInsideAScopeOfItsOwnThreadCompletesAtTheEndOfTheScope()
    {
        using var port = scene.OpenPort();
        using (port.Enter())
        {
            scene.Machine.Submit(Command.TlbiNhAll(default), scene.SyncTelling(1), Command.TlbiNhAll(default));
            Assert.Equal(1u, scene.Machine.Read(RegisterOffset.CMDQ_CONS));   // On CMD_SYNC itself.
            Assert.True(scene.Smmu.HasPendingWork);
            Assert.Equal(0u, scene.Received);
        }

        Assert.Equal(1u, scene.Received);
        Assert.Equal(3ul, scene.Consumed);
        Assert.False(scene.Smmu.HasPendingWork);
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void CmdSyncWaitsForTheScopesBeforeItAndNotForThoseAfter()
    {
        using var before = scene.OpenPort();
        using var after = scene.OpenPort();
        using var first = new ScopeHolder(before);
        scene.Machine.Submit(scene.SyncTelling(1));
        using var second = new ScopeHolder(after);
        Assert.Equal(0ul, scene.Consumed);
        first.Leave();
        Assert.Equal(1u, scene.Received);   // While the second is still inside.
    }

    [Fact]
    public void TheLastOfSeveralScopesToEndCompletesCmdSync()
    {
        using var one = scene.OpenPort();
        using var other = scene.OpenPort();
        using var first = new ScopeHolder(one);
        using var second = new ScopeHolder(other);
        scene.Machine.Submit(scene.SyncTelling(1));
        first.Leave();
        Assert.Equal(0u, scene.Received);
        second.Leave();
        Assert.Equal(1u, scene.Received);
    }

    [Fact]
    public void ARegisterWriteDoesNotWaitForAPort()
    {
        using var port = scene.OpenPort();
        using var holder = new ScopeHolder(port);
        var driver = new Worker(() =>
        {
            scene.Machine.Submit(scene.SyncTelling(1));
            scene.Machine.Write(RegisterOffset.IRQ_CTRL, 1);
            Assert.Equal(1u, scene.Machine.Read(RegisterOffset.IRQ_CTRLACK));
            scene.Smmu.RunPending();
        });
        driver.Join();
        Assert.Equal(0u, scene.Received);
    }

    [Fact]
    public void TwoThreadsThatEachSynchroniseInsideAScopeBothMakeProgress()
    {
        using var queue = new Barrier(2);
        var order = new Lock();
        Worker[] threads = [new(() => Synchronise(0)), new(() => Synchronise(1))];
        foreach (var thread in threads) thread.Join();
        Assert.Equal(2ul, scene.Consumed);

        void Synchronise(uint index)
        {
            using var port = scene.Smmu.OpenPort(new StreamId(100 + index));
            using var scope = port.Enter();
            Assert.True(queue.SignalAndWait(Limit));
            lock (order) scene.Machine.Submit(Command.Sync());
            Assert.True(queue.SignalAndWait(Limit));   // Both have returned while both are inside.
        }
    }

    [Fact]
    [Rule("CMD-SYNC-11")]
    public void CmdSyncsCompleteInOrderAndCommandsBehindThemWait()
    {
        using var port = scene.OpenPort();
        var rung = new List<ulong>();
        scene.Bus.Writing = _ => rung.Add(scene.Consumed);
        using (port.Enter())
        {
            var ring = ConcurrencyScene.SyncRinging();
            scene.Machine.Submit(ring, Command.TlbiNhAll(default), ring, ring);
            Assert.Empty(rung);
            Assert.Equal(0ul, scene.Consumed);
        }

        Assert.Equal([1ul, 3, 4], rung);
    }

    [Fact]
    [Rule("CMD-SYNC-10")]
    public void MessageAndInterruptFindTheQueueMovedOn()
    {
        var seen = new List<uint>();
        scene.Bus.Writing = _ => seen.Add(scene.Machine.Read(RegisterOffset.CMDQ_CONS));
        scene.Smmu.InterruptRaised += _ => seen.Add(scene.Machine.Read(RegisterOffset.CMDQ_CONS));
        scene.Machine.Submit(ConcurrencyScene.SyncRinging());
        Assert.Equal([1u, 1u], seen);
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void AWriteOfAnAccessIsVisibleWhenTheMessageArrives()
    {
        using var port = scene.OpenPort();
        using var holder = new ScopeHolder(port, () => port.Write(ConcurrencyScene.Iova, BitConverter.GetBytes(7ul)));
        ulong found = 0;
        scene.Bus.Writing = _ => found = scene.Machine.Read64(scene.Target);
        scene.Machine.Submit(Command.TlbiNhAll(default), ConcurrencyScene.SyncRinging());
        holder.Leave();
        Assert.Equal(7ul, found);
    }

    [Fact]
    [Rule("CMD-SYNC-13")]
    public void TheRecordOfAFaultIsInTheQueueWhenCmdSyncCompletes()
    {
        using var port = scene.OpenPort();
        using var holder = new ScopeHolder(port, () => port.Translate(0x5000, AccessKind.Read));
        uint producer = 0;
        scene.Bus.Writing = _ => producer = scene.Machine.Read(RegisterOffset.EVENTQ_PROD);
        scene.Machine.Submit(ConcurrencyScene.SyncRinging());
        Assert.Equal(0u, producer);
        holder.Leave();
        Assert.Equal(1u, producer);
    }

    // The younger access holds the record up: it is out in host code with its own, which has its place before.
    [Fact]
    [Rule("CMD-SYNC-13")]
    [Rule("CMD-SYNC-14")]
    public void ARecordThatAYoungerAccessHoldsUpHoldsUpCmdSync()
    {
        using var slow = new ConcurrencyScene(beforeStart: machine => machine.SetUpEventQueue(4, TestBus.Slow));
        using var older = slow.OpenPort();
        using var younger = slow.OpenPort();
        using var isOut = new ManualResetEventSlim();
        using var mayReturn = new ManualResetEventSlim();
        int writes = 0;
        slow.Bus.Writing = address =>
        {
            if (address - TestBus.Slow >= 0x1_0000 || Interlocked.Increment(ref writes) != 1) return;
            isOut.Set();
            Assert.True(mayReturn.Wait(Limit));
        };

        Worker? late = null;
        using (older.Enter())
        {
            slow.Machine.Submit(slow.SyncTelling(1));
            late = new Worker(() => younger.Translate(0x5000, AccessKind.Read));
            Assert.True(isOut.Wait(Limit));
            older.Translate(0x6000, AccessKind.Read);
        }

        Assert.Equal(0u, slow.Machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.Equal(0u, slow.Received);
        mayReturn.Set();
        late.Join();
        Assert.Equal(2u, slow.Machine.Read(RegisterOffset.EVENTQ_PROD));
        Assert.Equal(1u, slow.Received);
    }

    [Fact]
    [Rule("QUE-18")]
    public void AWaitingCmdSyncIsReadAgainWhenTheQueueWasOff()
    {
        using var port = scene.OpenPort();
        using (port.Enter())
        {
            scene.Machine.Submit(scene.SyncTelling(1));
            scene.Machine.Enable(ControlBits.EventQueue | ControlBits.Smmu);
            Assert.False(scene.Smmu.HasPendingWork);
        }

        Assert.Equal(0ul, scene.Consumed);
        var other = scene.SyncTelling(2);
        scene.Machine.Write64(scene.Machine.CommandQueue, [other.Word0, other.Word1]);
        scene.Machine.Enable(ControlBits.CommandQueue | ControlBits.EventQueue | ControlBits.Smmu);
        Assert.Equal(2u, scene.Received);
    }

    [Fact]
    public void AResetEndsTheWaitingOfACmdSync()
    {
        using var port = scene.OpenPort();
        using (port.Enter())
        {
            scene.Machine.Submit(scene.SyncTelling(1));
            scene.Smmu.Reset();
            Assert.False(scene.Smmu.HasPendingWork);
        }

        Assert.Equal(0ul, scene.Consumed);
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void AGracePeriodIsNotLeftToTheNextCmdSyncByOneThatWasOverwritten()
    {
        using var before = scene.OpenPort();
        using var between = scene.OpenPort();
        ScopeHolder? holder;
        using (before.Enter())
        {
            scene.Machine.Submit(scene.SyncTelling(1), scene.SyncTelling(2));
            holder = new ScopeHolder(between);   // Began after the first CMD_SYNC and before what replaces it.
            var replacement = Command.TlbiNhAll(default);
            scene.Machine.Write64(scene.Machine.CommandQueue, [replacement.Word0, replacement.Word1]);
        }

        Assert.Equal(1ul, scene.Consumed);
        Assert.Equal(0u, scene.Received);
        holder.Dispose();
        Assert.Equal(2u, scene.Received);
    }
}
