using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Device;

/// <summary>A running machine with a bus: streams that translate one page, streams that pass, and a page for messages.</summary>
internal sealed class ConcurrencyScene : IDisposable
{
    public const ulong Iova = 0x1000;
    public const ushort Asid = 3;

    private uint streams = 8;

    public ConcurrencyScene(int commandQueueLog2 = 6, Action<GuestMachine>? beforeStart = null)
    {
        Machine = new GuestMachine(bus: Bus);
        Bus.Smmu = Machine.Smmu;
        Machine.SetUpCommandQueue(commandQueueLog2);
        beforeStart?.Invoke(Machine);
        Machine.Start();
        Space = new Stage1Space(Machine, Asid);
        Target = Machine.Allocate(4096);
        Space.Map(Iova, Target);
        Message = Machine.Allocate(4096);
    }

    public TestBus Bus { get; } = new();

    public GuestMachine Machine { get; }

    public SmmuDevice Smmu => Machine.Smmu;

    public Stage1Space Space { get; }

    /// <summary>Where <see cref="Iova"/> leads.</summary>
    public ulong Target { get; }

    /// <summary>RAM for messages.</summary>
    public ulong Message { get; }

    /// <summary>Commands consumed; unlike a read of a register, asking does not continue what is pending.</summary>
    public ulong Consumed => Smmu.GetStatistics().CommandsConsumed;

    /// <summary>The word at <see cref="Message"/>.</summary>
    public uint Received => Machine.Read32(Message);

    /// <summary>Opens a port of a new stream behind the address space.</summary>
    public DmaPort OpenPort()
    {
        uint stream = streams++;
        Machine.AttachStage1(stream, Space);
        return Smmu.OpenPort(new StreamId(stream));
    }

    /// <summary>Opens a port of a new stream whose accesses pass.</summary>
    public DmaPort OpenBypassPort()
    {
        uint stream = streams++;
        Machine.SetStream(stream, Entries.Bypass);
        return Smmu.OpenPort(new StreamId(stream));
    }

    /// <summary>A CMD_SYNC that sends a number to <see cref="Message"/>.</summary>
    public Command SyncTelling(uint data) => Command.SyncWithMsi(new PhysicalAddress(Message), data);

    /// <summary>A CMD_SYNC whose message rings the doorbell on the bus.</summary>
    public static Command SyncRinging(uint data = 0) => Command.SyncWithMsi(new PhysicalAddress(TestBus.Doorbell), data);

    /// <summary>Puts commands into the queue without publishing them.</summary>
    /// <returns>What CMDQ_PROD has to be written with.</returns>
    public uint Prepare(params ReadOnlySpan<Command> commands)
    {
        uint producer = Machine.Read(RegisterOffset.CMDQ_PROD);
        uint used = (2u << Machine.CommandQueueLog2) - 1;
        foreach (var command in commands)
        {
            ulong address = Machine.CommandQueue + ((producer & (used >> 1)) * 16UL);
            Machine.Write64(address, [command.Word0, command.Word1]);
            producer = (producer + 1) & used;
        }

        return producer;
    }

    /// <summary>The device still works: a CMD_SYNC completes and its message arrives.</summary>
    public void AssertUsable()
    {
        const uint Proof = 0x600d_600d;
        Machine.Submit(SyncTelling(Proof));
        Assert.Equal(Proof, Received);
        Assert.True(Machine.IsCommandQueueEmpty);
        Assert.False(Smmu.HasPendingWork);
    }

    public void Dispose() => Machine.Dispose();
}
