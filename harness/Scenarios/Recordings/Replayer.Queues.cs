using System.Buffers.Binary;

namespace Smmu.Fast.Scenarios.Recordings;

/// <content>Commands, events and interrupts: what the queues and lines of the target show after each operation.</content>
public sealed partial class Replayer
{
    private const int CommandBytes = 16;
    private const int EventBytes = 32;
    private const int EventWords = EventBytes / sizeof(ulong);

    private readonly long[] commandsByOpcode = new long[256];
    private QueueLayout commandQueue;
    private QueueLayout eventQueue;
    private uint commandsSeen;
    private uint commandsConsumed;
    private long commandWrite;
    private uint eventsSeen;
    private long events;
    private long interrupts;
    private bool eventQueueWasEmpty;
    private InterruptLines raised;

    private void ResetQueues()
    {
        raised = InterruptLines.None;
        ReadQueues();
        commandsSeen = commandsConsumed = ReadConsumer();
    }

    private void ReadQueues()
    {
        commandQueue = new QueueLayout(Target.ReadRegister(RegisterOffsets.CommandQueueBase, 8), CommandBytes);
        eventQueue = new QueueLayout(Target.ReadRegister(RegisterOffsets.EventQueueBase, 8), EventBytes);
        eventsSeen = ReadProducer();
    }

    private uint ReadConsumer() =>
        (uint)Target.ReadRegister(RegisterOffsets.CommandQueueConsumer, 4) & commandQueue.IndexMask;

    private uint ReadProducer() => (uint)Target.ReadRegister(RegisterOffsets.EventQueueProducer, 4) & eventQueue.IndexMask;

    /// <summary>Commands consumed because of a register write are those CMDQ_CONS has moved over.</summary>
    private void FollowRegisterWrite(uint offset)
    {
        switch (offset & ~RegisterOffsets.Page1)
        {
            case RegisterOffsets.CommandQueueBase or RegisterOffsets.CommandQueueBase + 4:
            case RegisterOffsets.EventQueueBase or RegisterOffsets.EventQueueBase + 4:
            case RegisterOffsets.CommandQueueConsumer:
            case RegisterOffsets.EventQueueProducer & ~RegisterOffsets.Page1:
                ReadQueues();
                commandsSeen = commandsConsumed = ReadConsumer();
                return;
        }

        commandsConsumed = ReadConsumer();
        commandWrite = record;
    }

    private void CompareCommand(RecordedCommand recorded, bool isStopped)
    {
        if (recorded.IsAborted) return;   // Nothing was consumed; the command error behind it is compared.
        commandsByOpcode[recorded.Bytes[0]]++;
        bool isConsumed = commandQueue.Distance(commandsSeen, commandsConsumed) != 0;
        if (!isConsumed && !isStopped)
        {
            differences.Add(
                DifferenceKind.Command, record, $"command at 0x{recorded.Address:x}", Text(recorded.Bytes), "not consumed");
            return;
        }

        Span<byte> bytes = stackalloc byte[CommandBytes];
        ulong address = commandQueue.AddressOf(commandsSeen);
        bool isReadable = Target.ReadMemory(address, bytes);
        if (isConsumed) commandsSeen = (commandsSeen + 1) & commandQueue.IndexMask;
        if (isReadable && address == recorded.Address && bytes.SequenceEqual(recorded.Bytes)) return;
        differences.Add(
            DifferenceKind.Command, record, $"command at 0x{recorded.Address:x}", Text(recorded.Bytes),
            isReadable ? $"{Text(bytes)} at {Hex(address)}" : $"no memory at {Hex(address)}");
    }

    private static string Text(ReadOnlySpan<byte> command) =>
        $"{CommandNames.Of(command[0])} {BinaryPrimitives.ReadUInt64LittleEndian(command):x16} " +
        $"{BinaryPrimitives.ReadUInt64LittleEndian(command[8..]):x16}";

    private void SettleCommands()
    {
        uint unrecorded = commandQueue.Distance(commandsSeen, commandsConsumed);
        if (unrecorded == 0) return;
        differences.Add(
            DifferenceKind.Command, commandWrite, $"register write", "no more commands", $"{unrecorded} more commands consumed");
        commandsSeen = commandsConsumed;
    }

    private void CompareCommandError(byte code)
    {
        uint consumer = (uint)Target.ReadRegister(RegisterOffsets.CommandQueueConsumer, 4);
        uint active = (uint)(Target.ReadRegister(RegisterOffsets.GlobalError, 4)
            ^ Target.ReadRegister(RegisterOffsets.GlobalErrorAcknowledge, 4));
        uint error = (consumer >> 24) & 0x7f;
        if (error == code && (active & 1) != 0) return;
        differences.Add(
            DifferenceKind.CommandError, record, $"command queue", $"error {code}, GERROR.CMDQ_ERR active",
            $"error {error}, GERROR.CMDQ_ERR {((active & 1) != 0 ? "active" : "not active")}");
    }

    private void CompareEvent(RecordedEvent recorded)
    {
        events++;
        uint consumer = (uint)Target.ReadRegister(RegisterOffsets.EventQueueConsumer, 4) & eventQueue.IndexMask;
        eventQueueWasEmpty = eventsSeen == consumer;
        uint producer = ReadProducer();
        uint before = eventsSeen;
        uint written = eventQueue.Distance(before, producer);
        uint expected = recorded.Status == RecordedEvent.Written ? 1u : 0u;
        eventsSeen = producer;
        if (written != expected)
        {
            differences.Add(
                DifferenceKind.EventCount, record, $"event queue", $"{expected} events written", $"{written} events written");
            return;
        }

        if (expected == 0) return;
        Span<byte> bytes = stackalloc byte[EventBytes];
        ulong address = eventQueue.AddressOf(before);
        bool isReadable = Target.ReadMemory(address, bytes);
        if (isReadable && address == recorded.Address && IsSameEventRecord(recorded.Bytes, bytes)) return;
        differences.Add(
            DifferenceKind.EventRecord, record, $"event record at 0x{recorded.Address:x}", EventText(recorded.Bytes),
            isReadable ? $"{EventText(bytes)} at {Hex(address)}" : $"no memory at {Hex(address)}");
    }

    private bool IsSameEventRecord(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual)
    {
        for (int word = 0; word < EventWords; word++)
        {
            ulong difference = BinaryPrimitives.ReadUInt64LittleEndian(expected[(word * sizeof(ulong))..])
                ^ BinaryPrimitives.ReadUInt64LittleEndian(actual[(word * sizeof(ulong))..]);
            if ((difference & ComparedBits(word)) != 0) return false;
        }

        return true;
    }

    /// <summary>
    /// Recordings without stages come from a model whose records hold no CLASS, S2 and IPA: event number, StreamID, RnW and
    /// input address are compared. The others hold every field but PnU and InD, for the accesses had no attributes.
    /// </summary>
    private ulong ComparedBits(int word) => (recording.Index.HasStages, word) switch
    {
        (true, 1) => ~(0b11UL << 33),
        (true, _) => ulong.MaxValue,
        (false, 0) => 0xffff_ffff_0000_00ff,
        (false, 1) => 1UL << 35,
        (false, 2) => ulong.MaxValue,
        _ => 0,
    };

    private static string EventText(ReadOnlySpan<byte> bytes)
    {
        var words = new string[EventWords];
        for (int word = 0; word < EventWords; word++)
            words[word] = $"{BinaryPrimitives.ReadUInt64LittleEndian(bytes[(word * sizeof(ulong))..]):x16}";
        return string.Join(' ', words);
    }

    private void SettleEvents()
    {
        uint producer = ReadProducer();
        uint unrecorded = eventQueue.Distance(eventsSeen, producer);
        if (unrecorded == 0) return;
        differences.Add(
            DifferenceKind.EventCount, record, $"event queue before this record", "no more events", $"{unrecorded} more events");
        eventsSeen = producer;
    }

    private void CompareInterrupt(RecordedInterrupt recorded)
    {
        raised |= Target.TakeInterrupts();
        bool isRaised = (raised & recorded.Line) != 0;
        raised &= ~recorded.Line;
        uint error = (uint)Target.ReadRegister(RegisterOffsets.GlobalError, 4);
        uint acknowledged = (uint)Target.ReadRegister(RegisterOffsets.GlobalErrorAcknowledge, 4);
        if (error != recorded.GlobalError || acknowledged != recorded.GlobalErrorAcknowledged)
        {
            differences.Add(
                DifferenceKind.Interrupt, record, $"GERROR and GERRORN at an interrupt",
                $"{Hex(recorded.GlobalError)}, {Hex(recorded.GlobalErrorAcknowledged)}", $"{Hex(error)}, {Hex(acknowledged)}");
        }

        // The recorder's SMMU pulses the line for every event; the architecture asks for it when the queue becomes non-empty.
        if (recorded.Line == InterruptLines.EventQueue && !eventQueueWasEmpty) return;
        interrupts++;
        if (isRaised == recorded.IsEnabled) return;
        differences.Add(
            DifferenceKind.Interrupt, record, $"{recorded.Line} interrupt",
            recorded.IsEnabled ? "raised" : "not raised", isRaised ? "raised" : "not raised");
    }

    private void SettleInterrupts()
    {
        raised |= Target.TakeInterrupts();
        if (raised == InterruptLines.None) return;
        differences.Add(
            DifferenceKind.Interrupt, record, $"interrupts before this record", "none", raised.ToString());
        raised = InterruptLines.None;
    }
}
