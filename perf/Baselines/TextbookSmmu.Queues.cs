using Smmu.Fast.Formats;

namespace Smmu.Fast.Perf.Baselines;

/// <content>Commands in, events out.</content>
internal sealed partial class TextbookSmmu
{
    private readonly ulong commandQueue;
    private readonly int commandQueueLog2;
    private readonly ulong eventQueue;
    private readonly int eventQueueLog2;
    private uint commandConsumer;
    private uint eventProducer;
    private uint eventConsumer;

    /// <summary>A write of CMDQ_PROD: consumes all commands before it.</summary>
    public void WriteCommandProducer(uint producer)
    {
        lock (gate)
        {
            uint mask = (2u << commandQueueLog2) - 1;
            for (; commandConsumer != producer; commandConsumer = (commandConsumer + 1) & mask)
            {
                ulong address = commandQueue + ((commandConsumer & (mask >> 1)) * (ulong)Command.SizeBytes);
                Execute(new Command(Read(address), Read(address + sizeof(ulong))));
            }
        }
    }

    /// <summary>Reads EVENTQ_PROD and writes it to EVENTQ_CONS: the driver has seen all records.</summary>
    public void AcknowledgeEvents()
    {
        lock (gate) eventConsumer = eventProducer;
    }

    // Nothing is left to do for a SYNC: whoever holds the lock is alone.
    private void Execute(in Command command)
    {
        switch (command.Opcode)
        {
            case CommandOpcode.TlbiNhVa:
                ulong page = command.Address >> 12;
                ushort owner = command.Asid.Value;
                foreach (var (key, leaf) in tlb)
                {
                    if (key.Page == page && (key.Asid == owner || IsGlobal(leaf))) tlb.Remove(key);
                }

                break;
            case CommandOpcode.TlbiNhAsid:
                ushort asid = command.Asid.Value;
                foreach (var (key, leaf) in tlb)
                {
                    if (key.Asid == asid && !IsGlobal(leaf)) tlb.Remove(key);
                }

                break;
            case CommandOpcode.TlbiNsnhAll:
                tlb.Clear();
                break;
            default:
                break;
        }
    }

    private TextbookResult Fault(EventType type, StreamId stream, ulong iova)
    {
        const int EventBytes = 32;
        uint mask = (2u << eventQueueLog2) - 1;
        bool isFull = (eventProducer ^ eventConsumer) == (mask >> 1) + 1;
        if (!isFull)
        {
            ulong address = eventQueue + ((eventProducer & (mask >> 1)) * (ulong)EventBytes);
            memory.TryWrite64(address, (byte)type | ((ulong)stream.Value << 32));
            memory.TryWrite64(address + 8, 0);
            memory.TryWrite64(address + 16, iova);
            memory.TryWrite64(address + 24, 0);
            eventProducer = (eventProducer + 1) & mask;
        }

        return new TextbookResult(TranslationOutcome.Faulted, 0);
    }

    // nG = 0: the entry serves every ASID, and goes with the address whatever ASID a command names.
    private static bool IsGlobal(ulong leaf) => (leaf & (1UL << 11)) == 0;
}
