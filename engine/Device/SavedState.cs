using System.Buffers.Binary;
using System.Security.Cryptography;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Registers;

namespace Smmu.Fast.Device;

/// <summary>The state of a device as bytes, little-endian: header, ID registers, timeouts, registers, stalled accesses, SHA-256.</summary>
/// <remarks>
/// Reading judges everything before the device takes any of it: a state that is damaged, of another version or of another
/// SMMU leaves the device as it is. Register values need no judgement of their own, since they are written as a driver would.
/// </remarks>
internal sealed class SavedState
{
    private const ulong Magic = 0x5453_4146_554d_4d53;   // "SMMUFAST"
    private const uint Version = 2;
    private const int HeaderBytes = 16;
    private const int FeatureWords = 9;
    private const int RegisterBytes = 12;
    private const int StallBytes = 16;
    private const int HashBytes = SHA256.HashSizeInBytes;

    public SavedState(SmmuFeatures features, uint[] timeouts, SavedRegister[] registers, SavedStall[] stalls)
    {
        Features = features;
        Timeouts = timeouts;
        Registers = registers;
        Stalls = stalls;
    }

    /// <summary>ID registers of the device that was saved.</summary>
    public SmmuFeatures Features { get; }

    /// <summary>
    /// Queues of which an ATS invalidation timed out that no CMD_SYNC has told of: 0 the Command queue, Enhanced Command
    /// queues from 1 on.
    /// </summary>
    public uint[] Timeouts { get; }

    /// <summary>Registers, in the order in which they are to be written.</summary>
    public SavedRegister[] Registers { get; }

    /// <summary>Accesses that wait for an answer.</summary>
    public SavedStall[] Stalls { get; }

    /// <summary>Writes the state.</summary>
    public byte[] ToBytes()
    {
        int length = HeaderBytes + (FeatureWords * sizeof(uint)) + sizeof(uint) + (Timeouts.Length * sizeof(uint))
            + sizeof(uint) + (Registers.Length * RegisterBytes) + sizeof(uint) + (Stalls.Length * StallBytes) + HashBytes;
        byte[] bytes = new byte[length];
        var rest = bytes.AsSpan();
        Put64(ref rest, Magic);
        Put32(ref rest, Version);
        Put32(ref rest, (uint)length);
        foreach (uint word in WordsOf(Features)) Put32(ref rest, word);

        Put32(ref rest, (uint)Timeouts.Length);
        foreach (uint queue in Timeouts) Put32(ref rest, queue);
        Put32(ref rest, (uint)Registers.Length);
        foreach (var register in Registers)
        {
            Put32(ref rest, register.Offset);
            Put64(ref rest, register.Value);
        }

        Put32(ref rest, (uint)Stalls.Length);
        foreach (var stall in Stalls)
        {
            Put32(ref rest, stall.Token);
            Put32(ref rest, stall.Stream.Value);
            Put32(ref rest, stall.Substream is { } substream ? substream.Value : uint.MaxValue);
            Put32(ref rest, stall.IsRecorded ? 1u : 0);
        }

        SHA256.HashData(bytes.AsSpan(0, length - HashBytes), rest);
        return bytes;
    }

    /// <summary>Reads a state.</summary>
    /// <exception cref="InvalidDataException">It is none, is damaged, or is of another version.</exception>
    public static SavedState Parse(ReadOnlySpan<byte> bytes)
    {
        var rest = bytes;
        if (bytes.Length < HeaderBytes || Take64(ref rest) != Magic) throw new InvalidDataException(
            "These bytes are not the saved state of an SMMU: give Restore what Save returned.");
        uint version = Take32(ref rest);
        if (version != Version) throw new InvalidDataException(
            $"The state has format version {version}, and this library reads version {Version}: restore it with the library that saved it.");
        uint length = Take32(ref rest);
        if (length != bytes.Length) throw new InvalidDataException(
            $"The state says that it has {length} bytes, but {bytes.Length} are here: it was cut or joined with something.");
        if (length < HeaderBytes + HashBytes || !IsIntact(bytes)) throw Damaged();

        rest = rest[..^HashBytes];
        var features = TakeFeatures(ref rest);
        uint[] timeouts = new uint[TakeCount(ref rest, sizeof(uint))];
        for (int i = 0; i < timeouts.Length; i++) timeouts[i] = Take32(ref rest);
        var registers = new SavedRegister[TakeCount(ref rest, RegisterBytes)];
        for (int i = 0; i < registers.Length; i++) registers[i] = new SavedRegister(Take32(ref rest), Take64(ref rest));
        var stalls = new SavedStall[TakeCount(ref rest, StallBytes)];
        for (int i = 0; i < stalls.Length; i++) stalls[i] = TakeStall(ref rest);
        return rest.IsEmpty ? new SavedState(features, timeouts, registers, stalls) : throw Damaged();
    }

    /// <summary>Refuses a state that a device with other ID registers saved.</summary>
    /// <exception cref="InvalidDataException">Its ID registers differ, or it does not fit them.</exception>
    public void CheckFor(SmmuFeatures features)
    {
        if (!Features.Equals(features)) throw new InvalidDataException(
            $"The state was saved by an SMMU with other ID registers: {Differences(features)}. Make the device with those features.");
        uint[] offsets = [.. Registers.Select(register => register.Offset)];
        bool fits = SavedRegister.OffsetsOf(features).AsSpan().SequenceEqual(offsets)
            && Timeouts.All(queue => queue <= (uint)features.EnhancedCommandQueues);
        if (!fits || !StallTable.CanHold(Stalls, features)) throw Damaged();
    }

    private static bool IsIntact(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[HashBytes];
        SHA256.HashData(bytes[..^HashBytes], hash);
        return hash.SequenceEqual(bytes[^HashBytes..]);
    }

    private string Differences(SmmuFeatures features)
    {
        var differing = Enum.GetValues<SmmuFeatureField>().Where(field => Features.Get(field) != features.Get(field))
            .Select(field => $"{field} is {Features.Get(field)} there and {features.Get(field)} here").ToList();
        return differing.Count == 0 ? "reserved bits" : string.Join(", ", differing);
    }

    private static uint[] WordsOf(SmmuFeatures features) =>
    [
        features.Idr0, features.Idr1, features.Idr2, features.Idr3, features.Idr4, features.Idr5,
        features.Iidr, features.Aidr, features.Idr6,
    ];

    private static SmmuFeatures TakeFeatures(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < FeatureWords * sizeof(uint)) throw Damaged();
        Span<uint> words = stackalloc uint[FeatureWords];
        for (int i = 0; i < FeatureWords; i++) words[i] = Take32(ref rest);
        return SmmuFeatures.FromRaw(
            words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8]);
    }

    private static SavedStall TakeStall(ref ReadOnlySpan<byte> rest)
    {
        uint token = Take32(ref rest);
        var stream = new StreamId(Take32(ref rest));
        uint substream = Take32(ref rest);
        return new SavedStall(
            token, stream, substream == uint.MaxValue ? null : new SubstreamId(substream), Take32(ref rest) != 0);
    }

    private static int TakeCount(ref ReadOnlySpan<byte> rest, int bytesEach)
    {
        if (rest.Length < sizeof(uint)) throw Damaged();
        uint count = Take32(ref rest);
        return count <= rest.Length / bytesEach ? (int)count : throw Damaged();
    }

    private static InvalidDataException Damaged() => new(
        "The state is damaged: its bytes are not those that Save returned.");

    private static void Put32(ref Span<byte> rest, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(rest, value);
        rest = rest[sizeof(uint)..];
    }

    private static void Put64(ref Span<byte> rest, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(rest, value);
        rest = rest[sizeof(ulong)..];
    }

    private static uint Take32(ref ReadOnlySpan<byte> rest)
    {
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(rest);
        rest = rest[sizeof(uint)..];
        return value;
    }

    private static ulong Take64(ref ReadOnlySpan<byte> rest)
    {
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(rest);
        rest = rest[sizeof(ulong)..];
        return value;
    }
}
