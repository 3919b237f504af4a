using System.Buffers.Binary;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>
/// Counts the invalidations of a recording that the architecture answers with CERROR_ILL, because they name a granule but
/// neither a range nor a level (IHI 0070, 4.4.1.1), and that the recorded SMMU carried out.
/// </summary>
/// <remarks>
/// QEMU carries them out, and no record says which SMMU was recorded. But a driver that the architecture would have stopped
/// goes on differently, so such a recording can be compared only with an SMMU that carries them out, too.
/// </remarks>
internal sealed class ReservedRangeCounter
{
    private const int RangesBit = 10;             // IDR3.RIL.
    private const int LargeAddressesBit = 7;      // IDR5.DS.
    private const int Granule16KiB = 2;

    private bool hasRanges;
    private bool hasLargeAddresses;
    private bool isPending;

    /// <summary>How many there are so far.</summary>
    public long Count { get; private set; }

    /// <summary>Looks at the next operation, whose payload has the right length.</summary>
    public void Look(in Record record)
    {
        if (isPending && record.Type != RecordType.CommandError) Count++;
        isPending = record.Type == RecordType.Command && IsReserved(new RecordedCommand(record.Payload));
        if (record.Type != RecordType.Reset) return;
        var identification = IdentificationRegisters.From(record.Payload);
        hasRanges = (identification.Idr3 >> RangesBit & 1) != 0;
        hasLargeAddresses = (identification.Idr5 >> LargeAddressesBit & 1) != 0;
    }

    /// <summary>Takes the end of the recording, behind which no command error can come.</summary>
    public void End()
    {
        if (isPending) Count++;
        isPending = false;
    }

    private bool IsReserved(RecordedCommand recorded)
    {
        if (!hasRanges || recorded.IsAborted) return false;
        var command = new Command(
            BinaryPrimitives.ReadUInt64LittleEndian(recorded.Bytes),
            BinaryPrimitives.ReadUInt64LittleEndian(recorded.Bytes[sizeof(ulong)..]));
        if (command.Opcode is not (CommandOpcode.TlbiNhVa or CommandOpcode.TlbiNhVaa or CommandOpcode.TlbiEl2Va
            or CommandOpcode.TlbiEl2Vaa or CommandOpcode.TlbiS2Ipa)) return false;
        int scale = hasLargeAddresses ? command.SCALE : command.SCALE & 0x1f;
        bool hasLevel = command.TTL != 0 && (command.TTL != 1 || command.TG != Granule16KiB || hasLargeAddresses);
        return command.TG != 0 && command.NUM == 0 && scale == 0 && !hasLevel;
    }
}
