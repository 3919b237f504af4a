using System.Buffers.Binary;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Memory;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.VirtualQueues;

/// <summary>Whatever is written wherever: the block does what a plain model of it does, and nothing else.</summary>
public class HostileVirtualQueueTests
{
    private const int CommandSlots = 64;

    private static readonly ulong[] Opcodes = [0x12, 0x12, 0x12, 0x11, 0x11, 0x40, 0x40, 0x46, 0x46, 0x30, 0x10, 0x00];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomProgramsDoWhatThePlainModelDoes(int seed)
    {
        int consumed = 0;
        int refused = 0;
        for (int program = 0; program < 60; program++)
        {
            using var scene = new VirtualQueueScene();
            scene.Block.Write32(Offset.CONFIG, 0);
            var random = new Random((seed * 1000) + program);
            var told = new List<int>();
            scene.Block.ErrorRaised += told.Add;
            var model = new PlainBlock(
                address => ReadCommand(scene, address), scene.Smmu.Features.CommandQueueLog2, scene.Smmu.Features.OutputAddressBits);
            ulong memory = scene.Machine.Allocate(CommandSlots * 16, CommandSlots * 16);
            FillMemory(scene, memory, random);
            foreach (var (offset, value) in Opening(memory, random)) Write(offset, value);
            for (int step = 0; step < 100; step++)
            {
                if (random.Next(10) == 0) FillMemory(scene, memory, random);
                var (offset, value) = random.Next(3) == 0 ? AnyWrite(memory, random) : SensibleWrite(model, random);
                Write(offset, value);
            }

            Assert.Equal(model.Streams, scene.Endpoints.Invalidations.Select(sent => sent.Stream.Value));
            Assert.Equal(model.Told, told);
            consumed += model.Consumed;
            refused += told.Count;

            void Write(ulong offset, uint value)
            {
                model.Write(offset, value);
                scene.Block.Write32(offset, value);
                while (scene.Smmu.HasPendingWork) scene.Smmu.RunPending();
                Compare(scene, model, offset, value);
            }
        }

        Assert.True(consumed > 2_000 && refused > 1_000, $"{consumed} commands were consumed and {refused} refused: too few.");
    }

    [Fact]
    public void ADifferenceIsSeen()
    {
        using var scene = new VirtualQueueScene();
        var model = new PlainBlock(_ => null, 8, 40);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Compare(scene, model, 0, 0));
        scene.Block.Write32(Offset.CONFIG, 0);
        Compare(scene, model, 0, 0);
    }

    [Fact]
    public void WritesOfSeveralThreadsAtOnceLeaveTheBlockInOrder()
    {
        using var scene = new VirtualQueueScene();
        ulong memory = scene.Machine.Allocate(CommandSlots * 16, CommandSlots * 16);
        FillMemory(scene, memory, new Random(1));
        var threads = Enumerable.Range(0, 3).Select(thread => new Worker(() =>
        {
            var random = new Random(thread);
            foreach (var (offset, value) in Opening(memory, random)) scene.Block.Write32(offset, value);
            for (int step = 0; step < 15_000; step++)
            {
                var (offset, value) = AnyWrite(memory, random);
                scene.Block.Write32(offset, value);
                scene.Block.Read32(AnyOffset(random));
                scene.Block.PageOf(thread).Write32((uint)random.Next(0x1_0100), value);
                if (step % 1_000 == 0) scene.Block.Reset();
            }
        })).ToList();
        threads.ForEach(thread => thread.Join());

        scene.Block.Reset();
        scene.Block.Write32(Offset.CONFIG, 1);
        scene.Open(0, 1);
        scene.SetUp(0, 0);
        scene.Submit(0, 0, Command.TlbiNhAsid(default, default), Command.Sync());
        Assert.True(scene.IsEmpty(0, 0));
        scene.Machine.SubmitAndSync();
        Assert.True(scene.Machine.IsCommandQueueEmpty);
    }

    private static void Compare(VirtualQueueScene scene, PlainBlock model, ulong offset, uint value)
    {
        foreach (ulong place in Registers())
        {
            uint expected = model.Read(place);
            uint found = scene.Block.Read32(place);
            if (expected != found) Assert.Fail($"0x{place:x} is 0x{found:x} in place of 0x{expected:x} after 0x{value:x} at 0x{offset:x}.");
        }
    }

    private static IEnumerable<ulong> Registers()
    {
        for (ulong at = 0; at < 0x40; at += 4) yield return at;
        for (ulong at = 0x200; at < 0x248; at += 4) yield return at;
        for (ulong at = 0x1000; at < 0x1500; at += 4) yield return at;
        for (ulong page = 1; page < 12; page++)
        {
            for (ulong queue = 0; queue < 17; queue++)
            {
                for (ulong at = 0; at < 0x20; at += 4) yield return (page << 16) + (queue * 0x80) + at;
            }
        }
    }

    // A state in which much happens; random writes alone would rarely find it.
    private static IEnumerable<(ulong Offset, uint Value)> Opening(ulong memory, Random random)
    {
        yield return (Offset.CONFIG, 1);
        for (uint number = 0; number < 4; number++)
        {
            yield return (Offset.VINTF + (number * 0x100), 1 | (number << 1) | (random.Next(4) == 0 ? VirtualQueueScene.HypervisorOwned : 0));
            yield return (Offset.VINTF + (number * 0x100) + 0x40, ((uint)random.Next(3) << 1) | 1);
            yield return (Offset.VINTF + (number * 0x100) + 0x80, 100 + number);
        }

        for (uint queue = 0; queue < 16; queue++)
        {
            yield return (Offset.CMDQ_ALLOC + (queue * 4), ((queue / 4) << 15) | ((queue % 4) << 1) | 1);
            yield return (Offset.VCMDQ_PAGE1 + (queue * 0x80) + 4, (uint)(memory >> 32));
            yield return (Offset.VCMDQ_PAGE1 + (queue * 0x80), (uint)memory | (uint)random.Next(7));
            yield return (Offset.VCMDQ_PAGE0 + (queue * 0x80) + 8, 1);
        }
    }

    // What a guest does that wants its commands run: publishes a few, or acknowledges an error.
    private static (ulong Offset, uint Value) SensibleWrite(PlainBlock model, Random random)
    {
        ulong queue = Offset.VINTF_PAGE0 + ((ulong)random.Next(4) * Offset.VINTF_PAGE_STRIDE) + ((ulong)random.Next(4) * 0x80);
        uint errors = model.Read(queue + Offset.VCMDQ_GERROR);
        if (errors != model.Read(queue + Offset.VCMDQ_GERRORN)) return (queue + Offset.VCMDQ_GERRORN, errors);
        return (queue + Offset.VCMDQ_PROD, (model.Read(queue) & 0xf_ffff) + (uint)random.Next(5));
    }

    private static (ulong Offset, uint Value) AnyWrite(ulong memory, Random random)
    {
        ulong offset = AnyOffset(random);
        bool isQueue = offset >= 0x1_0000;
        if (isQueue && (offset & 0x7f) == 0x14 && random.Next(3) != 0) return (offset, (uint)random.Next(2));
        if (isQueue && random.Next(4) == 0) return (offset, (uint)memory | (uint)random.Next(7));
        return (offset, random.Next(5) switch
        {
            0 => (uint)random.NextInt64(1L << 32),
            1 => 1u << random.Next(32),
            2 => 1 | ((uint)random.Next(5) << 15) | ((uint)random.Next(6) << 1),
            _ => (uint)random.Next(16),
        });
    }

    private static ulong AnyOffset(Random random) => random.Next(20) switch
    {
        0 => (ulong)random.NextInt64(0xc_0000),
        1 => (ulong)random.NextInt64(),
        2 => (ulong)random.Next(0x10) * 4,
        3 => Offset.CMDQ_ALLOC + ((ulong)random.Next(17) * 4),
        4 or 5 => Offset.VINTF + ((ulong)random.Next(5) * 0x100) + ((ulong)random.Next(64) * 4),
        6 => Offset.VINTF + ((ulong)random.Next(4) * 0x100),
        7 => Offset.VCMDQ_PAGE1 + ((ulong)random.Next(17) * 0x80) + ((ulong)random.Next(4) * 4),
        < 14 => Offset.VCMDQ_PAGE0 + ((ulong)random.Next(16) * 0x80) + ((ulong)random.Next(6) * 4),
        _ => Offset.VINTF_PAGE0 + ((ulong)random.Next(8) * 0x1_0000) + ((ulong)random.Next(5) * 0x80) + ((ulong)random.Next(6) * 4),
    };

    private static void FillMemory(VirtualQueueScene scene, ulong memory, Random random)
    {
        for (uint slot = 0; slot < CommandSlots; slot++)
        {
            ulong opcode = Opcodes[random.Next(Opcodes.Length)];
            ulong word0 = opcode | ((ulong)random.Next(4) << 32) | ((ulong)random.Next(8) / 7 << 12);
            scene.Machine.Write64(memory + (slot * 16UL), [word0, (ulong)random.Next(54) & 0x3f & (opcode == 0x40 ? ~0UL : 1)]);
        }
    }

    private static (ulong Word0, ulong Word1)? ReadCommand(VirtualQueueScene scene, ulong address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (!scene.Machine.Memory.Read(address, bytes)) return null;
        return (BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));
    }
}
