using System.Diagnostics;

namespace Smmu.Fast.Scenarios.Recordings;

/// <summary>How to replay.</summary>
public sealed record ReplayOptions
{
    /// <summary>How the target answers.</summary>
    public ReplayTargetOptions Target { get; init; } = new();

    /// <summary>
    /// True holds the target to the architecture where the recorded SMMU departed from it; false lets the target depart as
    /// the recorded one did (<see cref="RecordingIndex.ReservedRanges"/>).
    /// </summary>
    public bool IsStrict { get; init; }

    /// <summary>How many differences are kept in full.</summary>
    public int MaximumDetails { get; init; } = 20;

    /// <summary>The replay ends before this record, counted from 1; by default at the end of the file.</summary>
    public long StopBeforeRecord { get; init; } = long.MaxValue;

    /// <summary>Called now and then with the number of records done.</summary>
    public Action<long>? Progress { get; init; }
}

/// <summary>Replays a recording in file order and compares every answer with the recorded one.</summary>
/// <remarks>
/// Order is the contract: memory an operation depends on has been stored before it. Commands are those CMDQ_CONS moved over,
/// events those EVENTQ_PROD moved over, so a target shows them as it shows them to a driver.
/// </remarks>
public sealed partial class Replayer : IDisposable
{
    private const int RecordsBetweenProgress = 1 << 14;

    private readonly Recording recording;
    private readonly ReplayOptions options;
    private readonly ReplayTargetOptions targetOptions;
    private readonly DifferenceLog differences;
    private long record;
    private long records;
    private int boots;
    private long registerReads;
    private TimeSpan elapsed;
    private long translationTicks;

    /// <summary>Makes a target with the memory the recording needs.</summary>
    /// <param name="recording">What to replay.</param>
    /// <param name="source">Makes the target.</param>
    /// <param name="options">How to replay.</param>
    public Replayer(Recording recording, IReplayTargetSource source, ReplayOptions options)
    {
        ArgumentNullException.ThrowIfNull(recording);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        this.recording = recording;
        this.options = options;
        differences = new DifferenceLog(options.MaximumDetails);
        targetOptions = options.Target with
        {
            TolerateReservedRange = options.Target.TolerateReservedRange
                || (!options.IsStrict && recording.Index.ReservedRanges != 0),
        };
        Target = source.Open(targetOptions);
        foreach (var region in recording.Index.Regions) Target.AddMemory(region.Address, region.SizeBytes);
    }

    /// <summary>The target, in the state after the last record replayed.</summary>
    public IReplayTarget Target { get; }

    /// <inheritdoc/>
    public void Dispose() => Target.Dispose();

    /// <summary>Replays the recording once.</summary>
    /// <param name="cancellation">Ends the replay early with an exception.</param>
    public ReplayReport Run(CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        var reader = recording.Read();
        long nextProgress = RecordsBetweenProgress;
        while (reader.TryRead(out var next) && next.Number < options.StopBeforeRecord)
        {
            Replay(in next, ref reader);
            if (record < nextProgress) continue;
            nextProgress = record + RecordsBetweenProgress;
            cancellation.ThrowIfCancellationRequested();
            options.Progress?.Invoke(record);
        }

        if (boots > 0) Settle();
        elapsed = Stopwatch.GetElapsedTime(start);
        return Report();
    }

    private void Replay(in Record next, ref RecordingReader reader)
    {
        Begin(in next);
        switch (next.Type)
        {
            case RecordType.Memory:
                var memory = new RecordedMemory(next.Payload);
                Target.WriteMemory(memory.Address, memory.Bytes);
                break;
            case RecordType.Translation:
                ReplayTranslations(in next, ref reader);
                break;
            case RecordType.TranslationStages:
                CompareStages(new RecordedStages(next.Payload));
                break;
            case RecordType.RegisterWrite:
                ReplayRegisterWrite(new RecordedRegisterAccess(next.Payload));
                break;
            case RecordType.RegisterRead:
                ReplayRegisterRead(new RecordedRegisterAccess(next.Payload));
                break;
            case RecordType.Event:
                CompareEvent(new RecordedEvent(next.Payload));
                break;
            case RecordType.Command:
                CompareCommand(new RecordedCommand(next.Payload), isStopped: reader.IsNext(RecordType.CommandError));
                break;
            case RecordType.CommandError:
                CompareCommandError(next.Payload[0]);
                break;
            case RecordType.Interrupt:
                CompareInterrupt(new RecordedInterrupt(next.Payload));
                break;
            case RecordType.DeviceName:
                var device = new RecordedDeviceName(next.Payload);
                NameStream(device.Stream, device.Name);
                break;
            case RecordType.Reset:
                Reset(IdentificationRegisters.From(next.Payload));
                break;
        }
    }

    private void Begin(in Record next)
    {
        record = next.Number;
        records++;
    }

    private void Reset(in IdentificationRegisters registers)
    {
        if (boots > 0) Settle();
        boots++;
        Target.Reset(in registers);
        Target.TakeInterrupts();
        ResetQueues();
        ForgetStreams();
    }

    /// <summary>Before an operation: whatever the one before it did must have been recorded by now.</summary>
    private void Settle()
    {
        SettleCommands();
        SettleEvents();
        SettleInterrupts();
    }

    private void ReplayRegisterWrite(RecordedRegisterAccess access)
    {
        Settle();
        Target.WriteRegister(access.Offset, access.SizeBytes, access.Value);
        FollowRegisterWrite(access.Offset);
    }

    private void ReplayRegisterRead(RecordedRegisterAccess access)
    {
        ulong value = Target.ReadRegister(access.Offset, access.SizeBytes);
        if (access.Result != 0) return;   // The recorded read failed on its bus: there is no value to compare.
        registerReads++;
        if (value == access.Value) return;
        differences.Add(
            DifferenceKind.Register, record, $"read of {access.SizeBytes} bytes at 0x{access.Offset:x}",
            Hex(access.Value), Hex(value));
    }

    private ReplayReport Report() => new()
    {
        File = recording.Name,
        Options = targetOptions,
        ContentBytes = recording.ContentBytes,
        Records = records,
        Boots = boots,
        Translations = translations,
        Agreements = agreements,
        TranslationsByStatus = Enum.GetValues<RecordedStatus>()
            .Where(status => translationsByStatus[(int)status] != 0)
            .ToDictionary(status => status, status => translationsByStatus[(int)status]),
        RegisterReads = registerReads,
        Events = events,
        Interrupts = interrupts,
        Commands = Enumerable.Range(0, commandsByOpcode.Length)
            .Where(opcode => commandsByOpcode[opcode] != 0)
            .ToDictionary(opcode => CommandNames.Of((byte)opcode), opcode => commandsByOpcode[opcode]),
        ReservedRanges = targetOptions.TolerateReservedRange ? recording.Index.ReservedRanges : 0,
        Streams = [.. streams.Where(stream => stream.Translations != 0).Select(stream => stream.ToReport())],
        Differences = differences.Count,
        DifferencesByKind = differences.ByKind,
        Details = differences.Details,
        Statistics = Target.Statistics,
        Elapsed = elapsed,
        TranslationTime = Stopwatch.GetElapsedTime(0, translationTicks),
    };

    private static string Hex(ulong value) => $"0x{value:x}";
}
