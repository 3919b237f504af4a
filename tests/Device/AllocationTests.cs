using Smmu.Fast.Device;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Tests.Device;

/// <summary>
/// Translations, accesses and commands allocate nothing once their code is warm: not even misses, faults and invalidations.
/// The benchmarks of perf/ are held to the same by their dry run.
/// </summary>
public class AllocationTests
{
    private const int RoundsToWarm = 2_000;
    private const int Rounds = 1_000;
    private const int Batch = 64;

    private static readonly SubstreamId substream = new(2);

    // What a round does: each of these is a row of the benchmarks, or several.
    private static readonly Dictionary<string, Func<HotPathScene, Action<int>>> paths = new()
    {
        ["hits of a port"] = scene => Translating(scene.Open(HotPathScene.Stage1), round => HotPathScene.PageOf(round % 64)),
        ["hits in the shared TLB"] = scene => Translating(scene.Open(HotPathScene.Stage1), HotPathScene.PageOf),
        ["hits of both stages"] = scene => Translating(scene.Open(HotPathScene.Nested), HotPathScene.PageOf),
        ["hits of stage 2"] = scene => Translating(scene.Open(HotPathScene.Stage2), round => scene.Ram + ((ulong)(round % 64) << 12)),
        ["a scope over many accesses"] = InScope,
        ["batches"] = InBatches,
        ["misses"] = scene => Missing(scene, HotPathScene.Stage1),
        ["misses of both stages"] = scene => Missing(scene, HotPathScene.Nested),
        ["faults"] = Faulting,
        ["a stream in bypass"] = scene => Translating(scene.Open(HotPathScene.Bypass), HotPathScene.PageOf),
        ["a stream that aborts"] = scene => Translating(scene.Open(HotPathScene.Abort), HotPathScene.PageOf, isSuccess: false),
        ["an SMMU that is off"] = scene =>
        {
            scene.Machine.Write(RegisterOffset.CR0, 0);
            return Translating(scene.Open(HotPathScene.Stage1), HotPathScene.PageOf);
        },
        ["accesses without a port"] = scene => round =>
            Require(scene.Smmu.Translate(new StreamId(HotPathScene.Stage1), null, HotPathScene.PageOf(round), AccessKind.Read)),
        ["accesses without a port, with substreams"] = scene => round =>
            Require(scene.Smmu.Translate(
                new StreamId(HotPathScene.Substreams), substream, HotPathScene.PageOf(round), AccessKind.Read)),
        ["accesses by a bus"] = scene =>
        {
            var bus = scene.Smmu.OpenBus();
            return round =>
            {
                Require(bus.Translate(new StreamId(HotPathScene.Stage1), null, HotPathScene.PageOf(round), AccessKind.Read));
                Require(bus.Translate(new StreamId(HotPathScene.Substreams), substream, HotPathScene.PageOf(round), AccessKind.Read));
            };
        },
        ["reads and writes of all sizes"] = ReadingAndWriting,
        ["ports that are parked"] = Parking,
    };

    public static TheoryData<string> Paths => [.. paths.Keys];

    public static TheoryData<string> Commands => [.. HotPathCommands.All.Keys];

    [Theory]
    [MemberData(nameof(Paths))]
    public void AWarmPathAllocatesNothing(string path)
    {
        using var scene = new HotPathScene();
        var round = paths[path](scene);

        Assert.Equal(0, AllocatedBy(round));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void ACommandAndTheAccessAfterItAllocateNothing(string name)
    {
        using var scene = new HotPathScene();
        var port = scene.Open(HotPathScene.Stage1);
        var nested = scene.Open(HotPathScene.Nested);
        var command = HotPathCommands.All[name];
        for (int slot = 0; slot < 1 << scene.Machine.CommandQueueLog2; slot++)
        {
            var next = slot % 2 == 0 ? command : Command.Sync();
            scene.Machine.Write64(scene.Machine.CommandQueue + ((ulong)slot * Command.SizeBytes), [next.Word0, next.Word1]);
        }

        uint used = (2u << scene.Machine.CommandQueueLog2) - 1;
        uint producer = 0;
        ulong consumed = scene.Smmu.GetStatistics().CommandsConsumed;

        long allocated = AllocatedBy(round =>
        {
            producer = (producer + 2) & used;
            scene.Machine.Write(RegisterOffset.CMDQ_PROD, producer);
            Require(port.Translate(HotPathScene.PageOf(round), AccessKind.Read));
            Require(nested.Translate(HotPathScene.PageOf(round), AccessKind.Write));
        });

        Assert.Equal(0, allocated);
        Assert.Equal(consumed + (2 * (RoundsToWarm + Rounds)), scene.Smmu.GetStatistics().CommandsConsumed);
    }

    [Fact]
    public void AnAllocationWouldBeSeen() => Assert.NotEqual(0, AllocatedBy(round => GC.KeepAlive(new byte[16 + (round % 2)])));

    private static long AllocatedBy(Action<int> round)
    {
        for (int i = 0; i < RoundsToWarm; i++) round(i);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Rounds; i++) round(i);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static Action<int> Translating(DmaPort port, Func<int, ulong> address, bool isSuccess = true) => round =>
    {
        Require(port.Translate(address(round), AccessKind.Read), isSuccess);
        Require(port.Translate(address(round), AccessKind.Write), isSuccess);
    };

    private static Action<int> InScope(HotPathScene scene)
    {
        var port = scene.Open(HotPathScene.Stage1);
        return round =>
        {
            using var scope = port.Enter();
            for (int i = 0; i < 8; i++) Require(scope.Translate(HotPathScene.PageOf(round + i), AccessKind.Read));
        };
    }

    private static Action<int> InBatches(HotPathScene scene)
    {
        var port = scene.Open(HotPathScene.Stage1);
        var addresses = new ulong[Batch];
        var results = new TranslationResult[Batch];
        return round =>
        {
            for (int i = 0; i < Batch; i++) addresses[i] = HotPathScene.PageOf((round * Batch) + i);
            port.TranslateBatch(addresses, results, AccessKind.Read);
            Require(results[^1]);
        };
    }

    private static Action<int> Missing(HotPathScene scene, uint stream)
    {
        var port = scene.Open(stream);
        var forget = Command.TlbiNsnhAll();
        for (int slot = 0; slot < 1 << scene.Machine.CommandQueueLog2; slot++)
        {
            scene.Machine.Write64(scene.Machine.CommandQueue + ((ulong)slot * Command.SizeBytes), [forget.Word0, forget.Word1]);
        }

        uint used = (2u << scene.Machine.CommandQueueLog2) - 1;
        uint producer = 0;
        return round =>
        {
            producer = (producer + 1) & used;
            scene.Machine.Write(RegisterOffset.CMDQ_PROD, producer);
            for (int i = 0; i < 4; i++) Require(port.Translate(HotPathScene.PageOf(round + (i * 512)), AccessKind.Read));
        };
    }

    private static Action<int> Faulting(HotPathScene scene)
    {
        var port = scene.Open(HotPathScene.Stage1);
        return round =>
        {
            Require(port.Translate(HotPathScene.First + (1UL << 38) + ((ulong)round << 12), AccessKind.Read), isSuccess: false);
            scene.Machine.Write(RegisterOffset.EVENTQ_CONS, scene.Machine.Read(RegisterOffset.EVENTQ_PROD));
        };
    }

    private static Action<int> ReadingAndWriting(HotPathScene scene)
    {
        var port = scene.Open(HotPathScene.Stage1);
        var nested = scene.Open(HotPathScene.Nested);
        byte[] buffer = new byte[65_536];
        int[] sizes = [8, 64, 512, 4_096, 65_536];
        return round =>
        {
            var part = buffer.AsSpan(0, sizes[round % sizes.Length]);
            Assert.True(port.Write(HotPathScene.First, part) && port.Read(HotPathScene.First, part));
            Assert.True(nested.Write(HotPathScene.First + 4, part[..8]) && nested.Read(HotPathScene.First + 4, part[..8]));
        };
    }

    private static Action<int> Parking(HotPathScene scene)
    {
        var port = scene.Open(HotPathScene.Stage1);
        return round =>
        {
            Require(port.Translate(HotPathScene.PageOf(round), AccessKind.Read));
            port.Park();
        };
    }

    private static void Require(TranslationResult result, bool isSuccess = true)
    {
        if (result.IsSuccess != isSuccess) Assert.Fail($"The access ends with {result.Outcome}.");
    }
}
