using System.Buffers.Binary;
using System.Security.Cryptography;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>A recording is used as a whole or not at all: whatever is wrong with it ends in one kind of exception.</summary>
public class RecordingTests
{
    private const string Name = "file.smr.zst";

    [Fact]
    public void WhatIsWrittenIsReadBackRecordForRecord()
    {
        var recording = new SmallRecording().ToRecording();
        var writer = new RecordingWriter();
        var reader = recording.Read();
        long records = 0;
        while (reader.TryRead(out var record))
        {
            Assert.Equal(++records, record.Number);
            writer.Add(record.Type, record.Payload);
        }

        Assert.Equal(recording.Index.Records, records);
        Assert.Equal(new SmallRecording().ToBytes(), writer.ToArray());
    }

    [Fact]
    public void TheFieldsOfATranslationAreReadWhereTheyWereWritten()
    {
        byte[] file = new RecordingWriter().AddReset(default).AddTranslation(
            new StreamId(0x1234), AccessKind.Write, RecordedStatus.Translated, 0xfff0_1234, 0x4_5678_9234, 0x1fffff, 3).ToArray();
        var reader = new RecordingReader(file, Name);
        reader.TryRead(out _);
        Assert.True(reader.TryRead(out var record));
        var translation = new RecordedTranslation(record.Payload);

        Assert.Equal((0x1234u, AccessKind.Write), (translation.Stream.Value, translation.Access));
        Assert.Equal((0xfff0_1234ul, 0x4_5678_9234ul), (translation.InputAddress, translation.OutputAddress));
        Assert.Equal((0x1ffffful, 3), (translation.Mask, translation.Permissions));
        Assert.False(reader.TryRead(out _));
    }

    [Fact]
    public void ACompressedRecordingHasTheSameContent() =>
        Assert.Equal(
            new SmallRecording().ToBytes(),
            VerifiedFile.FromBytes(new SmallRecording().Write().ToCompressedArray(), Name).Content.ToArray());

    [Fact]
    public void AnUncompressedRecordingThatEndsInsideARecordIsRefused()
    {
        byte[] file = new SmallRecording().ToBytes();
        var boundaries = Boundaries(file);
        for (int length = 0; length < file.Length; length++)
        {
            // At a boundary nothing in an uncompressed file says that more should follow.
            if (boundaries.Contains(length)) continue;
            Assert.Throws<RecordingException>(() => Load(file[..length]));
        }
    }

    [Fact]
    public void ACompressedRecordingThatEndsEarlyIsRefusedWhereverItEnds()
    {
        byte[] file = new SmallRecording().Write().ToCompressedArray();
        for (int length = 0; length < file.Length; length++) Assert.Throws<RecordingException>(() => Load(file[..length]));
        Load(file);
    }

    [Fact]
    public void AFlippedBitInACompressedRecordingIsRefusedOrLeavesTheContentAsItWas()
    {
        byte[] content = new SmallRecording().ToBytes();
        byte[] file = new SmallRecording().Write().ToCompressedArray();
        int harmless = 0;
        foreach (byte[] damaged in FlippedBits(file))
        {
            try
            {
                Assert.Equal(content, VerifiedFile.FromBytes(damaged, Name).Content.ToArray());
                harmless++;
            }
            catch (RecordingException)
            {
                continue;
            }
        }

        // Padding of the entropy coder: the format gives those bits no meaning.
        Assert.InRange(harmless, 0, file.Length / 4);
    }

    [Fact]
    public void AFlippedBitIsAlwaysRefusedWhereTheFilesSumIsKnown()
    {
        using var folder = new TemporaryFolder();
        byte[] file = new SmallRecording().Write().ToCompressedArray();
        string path = folder.Write(Name, file);
        folder.Write("SHA256SUMS", $"{Convert.ToHexStringLower(SHA256.HashData(file))}  {Name}\n");
        Recording.Open(path);

        foreach (byte[] damaged in FlippedBits(file))
        {
            folder.Write(Name, damaged);
            Assert.Throws<RecordingException>(() => Recording.Open(path));
        }
    }

    private static IEnumerable<byte[]> FlippedBits(byte[] file)
    {
        for (int bit = 0; bit < file.Length * 8; bit++)
        {
            byte[] damaged = [.. file];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            yield return damaged;
        }
    }

    [Fact]
    public void TheSumsOfTheShippedFilesAreKnown()
    {
        string folder = Path.GetDirectoryName(ShippedRecordings.Find()[0])!;
        string sums = File.ReadAllText(Path.Combine(folder, "SHA256SUMS"));

        Assert.All(ShippedRecordings.Find(), path => Assert.Contains(Path.GetFileName(path), sums, StringComparison.Ordinal));
        Assert.Equal(5, ShippedRecordings.Find().Count);
    }

    [Fact]
    public void BytesBehindTheFrameAreRefused()
    {
        byte[] file = new SmallRecording().Write().ToCompressedArray();

        Assert.Throws<RecordingException>(() => Load([.. file, 0]));
        Assert.Throws<RecordingException>(() => Load([.. file, .. file]));
    }

    [Fact]
    public void AFrameWithoutAChecksumIsRefused()
    {
        using var compressor = new ZstdSharp.Compressor();
        byte[] file = compressor.Wrap(new SmallRecording().ToBytes()).ToArray();

        Assert.Contains("checksum", Assert.Throws<RecordingException>(() => Load(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ContentAboveTheLimitIsRefused()
    {
        byte[] zeroes = RecordingWriter.Compress([.. RecordingReader.Magic, .. new byte[1 << 20]]);

        Assert.Throws<RecordingException>(() => VerifiedFile.FromBytes(zeroes, Name, maximumContentBytes: 1 << 20));
        Assert.Equal((1 << 20) + 8, VerifiedFile.FromBytes(zeroes, Name, maximumContentBytes: (1 << 20) + 8).Content.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("SMMUREC1")]
    [InlineData("PK\u0003\u0004 something else")]
    public void AnotherKindOfFileIsRefusedAtItsFirstByte(string content)
    {
        byte[] bytes = System.Text.Encoding.Latin1.GetBytes(content);

        Assert.Contains("byte 0x0", Assert.Throws<RecordingException>(() => Load(bytes)).Message, StringComparison.Ordinal);
        Assert.Contains(
            "byte 0x0", Assert.Throws<RecordingException>(() => Load(RecordingWriter.Compress(bytes))).Message,
            StringComparison.Ordinal);
    }

    public static TheoryData<string, int> Malformed()
    {
        var data = new TheoryData<string, int>();
        for (int index = 0; index < malformed.Length; index++) data.Add(malformed[index].Reason, index);
        return data;
    }

    private static readonly (string Reason, Func<RecordingWriter, RecordingWriter> Add)[] malformed =
    [
        ("payload", writer => writer.Add(RecordType.Translation, new byte[60])),
        ("payload", writer => writer.Add(RecordType.RegisterWrite, new byte[13])),
        ("payload", writer => writer.Add(RecordType.Reset, new byte[35])),
        ("payload", writer => writer.Add(RecordType.CommandError, [])),
        ("payload", writer => writer.Add(RecordType.Memory, new byte[15])),
        ("payload", writer => writer.Add(RecordType.Memory, new byte[8])),
        ("aligned", writer => writer.AddMemory(0x4000_0001, 0)),
        ("physical", writer => writer.AddMemory(ulong.MaxValue - 7, 0, 0)),
        ("size", writer => writer.AddRegisterAccess(RecordType.RegisterWrite, 0x20, 2, 0)),
        ("aligned", writer => writer.AddRegisterAccess(RecordType.RegisterRead, 0x84, 8, 0)),
        ("beyond", writer => writer.AddRegisterAccess(RecordType.RegisterRead, 0x20000, 4, 0)),
        ("more", writer => writer.AddRegisterAccess(RecordType.RegisterWrite, 0x20, 4, 1UL << 32)),
        ("neither read nor write", writer => writer.AddTranslation(default, (AccessKind)3, RecordedStatus.Aborted, 0)),
        ("status 5", writer => writer.AddTranslation(default, AccessKind.Read, (RecordedStatus)5, 0)),
        ("permissions", writer => writer.AddTranslation(default, AccessKind.Read, RecordedStatus.Translated, 0, 0, 0xfff, 0)),
        ("mask", writer => writer.AddTranslation(default, AccessKind.Read, RecordedStatus.Translated, 0, 0, 0xffe, 1)),
        ("does not follow", writer => writer.AddEvent(0, 0x4000_0000)),
        ("does not follow", writer => writer.AddCommand(0x4000_0000)),
        ("do not follow", writer => writer.Add(RecordType.TranslationStages, new byte[38])),
        ("interrupt line", writer => writer.AddInterrupt(4)),
        ("device name", writer => writer.Add(RecordType.DeviceName, [1])),
    ];

    [Theory]
    [MemberData(nameof(Malformed))]
    public void ARecordThatNoRecorderWritesIsRefusedWithItsPlace(string reason, int index)
    {
        byte[] file = malformed[index].Add(new RecordingWriter().AddReset(default)).ToArray();

        string message = Assert.Throws<RecordingException>(() => Load(file)).Message;

        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.Contains("record 2 at byte 0x30", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void ALengthBeyondTheFileIsRefused()
    {
        byte[] file = new RecordingWriter().AddReset(default).Add(RecordType.Note, [1, 2]).ToArray();
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(^4..), ushort.MaxValue);

        Assert.Contains("65535", Assert.Throws<RecordingException>(() => Load(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnOperationBeforeTheFirstResetIsRefused() =>
        Assert.Throws<RecordingException>(() => Load(
            new RecordingWriter()
                .AddTranslation(default, AccessKind.Read, RecordedStatus.Aborted, 0).AddReset(default).ToArray()));

    [Fact]
    public void RecordsOfUnknownTypeAreSkipped()
    {
        byte[] file = new RecordingWriter().Add((RecordType)0xee, new byte[100]).AddReset(default).ToArray();

        Assert.Equal(2, Recording.From(VerifiedFile.FromBytes(file, Name)).Index.Records);
    }

    [Fact]
    public void MemoryFarApartBecomesSeveralRegionsAndMemoryCloseByOne()
    {
        var recording = Recording.From(VerifiedFile.FromBytes(
            new RecordingWriter().AddReset(default)
                .AddMemory(0x4000_0000, 1).AddMemory(0x4300_0000, 1).AddMemory(0x8_0000_0000, 1).ToArray(),
            Name));

        Assert.Equal(
            [new MemoryRegion(0x4000_0000, 0x320_0000), new MemoryRegion(0x8_0000_0000, 0x20_0000)], recording.Index.Regions);
    }

    [Fact]
    public void AFileThatAsksForTooManyRegionsIsRefused()
    {
        var writer = new RecordingWriter().AddReset(default);
        for (ulong place = 0; place < 65; place++) writer.AddMemory(place << 32, 1);

        Assert.Throws<RecordingException>(() => Load(writer.ToArray()));
    }

    [Fact]
    public void AFileThatAsksForTooMuchMemoryIsRefused()
    {
        // Gaps just small enough to be closed: a few records that would become terabytes.
        var writer = new RecordingWriter().AddReset(default);
        for (ulong place = 0; place < 1100; place++) writer.AddMemory(place * (62UL << 20), 1);

        Assert.Contains("GiB", Assert.Throws<RecordingException>(() => Load(writer.ToArray())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NamesFromAFileReachNoTerminalWithControlCharacters()
    {
        byte[] file = new RecordingWriter().AddDeviceName(new StreamId(1), "a\u001b[31mb\n").ToArray();
        var reader = new RecordingReader(file, Name);
        reader.TryRead(out var record);

        Assert.Equal("a?[31mb?", new RecordedDeviceName(record.Payload).Name);
    }

    private static void Load(byte[] file) => Recording.From(VerifiedFile.FromBytes(file, Name));

    private static HashSet<int> Boundaries(byte[] file)
    {
        var boundaries = new HashSet<int>();
        var reader = new RecordingReader(file, Name);
        bool hasReset = false;
        while (reader.TryRead(out var record))
        {
            hasReset |= record.Type == RecordType.Reset;
            if (hasReset) boundaries.Add(reader.Position);
        }

        return boundaries;
    }
}
