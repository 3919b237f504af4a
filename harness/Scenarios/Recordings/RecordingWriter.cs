using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Smmu.Fast.Formats;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>Writes an SMMUREC2 file in memory.</summary>
public sealed class RecordingWriter
{
    private const int CompressionLevel = 19;

    private readonly ArrayBufferWriter<byte> content = new();

    /// <summary>Starts a file with its magic.</summary>
    public RecordingWriter() => content.Write(RecordingReader.Magic);

    /// <summary>Adds a record of any type.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="payload">At most 65,535 bytes.</param>
    public RecordingWriter Add(RecordType type, ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, ushort.MaxValue);
        Span<byte> header = [(byte)type, 0, (byte)payload.Length, (byte)(payload.Length >> 8)];
        content.Write(header);
        content.Write(payload);
        return this;
    }

    /// <summary>Adds a RESET.</summary>
    public RecordingWriter AddReset(in IdentificationRegisters registers)
    {
        var payload = new Payload(stackalloc byte[IdentificationRegisters.PayloadBytes]);
        ReadOnlySpan<uint> words =
        [
            registers.Idr0, registers.Idr1, registers.Idr2, registers.Idr3,
            registers.Idr4, registers.Idr5, registers.Iidr, registers.Aidr, 1,
        ];
        foreach (uint word in words) payload.Put32(word);
        return Add(RecordType.Reset, payload.Bytes);
    }

    /// <summary>Adds a REGW or REGR.</summary>
    public RecordingWriter AddRegisterAccess(RecordType type, uint offset, int sizeBytes, ulong value)
    {
        var payload = new Payload(stackalloc byte[RecordedRegisterAccess.PayloadBytes]);
        payload.Put32(offset);
        payload.Put8((byte)sizeBytes);
        payload.Put8(0);
        payload.Put64(value);
        return Add(type, payload.Bytes);
    }

    /// <summary>Adds a MEM.</summary>
    public RecordingWriter AddMemory(ulong address, params ReadOnlySpan<ulong> words)
    {
        var payload = new Payload(new byte[8 + words.Length * sizeof(ulong)]);
        payload.Put64(address);
        foreach (ulong word in words) payload.Put64(word);
        return Add(RecordType.Memory, payload.Bytes);
    }

    /// <summary>Adds a TR.</summary>
    public RecordingWriter AddTranslation(
        StreamId stream,
        AccessKind access,
        RecordedStatus status,
        ulong inputAddress,
        ulong outputAddress = 0,
        ulong mask = 0,
        byte permissions = 0,
        EventType eventType = EventType.None)
    {
        var payload = new Payload(stackalloc byte[RecordedTranslation.PayloadBytes]);
        payload.Put32(stream.Value);
        payload.Put8((byte)access);
        payload.Put8((byte)status);
        payload.Put8(permissions);
        payload.Put8((byte)eventType);
        payload.Put32(0);   // Level, granule and ASID: a result does not show them.
        payload.Put64(inputAddress);
        payload.Put64(outputAddress);
        payload.Put64(mask);
        return Add(RecordType.Translation, payload.Bytes);
    }

    /// <summary>Adds an EVT.</summary>
    public RecordingWriter AddEvent(byte status, ulong address, params ReadOnlySpan<ulong> words)
    {
        var payload = new Payload(stackalloc byte[RecordedEvent.PayloadBytes]);
        payload.Put8(status);
        payload.Put64(address);
        foreach (ulong word in words) payload.Put64(word);
        return Add(RecordType.Event, payload.Bytes);
    }

    /// <summary>Adds a CMD.</summary>
    public RecordingWriter AddCommand(ulong address, params ReadOnlySpan<ulong> words)
    {
        var payload = new Payload(stackalloc byte[RecordedCommand.PayloadBytes]);
        payload.Put64(address);
        foreach (ulong word in words) payload.Put64(word);
        return Add(RecordType.Command, payload.Bytes);
    }

    /// <summary>Adds an IRQ.</summary>
    public RecordingWriter AddInterrupt(byte which, uint globalError = 0, uint globalErrorAcknowledged = 0)
    {
        var payload = new Payload(stackalloc byte[RecordedInterrupt.PayloadBytes]);
        payload.Put8(which);
        payload.Put32(globalError);
        payload.Put32(globalErrorAcknowledged);
        return Add(RecordType.Interrupt, payload.Bytes);
    }

    /// <summary>Adds a DEV.</summary>
    public RecordingWriter AddDeviceName(StreamId stream, string name)
    {
        byte[] text = Encoding.UTF8.GetBytes(name);
        var payload = new Payload(new byte[4 + text.Length]);
        payload.Put32(stream.Value);
        payload.Put(text);
        return Add(RecordType.DeviceName, payload.Bytes);
    }

    /// <summary>The uncompressed file.</summary>
    public byte[] ToArray() => content.WrittenSpan.ToArray();

    /// <summary>The file as one Zstandard frame with a content checksum.</summary>
    public byte[] ToCompressedArray() => Compress(ToArray());

    /// <summary>Compresses any content as recordings and snapshots are compressed.</summary>
    public static byte[] Compress(ReadOnlySpan<byte> content)
    {
        using var compressor = new Compressor(CompressionLevel);
        compressor.SetParameter(ZSTD_cParameter.ZSTD_c_checksumFlag, 1);
        return compressor.Wrap(content).ToArray();
    }

    private ref struct Payload(Span<byte> bytes)
    {
        private readonly Span<byte> bytes = bytes;
        private int used;

        public readonly ReadOnlySpan<byte> Bytes => bytes;

        public void Put8(byte value) => bytes[used++] = value;

        public void Put32(uint value)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[used..], value);
            used += sizeof(uint);
        }

        public void Put64(ulong value)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[used..], value);
            used += sizeof(ulong);
        }

        public void Put(ReadOnlySpan<byte> value)
        {
            value.CopyTo(bytes[used..]);
            used += value.Length;
        }
    }
}
