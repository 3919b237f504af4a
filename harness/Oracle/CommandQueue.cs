namespace Smmu.Fast.Oracle;

/// <summary>A command as it lies in the queue: the two little-endian words of its 16 bytes (IHI 0070, 4.1).</summary>
/// <param name="Word0">Bits [63:0].</param>
/// <param name="Word1">Bits [127:64].</param>
public readonly record struct OracleCommand(ulong Word0, ulong Word1)
{
    /// <summary>The opcode, bits [7:0].</summary>
    public int Opcode => (int)Bits.Field(Word0, 7, 0);
}

/// <summary>Consumption of the Command queue (IHI 0070, 4.1, 4.7.3 and 7.1). Nothing is cached, so most commands only count.</summary>
internal sealed class CommandQueue(
    IOracleMemory memory, OracleFeatures features, RegisterFile registers, EventQueue events, InterruptSender interrupts)
{
    private const int EntryLog2 = 4;   // 16 bytes.
    private const uint IllegalCommand = 1;   // CERROR_ILL.
    private const uint FetchAbort = 2;   // CERROR_ABT.
    private readonly List<OracleCommand> consumed = [];

    /// <summary>The commands consumed so far, the oldest first.</summary>
    public IReadOnlyList<OracleCommand> Consumed => consumed;

    /// <summary>Consumes commands until the queue is empty or one of them is in error.</summary>
    public void Process()
    {
        while (registers.IsCommandQueueEnabled && !registers.IsStopped(RegisterFile.CommandQueueError) && Used() is uint used and not 0
            && used <= 1U << registers.CommandQueueLog2)
        {
            uint consumer = registers.CommandConsumer & RegisterFile.IndexMask(registers.CommandQueueLog2);
            ulong index = consumer & Bits.Below(registers.CommandQueueLog2);
            ulong entry = registers.CommandQueueBase + (index << EntryLog2);
            if (!memory.TryRead(entry, out ulong word0) || !memory.TryRead(entry + 8, out ulong word1))
            {
                Stop(consumer, FetchAbort);
                return;
            }

            var command = new OracleCommand(word0, word1);
            if (CommandRules.IsIllegal(command, features))
            {
                Stop(consumer, IllegalCommand);
                return;
            }

            // 4.7.3: CONS has passed the command before its MSI is sent.
            uint error = registers.CommandConsumer & 0x7F00_0000;
            bool wasFull = used == 1U << registers.CommandQueueLog2;
            registers.CommandConsumer = error | ((consumer + 1) & RegisterFile.IndexMask(registers.CommandQueueLog2));
            consumed.Add(command);
            Execute(command);
            if (wasFull) interrupts.WakeUp();   // 4.1.2.
        }
    }

    private void Execute(OracleCommand command)
    {
        if (command.Opcode == CommandRules.StallTerm) events.Drop((uint)Bits.Field(command.Word0, 63, 32));
        if (command.Opcode != CommandRules.Sync) return;

        // 4.7.3, CS: 0b01 sends an interrupt, 0b10 an event.
        ulong signal = Bits.Field(command.Word0, 13, 12);
        if (signal == 0b01) interrupts.SendSync(Bits.Field(command.Word1, 55, 2) << 2, (uint)Bits.Field(command.Word0, 63, 32));
        if (signal == 0b10) interrupts.WakeUp();
    }

    // 7.1: the reason is there before the error shows.
    private void Stop(uint consumer, uint reason)
    {
        registers.CommandConsumer = (reason << 24) | consumer;
        interrupts.Raise(RegisterFile.CommandQueueError);
    }

    // Indexes that do not fit together give more than the queue holds, and nothing is consumed then.
    private uint Used() =>
        (registers.CommandProducer - registers.CommandConsumer) & RegisterFile.IndexMask(registers.CommandQueueLog2);
}
