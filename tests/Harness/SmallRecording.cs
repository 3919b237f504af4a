using System.Buffers.Binary;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>
/// A recording of a few dozen records with one of everything: a reset, register accesses, tables, commands, translations that
/// succeed, bypass, abort and fault, an event and its interrupt. Each value of interest can be made wrong.
/// </summary>
internal sealed record SmallRecording
{
    public const ulong Page = 0x4000_7000;
    public const ulong InputAddress = 0x1234;
    public const string Name = "small.smr";

    private const ulong StreamTable = 0x4000_0000;
    private const ulong Context = 0x4000_1000;
    private const ulong Table = 0x4000_2000;
    private const ulong Commands = 0x4001_0000;
    private const ulong Events = 0x4002_0000;

    public ulong OutputAddress { get; init; } = Page + (InputAddress & 0xfff);

    public ulong Mask { get; init; } = 0xfff;

    public byte Permissions { get; init; } = 1;

    public RecordedStatus WriteStatus { get; init; } = RecordedStatus.Faulted;

    public EventType WriteEvent { get; init; } = EventType.Permission;

    public ulong RegisterValue { get; init; } = 0xd;

    public ulong EventInputAddress { get; init; } = InputAddress;

    public bool HasEvent { get; init; } = true;

    /// <summary>Word 1 of the event; the recorder's model writes it without CLASS unless it records stages.</summary>
    public ulong EventFlags { get; init; }

    /// <summary>The stage number of the TRX records behind translations; null for none.</summary>
    public byte? Stage { get; init; }

    /// <summary>Size of the stage 2 leaf, minus 1, in those records.</summary>
    public ulong Stage2Mask { get; init; } = 0x1fffff;

    public byte InterruptLine { get; init; }

    public ulong CommandWord { get; init; } = 0x46;

    /// <summary>The first command is an invalidation whose granule comes with neither a range nor a level.</summary>
    public bool HasReservedRange { get; init; }

    public bool HasSecondCommand { get; init; } = true;

    public bool HasCommandError { get; init; }

    public byte[] ToBytes() => Write().ToArray();

    public Recording ToRecording() => Recording.From(VerifiedFile.FromBytes(ToBytes(), Name));

    public RecordingWriter Write()
    {
        var writer = new RecordingWriter()
            .Add(RecordType.Note, "a note"u8)
            .AddReset(new MiniatureSource().FeaturesOf("default"))
            .AddDeviceName(new StreamId(1), "disk")
            .Add((RecordType)0x77, [1, 2, 3]);
        Configure(writer);
        RunCommands(writer);
        Translate(writer);
        return writer;
    }

    private void Configure(RecordingWriter writer)
    {
        Store(writer, 0x80, 8, StreamTable);
        Store(writer, 0x88, 4, 4);
        Store(writer, 0x90, 8, Commands | 4);
        Store(writer, 0x9c, 4, 0);
        Store(writer, 0xa0, 8, Events | 4);
        Store(writer, 0x50, 4, 4);
        Store(writer, 0x20, 4, 0xd);
        writer.AddRegisterAccess(RecordType.RegisterRead, 0x24, 4, RegisterValue);

        // Streams: 0 aborts, 1 translates with stage 1, 2 bypasses.
        writer.AddMemory(StreamTable, 1);
        writer.AddMemory(StreamTable + 64, 1 | (5 << 1) | Context);
        writer.AddMemory(StreamTable + 128, 1 | (4 << 1));
        // T0SZ = 34: 30 bits of input address, so the walk starts at level 2.
        writer.AddMemory(Context, 34 | (1UL << 31), Table);
        writer.AddMemory(Table, (Table + 0x1000) | 3);
        writer.AddMemory(Table + 0x1000 + 8, Page | 0x7c3 | (1 << 7));
    }

    private void RunCommands(RecordingWriter writer)
    {
        ulong first = HasReservedRange ? 0x12u : 0x30u;
        ulong granule = HasReservedRange ? 1UL << 10 : 0;
        writer.AddMemory(Commands, first, granule, 0x46, 0);
        Store(writer, 0x98, 4, 2);
        writer.AddCommand(Commands, first, granule);
        if (HasSecondCommand) writer.AddCommand(Commands + 16, CommandWord, 0);
        if (HasCommandError) writer.Add(RecordType.CommandError, [1]);
        writer.AddRegisterAccess(RecordType.RegisterRead, 0x9c, 4, 2);
    }

    private void Translate(RecordingWriter writer)
    {
        var stream = new StreamId(1);
        writer.AddTranslation(new StreamId(0), AccessKind.Read, RecordedStatus.Aborted, 0x5000);
        writer.AddTranslation(new StreamId(2), AccessKind.Write, RecordedStatus.Bypassed, 0x5000, 0x5000);
        writer.AddTranslation(
            stream, AccessKind.Read, RecordedStatus.Translated, InputAddress, OutputAddress, Mask, Permissions);
        AddStages(writer);
        writer.AddTranslation(stream, AccessKind.Write, WriteStatus, InputAddress, eventType: WriteEvent);
        AddStages(writer);
        if (HasEvent)
        {
            writer.AddEvent(
                RecordedEvent.Written, Events, (byte)EventType.Permission | (1UL << 32), EventFlags, EventInputAddress, 0);
            writer.AddInterrupt(InterruptLine);
        }

        writer.AddRegisterAccess(RecordType.RegisterRead, 0x100a8, 4, 1);
        Store(writer, 0x100ac, 4, 1);
    }

    private void AddStages(RecordingWriter writer)
    {
        if (Stage is not { } stage) return;
        byte[] payload = new byte[RecordedStages.PayloadBytes];
        payload[0] = stage;
        payload[3] = 3;   // Stage 1 permits all, stage 2 reads: together what the small model's leaf permits.
        payload[4] = 1;
        BinaryPrimitives.WriteUInt64LittleEndian(payload.AsSpan(22), 0xfff);
        BinaryPrimitives.WriteUInt64LittleEndian(payload.AsSpan(30), Stage2Mask);
        writer.Add(RecordType.TranslationStages, payload);
    }

    private static void Store(RecordingWriter writer, uint offset, int sizeBytes, ulong value) =>
        writer.AddRegisterAccess(RecordType.RegisterWrite, offset, sizeBytes, value);
}
