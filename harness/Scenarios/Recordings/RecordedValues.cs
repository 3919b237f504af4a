using System.Buffers.Binary;
using System.Text;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>The ID registers as the guest reads them (IHI 0070, 6.3.1 to 6.3.8).</summary>
/// <param name="Idr0">Offset 0x0.</param>
/// <param name="Idr1">Offset 0x4.</param>
/// <param name="Idr2">Offset 0x8.</param>
/// <param name="Idr3">Offset 0xc.</param>
/// <param name="Idr4">Offset 0x10.</param>
/// <param name="Idr5">Offset 0x14.</param>
/// <param name="Iidr">Offset 0x18.</param>
/// <param name="Aidr">Offset 0x1c.</param>
public readonly record struct IdentificationRegisters(
    uint Idr0, uint Idr1, uint Idr2, uint Idr3, uint Idr4, uint Idr5, uint Iidr, uint Aidr)
{
    /// <summary>Bytes of a RESET payload: eight registers and the recorder's cache switch.</summary>
    public const int PayloadBytes = 36;

    /// <summary>Reads the registers of a RESET record.</summary>
    public static IdentificationRegisters From(ReadOnlySpan<byte> payload) => new(
        Word(payload, 0), Word(payload, 1), Word(payload, 2), Word(payload, 3),
        Word(payload, 4), Word(payload, 5), Word(payload, 6), Word(payload, 7));

    private static uint Word(ReadOnlySpan<byte> payload, int index) =>
        BinaryPrimitives.ReadUInt32LittleEndian(payload[(index * sizeof(uint))..]);
}

/// <summary>A REGW or REGR record.</summary>
/// <param name="payload">14 bytes.</param>
public readonly ref struct RecordedRegisterAccess(ReadOnlySpan<byte> payload)
{
    /// <summary>Bytes of the payload.</summary>
    public const int PayloadBytes = 14;

    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>Offset from the base of page 0, in bytes.</summary>
    public uint Offset => BinaryPrimitives.ReadUInt32LittleEndian(payload);

    /// <summary>4 or 8.</summary>
    public int SizeBytes => payload[4];

    /// <summary>0 when the read succeeded; always 0 in a write.</summary>
    public byte Result => payload[5];

    /// <summary>The value written or read.</summary>
    public ulong Value => BinaryPrimitives.ReadUInt64LittleEndian(payload[6..]);
}

/// <summary>How a recorded translation ended.</summary>
public enum RecordedStatus : byte
{
    /// <summary>CR0.SMMUEN is 0.</summary>
    Disabled = 0,

    /// <summary>The STE aborts.</summary>
    Aborted = 1,

    /// <summary>The STE bypasses.</summary>
    Bypassed = 2,

    /// <summary>A fault.</summary>
    Faulted = 3,

    /// <summary>Translated.</summary>
    Translated = 4,
}

/// <summary>A TR record.</summary>
/// <param name="payload">61 bytes.</param>
public readonly ref struct RecordedTranslation(ReadOnlySpan<byte> payload)
{
    /// <summary>Bytes of the payload.</summary>
    public const int PayloadBytes = 61;

    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>Who asked.</summary>
    public StreamId Stream => new(BinaryPrimitives.ReadUInt32LittleEndian(payload));

    /// <summary>Read or write.</summary>
    public AccessKind Access => (AccessKind)payload[4];

    /// <summary>How it ended.</summary>
    public RecordedStatus Status => (RecordedStatus)payload[5];

    /// <summary>When translated: 1 read, 2 write, 3 both.</summary>
    public byte Permissions => payload[6];

    /// <summary>The event of a fault; none may also stand for a fault that is not recorded.</summary>
    public EventType Event => (EventType)payload[7];

    /// <summary>The input address, in bytes.</summary>
    public ulong InputAddress => BinaryPrimitives.ReadUInt64LittleEndian(payload[12..]);

    /// <summary>The output address of exactly the input address; 0 for aborts and faults.</summary>
    public ulong OutputAddress => BinaryPrimitives.ReadUInt64LittleEndian(payload[20..]);

    /// <summary>Size of the leaf in bytes, minus 1.</summary>
    public ulong Mask => BinaryPrimitives.ReadUInt64LittleEndian(payload[28..]);
}

/// <summary>A TRX record: which stages took part in the translation before it.</summary>
/// <param name="payload">38 bytes.</param>
public readonly ref struct RecordedStages(ReadOnlySpan<byte> payload)
{
    /// <summary>Bytes of the payload.</summary>
    public const int PayloadBytes = 38;

    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>0 none, 1 stage 1, 2 stage 2, 3 both.</summary>
    public byte Stage => payload[0];

    /// <summary>True for a fault of stage 2.</summary>
    public bool IsStage2Fault => payload[1] == 1;

    /// <summary>What was being translated when the fault arose.</summary>
    public FaultClass Class => (FaultClass)payload[2];

    /// <summary>Permission of the stage 1 leaf of a nested translation: 1 read, 3 both.</summary>
    public byte Stage1Permissions => payload[3];

    /// <summary>Permission of the stage 2 leaf: 1 read, 2 write, 3 both.</summary>
    public byte Stage2Permissions => payload[4];

    /// <summary>Level of the stage 1 leaf of a nested translation; 0xff for none.</summary>
    public byte Stage1Level => payload[5];

    /// <summary>Level of the stage 2 leaf; 0xff for none.</summary>
    public byte Stage2Level => payload[6];

    /// <summary>Address bits of the stage 1 granule: 12, 14 or 16; 0 for none.</summary>
    public byte Stage1GranuleLog2 => payload[7];

    /// <summary>Address bits of the stage 2 granule: 12, 14 or 16; 0 for none.</summary>
    public byte Stage2GranuleLog2 => payload[8];

    /// <summary>STE.S2VMID, or -1 where it does not apply.</summary>
    public int Vmid => BinaryPrimitives.ReadInt32LittleEndian(payload[10..]);

    /// <summary>The intermediate address: of the input when translated, of the fault when stage 2 refused.</summary>
    public ulong IntermediateAddress => BinaryPrimitives.ReadUInt64LittleEndian(payload[14..]);

    /// <summary>Size of the stage 1 leaf in bytes, minus 1; 0 when there was none.</summary>
    public ulong Stage1Mask => BinaryPrimitives.ReadUInt64LittleEndian(payload[22..]);

    /// <summary>Size of the stage 2 leaf in bytes, minus 1.</summary>
    public ulong Stage2Mask => BinaryPrimitives.ReadUInt64LittleEndian(payload[30..]);
}

/// <summary>An EVT record.</summary>
/// <param name="payload">41 bytes.</param>
public readonly ref struct RecordedEvent(ReadOnlySpan<byte> payload)
{
    /// <summary>Bytes of the payload.</summary>
    public const int PayloadBytes = 41;

    /// <summary>Status: written at <see cref="Address"/>, and EVENTQ_PROD was advanced.</summary>
    public const byte Written = 0;

    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>0 written, 2 dropped because the queue was full, 3 the write aborted.</summary>
    public byte Status => payload[0];

    /// <summary>Where in memory the record was written.</summary>
    public ulong Address => BinaryPrimitives.ReadUInt64LittleEndian(payload[1..]);

    /// <summary>The 32 bytes of the event record (IHI 0070, 7.3).</summary>
    public ReadOnlySpan<byte> Bytes => payload[9..];
}

/// <summary>An IRQ record.</summary>
/// <param name="payload">9 bytes.</param>
public readonly ref struct RecordedInterrupt(ReadOnlySpan<byte> payload)
{
    /// <summary>Bytes of the payload.</summary>
    public const int PayloadBytes = 9;

    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>The line, as a flag.</summary>
    public InterruptLines Line => (InterruptLines)(1 << (payload[0] & 0x7f));

    /// <summary>False when GERROR toggled while its interrupt was disabled.</summary>
    public bool IsEnabled => (payload[0] & 0x80) == 0;

    /// <summary>GERROR afterwards.</summary>
    public uint GlobalError => BinaryPrimitives.ReadUInt32LittleEndian(payload[1..]);

    /// <summary>GERRORN afterwards.</summary>
    public uint GlobalErrorAcknowledged => BinaryPrimitives.ReadUInt32LittleEndian(payload[5..]);
}

/// <summary>A CMD record.</summary>
/// <param name="payload">24 bytes, or 8 when the fetch aborted.</param>
public readonly ref struct RecordedCommand(ReadOnlySpan<byte> payload)
{
    /// <summary>Bytes of the payload of a command that could be fetched.</summary>
    public const int PayloadBytes = 24;

    /// <summary>Bytes of the payload of a command whose fetch aborted.</summary>
    public const int AbortedPayloadBytes = 8;

    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>Where the command lies.</summary>
    public ulong Address => BinaryPrimitives.ReadUInt64LittleEndian(payload);

    /// <summary>True when its fetch aborted.</summary>
    public bool IsAborted => payload.Length == AbortedPayloadBytes;

    /// <summary>The 16 bytes of the command; none when its fetch aborted.</summary>
    public ReadOnlySpan<byte> Bytes => payload[8..];
}

/// <summary>A MEM record.</summary>
/// <param name="payload">An address and a multiple of 8 bytes.</param>
public readonly ref struct RecordedMemory(ReadOnlySpan<byte> payload)
{
    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>Where the bytes go, 8-aligned.</summary>
    public ulong Address => BinaryPrimitives.ReadUInt64LittleEndian(payload);

    /// <summary>What goes there.</summary>
    public ReadOnlySpan<byte> Bytes => payload[8..];
}

/// <summary>A DEV record.</summary>
/// <param name="payload">A StreamID and UTF-8 text.</param>
public readonly ref struct RecordedDeviceName(ReadOnlySpan<byte> payload)
{
    private readonly ReadOnlySpan<byte> payload = payload;

    /// <summary>The stream.</summary>
    public StreamId Stream => new(BinaryPrimitives.ReadUInt32LittleEndian(payload));

    /// <summary>The device behind it; control characters are replaced, for the text is shown on terminals.</summary>
    public string Name =>
        Encoding.UTF8.GetString(payload[4..]).ReplaceControlCharacters();
}

internal static class RecordedText
{
    public static string ReplaceControlCharacters(this string text) =>
        string.Concat(text.Select(character => char.IsControl(character) ? '?' : character));
}
