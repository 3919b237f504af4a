using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Commands;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.VirtualQueues;

/// <summary>An error stops its queue alone, and is told where the host looks for it.</summary>
public class VirtualQueueErrorTests
{
    [Fact]
    public void AnErrorStopsItsQueueAtTheCommandUntilItIsAcknowledged()
    {
        using var scene = NewScene();
        for (int round = 0; round < 3; round++)
        {
            uint first = scene.ReadIndex(0, 0);
            scene.Submit(0, 0, Command.Sync(), Command.TlbiNsnhAll(), Command.Sync());
            Assert.Equal((true, VirtualQueueScene.Illegal, (first + 1) & 15), (scene.HasError(0, 0), scene.Reason(0, 0), scene.ReadIndex(0, 0)));

            scene.Write(0, 0, Offset.VCMDQ_PROD, scene.Read(0, 0, Offset.VCMDQ_PROD));   // Another write does not help.
            Assert.Equal((first + 1) & 15, scene.ReadIndex(0, 0));
            foreach (var (number, place) in new[] { (0, 1), (1, 0) })
            {
                scene.Submit(number, place, Command.Sync());
                Assert.True(scene.IsEmpty(number, place));
            }

            scene.Machine.SubmitAndSync();
            Assert.True(scene.Machine.IsCommandQueueEmpty);
            Assert.False(scene.Commands.HasCommandError);

            scene.Acknowledge(0, 0);                                                     // Acknowledged, but as wrong as before.
            Assert.True(scene.HasError(0, 0));
            scene.Store(0, 0, (first + 1) & 7, Command.Sync());
            scene.Acknowledge(0, 0);
            Assert.True(scene.IsEmpty(0, 0));
        }
    }

    [Fact]
    public void AReadOfACommandThatAbortsIsAnErrorOfItsOwn()
    {
        using var scene = NewScene();
        scene.SetUp(2, 1, address: 0x7_0000_0000);
        scene.Write(2, 1, Offset.VCMDQ_PROD, 1);

        Assert.Equal((true, VirtualQueueScene.Abort, 0u), (scene.HasError(2, 1), scene.Reason(2, 1), scene.ReadIndex(2, 1)));
    }

    [Fact]
    public void TheMapsShowWhoseQueuesHaveErrors()
    {
        using var scene = NewScene();
        Assert.Equal((0u, 0u, 0u), Maps(scene, 0));
        scene.Submit(0, 1, default(Command));
        scene.Submit(1, 0, default(Command));

        Assert.Equal((0b11u, (1u << 1) | (1u << 4), 0b10u), Maps(scene, 0));
        Assert.Equal(1u, Maps(scene, 1).Local);
        Assert.Equal(0u, Maps(scene, 2).Local);
        Assert.Equal(0b10UL, scene.Block.Read64(Offset.VINTF + Offset.VINTF_LVCMDQ_ERR_MAP_64));
        Assert.Equal(0UL, scene.Block.Read64(Offset.VINTF + Offset.VINTF_LVCMDQ_ERR_MAP_64 + 8));

        scene.Store(0, 1, 0, Command.Sync());
        scene.Acknowledge(0, 1);
        Assert.Equal((0b10u, 1u << 4, 0u), Maps(scene, 0));
    }

    [Fact]
    public void LargeBlocksHaveLargeMaps()
    {
        using var scene = new VirtualQueueScene(options: new());
        scene.Open(63, 1);
        scene.SetUp(63, 1);
        scene.Allocate(63, 1, allocated: false);
        scene.Block.Write32(Offset.CMDQ_ALLOC + (127 * 4), (63 << 15) | (127 << 1) | 1);
        scene.Write(63, 127, Offset.VCMDQ_PROD, 1);   // Of zeroes.

        Assert.Equal(1u << 31, scene.Block.Read32(Offset.VINTF_ERR_MAP + 4));
        Assert.Equal(0u, scene.Block.Read32(Offset.VINTF_ERR_MAP));
        Assert.Equal(1u << 31, scene.Block.Read32(Offset.CMDQ_ERR_MAP + 12));
        Assert.Equal(1UL << 63, scene.Block.Read64(Offset.VINTF + (63 * Offset.VINTF_STRIDE) + Offset.VINTF_LVCMDQ_ERR_MAP_64 + 8));
    }

    [Fact]
    public void TheHostHearsOfEachErrorAndCanDealWithItAtOnce()
    {
        using var scene = NewScene();
        var heard = new List<(int, uint)>();
        scene.Block.ErrorRaised += number =>
        {
            heard.Add((number, scene.Reason(number, 0)));
            scene.Store(number, 0, scene.ReadIndex(number, 0) & 7, Command.Sync());
            scene.Acknowledge(number, 0);
        };

        scene.Submit(1, 0, default, Command.Sync(), Command.TlbiNhAll(default));

        Assert.True(scene.IsEmpty(1, 0));
        Assert.Equal([(1, VirtualQueueScene.Illegal), (1, VirtualQueueScene.Illegal)], heard);
    }

    [Fact]
    public void AMaskedInterfaceIsSilentUntilItIsUnmasked()
    {
        using var scene = NewScene();
        var heard = new List<int>();
        scene.Block.ErrorRaised += heard.Add;
        scene.Block.Write32(Offset.VINTF_INT_MASK, 0b11);
        scene.Block.Write32(Offset.VINTF_INT_MASK + 4, uint.MaxValue);   // Of interfaces that there are not.
        Assert.Equal((0b11u, 0u), (scene.Block.Read32(Offset.VINTF_INT_MASK), scene.Block.Read32(Offset.VINTF_INT_MASK + 4)));
        scene.Submit(0, 0, default(Command));
        scene.Submit(2, 0, default(Command));
        Assert.Equal([2], heard);

        scene.Block.Write32(Offset.VINTF_INT_MASK, 0b10);
        Assert.Equal([2, 0], heard);
        scene.Block.Write32(Offset.VINTF_INT_MASK, 0);                   // Interface 1 has none.
        Assert.Equal([2, 0], heard);
    }

    [Fact]
    public void AHostThatThrowsWhenItHearsLeavesTheQueuesGoing()
    {
        using var scene = NewScene();
        scene.Block.ErrorRaised += _ => throw new InvalidOperationException("of the host");

        Assert.Throws<InvalidOperationException>(() => scene.Submit(0, 0, default(Command)));
        scene.Submit(1, 0, Command.Sync());
        Assert.True(scene.IsEmpty(1, 0));
        Assert.True(scene.HasError(0, 0));
    }

    [Fact]
    public void AnAcknowledgeWithoutAnErrorStopsTheQueueUntilItIsTakenBack()
    {
        using var scene = NewScene();
        scene.Write(0, 0, Offset.VCMDQ_GERRORN, 1);
        scene.Submit(0, 0, Command.Sync());
        Assert.Equal(0u, scene.ReadIndex(0, 0));
        scene.Write(0, 0, Offset.VCMDQ_GERRORN, 0);
        Assert.True(scene.IsEmpty(0, 0));
    }

    [Fact]
    public void ATimeoutIsToldToTheQueueWhoseInvalidationItWas()
    {
        using var scene = NewScene();
        var tokens = Pending(scene);
        scene.Submit(0, 0, Command.AtcInv(new StreamId(1), 0, 0), Command.Sync());
        scene.Submit(1, 0, Command.AtcInv(new StreamId(1), 0, 0), Command.Sync());
        Assert.Equal((1u, 1u), (scene.ReadIndex(0, 0), scene.ReadIndex(1, 0)));

        Assert.True(scene.Smmu.CompleteInvalidation(tokens[1], timedOut: true));
        Assert.Equal((true, VirtualQueueScene.AtcInvalidationSync), (scene.HasError(1, 0), scene.Reason(1, 0)));
        Assert.Equal((false, 1u), (scene.HasError(0, 0), scene.ReadIndex(0, 0)));
        Assert.True(scene.Smmu.CompleteInvalidation(tokens[0]));
        Assert.True(scene.IsEmpty(0, 0));
        scene.Machine.SubmitAndSync();
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    [Fact]
    public void AQueueThatChangesHandsLeavesItsTimeoutsBehind()
    {
        using var scene = NewScene();
        var tokens = Pending(scene);
        scene.Submit(0, 0, Command.AtcInv(new StreamId(1), 0, 0), Command.AtcInv(new StreamId(1), 0, 0));
        Assert.True(scene.Smmu.CompleteInvalidation(tokens[0], timedOut: true));

        scene.Allocate(0, 0, allocated: false);
        scene.Machine.SubmitAndSync();
        Assert.False(scene.Machine.IsCommandQueueEmpty);                 // The host's CMD_SYNC waits for what is out,
        scene.SetUp(0, 0);
        scene.Write(0, 0, Offset.VCMDQ_CONFIG, 0);
        scene.Write(0, 0, Offset.VCMDQ_PROD, 0);
        scene.Write(0, 0, Offset.VCMDQ_CONS, 0);
        scene.Write(0, 0, Offset.VCMDQ_CONFIG, 1);
        scene.Submit(0, 0, Command.Sync());
        Assert.True(scene.IsEmpty(0, 0));                                // the next owner's does not,

        Assert.True(scene.Smmu.CompleteInvalidation(tokens[1], timedOut: true));
        Assert.True(scene.Machine.IsCommandQueueEmpty);                  // and neither is told of a timeout.
        Assert.False(scene.Commands.HasCommandError);
        scene.Submit(0, 0, Command.Sync());
        Assert.True(scene.IsEmpty(0, 0));
    }

    [Fact]
    public void AQueueThatIsSwitchedOffWhileTheHostReadsACommandSaysSo()
    {
        var bus = new HostBus();
        using var scene = new VirtualQueueScene(bus);
        scene.Open(0, 1);
        scene.SetUp(0, 0, address: HostBus.Base);
        scene.Store(0, 0, 0, default);
        var seen = new List<uint>();
        bus.Reading = _ =>
        {
            scene.Write(0, 0, Offset.VCMDQ_CONFIG, 0);
            seen.Add(scene.Read(0, 0, Offset.VCMDQ_STATUS));
            seen.Add(scene.ReadInterface(0, Offset.VINTF_STATUS));
            scene.Block.Write64(VirtualQueueScene.Page1(0, 0), 0x1_0000_0001);
            scene.Write(0, 0, Offset.VCMDQ_CONS, 3);
        };
        scene.Write(0, 0, Offset.VCMDQ_PROD, 1);

        Assert.Equal([1u, 1], seen);
        Assert.Equal((0u, false, 0u), (scene.Read(0, 0, Offset.VCMDQ_STATUS), scene.HasError(0, 0), scene.Read(0, 0, Offset.VCMDQ_CONS)));
        Assert.Equal(HostBus.Base | 3, scene.Block.Read64(VirtualQueueScene.Page1(0, 0)));
    }

    private static (uint Interfaces, uint Queues, uint Local) Maps(VirtualQueueScene scene, int number) => (
        scene.Block.Read32(Offset.VINTF_ERR_MAP),
        scene.Block.Read32(Offset.CMDQ_ERR_MAP),
        scene.ReadInterface(number, Offset.VINTF_LVCMDQ_ERR_MAP_64));

    private static List<uint> Pending(VirtualQueueScene scene)
    {
        var tokens = new List<uint>();
        scene.Endpoints.Answer = invalidation =>
        {
            tokens.Add(invalidation.Token);
            return AtcInvalidationAnswer.Pending;
        };
        return tokens;
    }

    private static VirtualQueueScene NewScene()
    {
        var scene = new VirtualQueueScene();
        for (int number = 0; number < 3; number++)
        {
            scene.Open(number, (ushort)(number + 1));
            scene.Join(number, 0, guestStream: 1, stream: (uint)number + 1);
            scene.SetUp(number, 0);
        }

        scene.SetUp(0, 1);
        return scene;
    }
}
