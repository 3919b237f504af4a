using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Queues;

/// <summary>
/// A machine whose commands leave a mark: CMD_SYNCs with an MSI, each storing its own number. Command memory without a
/// command is zero, which is illegal and so shows that it was read.
/// </summary>
internal sealed class CommandMachine : IDisposable
{
    public const uint CommandError = 1;
    public const uint IllegalCode = 1 << 24;
    public const uint AbortCode = 2 << 24;

    private readonly ulong marks;

    /// <param name="log2">log2 of the entries of the Command queue, which stays disabled.</param>
    /// <param name="queue">Where it lies; in RAM unless given.</param>
    /// <param name="bus">Answers outside of RAM.</param>
    /// <param name="features">The ID registers.</param>
    public CommandMachine(int log2 = 3, ulong? queue = null, IGuestBus? bus = null, SmmuFeatures? features = null)
    {
        Machine = new GuestMachine(features, bus: bus);
        marks = Machine.Allocate(4096);
        Machine.SetUpCommandQueue(log2, queue);
    }

    public GuestMachine Machine { get; }

    /// <summary>CMDQ_CONS.</summary>
    public uint Consumer => Machine.Read(RegisterOffset.CMDQ_CONS);

    /// <summary>CMDQ_CONS without ERR.</summary>
    public uint ReadIndex => Consumer & 0xf_ffff;

    /// <summary>Errors that are active.</summary>
    public uint Errors => Machine.Read(RegisterOffset.GERROR) ^ Machine.Read(RegisterOffset.GERRORN);

    /// <summary>A command that leaves its number in a place.</summary>
    public Command Mark(int place, uint number = 1) =>
        Command.SyncWithMsi(new PhysicalAddress(marks + ((ulong)place * 4)), number);

    /// <summary>What the marks left in a place.</summary>
    public uint MarkIn(int place) => Machine.Read32(marks + ((ulong)place * 4));

    /// <summary>Stores a command without publishing it.</summary>
    public void Store(int slot, Command command) =>
        Machine.Write64(Machine.CommandQueue + ((ulong)slot * 16), [command.Word0, command.Word1]);

    /// <summary>Stores marks in the first slots, each with its own place.</summary>
    public void StoreMarks(int count)
    {
        for (int slot = 0; slot < count; slot++) Store(slot, Mark(slot));
    }

    /// <summary>Which of the first places hold a mark; bit n stands for place n.</summary>
    public uint MarksOf(int count) =>
        (uint)Enumerable.Range(0, count).Sum(place => MarkIn(place) != 0 ? 1 << place : 0);

    /// <summary>Writes CMDQ_PROD.</summary>
    public void Publish(uint producer) => Machine.Write(RegisterOffset.CMDQ_PROD, producer);

    /// <summary>Switches the queue.</summary>
    public void Enable(bool enabled = true) => Machine.Enable(enabled ? ControlBits.CommandQueue : ControlBits.None);

    /// <summary>Acknowledges all errors.</summary>
    public void Acknowledge() => Machine.Write(RegisterOffset.GERRORN, Machine.Read(RegisterOffset.GERROR));

    public void Dispose() => Machine.Dispose();
}
