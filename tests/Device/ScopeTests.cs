using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Memory;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>A port serves one thread at a time; its scopes nest; what makes no sense is refused and changes nothing.</summary>
public sealed class ScopeTests : IDisposable
{
    private readonly ConcurrencyScene scene = new();

    public void Dispose() => scene.Dispose();

    [Fact]
    public void AnotherThreadCannotEnterAPortThatIsInsideAScope()
    {
        using var port = scene.OpenPort();
        using (port.Enter())
        {
            new Worker(() =>
            {
                Assert.Throws<InvalidOperationException>(() => { using var scope = port.Enter(); });
                Assert.Throws<InvalidOperationException>(() => port.Translate(ConcurrencyScene.Iova, AccessKind.Read));
            }).Join();
            scene.Machine.Submit(scene.SyncTelling(1));
            Assert.Equal(0u, scene.Received);   // The attempt did not end the scope.
        }

        Assert.Equal(1u, scene.Received);
    }

    [Fact]
    public void APortMovesBetweenThreadsOutsideOfScopes()
    {
        using var port = scene.OpenPort();
        for (int i = 0; i < 3; i++)
        {
            new Worker(() => Assert.True(port.Translate(ConcurrencyScene.Iova, AccessKind.Read).IsSuccess)).Join();
            Assert.True(port.Translate(ConcurrencyScene.Iova, AccessKind.Read).IsSuccess);
        }
    }

    [Fact]
    [Rule("CMD-SYNC-12")]
    public void AScopeOnTheThreadThatAPortMovedToHoldsCmdSync()
    {
        using var port = scene.OpenPort();
        port.Translate(ConcurrencyScene.Iova, AccessKind.Read);
        using var holder = new ScopeHolder(port);
        scene.Machine.Submit(scene.SyncTelling(1));
        Assert.Equal(0u, scene.Received);
        holder.Leave();
        Assert.Equal(1u, scene.Received);
    }

    [Fact]
    public void OfNestedScopesTheOutermostCounts()
    {
        using var port = scene.OpenPort();
        using (var outer = port.Enter())
        {
            using (var inner = port.Enter())
            {
                scene.Machine.Submit(scene.SyncTelling(1));
            }

            port.Translate(ConcurrencyScene.Iova, AccessKind.Read);   // A scope of its own, inside.
            Assert.Equal(0u, scene.Received);
        }

        Assert.Equal(1u, scene.Received);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void APortAtRestHoldsNoCmdSync(bool isParked)
    {
        using var port = scene.OpenPort();
        new Worker(() =>
        {
            port.Translate(ConcurrencyScene.Iova, AccessKind.Read);
            if (isParked) port.Park();
        }).Join();
        scene.Machine.Submit(scene.SyncTelling(1));
        Assert.Equal(1u, scene.Received);
    }

    [Fact]
    public void AParkedPortIsTakenIntoUseByItsNextScope()
    {
        using var port = scene.OpenPort();
        port.Translate(ConcurrencyScene.Iova, AccessKind.Read);
        port.Park();
        port.Park();
        using var holder = new ScopeHolder(port);
        scene.Machine.Submit(scene.SyncTelling(1));
        Assert.Equal(0u, scene.Received);
    }

    [Fact]
    public void APortInsideAScopeCanNeitherBeParkedNorClosed()
    {
        using var port = scene.OpenPort();
        using (port.Enter())
        {
            Assert.Throws<InvalidOperationException>(port.Park);
            Assert.Throws<InvalidOperationException>(port.Dispose);
            Assert.Throws<InvalidOperationException>(scene.Smmu.Dispose);
            scene.Machine.Submit(scene.SyncTelling(1));
            Assert.Equal(0u, scene.Received);   // Still inside, and the device still there.
        }

        Assert.Equal(1u, scene.Received);
    }

    [Fact]
    public void AClosedPortIsRefusedAndLeavesTheNextOwnerOfItsSlotAlone()
    {
        var closed = scene.OpenPort();
        closed.Dispose();
        closed.Dispose();
        using var port = scene.OpenPort();
        using var holder = new ScopeHolder(port);

        Assert.Throws<ObjectDisposedException>(() => { using var scope = closed.Enter(); });
        Assert.Throws<ObjectDisposedException>(closed.Park);
        Assert.Throws<ObjectDisposedException>(() => closed.Translate(0, AccessKind.Read));
        scene.Machine.Submit(scene.SyncTelling(1));
        Assert.Equal(0u, scene.Received);
    }

    [Fact]
    public void AnAccessThatMakesNoSenseEndsItsScope()
    {
        using var port = scene.OpenPort();
        Assert.Throws<ArgumentOutOfRangeException>(() => port.Translate(ConcurrencyScene.Iova, AccessKind.Privileged));
        Assert.Throws<ArgumentException>(() => port.TranslateBatch(new ulong[2], new TranslationResult[1], AccessKind.Read));
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Smmu.Translate(port.Stream, null, 0, AccessKind.Privileged));
        scene.AssertUsable();
    }

    [Fact]
    public void PortsCanBeOpenedUpToTheMaximumAndAgainAfterOneIsClosed()
    {
        using var machine = new Scenarios.Machines.GuestMachine(configure: options => options with { MaximumPorts = 2 });
        using var first = machine.Smmu.OpenPort(new StreamId(1));
        var second = machine.Smmu.OpenPort(new StreamId(2));
        Assert.Throws<InvalidOperationException>(() => machine.Smmu.OpenPort(new StreamId(3)));
        second.Dispose();
        using var third = machine.Smmu.OpenPort(new StreamId(3));
        Assert.True(third.Translate(0, AccessKind.Read).IsSuccess);
    }

    [Fact]
    public void ADisposedDeviceIsRefused()
    {
        using var memory = new Smmu.Fast.Memory.GuestMemory();
        var smmu = new SmmuDevice(new SmmuOptions { Memory = memory });
        var port = smmu.OpenPort(new StreamId(1));
        smmu.Dispose();
        smmu.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { using var scope = port.Enter(); });
        Assert.Throws<ObjectDisposedException>(() => smmu.WriteRegister32(RegisterOffset.CR0, 1));
        Assert.Throws<ObjectDisposedException>(() => smmu.WriteRegister64(RegisterOffset.STRTAB_BASE, 0));
        Assert.Throws<ObjectDisposedException>(() => smmu.ReadRegister32(RegisterOffset.CR0));
        Assert.Throws<ObjectDisposedException>(() => smmu.ReadRegister64(RegisterOffset.STRTAB_BASE));
        Assert.Throws<ObjectDisposedException>(smmu.Reset);
        Assert.Throws<ObjectDisposedException>(smmu.RunPending);
        Assert.Throws<ObjectDisposedException>(() => smmu.Translate(new StreamId(1), null, 0, AccessKind.Read));
        Assert.Throws<ObjectDisposedException>(() => smmu.Explain(new StreamId(1), null, 0, AccessKind.Read));
        Assert.Throws<ObjectDisposedException>(() => smmu.OpenPort(new StreamId(1)));
        Assert.Throws<ObjectDisposedException>(() => smmu.GetStatistics());
    }
}
