using System.Buffers.Binary;
using System.Diagnostics;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Scenarios.Snapshots;

/// <summary>What the check of a snapshot came to.</summary>
public sealed record SnapshotReport
{
    /// <summary>The file's name.</summary>
    public required string File { get; init; }

    /// <summary>How the target answered.</summary>
    public required ReplayTargetOptions Options { get; init; }

    /// <summary>Leaves whose first and last byte were translated.</summary>
    public required long Maps { get; init; }

    /// <summary>Addresses just outside the mapped runs that were translated.</summary>
    public required long OutsideAddresses { get; init; }

    /// <summary>Streams whose configuration was compared.</summary>
    public required long Streams { get; init; }

    /// <summary>Translations asked for.</summary>
    public required long Translations { get; init; }

    /// <summary>Those answered as the snapshot says.</summary>
    public required long Agreements { get; init; }

    /// <summary>Differences of all kinds.</summary>
    public required long Differences { get; init; }

    /// <summary>How many of each kind.</summary>
    public required IReadOnlyDictionary<DifferenceKind, long> DifferencesByKind { get; init; }

    /// <summary>The first ones in full; their place is a line of the snapshot.</summary>
    public required IReadOnlyList<Difference> Details { get; init; }

    /// <summary>Counters of the engine.</summary>
    public required ReplayStatistics Statistics { get; init; }

    /// <summary>The check without the loading.</summary>
    public required TimeSpan Elapsed { get; init; }
}

/// <summary>Compares a target with a snapshot: every leaf, every end of a run of leaves, every stream.</summary>
public sealed class SnapshotChecker
{
    private const uint StreamBypass = 0b100;
    private const uint FirstTranslating = 0b101;
    private const uint Stage1Bit = 0b001;
    private const int StreamTableEntryBytes = 64;
    private const ulong StreamTableAddressMask = 0x00ff_ffff_ffff_ffc0;

    private readonly Snapshot snapshot;
    private readonly IReplayTarget target;
    private readonly DifferenceLog differences;
    private long outside;
    private long translations;
    private long agreements;

    private SnapshotChecker(Snapshot snapshot, IReplayTarget target, int maximumDetails)
    {
        this.snapshot = snapshot;
        this.target = target;
        differences = new DifferenceLog(maximumDetails);
    }

    /// <summary>Loads the snapshot into a new target and checks it.</summary>
    /// <param name="snapshot">What to check.</param>
    /// <param name="source">Makes the target.</param>
    /// <param name="options">How the target answers, and how many differences are kept in full.</param>
    /// <param name="cancellation">Ends the check early with an exception.</param>
    public static SnapshotReport Check(
        Snapshot snapshot, IReplayTargetSource source, ReplayOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        using var target = source.Open(options.Target);
        SnapshotLoader.Load(snapshot, target);
        return new SnapshotChecker(snapshot, target, options.MaximumDetails).Run(options, cancellation);
    }

    private SnapshotReport Run(ReplayOptions options, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        CompareControl();
        foreach (var stream in snapshot.Streams) CheckStream(stream);
        foreach (var maps in snapshot.Maps.GroupBy(map => map.Stream))
        {
            cancellation.ThrowIfCancellationRequested();
            CheckMaps([.. maps.OrderBy(map => map.InputAddress)]);
        }

        return new SnapshotReport
        {
            File = snapshot.Name,
            Options = options.Target,
            Maps = snapshot.Maps.Count,
            OutsideAddresses = outside,
            Streams = snapshot.Streams.Count,
            Translations = translations,
            Agreements = agreements,
            Differences = differences.Count,
            DifferencesByKind = differences.ByKind,
            Details = differences.Details,
            Statistics = target.Statistics,
            Elapsed = Stopwatch.GetElapsedTime(start),
        };
    }

    /// <summary>The acknowledged enables say whether the load has reached the snapshot's state at all.</summary>
    private void CompareControl()
    {
        uint expected = snapshot.Register(RegisterOffsets.Control0Acknowledge);
        uint actual = (uint)target.ReadRegister(RegisterOffsets.Control0Acknowledge, 4);
        if (actual != expected) differences.Add(DifferenceKind.Register, 0, $"CR0ACK", $"0x{expected:x}", $"0x{actual:x}");
    }

    private void CheckMaps(SnapshotMap[] maps)
    {
        for (int index = 0; index < maps.Length; index++)
        {
            var map = maps[index];
            ulong last = map.InputAddress + (map.SizeBytes - 1);
            CheckMapped(map, map.InputAddress, AccessKind.Read);
            CheckMapped(map, last, AccessKind.Read);
            if (map.Permissions == 3) CheckMapped(map, last, AccessKind.Write);
            else CheckFault(map, last, AccessKind.Write, EventType.Permission);

            bool joinsLeft = index > 0 && maps[index - 1].InputAddress + maps[index - 1].SizeBytes == map.InputAddress;
            bool joinsRight = index + 1 < maps.Length && maps[index + 1].InputAddress == last + 1;
            if (!joinsLeft && map.InputAddress != 0) CheckOutside(map, map.InputAddress - 1);
            if (!joinsRight && last != ulong.MaxValue) CheckOutside(map, last + 1);
        }
    }

    private void CheckMapped(SnapshotMap map, ulong address, AccessKind access)
    {
        var result = Translate(map.Stream, address, access);
        ulong expected = map.OutputAddress + (address - map.InputAddress);
        long before = differences.Count;
        if (result.Outcome != TranslationOutcome.Translated)
            Add(DifferenceKind.Status, map.Line, map.Stream, address, access, "Translated", $"{result.Outcome} ({result.Event})");
        else if (result.Address.Value != expected)
            Add(DifferenceKind.OutputAddress, map.Line, map.Stream, address, access,
                $"0x{expected:x}", $"0x{result.Address.Value:x}");
        else if (result.LeafSize != map.SizeBytes)
            Add(DifferenceKind.LeafSize, map.Line, map.Stream, address, access, $"0x{map.SizeBytes:x}", $"0x{result.LeafSize:x}");
        else if (Replayer.PermissionsOf(in result) != map.Permissions)
            Add(DifferenceKind.Permissions, map.Line, map.Stream, address, access,
                Replayer.Permissions(map.Permissions), Replayer.Permissions(Replayer.PermissionsOf(in result)));
        if (differences.Count == before) agreements++;
    }

    private void CheckOutside(SnapshotMap map, ulong address)
    {
        outside++;
        CheckFault(map, address, AccessKind.Read, EventType.Translation);
    }

    private void CheckFault(SnapshotMap map, ulong address, AccessKind access, EventType expected)
    {
        var result = Translate(map.Stream, address, access);
        if (result.Outcome == TranslationOutcome.Faulted && result.Event == expected) agreements++;
        else
            Add(DifferenceKind.Status, map.Line, map.Stream, address, access,
                $"Faulted ({expected})", $"{result.Outcome} ({result.Event})");
    }

    private void CheckStream(SnapshotStream stream)
    {
        string expected = $"config {stream.Configuration}, context {stream.ContextAddress:x}, " +
            $"ASID {stream.Asid}, {stream.ContextWord0:x} {stream.ContextWord1:x}";
        string actual = DescribeStream(stream.Stream.Value);
        if (actual != expected)
            differences.Add(
                DifferenceKind.StreamConfiguration, stream.Line, $"stream 0x{stream.Stream.Value:x}", expected, actual);
        if (stream.Configuration >= FirstTranslating) return;   // Its maps are checked instead.
        var result = Translate(stream.Stream, 0, AccessKind.Read);
        var outcome = stream.Configuration == StreamBypass ? TranslationOutcome.StreamBypassed : TranslationOutcome.Aborted;
        if (result.Outcome == outcome && result.Event == EventType.None) agreements++;
        else
            Add(DifferenceKind.Status, stream.Line, stream.Stream, 0, AccessKind.Read,
                $"{outcome}", $"{result.Outcome} ({result.Event})");
    }

    /// <summary>Reads a stream's structures as the snapshot's tables lie in memory (IHI 0070, 3.3.2, 5.2, 5.4).</summary>
    private string DescribeStream(uint stream)
    {
        ulong address = snapshot.Register64(RegisterOffsets.StreamTableBase) & StreamTableAddressMask;
        uint configuration = snapshot.Register(RegisterOffsets.StreamTableBaseConfiguration);
        bool isTwoLevel = ((configuration >> 16) & 3) == 1;
        if (isTwoLevel)
        {
            int split = (int)((configuration >> 6) & 0x1f);
            ulong descriptor = Word(address + (ulong)(stream >> split) * 8);
            if ((descriptor & 0x1f) == 0) return "no level 2 table";
            address = descriptor & StreamTableAddressMask;
            stream &= (1u << split) - 1;
        }

        ulong entry = address + (ulong)stream * StreamTableEntryBytes;
        ulong word = Word(entry);
        if ((word & 1) == 0) return "invalid";
        uint config = (uint)(word >> 1) & 7;
        bool hasStage1 = config >= FirstTranslating && (config & Stage1Bit) != 0;
        ulong context = hasStage1 ? word & StreamTableAddressMask : 0;
        ulong word0 = hasStage1 ? Word(context) : 0;
        ulong word1 = hasStage1 ? Word(context + 8) : 0;
        return $"config {config}, context {context:x}, ASID {word0 >> 48}, {word0:x} {word1:x}";
    }

    private ulong Word(ulong address)
    {
        Span<byte> bytes = stackalloc byte[8];
        return target.ReadMemory(address, bytes) ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0;
    }

    private TranslationResult Translate(StreamId stream, ulong address, AccessKind access)
    {
        translations++;
        return target.Translate(stream, address, access);
    }

    private void Add(
        DifferenceKind kind, int line, StreamId stream, ulong address, AccessKind access, string expected, string actual) =>
        differences.Add(kind, line, $"{access} of 0x{address:x} by stream 0x{stream.Value:x}", expected, actual);
}
