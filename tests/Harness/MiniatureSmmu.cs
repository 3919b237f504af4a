using System.Buffers.Binary;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Tests.Harness;

/// <summary>
/// A small SMMU without caches: stage 1 with 4 KiB granules, two-level Stream tables, one CD a stream. It is what the harness is
/// tested against, so that a test of the harness does not stand or fall with the engine.
/// </summary>
internal sealed class MiniatureSmmu : IReplayTarget
{
    private const uint CommandQueueEnable = 1 << 3;
    private const uint EventQueueEnable = 1 << 2;
    private const ulong DescriptorAddress = 0x0000_ffff_ffff_f000;
    private const ulong StructureAddress = 0x00ff_ffff_ffff_ffc0;

    private readonly SortedList<ulong, byte[]> regions = [];
    private readonly Dictionary<uint, ulong> registers = [];
    private InterruptLines raised;
    private ulong commandsConsumed;
    private ulong eventsRecorded;

    /// <summary>A mistake to make: translations of read-only pages let writes pass.</summary>
    public bool IgnoresReadOnly { get; init; }

    /// <summary>Counts down with each translation; the one at 0 gets an interrupt nobody asked for.</summary>
    public int SpuriousInterruptAfter { get; set; } = -1;

    public bool IsDisposed { get; private set; }

    public ReplayStatistics Statistics => default(ReplayStatistics) with
    {
        CommandsConsumed = commandsConsumed,
        EventsRecorded = eventsRecorded,
    };

    public void AddMemory(ulong address, ulong sizeBytes) => regions.Add(address, new byte[sizeBytes]);

    public bool WriteMemory(ulong address, ReadOnlySpan<byte> bytes)
    {
        var memory = Find(address, bytes.Length);
        return bytes.TryCopyTo(memory);
    }

    public bool ReadMemory(ulong address, Span<byte> bytes)
    {
        var memory = Find(address, bytes.Length);
        if (memory.IsEmpty) return false;
        memory[..bytes.Length].CopyTo(bytes);
        return true;
    }

    public void Reset(in IdentificationRegisters identification)
    {
        registers.Clear();
        uint[] words =
        [
            identification.Idr0, identification.Idr1, identification.Idr2, identification.Idr3,
            identification.Idr4, identification.Idr5, identification.Iidr, identification.Aidr,
        ];
        for (int index = 0; index < words.Length; index++) registers[(uint)index * 4] = words[index];
    }

    public void WriteRegister(uint offset, int sizeBytes, ulong value)
    {
        if (offset < 0x20) return;
        registers[Alias(offset)] = (uint)value;
        if (sizeBytes == 8) registers[Alias(offset) + 4] = value >> 32;
        if (offset is 0x20 or 0x50) registers[offset + 4] = value;
        if ((Read32(0x20) & CommandQueueEnable) != 0) Consume();
    }

    public ulong ReadRegister(uint offset, int sizeBytes) =>
        Read32(offset) | (sizeBytes == 8 ? Read32(offset + 4) << 32 : 0);

    public TranslationResult Translate(StreamId stream, ulong inputAddress, AccessKind access)
    {
        if (SpuriousInterruptAfter >= 0 && SpuriousInterruptAfter-- == 0) raised |= InterruptLines.CommandSync;
        ulong entry = StreamTableEntry(stream.Value);
        ulong word = Word(entry);
        switch ((word >> 1) & 7)
        {
            case 0:
                return Ended(TranslationOutcome.Aborted, 0);
            case 4:
                return Ended(TranslationOutcome.StreamBypassed, inputAddress);
        }

        ulong context = word & StructureAddress;
        ulong control = Word(context);
        int inputBits = 64 - (int)(control & 0x3f);
        if (inputAddress >> inputBits != 0) return Fault(EventType.Translation, stream, inputAddress, access);
        ulong table = Word(context + 8) & DescriptorAddress;
        for (int level = 4 - (inputBits - 4) / 9; level <= 3; level++)
        {
            int shift = 12 + 9 * (3 - level);
            ulong descriptor = Word(table + ((inputAddress >> shift) & 0x1ff) * 8);
            if ((descriptor & 1) == 0) return Fault(EventType.Translation, stream, inputAddress, access);
            if (level < 3 && (descriptor & 2) != 0)
            {
                table = descriptor & DescriptorAddress;
                continue;
            }

            bool isReadOnly = (descriptor >> 7 & 1) != 0;
            if (isReadOnly && access == AccessKind.Write && !IgnoresReadOnly)
                return Fault(EventType.Permission, stream, inputAddress, access);
            ulong offsetMask = (1UL << shift) - 1;
            return new TranslationResult(
                TranslationOutcome.Translated, (descriptor & DescriptorAddress & ~offsetMask) | (inputAddress & offsetMask),
                (byte)shift,
                AccessPermissions.UnprivilegedRead | (isReadOnly ? 0 : AccessPermissions.UnprivilegedWrite),
                MemoryAttributes.Default);
        }

        return Fault(EventType.Translation, stream, inputAddress, access);
    }

    public InterruptLines TakeInterrupts()
    {
        var lines = raised;
        raised = InterruptLines.None;
        return lines;
    }

    public ExplainedTranslation Explain(StreamId stream, SubstreamId? substream, ulong inputAddress, AccessKind access)
    {
        ulong entry = StreamTableEntry(stream.Value);
        var step = new ExplainedStep(
            "STE", entry, Word(entry), $"stream 0x{stream.Value:x}",
            [new ExplainedField("Config", $"0x{(Word(entry) >> 1) & 7:x}", "[not markup]")],
            [new ExplainedStep("CD", Word(entry) & StructureAddress, null, "context", [], [])]);
        var result = Translate(stream, inputAddress, access);
        return new ExplainedTranslation(
            $"{result.Outcome}", result.IsSuccess ? result.Address.Value : null, result.LeafSize,
            $"{result.Permissions}", [step], []);
    }

    public void Dispose() => IsDisposed = true;

    private static TranslationResult Ended(TranslationOutcome outcome, ulong address) =>
        new(outcome, address, 0, AccessPermissions.None, MemoryAttributes.Default);

    private TranslationResult Fault(EventType type, StreamId stream, ulong inputAddress, AccessKind access)
    {
        if ((Read32(0x20) & EventQueueEnable) != 0) Record(type, stream, inputAddress, access);
        return new TranslationResult(
            TranslationOutcome.Faulted, 0, 0, AccessPermissions.None, MemoryAttributes.Default, type);
    }

    private void Record(EventType type, StreamId stream, ulong inputAddress, AccessKind access)
    {
        ulong queue = ReadRegister(0xa0, 8);
        uint mask = (2u << (int)(queue & 0x1f)) - 1;
        uint producer = (uint)Read32(0x100a8);
        bool wasEmpty = producer == (uint)Read32(0x100ac);
        Span<byte> record = stackalloc byte[32];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (byte)type | ((ulong)stream.Value << 32));
        BinaryPrimitives.WriteUInt64LittleEndian(record[8..], (access == AccessKind.Read ? 1UL << 35 : 0) | (2UL << 40));
        BinaryPrimitives.WriteUInt64LittleEndian(record[16..], inputAddress);
        WriteMemory((queue & DescriptorAddress) + (producer & (mask >> 1)) * 32, record);
        registers[0x100a8] = (producer + 1) & mask;
        eventsRecorded++;
        if (wasEmpty && (Read32(0x50) & 4) != 0) raised |= InterruptLines.EventQueue;
    }

    private void Consume()
    {
        uint mask = (2u << (int)(Read32(0x90) & 0x1f)) - 1;
        ulong consumer = Read32(0x9c);
        commandsConsumed += (Read32(0x98) - consumer) & mask;
        registers[0x9c] = Read32(0x98) & mask;
    }

    private ulong StreamTableEntry(uint stream)
    {
        ulong table = ReadRegister(0x80, 8) & StructureAddress;
        int split = (int)(Read32(0x88) >> 6) & 0x1f;
        if ((Read32(0x88) >> 16 & 3) == 0) return table + stream * 64;
        return (Word(table + (stream >> split) * 8) & StructureAddress) + (stream & ((1u << split) - 1)) * 64;
    }

    private ulong Read32(uint offset) => registers.GetValueOrDefault(Alias(offset));

    private static uint Alias(uint offset) => offset is 0xa8 or 0xac ? offset + 0x10000 : offset;

    private ulong Word(ulong address)
    {
        Span<byte> bytes = stackalloc byte[8];
        return ReadMemory(address, bytes) ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0;
    }

    private Span<byte> Find(ulong address, int length)
    {
        foreach (var (start, bytes) in regions)
        {
            ulong offset = address - start;
            if (address >= start && offset < (ulong)bytes.Length && (ulong)bytes.Length - offset >= (ulong)length)
                return bytes.AsSpan((int)offset);
        }

        return [];
    }
}

/// <summary>Makes miniatures, with or without a mistake.</summary>
internal sealed class MiniatureSource(Func<MiniatureSmmu>? create = null) : IReplayTargetSource
{
    public List<MiniatureSmmu> Opened { get; } = [];

    public List<ReplayTargetOptions> Options { get; } = [];

    public IReadOnlyList<string> FeatureSets { get; } = ["default", "wide", "qemu-virt"];

    public IReplayTarget Open(ReplayTargetOptions options)
    {
        var target = create?.Invoke() ?? new MiniatureSmmu();
        Opened.Add(target);
        Options.Add(options);
        return target;
    }

    public IdentificationRegisters FeaturesOf(string name) =>
        new(0x0d40101a, 0x02730010, 0, 0x1404, 0, name == "wide" ? 0x76u : 0x74u, 0, 1);
}
