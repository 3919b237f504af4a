using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;
using Smmu.Fast.Tests.Ats;
using Smmu.Fast.Tests.Commands;
using Smmu.Fast.VirtualQueues;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Tests.VirtualQueues;

/// <summary>A running machine whose SMMU has a block of command queues for guests beside it.</summary>
internal sealed class VirtualQueueScene : IDisposable
{
    public const uint Enable = 1;
    public const uint HypervisorOwned = 1 << 17;
    public const uint Illegal = 1;
    public const uint Abort = 2;
    public const uint AtcInvalidationSync = 3;

    private readonly Dictionary<(int, int), (ulong Address, int Log2)> memory = [];

    public VirtualQueueScene(IGuestBus? bus = null, VirtualQueueOptions? options = null, SmmuFeatures? features = null)
    {
        Commands = new CommandScene(features ?? AtsScene.Everything, bus, configure: smmu => smmu with { AtsEndpoints = Endpoints });
        Block = new VirtualQueueBlock(Smmu, options ?? Small);
        Block.Write32(Offset.CONFIG, Enable);
    }

    /// <summary>Four interfaces of four queues, four streams each.</summary>
    public static VirtualQueueOptions Small { get; } = new() { InterfacesLog2 = 2, QueuesLog2 = 4, StreamSlotsLog2 = 2 };

    public RecordingEndpoints Endpoints { get; } = new();

    public CommandScene Commands { get; }

    public GuestMachine Machine => Commands.Machine;

    public SmmuDevice Smmu => Machine.Smmu;

    public VirtualQueueBlock Block { get; }

    /// <summary>Gives an interface to a guest.</summary>
    public void Open(int number, ushort vmid, uint controls = Enable) =>
        WriteInterface(number, Offset.VINTF_CONFIG, controls | ((uint)vmid << 1));

    /// <summary>Gives a guest a stream.</summary>
    public void Join(int number, uint slot, uint guestStream, uint stream)
    {
        WriteInterface(number, Offset.VINTF_SID_REPLACE + (slot * 4), stream);
        WriteInterface(number, Offset.VINTF_SID_MATCH + (slot * 4), (guestStream << 1) | 1);
    }

    /// <summary>Gives an interface the queue that lies at its place in the block, and switches it on.</summary>
    public void SetUp(int number, int place, int log2 = 3, ulong? address = null, bool interfaceIsOpen = true)
    {
        ulong bytes = 16UL << log2;
        memory[(number, place)] = (address ?? Machine.Allocate(bytes, Math.Max(bytes, 32)), log2);
        Allocate(number, place);
        Block.Write64(Page1(number, place) + Offset.VCMDQ_BASE, memory[(number, place)].Address | (uint)log2);
        Write(number, place, Offset.VCMDQ_CONFIG, Enable);
        Assert.Equal(interfaceIsOpen ? Enable : 0, Read(number, place, Offset.VCMDQ_STATUS));
    }

    /// <summary>Writes CMDQ_ALLOC of that queue.</summary>
    public void Allocate(int number, int place, bool allocated = true) => Block.Write32(
        Offset.CMDQ_ALLOC + ((uint)GlobalNumber(number, place) * 4), ((uint)number << 15) | ((uint)place << 1) | (allocated ? 1u : 0));

    public int GlobalNumber(int number, int place) => (number * (Block.Queues / Block.Interfaces)) + place;

    public uint ReadInterface(int number, uint register) => Block.Read32(Interface(number) + register);

    public void WriteInterface(int number, uint register, uint value) => Block.Write32(Interface(number) + register, value);

    /// <summary>A register of a queue as its guest reads it.</summary>
    public uint Read(int number, int place, uint register) => Block.PageOf(number).Read32(((uint)place * Offset.VCMDQ_STRIDE) + register);

    public void Write(int number, int place, uint register, uint value) =>
        Block.PageOf(number).Write32(((uint)place * Offset.VCMDQ_STRIDE) + register, value);

    /// <summary>Offset of page 1 of a queue, in the pages of its interface.</summary>
    public static ulong Page1(int number, int place) =>
        Offset.VINTF_PAGE0 + ((ulong)(uint)number * Offset.VINTF_PAGE_STRIDE) + Offset.PageSize + ((uint)place * Offset.VCMDQ_STRIDE);

    /// <summary>CONS.RD.</summary>
    public uint ReadIndex(int number, int place) => Read(number, place, Offset.VCMDQ_CONS) & 0xf_ffff;

    /// <summary>CONS.ERR.</summary>
    public uint Reason(int number, int place) => Read(number, place, Offset.VCMDQ_CONS) >> 24;

    public bool HasError(int number, int place) =>
        Read(number, place, Offset.VCMDQ_GERROR) != Read(number, place, Offset.VCMDQ_GERRORN);

    public bool IsEmpty(int number, int place) =>
        ReadIndex(number, place) == Read(number, place, Offset.VCMDQ_PROD) && !HasError(number, place);

    /// <summary>Puts a command into a slot.</summary>
    public void Store(int number, int place, uint slot, Command command) =>
        Machine.Write64(memory[(number, place)].Address + (slot * 16UL), [command.Word0, command.Word1]);

    /// <summary>Publishes commands with one write of PROD.</summary>
    public void Submit(int number, int place, params ReadOnlySpan<Command> commands)
    {
        uint used = (2u << memory[(number, place)].Log2) - 1;
        uint producer = Read(number, place, Offset.VCMDQ_PROD) & used;
        foreach (var command in commands)
        {
            Store(number, place, producer & (used >> 1), command);
            producer = (producer + 1) & used;
        }

        Write(number, place, Offset.VCMDQ_PROD, producer);
    }

    /// <summary>Issues a command, and puts a CMD_SYNC in its place if it is refused.</summary>
    /// <returns>CONS.ERR, or 0 when it is consumed.</returns>
    public uint Judge(int number, int place, Command command)
    {
        Submit(number, place, command);
        if (!HasError(number, place))
        {
            Assert.True(IsEmpty(number, place));
            return 0;
        }

        uint reason = Reason(number, place);
        Store(number, place, ReadIndex(number, place) & ((1u << memory[(number, place)].Log2) - 1), Command.Sync());
        Acknowledge(number, place);
        Assert.True(IsEmpty(number, place));
        return reason;
    }

    public void Acknowledge(int number, int place) =>
        Write(number, place, Offset.VCMDQ_GERRORN, Read(number, place, Offset.VCMDQ_GERROR));

    public void Dispose() => Commands.Dispose();

    private static ulong Interface(int number) => Offset.VINTF + ((ulong)(uint)number * Offset.VINTF_STRIDE);
}
