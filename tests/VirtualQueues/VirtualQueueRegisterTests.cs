using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Commands;
using Smmu.Fast.VirtualQueues;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.VirtualQueues;

/// <summary>Registers lie where drivers of the hardware look for them, and keep what they have bits for.</summary>
public class VirtualQueueRegisterTests
{
    [Fact]
    public void TheBlockTellsItsSize()
    {
        using var scene = new VirtualQueueScene();
        Assert.Equal(0x2241u, scene.Block.Read32(Offset.PARAM));
        Assert.Equal((4, 16, 0xb_0000u), (scene.Block.Interfaces, scene.Block.Queues, scene.Block.SizeBytes));
        using var whole = new VirtualQueueScene(options: new VirtualQueueOptions());
        Assert.Equal(0x4671u, whole.Block.Read32(Offset.PARAM));
        Assert.Equal((64, 128), (whole.Block.Interfaces, whole.Block.Queues));
    }

    [Theory]
    [InlineData(7, 7, 0, 1)]
    [InlineData(-1, 7, 0, 1)]
    [InlineData(3, 2, 0, 1)]
    [InlineData(3, 8, 0, 1)]
    [InlineData(3, 3, 5, 1)]
    [InlineData(3, 3, -1, 1)]
    [InlineData(3, 3, 0, 16)]
    public void ASizeThatNoBlockHasIsRefused(int interfaces, int queues, int slots, int version)
    {
        using var machine = new GuestMachine();
        var options = new VirtualQueueOptions { InterfacesLog2 = interfaces, QueuesLog2 = queues, StreamSlotsLog2 = slots, Version = version };

        Assert.Throws<ArgumentOutOfRangeException>(() => new VirtualQueueBlock(machine.Smmu, options));
        _ = new VirtualQueueBlock(machine.Smmu);   // The SMMU can have one still,
        Assert.Throws<InvalidOperationException>(() => new VirtualQueueBlock(machine.Smmu));   // and one alone.
    }

    [Fact]
    public void RegistersKeepTheBitsThatTheyHave()
    {
        using var scene = new VirtualQueueScene();
        var block = scene.Block;
        foreach (var (offset, bits) in new (ulong, uint)[]
        {
            (Offset.CONFIG, 1), (Offset.PARAM, 0), (0xc, 0), (0x10, 0), (Offset.VINTF_ERR_MAP, 0), (Offset.VINTF_INT_MASK, 0xf),
            (Offset.CMDQ_ALLOC, 0x1f_80ff), (Offset.CMDQ_ALLOC + 60, 0x1f_80ff), (Offset.CMDQ_ALLOC + 64, 0),
            (Offset.VINTF, 0x3_ffff), (Offset.VINTF + 0x300, 0x3_ffff), (Offset.VINTF + 0x400, 0), (Offset.VINTF + 8, 0),
            (Offset.VINTF + Offset.VINTF_SID_MATCH, ~0u), (Offset.VINTF + Offset.VINTF_SID_MATCH + 12, ~0u), (Offset.VINTF + Offset.VINTF_SID_MATCH + 16, 0),
            (Offset.VINTF + Offset.VINTF_SID_REPLACE, ~0u), (Offset.VINTF + Offset.VINTF_SID_REPLACE + 16, 0), (Offset.VINTF + Offset.VINTF_LVCMDQ_ERR_MAP_64, 0),
            (Offset.VCMDQ_PAGE0 + Offset.VCMDQ_PROD, 0xf_ffff), (Offset.VCMDQ_PAGE0 + (15 * Offset.VCMDQ_STRIDE) + Offset.VCMDQ_PROD, 0xf_ffff),
            (Offset.VCMDQ_PAGE0 + (16 * Offset.VCMDQ_STRIDE) + Offset.VCMDQ_PROD, 0), (Offset.VCMDQ_PAGE0 + Offset.VCMDQ_CONS, 0x7f00_0001),
            (Offset.VCMDQ_PAGE0 + Offset.VCMDQ_CONFIG, 1), (Offset.VCMDQ_PAGE0 + Offset.VCMDQ_GERROR, 0), (Offset.VCMDQ_PAGE0 + Offset.VCMDQ_GERRORN, 1),
            (Offset.VCMDQ_PAGE0 + 0x18, 0), (Offset.VCMDQ_PAGE1, ~0u), (Offset.VCMDQ_PAGE1 + 4, 0xffff),
            (Offset.VCMDQ_PAGE1 + Offset.VCMDQ_CONS_INDX_BASE, 0), (Offset.VINTF_PAGE0, 0), (block.SizeBytes, 0), (ulong.MaxValue - 3, 0),
        })
        {
            uint before = offset == Offset.PARAM ? block.Read32(offset) : 0;
            block.Write32(offset, ~0u);
            uint kept = block.Read32(offset);
            block.Write32(offset, 0);
            Assert.True(kept == (before | bits), $"0x{offset:x}: {kept:x}");
            Assert.True(block.Read32(offset) == before, $"0x{offset:x} stays");
            scene.Block.Reset();
        }
    }

    [Fact]
    public void UnalignedAccessesReadZeroAndWriteNothing()
    {
        using var scene = new VirtualQueueScene();
        scene.Open(0, 1);
        scene.SetUp(0, 0);
        for (ulong low = 1; low < 8; low++)
        {
            if (low != 4) scene.Block.Write32(Offset.CONFIG + low, 0);
            if (low != 4) scene.Write(0, 0, (uint)low, 1);
            Assert.Equal(0u, low == 4 ? 0 : scene.Block.Read32(Offset.CONFIG + low));
            scene.Block.Write64(Offset.VCMDQ_PAGE1 + low, ulong.MaxValue);
            Assert.Equal(0UL, scene.Block.Read64(Offset.VCMDQ_PAGE1 + low));
        }

        Assert.Equal((1u, 1u, 0u), (scene.Block.Read32(Offset.CONFIG), scene.Block.Read32(Offset.STATUS), scene.Read(0, 0, Offset.VCMDQ_PROD)));
    }

    [Fact]
    public void WideAccessesReachBothWords()
    {
        using var scene = new VirtualQueueScene();
        scene.Open(0, 1);
        scene.SetUp(0, 0);
        scene.Write(0, 0, Offset.VCMDQ_CONFIG, 0);
        scene.Block.Write64(Offset.VCMDQ_PAGE1, ulong.MaxValue);
        Assert.Equal(0xffff_ffff_ffffUL, scene.Block.Read64(Offset.VCMDQ_PAGE1));
        Assert.Equal(0xffff_ffff_ffffUL, scene.Block.Read64(VirtualQueueScene.Page1(0, 0)));
        scene.Block.Write64(Offset.VCMDQ_PAGE0, 0x5_0000_0003);
        Assert.Equal(0x5_0000_0003UL, scene.Block.Read64(Offset.VCMDQ_PAGE0));
        Assert.Equal(0x2241_0000_0001UL, scene.Block.Read64(Offset.CONFIG));
        Assert.Equal(0UL, scene.Block.Read64(Offset.VCMDQ_PAGE1 + 8));
    }

    [Fact]
    public void TheSameQueueShowsInThePagesOfItsInterfaceAndOfTheBlock()
    {
        using var scene = new VirtualQueueScene();
        scene.Open(2, 1);
        scene.SetUp(2, 3);
        scene.Write(2, 3, Offset.VCMDQ_GERRORN, 1);   // So that it stands.
        scene.Submit(2, 3, Command.Sync(), Command.Sync());

        Assert.Equal(2u, scene.Block.Read32(Offset.VCMDQ_PAGE0 + (11 * Offset.VCMDQ_STRIDE) + Offset.VCMDQ_PROD));
        Assert.Equal(2u, scene.Read(2, 3, Offset.VCMDQ_PROD));
        Assert.Equal(0u, scene.Read(2, 2, Offset.VCMDQ_PROD));
        Assert.Equal(0u, scene.Read(1, 3, Offset.VCMDQ_PROD));

        scene.Block.Write32(Offset.CMDQ_ALLOC + (11 * 4), (1 << 15) | (2 << 1) | 1);
        Assert.Equal((0u, 2u), (scene.Read(2, 3, Offset.VCMDQ_PROD), scene.Read(1, 2, Offset.VCMDQ_PROD)));
        scene.Block.Write32(Offset.CMDQ_ALLOC + (11 * 4), (1 << 15) | (2 << 1));
        Assert.Equal(0u, scene.Read(1, 2, Offset.VCMDQ_PROD));
        scene.Write(1, 2, Offset.VCMDQ_PROD, 7);
        Assert.Equal(2u, scene.Block.Read32(Offset.VCMDQ_PAGE0 + (11 * Offset.VCMDQ_STRIDE) + Offset.VCMDQ_PROD));
    }

    [Fact]
    public void OfTwoQueuesInOnePlaceTheFirstShows()
    {
        using var scene = new VirtualQueueScene();
        foreach (uint number in new uint[] { 6, 3, 9 }) scene.Block.Write32(Offset.CMDQ_ALLOC + (number * 4), 1);
        scene.Write(0, 0, Offset.VCMDQ_PROD, 5);
        Assert.Equal(5u, scene.Block.Read32(Offset.VCMDQ_PAGE0 + (3 * Offset.VCMDQ_STRIDE) + Offset.VCMDQ_PROD));

        scene.Block.Write32(Offset.CMDQ_ALLOC + (3 * 4), 0);
        scene.Write(0, 0, Offset.VCMDQ_PROD, 6);
        Assert.Equal(6u, scene.Block.Read32(Offset.VCMDQ_PAGE0 + (6 * Offset.VCMDQ_STRIDE) + Offset.VCMDQ_PROD));
    }

    [Fact]
    public void AQueueRunsWhileAllThatSwitchItAreOn()
    {
        using var scene = new VirtualQueueScene();
        scene.SetUp(0, 0, interfaceIsOpen: false);
        var switches = new (Action On, Action Off)[]
        {
            (() => scene.Block.Write32(Offset.CONFIG, 1), () => scene.Block.Write32(Offset.CONFIG, 0)),
            (() => scene.Open(0, 1), () => scene.Open(0, 1, controls: 0)),
            (() => scene.Allocate(0, 0), () => scene.Allocate(0, 0, allocated: false)),
            (() => scene.Block.Write32(Offset.VCMDQ_PAGE0 + 8, 1), () => scene.Block.Write32(Offset.VCMDQ_PAGE0 + 8, 0)),
        };
        foreach (var (on, _) in switches) on();
        scene.Submit(0, 0, Command.Sync());
        Assert.Equal(1u, scene.ReadIndex(0, 0));
        foreach (var (on, off) in switches)
        {
            off();
            Assert.Equal(0u, scene.Block.Read32(Offset.VCMDQ_PAGE0 + Offset.VCMDQ_STATUS));
            uint producer = scene.Block.Read32(Offset.VCMDQ_PAGE0 + Offset.VCMDQ_PROD);
            scene.Store(0, 0, producer & 7, Command.Sync());
            scene.Block.Write32(Offset.VCMDQ_PAGE0 + Offset.VCMDQ_PROD, producer + 1);
            Assert.Equal(producer, scene.Block.Read32(Offset.VCMDQ_PAGE0));
            on();
            Assert.Equal(producer + 1, scene.Block.Read32(Offset.VCMDQ_PAGE0));
            Assert.Equal(1u, scene.Read(0, 0, Offset.VCMDQ_STATUS));
        }
    }

    [Fact]
    public void BaseAndConsumerIndexStayWhileAQueueIsOn()
    {
        using var scene = new VirtualQueueScene();
        scene.Open(0, 1);
        scene.SetUp(0, 0);
        ulong written = scene.Block.Read64(Offset.VCMDQ_PAGE1);
        scene.Block.Write64(Offset.VCMDQ_PAGE1, 0);
        scene.Block.Write32(Offset.VCMDQ_PAGE1, 0);
        scene.Block.Write32(Offset.VCMDQ_PAGE1 + 4, 1);
        scene.Write(0, 0, Offset.VCMDQ_CONS, 3);

        Assert.Equal((written, 0u), (scene.Block.Read64(Offset.VCMDQ_PAGE1), scene.Read(0, 0, Offset.VCMDQ_CONS)));
    }

    [Fact]
    public void AQueueIsAtMostAsLongAsThoseOfTheSmmu()
    {
        var features = Smmu.Fast.Tests.Ats.AtsScene.Everything.With(SmmuFeatureField.CMDQS, 3);
        using var scene = new VirtualQueueScene(features: features);
        scene.Open(0, 1);
        ulong queue = scene.Machine.Allocate(4096);
        scene.SetUp(0, 0, log2: 3, address: queue);
        scene.Write(0, 0, Offset.VCMDQ_CONFIG, 0);
        scene.Block.Write64(Offset.VCMDQ_PAGE1, queue | 31);
        scene.Write(0, 0, Offset.VCMDQ_CONFIG, 1);
        for (uint slot = 0; slot < 8; slot++) scene.Store(0, 0, slot, Command.Sync());
        scene.Write(0, 0, Offset.VCMDQ_PROD, 8);

        Assert.Equal(8u, scene.ReadIndex(0, 0));
        scene.Write(0, 0, Offset.VCMDQ_PROD, 1);
        Assert.Equal(8u, scene.ReadIndex(0, 0));   // Nine are none.
    }

    [Fact]
    public void AResetOfTheSmmuResetsTheBlock()
    {
        foreach (bool alone in new[] { false, true })
        {
            using var scene = new VirtualQueueScene();
            byte[] atFirst = scene.Block.Save();
            scene.Open(0, 1);
            scene.Join(0, 1, 2, 3);
            scene.SetUp(0, 0);
            scene.Endpoints.Answer = _ => AtcInvalidationAnswer.Pending;
            scene.Submit(0, 0, Command.AtcInv(new StreamId(2), 0, 0), Command.Sync(), default);
            scene.Block.Write32(Offset.VINTF_INT_MASK, 1);
            uint token = scene.Endpoints.Invalidations[0].Token;
            if (alone) scene.Block.Reset();
            else scene.Smmu.Reset();
            Assert.Equal(alone, scene.Smmu.CompleteInvalidation(token));

            scene.Block.Write32(Offset.CONFIG, 1);
            Assert.Equal(atFirst, scene.Block.Save());
            scene.Open(0, 1);
            scene.SetUp(0, 0);
            scene.Submit(0, 0, Command.Sync());
            Assert.True(scene.IsEmpty(0, 0));
        }
    }

    [Fact]
    public void ADisposedSmmuSaysSo()
    {
        var scene = new VirtualQueueScene();
        scene.Dispose();

        Assert.Throws<ObjectDisposedException>(() => scene.Block.Write32(0, 0));
        Assert.Throws<ObjectDisposedException>(() => scene.Block.Save());
        Assert.Throws<ArgumentOutOfRangeException>(() => scene.Block.PageOf(4));
    }

    [Fact]
    public void ASavedBlockGoesOnWhereItWas()
    {
        using var scene = new VirtualQueueScene();
        for (int number = 0; number < 2; number++)
        {
            scene.Open(number, (ushort)(number + 1));
            scene.Join(number, 0, 1, 2);
            scene.SetUp(number, 0);
        }

        scene.Endpoints.Answer = _ => AtcInvalidationAnswer.TimedOut;
        scene.Submit(0, 0, Command.AtcInv(new StreamId(1), 0, 0));
        scene.Submit(1, 0, Command.Sync(), default);
        var smmu = scene.Smmu.Save();
        byte[] block = scene.Block.Save();
        scene.Smmu.Reset();
        scene.Smmu.Restore(smmu);
        scene.Block.Restore(block);

        Assert.Equal(block, scene.Block.Save());
        Assert.Equal((true, 1u, VirtualQueueScene.Illegal), (scene.HasError(1, 0), scene.ReadIndex(1, 0), scene.Reason(1, 0)));
        scene.Submit(0, 0, Command.Sync());
        Assert.Equal(VirtualQueueScene.AtcInvalidationSync, scene.Reason(0, 0));
    }

    [Fact]
    public void CommandsThatWerePublishedRunAfterARestore()
    {
        using var scene = new VirtualQueueScene();
        scene.Open(0, 1);
        scene.SetUp(0, 0);
        scene.Write(0, 0, Offset.VCMDQ_GERRORN, 1);
        scene.Submit(0, 0, Command.Sync(), Command.Sync());
        byte[] state = scene.Block.Save();
        scene.Write(0, 0, Offset.VCMDQ_GERRORN, 0);
        Assert.Equal(2u, scene.ReadIndex(0, 0));

        scene.Block.Restore(state);
        Assert.Equal(0u, scene.ReadIndex(0, 0));
        scene.Write(0, 0, Offset.VCMDQ_GERRORN, 0);
        Assert.Equal(2u, scene.ReadIndex(0, 0));
    }

    [Fact]
    public void AStateThatIsNoneIsRefusedAndChangesNothing()
    {
        using var scene = new VirtualQueueScene();
        byte[] state = scene.Block.Save();
        scene.Open(1, 9);
        byte[] now = scene.Block.Save();
        List<byte[]> broken = [[], state[..8], state[..^1], [.. state, 0]];
        for (int at = 0; at < state.Length; at += 7)
        {
            byte[] copy = [.. state];
            copy[at] ^= 0x10;
            broken.Add(copy);
        }

        Assert.True(broken.Count > 50);
        foreach (byte[] bytes in broken)
        {
            Assert.Throws<InvalidDataException>(() => scene.Block.Restore(bytes));
            Assert.Equal(now, scene.Block.Save());
        }

        using var other = new VirtualQueueScene(options: VirtualQueueScene.Small with { StreamSlotsLog2 = 1 });
        Assert.Throws<InvalidDataException>(() => other.Block.Restore(state));
    }

    [Fact]
    public void ABlockIsNotSavedWhileSomethingIsUnderWay()
    {
        var bus = new HostBus();
        using var scene = new VirtualQueueScene(bus);
        scene.Open(0, 1);
        scene.Join(0, 0, 1, 2);
        scene.SetUp(0, 0, address: HostBus.Base);
        int refused = 0;
        bus.Reading = _ =>
        {
            Assert.Throws<InvalidOperationException>(() => scene.Block.Save());
            refused++;
        };
        scene.Submit(0, 0, Command.Sync());
        Assert.Equal(1, refused);
        bus.Reading = null;

        scene.Endpoints.Answer = _ => AtcInvalidationAnswer.Pending;
        scene.Submit(0, 0, Command.AtcInv(new StreamId(1), 0, 0));
        Assert.Throws<InvalidOperationException>(() => scene.Block.Save());
        scene.Smmu.CompleteInvalidation(scene.Endpoints.Invalidations[0].Token);
        Assert.NotEmpty(scene.Block.Save());
    }
}
