using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Memory;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.VirtualQueues;

/// <summary>The queue of one guest is nothing to another: neither to what is cached for it nor to its queues.</summary>
public class VirtualQueueIsolationTests
{
    private const int Pages = 48;
    private const ulong FirstPage = 0x40_0000;
    private const ulong Output = 0x1_0000_0000;

    private static readonly CommandOpcode[] Opcodes =
        [CommandOpcode.TlbiNhVa, CommandOpcode.TlbiNhAsid, CommandOpcode.AtcInv, CommandOpcode.Sync];

    [Fact]
    public void TwoQueuesUnderOneVmidNeverTouchTheEntriesOfAThirdMachine()
    {
        using var scene = new VirtualQueueScene();
        ushort[] vmids = [1, 2, 3];
        foreach (ushort vmid in vmids) Fill(scene, vmid);
        for (int number = 0; number < 2; number++)
        {
            scene.Open(number, vmid: 1);   // Two interfaces, one security token.
            scene.Join(number, 0, guestStream: 5, stream: 1);
            scene.SetUp(number, 0);
        }

        var random = new Random(20230309);
        ulong[] walks = new ulong[3];
        int stopped = 0;
        for (int step = 0; step < 3_000; step++)
        {
            int number = step & 1;
            scene.Submit(number, 0, AnyAllowed(random));
            if (scene.HasError(number, 0))
            {
                stopped++;
                scene.Store(number, 0, scene.ReadIndex(number, 0) & 7, Command.Sync());
                scene.Acknowledge(number, 0);
            }

            Assert.True(scene.IsEmpty(number, 0));
            if (step % 8 != 7) continue;
            for (int machine = 0; machine < 3; machine++) walks[machine] += Touch(scene, vmids[machine]);
        }

        Assert.Equal((0UL, 0UL), (walks[1], walks[2]));
        Assert.NotEqual(0UL, walks[0]);            // The control: commands did remove what they may.
        Assert.InRange(stopped, 100, 2_900);       // Some were illegal, some were not.
        Assert.NotEmpty(scene.Endpoints.Invalidations);
        Assert.All(scene.Endpoints.Invalidations, sent => Assert.Equal(1u, sent.Stream.Value));
    }

    [Fact]
    public void AControlWithTheHypervisorsRightsDoesTouchThem()
    {
        using var scene = new VirtualQueueScene();
        Fill(scene, 3);
        scene.Open(0, vmid: 1, VirtualQueueScene.Enable | VirtualQueueScene.HypervisorOwned);
        scene.SetUp(0, 0);
        scene.Submit(0, 0, Command.TlbiNhAsid(new Vmid(3), new Asid(3)), Command.Sync());

        Assert.NotEqual(0UL, Touch(scene, 3));
    }

    [Fact]
    public void TwoGuestsInvalidateAtTheSameTimeWhileADeviceOfAThirdReads()
    {
        const int Rounds = 1_500;
        using var scene = new VirtualQueueScene();
        Fill(scene, 3);
        for (int number = 0; number < 2; number++)
        {
            scene.Open(number, (ushort)(number + 1));
            scene.SetUp(number, 0);
        }

        int guestsLeft = 2;
        var guests = Enumerable.Range(0, 2).Select(number => new Worker(() =>
        {
            try
            {
                RunGuest(scene, number, Rounds);
            }
            finally
            {
                Interlocked.Decrement(ref guestsLeft);
            }
        })).ToList();

        ulong reads = 0;
        using (var port = scene.Smmu.OpenPort(new StreamId(13)))
        {
            do
            {
                ulong page = reads % Pages * 4096;
                var result = port.Enter();
                var answer = result.Translate(FirstPage + page, AccessKind.Read);
                result.Dispose();
                Assert.True(answer.IsSuccess && answer.Address.Value == OutputOf(3) + page);
                reads++;
            }
            while (Volatile.Read(ref guestsLeft) != 0 || reads < 1_000);
        }

        guests.ForEach(guest => guest.Join());
    }

    [Fact]
    public void AFloodedQueueDoesNotKeepAnotherFromRunning()
    {
        using var scene = new VirtualQueueScene();
        scene.Open(0, 1);
        scene.Open(1, 2);
        scene.SetUp(0, 0, log2: 8);
        scene.SetUp(1, 0);
        for (uint slot = 0; slot < 256; slot++) scene.Store(0, 0, slot, Command.TlbiNhAsid(default, default));
        var consumed = new List<uint>();
        scene.Join(1, 0, 1, 1);
        scene.Endpoints.Answer = _ =>
        {
            consumed.Add(scene.ReadIndex(0, 0));
            return AtcInvalidationAnswer.Completed;
        };
        scene.Write(1, 0, Offset.VCMDQ_GERRORN, 1);
        scene.Submit(1, 0, Command.AtcInv(new StreamId(1), 0, 0));
        scene.Write(0, 0, Offset.VCMDQ_GERRORN, 1);
        scene.Write(0, 0, Offset.VCMDQ_PROD, 255);

        // Both are let go inside of one call of the host, the flood first.
        scene.Open(0, 1, controls: 0);
        scene.Write(0, 0, Offset.VCMDQ_GERRORN, 0);
        scene.Block.Write32(Offset.CONFIG, 0);
        scene.Open(0, 1);
        scene.Write(1, 0, Offset.VCMDQ_GERRORN, 0);
        scene.Block.Write32(Offset.CONFIG, 1);
        while (scene.Smmu.HasPendingWork) scene.Smmu.RunPending();

        Assert.Equal(255u, scene.ReadIndex(0, 0));
        Assert.Equal([64u], consumed);
    }

    // Every operand is random, and every command one of those that guests may have.
    private static Command AnyAllowed(Random random)
    {
        var opcode = Opcodes[random.Next(Opcodes.Length)];
        ulong word0 = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        ulong word1 = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        switch (random.Next(4))
        {
            case 0:
                break;
            case 1:   // ASIDs and addresses that are in use.
                word0 = (word0 & 0x0000_ffff_ffff_ff00) | ((ulong)random.Next(5) << 48);
                word1 = FirstPage + ((ulong)random.Next(Pages) << 12) | (word1 & 0xf01);
                break;
            default:  // And VMIDs, without ranges.
                word0 = ((ulong)random.Next(5) << 48) | ((ulong)random.Next(5) << 32);
                word1 = FirstPage + ((ulong)random.Next(Pages) << 12) | (word1 & 1);
                break;
        }

        if (opcode == CommandOpcode.AtcInv && random.Next(2) == 0) word0 = (uint)word0 | (5UL << 32);
        return new Command((word0 & ~0xffUL) | (ulong)opcode, word1);
    }

    private static void RunGuest(VirtualQueueScene scene, int number, int rounds)
    {
        uint stream = (uint)number + 20;
        Stage1Space space;
        lock (scene)   // The scene's RAM is handed out by one thread at a time.
        {
            space = scene.Commands.Attach(stream, asid: 7, (ushort)(number + 1));
            space.Map(FirstPage, Output);
        }

        for (int round = 1; round <= rounds; round++)
        {
            ulong output = Output + ((ulong)(round & 0xff) << 12);
            space.Map(FirstPage, output);
            scene.Submit(number, 0, Command.TlbiNhVa(default, new Asid(7), FirstPage), Command.Sync());
            var spin = new SpinWait();
            while (scene.ReadIndex(number, 0) != scene.Read(number, 0, Offset.VCMDQ_PROD)) spin.SpinOnce();
            Assert.Equal(output, scene.Commands.Output(stream, FirstPage));
        }
    }

    private static ulong OutputOf(ushort vmid) => Output + ((ulong)vmid << 24);

    private static void Fill(VirtualQueueScene scene, ushort vmid)
    {
        var space = scene.Commands.Attach((uint)vmid + 10, asid: 3, vmid);
        for (ulong page = 0; page < Pages; page++) space.Map(FirstPage + (page << 12), OutputOf(vmid) + (page << 12));
        Assert.NotEqual(0UL, Touch(scene, vmid));
        Assert.Equal(0UL, Touch(scene, vmid));
    }

    // Reads all pages of a machine; the walks that took.
    private static ulong Touch(VirtualQueueScene scene, ushort vmid)
    {
        ulong before = scene.Smmu.GetStatistics().Walks;
        for (ulong page = 0; page < Pages; page++)
        {
            Assert.Equal(OutputOf(vmid) + (page << 12), scene.Commands.Output((uint)vmid + 10, FirstPage + (page << 12)));
        }

        return scene.Smmu.GetStatistics().Walks - before;
    }
}
