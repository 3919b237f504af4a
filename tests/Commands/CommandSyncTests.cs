using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Tests.Memory;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Commands;

/// <summary>How CMD_SYNC tells that it is complete (IHI 0070, 4.7.3).</summary>
public class CommandSyncTests
{
    private const uint MsiCommandQueueAbort = 1 << 4;
    private const ulong InterruptSignal = 1UL << 12;

    private uint acknowledged;

    [Fact]
    [Rule("CMD-SYNC-02")]
    public void SilentSyncIgnoresAllFieldsOfTheMsi()
    {
        using var scene = new CommandScene();
        var lines = LinesOf(scene);
        ulong target = scene.Machine.Allocate(64);

        scene.Run(new Command(0x46 | (0xffff_ffffUL << 32), target));

        Assert.Empty(lines);
        Assert.Equal(0u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-03")]
    public void MsiWritesFourBytesAndNoMore()
    {
        using var scene = new CommandScene();
        ulong target = scene.Machine.Allocate(64);
        scene.Machine.Write64(target, [ulong.MaxValue, ulong.MaxValue]);

        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target + 4), 0x1122_3344));

        Assert.Equal(0x1122_3344_ffff_ffffUL, scene.Machine.Read64(target));
        Assert.Equal(ulong.MaxValue, scene.Machine.Read64(target + 8));
    }

    [Fact]
    [Rule("CMD-SYNC-04")]
    public void WiredInterruptPulsesWithAndWithoutMsiThoughAllInterruptsAreDisabled()
    {
        using var scene = new CommandScene();
        var lines = LinesOf(scene);
        ulong target = scene.Machine.Allocate(64);
        Assert.Equal(0u, scene.Machine.Read(RegisterOffset.IRQ_CTRL));

        scene.Run(Command.Sync(CompletionSignal.Interrupt));
        Assert.Equal([InterruptLine.CommandSync], lines);

        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target), 7));
        Assert.Equal([InterruptLine.CommandSync, InterruptLine.CommandSync], lines);
        Assert.Equal(7u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-05")]
    public void WithoutMsiSupportOnlyTheWiredInterruptRemains()
    {
        using var scene = new CommandScene(SmmuFeatures.Default.With(SmmuFeatureField.MSI, 0));
        var lines = LinesOf(scene);
        ulong target = scene.Machine.Allocate(64);

        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target), 7));

        Assert.Equal([InterruptLine.CommandSync], lines);
        Assert.Equal(0u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-06")]
    public void AddressIsJudgedWholeAndCutAfterwards()
    {
        const ulong BeyondOutput = 1UL << 50;
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        ulong target = scene.Machine.Allocate(64);

        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target | BeyondOutput), 7));
        Assert.Equal(7u, scene.Machine.Read32(target));
        Assert.Empty(bus.Writes);

        scene.Run(Command.SyncWithMsi(new PhysicalAddress(BeyondOutput), 9));
        var (address, bytes) = Assert.Single(bus.Writes);
        Assert.Equal(0UL, address);
        Assert.Equal([9, 0, 0, 0], bytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    [Rule("CMD-SYNC-07")]
    [Rule("ID-16")]
    public void WakeUpEventIsSentIfThereIsOne(ulong supported)
    {
        using var scene = new CommandScene(SmmuFeatures.Default.With(SmmuFeatureField.SEV, supported));
        var lines = LinesOf(scene);
        ulong target = scene.Machine.Allocate(64);

        scene.Run(new Command(0x46 | (2UL << 12) | (7UL << 32), target));

        Assert.Equal(supported != 0 ? [InterruptLine.WakeUpEvent] : [], lines);
        Assert.Equal(0u, scene.Machine.Read32(target));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [Rule("CMD-SYNC-08")]
    public void ReservedSignalIsIllegal(bool isHeard)
    {
        using var scene = new CommandScene();
        List<InterruptLine> lines = isHeard ? LinesOf(scene) : [];
        ulong target = scene.Machine.Allocate(64);

        Assert.Equal(CommandScene.Illegal, scene.Judge(new Command(0x46 | (3UL << 12) | (7UL << 32), target)));

        Assert.Empty(lines);
        Assert.Equal(0u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-09")]
    public void MsiMayHitTheEntryOfItsOwnCommand()
    {
        using var scene = new CommandScene();
        ulong slot = scene.Machine.CommandQueue;
        ulong word0 = 0x46 | InterruptSignal | (0xf00dUL << 32);

        scene.Machine.Submit(new Command(word0, slot));   // As Linux does, which polls the first word for its change.

        Assert.Equal(1u, scene.Consumer);
        Assert.False(scene.HasCommandError);
        Assert.Equal((word0 & 0xffff_ffff_0000_0000) | 0xf00d, scene.Machine.Read64(slot));
        Assert.Equal(slot, scene.Machine.Read64(slot + 8));
    }

    [Fact]
    [Rule("CMD-SYNC-10")]
    public void ConsumerIndexHasMovedOnWhenTheSignalArrives()
    {
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        var seen = new List<uint>();
        bus.Writing = _ => seen.Add(scene.Consumer);
        scene.Machine.Smmu.InterruptRaised += _ => seen.Add(scene.Consumer);

        scene.Machine.Submit(Command.TlbiNsnhAll(), Command.SyncWithMsi(new PhysicalAddress(HostBus.Base), 7));
        Assert.Equal([2u, 2u], seen);

        scene.Machine.Submit(Command.Sync(CompletionSignal.Event));
        Assert.Equal([2u, 2u, 3u], seen);
    }

    [Fact]
    [Rule("CMD-SYNC-17")]
    public void AbortedMsiIsAGlobalErrorAndTheCommandIsConsumed()
    {
        var bus = new HostBus();
        using var scene = new CommandScene(bus: bus);
        bus.Refused.Add(HostBus.Base);
        var errorsAtSecond = new List<uint>();
        bus.Writing = address =>
        {
            if (address != HostBus.Base) errorsAtSecond.Add(scene.Machine.Read(RegisterOffset.GERROR));
        };

        scene.Machine.Submit(
            Command.SyncWithMsi(new PhysicalAddress(HostBus.Base), 1),
            Command.SyncWithMsi(new PhysicalAddress(HostBus.Base + 4), 2));

        Assert.Equal(2u, scene.Consumer);
        Assert.Equal(MsiCommandQueueAbort, scene.Machine.Read(RegisterOffset.GERROR));
        Assert.Equal([MsiCommandQueueAbort], errorsAtSecond);
    }

    [Fact]
    [Rule("CMD-SYNC-10")]
    public void ConsumerIndexHasMovedOnWhenTheMessageIsSeen()
    {
        const int Rounds = 2_000;
        using var scene = new CommandScene();
        ulong target = scene.Machine.Allocate(64);
        Command[] commands = [.. Enumerable.Repeat(Command.TlbiNhAll(default), 60)];
        long early = 0;
        var reader = new Worker(() =>
        {
            for (uint round = 1; round <= Rounds; round++)
            {
                while (scene.Machine.Read32(target) < round) Thread.SpinWait(1);
                uint indexOfSync = ((round - 1) * 61) & 0x1ff;
                if (scene.Consumer == indexOfSync) early++;
                Volatile.Write(ref acknowledged, round);
            }
        });
        for (uint round = 1; round <= Rounds; round++)
        {
            scene.Machine.Submit([Command.SyncWithMsi(new PhysicalAddress(target), round), .. commands]);
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref acknowledged) == round, TimeSpan.FromSeconds(30)));
        }

        reader.Join();
        Assert.Equal(0, early);
        Assert.False(scene.HasCommandError);
    }

    [Fact]
    [Rule("CMD-SYNC-04")]
    public void WhoStopsListeningHearsNoMoreAndTheMessageStillComes()
    {
        using var scene = new CommandScene();
        var lines = new List<InterruptLine>();
        ulong target = scene.Machine.Allocate(64);
        scene.Machine.Smmu.InterruptRaised += lines.Add;
        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target), 1));
        scene.Machine.Smmu.InterruptRaised -= lines.Add;
        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target + 4), 2));
        Assert.Equal([InterruptLine.CommandSync], lines);
        scene.Machine.Smmu.InterruptRaised += lines.Add;
        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target + 8), 3), Command.Sync(CompletionSignal.Event));
        Assert.Equal([InterruptLine.CommandSync, InterruptLine.CommandSync, InterruptLine.WakeUpEvent], lines);
        Assert.Equal([1u, 2u, 3u], [scene.Machine.Read32(target), scene.Machine.Read32(target + 4), scene.Machine.Read32(target + 8)]);
    }

    [Fact]
    [Rule("CMD-SYNC-07")]
    public void AnEventThatNobodyListensToSendsNoMessage()
    {
        using var scene = new CommandScene();
        ulong target = scene.Machine.Allocate(64);
        scene.Run(new Command(0x46 | (2UL << 12) | (7UL << 32), target));
        Assert.Equal(0u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-05")]
    public void WithoutMsiSupportNothingIsWrittenThoughNobodyListens()
    {
        using var scene = new CommandScene(SmmuFeatures.Default.With(SmmuFeatureField.MSI, 0));
        ulong target = scene.Machine.Allocate(64);
        scene.Run(Command.SyncWithMsi(new PhysicalAddress(target), 7));
        Assert.Equal(0u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-03")]
    public void MessagesIntoWatchedMemoryAreSeenByWhoWatches()
    {
        using var scene = new CommandScene();
        ulong target = scene.Machine.Allocate(64);
        var stores = new List<(ulong, int)>();
        scene.Machine.Memory.Watch(scene.Machine.RamRegion, stored: (address, length) => stores.Add((address, length)));
        scene.Machine.Submit(Command.SyncWithMsi(new PhysicalAddress(target), 5));
        Assert.Contains((target, 4), stores);
        Assert.Equal(5u, scene.Machine.Read32(target));
    }

    [Fact]
    [Rule("CMD-SYNC-17")]
    public void MessagesIntoReadOnlyMemoryAbort()
    {
        using var scene = new CommandScene();
        ulong target = scene.Machine.Allocate(64);
        scene.Machine.Submit(Command.Sync());
        ulong slot = scene.Machine.CommandQueue + 16;
        var sync = Command.SyncWithMsi(new PhysicalAddress(target), 5);
        scene.Machine.Write64(slot, [sync.Word0, sync.Word1]);
        scene.Machine.Memory.MakeReadOnly(scene.Machine.RamRegion);
        scene.Machine.Write(RegisterOffset.CMDQ_PROD, 2);
        Assert.Equal(0u, scene.Machine.Read32(target));
        Assert.Equal(MsiCommandQueueAbort, scene.Machine.Read(RegisterOffset.GERROR));
        Assert.Equal(2u, scene.Consumer);
    }

    private static List<InterruptLine> LinesOf(CommandScene scene)
    {
        var lines = new List<InterruptLine>();
        scene.Machine.Smmu.InterruptRaised += lines.Add;
        return lines;
    }
}
