using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Device;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.VirtualQueues;

/// <summary>What a guest can do with a queue of its own: invalidate what is its own, and wait for it.</summary>
public class VirtualQueueCommandTests
{
    private const ulong Iova = 0x1000;
    private const ulong From = 0x1_0000_0000;
    private const ulong To = 0x2_0000_0000;
    private const ushort Guest = 5;
    private const ushort Other = 6;
    private const uint GuestStream = 8;
    private const uint OtherStream = 9;

    private static readonly CommandOpcode[] Allowed =
        [CommandOpcode.TlbiNhAsid, CommandOpcode.TlbiNhVa, CommandOpcode.AtcInv, CommandOpcode.Sync];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AnInvalidationReachesTheEntriesOfItsOwnGuest(bool byAddress)
    {
        using var scene = NewScene();
        var space = scene.Commands.Attach(GuestStream, asid: 3, Guest);
        scene.Commands.MoveBehindCaches(space, GuestStream, Iova, From, To);

        scene.Submit(0, 0, byAddress ? Command.TlbiNhVa(default, new Asid(3), Iova) : Command.TlbiNhAsid(default, new Asid(3)), Command.Sync());

        Assert.True(scene.IsEmpty(0, 0));
        Assert.Equal(To, scene.Commands.Output(GuestStream, Iova));
    }

    [Fact]
    public void TheVmidThatAGuestWritesIsIgnored()
    {
        using var scene = NewScene();
        var own = scene.Commands.Attach(GuestStream, asid: 3, Guest);
        var others = scene.Commands.Attach(OtherStream, asid: 3, Other);
        scene.Commands.MoveBehindCaches(others, OtherStream, Iova, From, To);
        foreach (ushort vmid in new ushort[] { 0, Other, ushort.MaxValue })
        {
            foreach (var command in new[] { Command.TlbiNhVa(new Vmid(vmid), new Asid(3), Iova), Command.TlbiNhAsid(new Vmid(vmid), new Asid(3)) })
            {
                scene.Commands.MoveBehindCaches(own, GuestStream, Iova, From, To);
                scene.Submit(0, 0, command, Command.Sync());
                Assert.Equal(To, scene.Commands.Output(GuestStream, Iova));
                Assert.Equal(From, scene.Commands.Output(OtherStream, Iova));
                scene.Submit(0, 0, Command.TlbiNhAsid(default, new Asid(3)), Command.Sync());
            }
        }

        scene.Submit(1, 0, Command.TlbiNhAsid(default, new Asid(3)), Command.Sync());
        Assert.Equal(To, scene.Commands.Output(OtherStream, Iova));
    }

    [Fact]
    public void AQueueFollowsTheVmidOfItsInterface()
    {
        using var scene = NewScene();
        var space = scene.Commands.Attach(GuestStream, asid: 3, vmid: 0xabcd);
        scene.Commands.MoveBehindCaches(space, GuestStream, Iova, From, To);
        scene.Submit(0, 0, Command.TlbiNhAsid(default, new Asid(3)), Command.Sync());
        Assert.Equal(From, scene.Commands.Output(GuestStream, Iova));

        scene.Open(0, vmid: 0xabcd);
        scene.Submit(0, 0, Command.TlbiNhAsid(default, new Asid(3)), Command.Sync());
        Assert.Equal(To, scene.Commands.Output(GuestStream, Iova));
    }

    [Fact]
    public void EveryOtherCommandIsIllegalForAGuest()
    {
        using var scene = NewScene();
        scene.Join(0, 0, guestStream: 0, stream: 17);
        int refused = 0;
        for (int opcode = 0; opcode < 256; opcode++)
        {
            bool isAllowed = Allowed.Contains((CommandOpcode)opcode);
            uint reason = scene.Judge(0, 0, new Command((ulong)(uint)opcode, 0));
            Assert.Equal(isAllowed ? 0 : VirtualQueueScene.Illegal, reason);
            refused += isAllowed ? 0 : 1;
        }

        Assert.Equal(252, refused);
    }

    [Theory]
    [InlineData(CompletionSignal.None, 0)]
    [InlineData(CompletionSignal.Interrupt, 1)]
    [InlineData(CompletionSignal.Event, 1)]
    [InlineData((CompletionSignal)3, 1)]
    public void ASyncOfAGuestMustNotSignal(CompletionSignal signal, uint reason)
    {
        using var scene = NewScene();
        ulong place = scene.Machine.Allocate(4096);
        var sync = Command.SyncWithMsi(new PhysicalAddress(place), 0xbad);

        Assert.Equal(reason, scene.Judge(0, 0, new Command((sync.Word0 & ~(3UL << 12)) | ((ulong)signal << 12), sync.Word1)));
        Assert.Equal(0u, scene.Machine.Read32(place));
    }

    [Fact]
    public void AnAtcInvalidationReachesTheDeviceBehindTheGuestsNumber()
    {
        using var scene = NewScene();
        scene.Join(0, 3, guestStream: 0x7fff_ffff, stream: 21);
        scene.Join(0, 1, guestStream: 2, stream: 22);
        scene.Join(1, 0, guestStream: 3, stream: 23);

        foreach (uint stream in new uint[] { 0x7fff_ffff, 2 })
        {
            Assert.Equal(0u, scene.Judge(0, 0, Command.AtcInv(new StreamId(stream), 0x5000, 0)));
        }

        Assert.Equal([21u, 22], scene.Endpoints.Invalidations.Select(sent => sent.Stream.Value));
        Assert.Equal([0x5000ul, 0x5000], scene.Endpoints.Invalidations.Select(sent => sent.Address));

        // Numbers of nobody, of another guest, of the device itself, and one whose slot is not valid any more.
        scene.WriteInterface(0, Offset.VINTF_SID_MATCH + 4, 2 << 1);
        foreach (uint stream in new uint[] { 0, 3, 21, 2, 0xffff_ffff, 0x8000_0002 })
        {
            Assert.Equal(VirtualQueueScene.Illegal, scene.Judge(0, 0, Command.AtcInv(new StreamId(stream), 0x5000, 0)));
        }

        Assert.Equal(2, scene.Endpoints.Invalidations.Length);
    }

    [Fact]
    public void AStreamSlotOfZeroesMatchesNobody()
    {
        using var scene = NewScene();

        Assert.Equal(VirtualQueueScene.Illegal, scene.Judge(0, 0, Command.AtcInv(default, 0, 0)));
        Assert.Empty(scene.Endpoints.Invalidations);
    }

    [Fact]
    public void CommandsThatTheArchitectureForbidsAreIllegalHereToo()
    {
        using var scene = NewScene();
        scene.Join(0, 0, guestStream: 1, stream: 1);

        Assert.Equal(VirtualQueueScene.Illegal, scene.Judge(0, 0, Command.AtcInv(new StreamId(1), 0, 53)));
        Assert.Equal(VirtualQueueScene.Illegal, scene.Judge(0, 0, new Command((ulong)CommandOpcode.TlbiNhVa, 1 << 10)));
    }

    [Fact]
    public void QueuesOfTheHypervisorTakeWhatTheCommandQueueTakes()
    {
        using var scene = NewScene();
        scene.Open(2, vmid: 77, VirtualQueueScene.Enable | VirtualQueueScene.HypervisorOwned);
        scene.SetUp(2, 0);
        ulong place = scene.Machine.Allocate(4096);
        var space = scene.Commands.Attach(GuestStream, asid: 3, Guest);
        scene.Commands.MoveBehindCaches(space, GuestStream, Iova, From, To);

        scene.Submit(2, 0, Command.TlbiNhVa(new Vmid(Guest), new Asid(3), Iova), Command.SyncWithMsi(new PhysicalAddress(place), 4711));
        Assert.Equal(To, scene.Commands.Output(GuestStream, Iova));
        Assert.Equal(4711u, scene.Machine.Read32(place));
        scene.Submit(2, 0, Command.CfgiAll(), Command.TlbiNsnhAll(), Command.AtcInv(new StreamId(40), 0, 52), Command.Sync());
        Assert.True(scene.IsEmpty(2, 0));
        Assert.Equal(40u, Assert.Single(scene.Endpoints.Invalidations).Stream.Value);
        Assert.Equal(VirtualQueueScene.Illegal, scene.Judge(2, 0, default));

        scene.Open(2, vmid: 77);
        Assert.Equal(VirtualQueueScene.Illegal, scene.Judge(2, 0, Command.TlbiNsnhAll()));
    }

    [Fact]
    public void ASyncWaitsForAccessesThatBeganBeforeIt()
    {
        using var scene = NewScene();
        var space = scene.Commands.Attach(GuestStream, asid: 3, Guest);
        space.Map(Iova, From);
        using var port = scene.Smmu.OpenPort(new StreamId(GuestStream));
        var holder = new ScopeHolder(port);

        scene.Submit(0, 0, Command.TlbiNhVa(default, new Asid(3), Iova), Command.Sync());
        Assert.Equal(1u, scene.ReadIndex(0, 0));
        scene.Submit(1, 0, Command.TlbiNhAsid(default, default));     // Others need not wait.
        Assert.True(scene.IsEmpty(1, 0));

        holder.Dispose();
        Assert.True(scene.IsEmpty(0, 0));
    }

    [Fact]
    public void CommandsRunWithoutTheCommandQueue()
    {
        using var scene = NewScene();
        scene.Machine.Enable(ControlBits.Smmu);
        scene.Submit(0, 0, Command.TlbiNhAsid(default, default), Command.Sync());

        Assert.True(scene.IsEmpty(0, 0));
    }

    [Fact]
    public void AWrappedQueueGoesOn()
    {
        using var scene = NewScene();
        ulong before = scene.Smmu.GetStatistics().CommandsConsumed;
        for (int round = 0; round < 20; round++)
        {
            scene.Submit(0, 0, Command.TlbiNhAsid(default, default), Command.TlbiNhVa(default, default, 0), Command.Sync());
            Assert.True(scene.IsEmpty(0, 0));
        }

        Assert.Equal(60UL, scene.Smmu.GetStatistics().CommandsConsumed - before);
    }

    [Fact]
    public void NothingIsAllocatedOnTheWay()
    {
        using var scene = NewScene();
        var page = scene.Block.PageOf(0);
        for (uint slot = 0; slot < 8; slot += 2)
        {
            scene.Store(0, 0, slot, Command.TlbiNhVa(default, new Asid(1), 0x1000));
            scene.Store(0, 0, slot + 1, Command.Sync());
        }

        uint producer = 0;
        long allocated = 0;
        for (int round = 0; round < 1_100; round++)
        {
            if (round == 100) allocated = GC.GetAllocatedBytesForCurrentThread();
            producer = (producer + 2) & 15;
            page.Write32(Offset.VCMDQ_PROD, producer);
            Assert.True(page.Read32(Offset.VCMDQ_CONS) == producer);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    private static VirtualQueueScene NewScene()
    {
        var scene = new VirtualQueueScene();
        scene.Open(0, Guest);
        scene.Open(1, Other);
        scene.SetUp(0, 0);
        scene.SetUp(1, 0);
        return scene;
    }
}
