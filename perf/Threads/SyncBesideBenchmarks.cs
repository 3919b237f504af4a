using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;

namespace Smmu.Fast.Perf.Threads;

/// <summary>What the port of another thread does while this one synchronizes.</summary>
public enum OtherPort
{
    /// <summary>It was used, and parked since.</summary>
    Parked,

    /// <summary>It was used and not parked, and its thread sleeps.</summary>
    AtRest,

    /// <summary>It translates without a pause, a scope for each access.</summary>
    Translating,

    /// <summary>It translates without a pause, a scope for every 64 accesses.</summary>
    TranslatingInScopes,
}

/// <summary>CMD_SYNC beside a port of another thread. Elapsed time, from the write of CMDQ_PROD until CMDQ_CONS has moved on.</summary>
[ManyThreads]
[Allocates]
public class SyncBesideBenchmarks
{
    private const int Syncs = 256;
    private const int Pause = 20;   // Milliseconds.

    private readonly ulong[] addresses = new WorkingSet(64, AccessOrder.Random).Addresses(TranslationScene.FirstPage, 4_096);
    private TranslationScene? scene;
    private CommandFeed? feed;
    private DmaPort? port;
    private Background? other;
    private Background? answering;
    private Handshake handshake;

    /// <summary>What it does.</summary>
    [Params(OtherPort.Parked, OtherPort.AtRest, OtherPort.Translating, OtherPort.TranslatingInScopes)]
    public OtherPort Other { get; set; }

    [GlobalSetup(Target = nameof(Smmu))]
    public void SetUp()
    {
        scene = new TranslationScene(64);
        feed = new CommandFeed(scene.Machine, Command.Sync());
        port = scene.Port;
        bool isParked = false;
        other = new Background(Other switch
        {
            OtherPort.Parked => () =>
            {
                if (!isParked) Accesses.OneByOne(port, addresses);
                port.Park();
                isParked = true;
                Thread.Sleep(Pause);
            }
            ,
            OtherPort.AtRest => () =>
            {
                Accesses.OneByOne(port, addresses.AsSpan(0, 1));
                Thread.Sleep(Pause);
            }
            ,
            OtherPort.Translating => () => Accesses.OneByOne(port, addresses),
            _ => () => Accesses.InScopes(port, addresses),
        });
        Smmu();
    }

    [GlobalCleanup(Target = nameof(Smmu))]
    public void CleanUp()
    {
        other!.Dispose();
        scene!.Dispose();
    }

    /// <summary>The least that is safe without a barrier for the whole process: ask the other thread, and wait for its answer.</summary>
    [Benchmark(OperationsPerInvoke = Syncs)]
    public long Floor()
    {
        for (int i = 0; i < Syncs; i++)
        {
            Volatile.Write(ref handshake.Question, handshake.Question + 1);
            while (Volatile.Read(ref handshake.Answer) != handshake.Question)
            {
            }
        }

        return handshake.Question;
    }

    [GlobalSetup(Target = nameof(Floor))]
    public void SetUpFloor() => answering = new Background(() =>
    {
        for (int i = 0; i < 1_000; i++) Volatile.Write(ref handshake.Answer, Volatile.Read(ref handshake.Question));
    });

    [GlobalCleanup(Target = nameof(Floor))]
    public void CleanUpFloor() => answering!.Dispose();

    [Benchmark(OperationsPerInvoke = Syncs, Baseline = true, Description = "SYNC beside another thread's port")]
    public ulong Smmu()
    {
        var machine = scene!.Machine;
        for (int i = 0; i < Syncs; i++)
        {
            feed!.Publish(1);
            while (machine.Smmu.ReadRegister32(RegisterOffset.CMDQ_CONS) != feed.Producer) Thread.SpinWait(1);
        }

        return feed!.RequireConsumed();
    }

    [StructLayout(LayoutKind.Explicit, Size = 3 * 128)]
    private struct Handshake
    {
        [FieldOffset(128)] public long Question;
        [FieldOffset(256)] public long Answer;
    }
}
