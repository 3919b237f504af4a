using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>A Command queue whose memory holds all commands beforehand, so that a write of CMDQ_PROD is all that is left.</summary>
internal sealed unsafe class CommandFeed
{
    private readonly GuestMachine machine;
    private readonly ulong* queue;
    private readonly uint slots;
    private readonly uint pointerMask;

    /// <summary>Fills the queue of a machine with commands, over and over up to its last slot.</summary>
    public CommandFeed(GuestMachine machine, params ReadOnlySpan<Command> commands)
    {
        this.machine = machine;
        bool isThere = machine.Memory.TryGetHostSpan(machine.CommandQueue, write: true, out byte* host, out _);
        queue = isThere ? (ulong*)host : throw new InvalidOperationException("The machine has lost its RAM.");
        slots = 1u << machine.CommandQueueLog2;
        pointerMask = (slots << 1) - 1;
        for (uint i = 0; i < slots; i++) Put(i, in commands[(int)i % commands.Length]);
    }

    /// <summary>What CMDQ_PROD holds, or would hold for an SMMU that is not the machine's own.</summary>
    public uint Producer { get; private set; }

    /// <summary>Lays commands into the queue that the next calls publish, once nothing is left in it.</summary>
    public void Prepare(ReadOnlySpan<Command> commands)
    {
        Publish(0);   // What another SMMU was told alone.
        TranslationScene.Require(commands.Length <= slots, "the commands do not fit the queue");
        for (int i = 0; i < commands.Length; i++) Put((Producer + (uint)i) & (slots - 1), in commands[i]);
    }

    /// <summary>Moves <see cref="Producer"/> on, without a word to any SMMU.</summary>
    public uint Advance(uint commands) => Producer = (Producer + commands) & pointerMask;

    /// <summary>Publishes commands to the machine's SMMU, which consumes them before this returns.</summary>
    public void Publish(uint commands) => machine.Smmu.WriteRegister32(RegisterOffset.CMDQ_PROD, Advance(commands));

    /// <summary>Checks that the SMMU has consumed all of it.</summary>
    /// <returns>CMDQ_CONS.</returns>
    public ulong RequireConsumed()
    {
        uint consumer = machine.Smmu.ReadRegister32(RegisterOffset.CMDQ_CONS);
        TranslationScene.Require(consumer == Producer, "commands are left in the queue");
        return consumer;
    }

    private void Put(uint slot, in Command command)
    {
        queue[slot * 2] = command.Word0;
        queue[(slot * 2) + 1] = command.Word1;
    }
}
