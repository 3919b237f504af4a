using System.Buffers.Binary;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>One record, as a view into the recording.</summary>
public readonly ref struct Record
{
    internal Record(RecordType type, long number, int offset, ReadOnlySpan<byte> payload)
    {
        Type = type;
        Number = number;
        Offset = offset;
        Payload = payload;
    }

    /// <summary>The kind of record.</summary>
    public RecordType Type { get; }

    /// <summary>The place in the file order, from 1.</summary>
    public long Number { get; }

    /// <summary>Where the record's header starts in the decompressed file, in bytes.</summary>
    public int Offset { get; }

    /// <summary>The bytes behind the header.</summary>
    public ReadOnlySpan<byte> Payload { get; }
}

/// <summary>Goes through the records of a decompressed SMMUREC2 file in file order, without allocation.</summary>
/// <remarks>It checks the framing of each record; what the payloads say is judged once by <see cref="RecordingIndex"/>.</remarks>
public ref struct RecordingReader
{
    /// <summary>Bytes of a record's header: type, zero, length.</summary>
    public const int HeaderBytes = 4;

    private readonly ReadOnlySpan<byte> content;
    private readonly string name;
    private int position;
    private long number;

    /// <summary>Starts behind the magic.</summary>
    /// <param name="content">The decompressed file.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <exception cref="RecordingException">The content does not start with the magic.</exception>
    public RecordingReader(ReadOnlySpan<byte> content, string name)
    {
        if (!content.StartsWith(Magic))
            throw new RecordingException($"{name}: byte 0x0: not a recording: the file does not start with SMMUREC2");
        this.content = content;
        this.name = name;
        position = Magic.Length;
    }

    /// <summary>What an SMMUREC2 file starts with.</summary>
    public static ReadOnlySpan<byte> Magic => "SMMUREC2"u8;

    /// <summary>The offset of the next record's header, in bytes.</summary>
    public readonly int Position => position;

    /// <summary>Reads the next record.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="RecordingException">The record does not fit into the file.</exception>
    public bool TryRead(out Record record)
    {
        int start = position;
        if (start == content.Length)
        {
            record = default;
            return false;
        }

        number++;
        if (content.Length - start < HeaderBytes) throw Broken(start, "the file ends inside a record's header");
        var header = content.Slice(start, HeaderBytes);
        if (header[1] != 0) throw Broken(start, $"the second byte of the header is 0x{header[1]:x}, not 0");
        int length = BinaryPrimitives.ReadUInt16LittleEndian(header[2..]);
        int end = start + HeaderBytes + length;
        if (end > content.Length || end < start)
            throw Broken(start, $"the record has {length} bytes, the file only {content.Length - start - HeaderBytes} more");
        position = end;
        record = new Record((RecordType)header[0], number, start, content.Slice(start + HeaderBytes, length));
        return true;
    }

    /// <summary>True when another record follows and is of this type.</summary>
    /// <param name="type">The type asked for.</param>
    public readonly bool IsNext(RecordType type) => position < content.Length && content[position] == (byte)type;

    private readonly RecordingException Broken(int offset, string reason) =>
        new($"{name}: record {number} at byte 0x{offset:x}: {reason}");
}
