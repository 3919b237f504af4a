using System.Buffers.Binary;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>What a first pass over a recording finds. It refuses the file if any record says what none can say.</summary>
public sealed class RecordingIndex
{
    private const byte LastStatus = (byte)RecordedStatus.Translated;
    private const byte LastInterruptLine = 3;
    private const int CommandBytes = 16;
    private const int EventBytes = 32;
    private const byte CommandSync = 0x46;
    private const ulong MessageAddressMask = 0x00ff_ffff_ffff_fffc;

    private readonly MemoryExtents extents;
    private readonly ReservedRangeCounter reservedRanges = new();
    private readonly long[] countByType = new long[256];
    private RecordType previous;
    private ulong commandQueueBase;
    private ulong eventQueueBase;
    private ulong pageRequestQueueBase;

    private RecordingIndex(string name)
    {
        extents = new MemoryExtents(name);
        Regions = [];
    }

    /// <summary>Records in the file.</summary>
    public long Records { get; private set; }

    /// <summary>The ID registers of the first RESET.</summary>
    public IdentificationRegisters FirstReset { get; private set; }

    /// <summary>The memory a replay needs.</summary>
    public IReadOnlyList<MemoryRegion> Regions { get; private set; }

    /// <summary>True when translations come with the side of stage 2: then event records are compared in full.</summary>
    public bool HasStages => CountOf(RecordType.TranslationStages) > 0;

    /// <summary>
    /// Invalidations that the recorded SMMU carried out although their granule comes with neither a range nor a level, which
    /// the architecture answers with CERROR_ILL (IHI 0070, 4.4.1.1).
    /// </summary>
    public long ReservedRanges => reservedRanges.Count;

    /// <summary>How many records of a type the file holds.</summary>
    public long CountOf(RecordType type) => countByType[(byte)type];

    /// <summary>Goes over the whole recording.</summary>
    /// <param name="content">The decompressed file.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <exception cref="RecordingException">A record is malformed.</exception>
    public static RecordingIndex Build(ReadOnlySpan<byte> content, string name)
    {
        var index = new RecordingIndex(name);
        var reader = new RecordingReader(content, name);
        while (reader.TryRead(out var record))
        {
            index.countByType[(byte)record.Type]++;
            index.Records++;
            if (index.Judge(in record) is { } fault)
                throw new RecordingException($"{name}: record {record.Number} at byte 0x{record.Offset:x}: {fault}");
        }

        index.reservedRanges.End();
        if (index.CountOf(RecordType.Reset) == 0) throw new RecordingException($"{name}: the recording holds no reset");
        index.Regions = index.extents.ToRegions();
        return index;
    }

    /// <summary>What is wrong with a record; null when nothing is.</summary>
    private string? Judge(in Record record)
    {
        var payload = record.Payload;
        string? fault = record.Type switch
        {
            RecordType.Reset => JudgeReset(payload),
            RecordType.RegisterWrite or RecordType.RegisterRead => JudgeRegisterAccess(record.Type, payload),
            RecordType.Translation => JudgeTranslation(payload),
            RecordType.TranslationStages => previous != RecordType.Translation
                ? "the stages of a translation do not follow their translation"
                : WrongLength(payload, RecordedStages.PayloadBytes),
            RecordType.Event => JudgeEvent(payload),
            RecordType.Interrupt => WrongLength(payload, RecordedInterrupt.PayloadBytes) ?? BeforeReset()
                ?? ((payload[0] & 0x7f) > LastInterruptLine ? $"there is no interrupt line {payload[0] & 0x7f}" : null),
            RecordType.CommandError => WrongLength(payload, 1) ?? BeforeReset(),
            RecordType.Command => JudgeCommand(payload),
            RecordType.Memory => JudgeMemory(payload),
            RecordType.DeviceName => payload.Length < 4 ? $"a device name has {payload.Length} bytes, fewer than 4" : null,
            _ => null,
        };
        if (fault is not null || !IsOperation(record.Type)) return fault;
        previous = record.Type;
        reservedRanges.Look(in record);
        return null;
    }

    // Names, notes and records of unknown type may stand between two that belong together.
    private static bool IsOperation(RecordType type) => type
        is RecordType.Reset or RecordType.RegisterWrite or RecordType.RegisterRead or RecordType.Memory
        or RecordType.Translation or RecordType.TranslationStages or RecordType.Event
        or RecordType.Interrupt or RecordType.Command or RecordType.CommandError;

    private string? JudgeReset(ReadOnlySpan<byte> payload)
    {
        if (WrongLength(payload, IdentificationRegisters.PayloadBytes) is { } fault) return fault;
        if (CountOf(RecordType.Reset) == 1) FirstReset = IdentificationRegisters.From(payload);
        return null;
    }

    private string? JudgeRegisterAccess(RecordType type, ReadOnlySpan<byte> payload)
    {
        if ((WrongLength(payload, RecordedRegisterAccess.PayloadBytes) ?? BeforeReset()) is { } fault) return fault;
        var access = new RecordedRegisterAccess(payload);
        if (access.SizeBytes is not (4 or 8)) return $"a register access has a size of {access.SizeBytes} bytes, not 4 or 8";
        if (access.Offset % (uint)access.SizeBytes != 0) return $"register offset 0x{access.Offset:x} is not aligned";
        if (access.Offset >= RegisterOffsets.End) return $"register offset 0x{access.Offset:x} is beyond both pages";
        if (access.SizeBytes == 4 && access.Value > uint.MaxValue) return "a register of 4 bytes has a value of more";
        if (type == RecordType.RegisterRead) return null;
        if (access.Result != 0) return "a register write has a result";
        NoteBases(in access);
        return null;
    }

    /// <summary>Follows the base registers, because the SMMU stores where they point to.</summary>
    private void NoteBases(in RecordedRegisterAccess access)
    {
        switch (access.Offset & ~7u)
        {
            case RegisterOffsets.CommandQueueBase:
                NoteQueue(ref commandQueueBase, in access, CommandBytes);
                break;
            case RegisterOffsets.EventQueueBase:
                NoteQueue(ref eventQueueBase, in access, EventBytes);
                break;
            case RegisterOffsets.PageRequestQueueBase:
                NoteQueue(ref pageRequestQueueBase, in access, CommandBytes);
                break;
            case RegisterOffsets.GlobalErrorInterruptConfiguration:
            case RegisterOffsets.EventQueueInterruptConfiguration:
            case RegisterOffsets.PageRequestQueueInterruptConfiguration:
                NoteMessage(access.Value);
                break;
        }
    }

    private void NoteQueue(ref ulong register, in RecordedRegisterAccess access, int entryBytes)
    {
        register = access switch
        {
            { SizeBytes: 8 } => access.Value,
            _ when (access.Offset & 4) != 0 => (register & uint.MaxValue) | (access.Value << 32),
            _ => (register & ~(ulong)uint.MaxValue) | access.Value,
        };
        var queue = new QueueLayout(register, entryBytes);
        extents.AddIfPossible(queue.Base, queue.SizeBytes);
    }

    private void NoteMessage(ulong register)
    {
        ulong address = register & MessageAddressMask;
        if (address != 0) extents.AddIfPossible(address, sizeof(uint));
    }

    private string? JudgeTranslation(ReadOnlySpan<byte> payload)
    {
        if ((WrongLength(payload, RecordedTranslation.PayloadBytes) ?? BeforeReset()) is { } fault) return fault;
        var translation = new RecordedTranslation(payload);
        if (translation.Access is not (AccessKind.Read or AccessKind.Write))
            return $"an access is {(byte)translation.Access}, neither read nor write";
        if ((byte)translation.Status > LastStatus) return $"there is no status {(byte)translation.Status}";
        bool isTranslated = translation.Status == RecordedStatus.Translated;
        if (isTranslated ? translation.Permissions is < 1 or > 3 : translation.Permissions != 0)
            return $"a translation with status {(byte)translation.Status} has permissions {translation.Permissions}";
        if (translation.Event != EventType.None && translation.Status != RecordedStatus.Faulted)
            return $"a translation with status {(byte)translation.Status} has event 0x{(byte)translation.Event:x}";
        return (translation.Mask & (translation.Mask + 1)) != 0 || (isTranslated ? translation.Mask == 0 : translation.Mask != 0)
            ? $"a translation with status {(byte)translation.Status} has leaf mask 0x{translation.Mask:x}"
            : null;
    }

    private string? JudgeEvent(ReadOnlySpan<byte> payload)
    {
        if (WrongLength(payload, RecordedEvent.PayloadBytes) is { } fault) return fault;
        if (previous is not (RecordType.Translation or RecordType.TranslationStages))
            return "an event does not follow a translation";
        var recorded = new RecordedEvent(payload);
        if (recorded.Status is not (RecordedEvent.Written or 2 or 3)) return $"there is no event status {recorded.Status}";
        return recorded.Status == RecordedEvent.Written && !extents.TryAdd(recorded.Address, EventBytes)
            ? $"the event's address 0x{recorded.Address:x} is no physical address"
            : null;
    }

    private string? JudgeCommand(ReadOnlySpan<byte> payload)
    {
        if (payload.Length is not (RecordedCommand.PayloadBytes or RecordedCommand.AbortedPayloadBytes))
            return $"a command has {payload.Length} bytes, neither 8 nor 24";
        if (previous is not (RecordType.RegisterWrite or RecordType.Command))
            return "a command does not follow the register write that released it";
        var command = new RecordedCommand(payload);
        if (command.IsAborted) return null;
        if (!extents.TryAdd(command.Address, CommandBytes))
            return $"the command's address 0x{command.Address:x} is no physical address";
        if (command.Bytes[0] == CommandSync) NoteMessage(BinaryPrimitives.ReadUInt64LittleEndian(command.Bytes[8..]));
        return null;
    }

    private string? JudgeMemory(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 16 || payload.Length % 8 != 0) return $"memory has {payload.Length} bytes of payload";
        var memory = new RecordedMemory(payload);
        return memory.Address % 8 != 0 || !extents.TryAdd(memory.Address, (ulong)memory.Bytes.Length)
            ? $"memory at 0x{memory.Address:x} is not aligned, or no physical address"
            : null;
    }

    private string? BeforeReset() =>
        CountOf(RecordType.Reset) == 0 ? "the record comes before the first reset" : null;

    private static string? WrongLength(ReadOnlySpan<byte> payload, int expected) =>
        payload.Length == expected ? null : $"the record has {payload.Length} bytes of payload, not {expected}";
}
