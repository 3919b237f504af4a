using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Baselines;

/// <summary>
/// Submission as one writes it first: a lock, and inside of it the commands, a CMD_SYNC, CMDQ_PROD and the wait for CMDQ_CONS.
/// It deals with no error and with no queue that is full.
/// </summary>
internal sealed unsafe class LockedQueue
{
    private readonly Lock gate = new();
    private readonly GuestMachine machine;
    private readonly ulong* queue;
    private readonly uint used;
    private uint producer;

    /// <summary>Takes over the empty Command queue of a machine.</summary>
    public LockedQueue(GuestMachine machine)
    {
        this.machine = machine;
        used = (2u << machine.CommandQueueLog2) - 1;
        bool isThere = machine.Memory.TryGetHostSpan(machine.CommandQueue, write: true, out byte* host, out _);
        queue = isThere ? (ulong*)host : throw new InvalidOperationException("The machine has lost its RAM.");
    }

    /// <summary>Submits commands with a CMD_SYNC behind them, and waits for it.</summary>
    public void Submit(ReadOnlySpan<Command> commands)
    {
        lock (gate)
        {
            foreach (var command in commands) Put(in command);
            Put(new Command((ulong)CommandOpcode.Sync, 0));
            machine.Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, producer);
            while ((machine.Smmu.ReadRegister32(RegisterOffset.CMDQ_CONS) & used) != producer) Thread.SpinWait(1);
        }
    }

    private void Put(in Command command)
    {
        ulong* slot = queue + ((producer & (used >> 1)) * 2);
        slot[0] = command.Word0;
        slot[1] = command.Word1;
        producer = (producer + 1) & used;
    }
}
