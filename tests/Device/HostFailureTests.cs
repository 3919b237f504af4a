using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Memory;

namespace Smmu.Fast.Tests.Device;

/// <summary>What host code throws comes out of the call that ran it, and leaves the device usable.</summary>
public sealed class HostFailureTests : IDisposable
{
    private readonly ConcurrencyScene scene = new();

    public void Dispose() => scene.Dispose();

    [Fact]
    public void AMessageThatThrowsLeavesTheDeviceUsable()
    {
        scene.Bus.Writing = Throw;
        Assert.Throws<HostException>(() => scene.Machine.Submit(ConcurrencyScene.SyncRinging(), scene.SyncTelling(1)));
        Assert.True(scene.Smmu.HasPendingWork);
        scene.Smmu.RunPending();
        Assert.Equal(1u, scene.Received);   // The command behind.
        scene.AssertUsable();
    }

    [Fact]
    public void AnInterruptHandlerThatThrowsLeavesTheDeviceUsable()
    {
        Action<InterruptLine> handler = _ => throw new HostException();
        scene.Machine.Write(RegisterOffset.IRQ_CTRL, 5);
        scene.Smmu.InterruptRaised += handler;
        using var port = scene.OpenPort();
        Assert.Throws<HostException>(() => scene.Machine.Submit(scene.SyncTelling(1)));
        Assert.Throws<HostException>(() => port.Translate(0x5000, AccessKind.Read));        // Event queue.
        Assert.Throws<HostException>(() => scene.Machine.Submit(new Command(0xff, 0)));     // GERROR.
        scene.Smmu.InterruptRaised -= handler;

        scene.Machine.Write(RegisterOffset.IRQ_CTRL, 0);
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.IRQ_CTRLACK));   // No delivery counts as under way.
        var replacement = Command.Sync();
        scene.Machine.Write64(scene.Machine.CommandQueue + 16, [replacement.Word0, replacement.Word1]);
        scene.Machine.Write(RegisterOffset.GERRORN, scene.Machine.Read(RegisterOffset.GERROR));
        scene.AssertUsable();
    }

    [Fact]
    public void ACommandFetchThatThrowsIsMadeAgain()
    {
        using var slow = new ConcurrencyScene(beforeStart: machine => machine.SetUpCommandQueue(4, TestBus.Slow));
        slow.Bus.Reading = Throw;
        Assert.Throws<HostException>(() => slow.Machine.Submit(slow.SyncTelling(1)));
        Assert.Equal(0ul, slow.Consumed);
        slow.Bus.Reading = null;
        slow.Smmu.RunPending();
        Assert.Equal(1u, slow.Received);
        slow.AssertUsable();
    }

    [Fact]
    public void AWalkThatThrowsEndsItsScope()
    {
        using var port = scene.OpenPort();
        scene.Machine.Write64(scene.Space.Slot(ConcurrencyScene.Iova, level: 2), TestBus.Slow | Stage1Space.TableOrPage);
        scene.Bus.Reading = Throw;
        Assert.Throws<HostException>(() => port.Translate(ConcurrencyScene.Iova, AccessKind.Read));
        Assert.Throws<HostException>(() => scene.Smmu.Translate(port.Stream, null, ConcurrencyScene.Iova, AccessKind.Read));
        scene.AssertUsable();
    }

    [Fact]
    public void AnEventRecordThatThrowsLeavesTheQueueUsable()
    {
        using var slow = new ConcurrencyScene(beforeStart: machine => machine.SetUpEventQueue(4, TestBus.Slow));
        using var port = slow.OpenPort();
        slow.Bus.Writing = Throw;
        Assert.Throws<HostException>(() => port.Translate(0x5000, AccessKind.Read));
        slow.Bus.Writing = null;
        Assert.Equal(TranslationOutcome.Faulted, port.Translate(0x6000, AccessKind.Read).Outcome);
        Assert.Equal(1u, slow.Machine.Read(RegisterOffset.EVENTQ_PROD));
        slow.AssertUsable();
    }

    [Fact]
    public void TheEndOfAScopeThatThrowsHasEndedTheScope()
    {
        using var port = scene.OpenPort();
        scene.Bus.Writing = Throw;
        Assert.Throws<HostException>(() =>
        {
            using var scope = port.Enter();
            scene.Machine.Submit(ConcurrencyScene.SyncRinging());
        });
        scene.AssertUsable();
    }

    [Fact]
    public unsafe void ARegionIsRemovedWhenTheScopesBeforeHaveEnded()
    {
        const ulong Lent = 0x0c00_0000;
        using var block = new NativeBlock(4096, 4096);
        var region = scene.Machine.Memory.AddBorrowed(Lent, block.Pointer, 4096);
        using var port = scene.OpenPort();
        using var other = scene.OpenPort();
        using var holder = new ScopeHolder(port);
        using (other.Enter())
        {
            Assert.Throws<InvalidOperationException>(() => scene.Machine.Memory.Remove(region));
        }

        var removal = new Worker(() => scene.Machine.Memory.Remove(region));
        Assert.False(removal.EndsWithin(50));
        holder.Leave();
        removal.Join();
    }

    private static void Throw(ulong address) => throw new HostException();

    private sealed class HostException : Exception;
}
