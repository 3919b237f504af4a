using System.Diagnostics;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Recordings;

/// <content>Translations and what their results show.</content>
public sealed partial class Replayer
{
    private readonly long[] translationsByStatus = new long[Enum.GetValues<RecordedStatus>().Length];
    private readonly List<StreamTally> streams = [];
    private readonly Dictionary<uint, StreamTally> streamsById = [];
    private StreamTally lastStream = new(0, uint.MaxValue);
    private long translations;
    private long agreements;
    private TranslationResult lastResult;
    private RecordedStatus lastStatus;

    /// <summary>Replays a translation and those right behind it: one pair of clock reads for all of them.</summary>
    private void ReplayTranslations(in Record first, ref RecordingReader reader)
    {
        long start = Stopwatch.GetTimestamp();
        ReplayTranslation(new RecordedTranslation(first.Payload));
        while (reader.IsNext(RecordType.Translation) && record + 1 < options.StopBeforeRecord && reader.TryRead(out var next))
        {
            Begin(in next);
            ReplayTranslation(new RecordedTranslation(next.Payload));
        }

        translationTicks += Stopwatch.GetTimestamp() - start;
    }

    private void ReplayTranslation(RecordedTranslation recorded)
    {
        var result = Target.Translate(recorded.Stream, recorded.InputAddress, recorded.Access);
        lastResult = result;
        lastStatus = recorded.Status;
        translations++;
        translationsByStatus[(int)recorded.Status]++;
        var stream = TallyOf(recorded.Stream.Value);
        stream.Translations++;
        if (recorded.Status == RecordedStatus.Faulted) stream.Faults++;
        if (Agrees(recorded, in result))
        {
            agreements++;
            return;
        }

        stream.Disagreements++;
        Describe(recorded, in result);
    }

    private static bool Agrees(RecordedTranslation recorded, in TranslationResult result) => recorded.Status switch
    {
        RecordedStatus.Translated =>
            result.Outcome == TranslationOutcome.Translated
            && result.Address.Value == recorded.OutputAddress
            && result.LeafSize - 1 == recorded.Mask
            && PermissionsOf(in result) == recorded.Permissions,
        RecordedStatus.Faulted => StatusOf(in result) == RecordedStatus.Faulted && IsSameEvent(recorded, in result),
        _ => StatusOf(in result) == recorded.Status && result.Address.Value == recorded.OutputAddress,
    };

    // A recorded fault without a number is one that was not recorded: its number is not known.
    private static bool IsSameEvent(RecordedTranslation recorded, in TranslationResult result) =>
        recorded.Event == EventType.None || recorded.Event == result.Event;

    private static RecordedStatus StatusOf(in TranslationResult result) => result.Outcome switch
    {
        TranslationOutcome.Translated => RecordedStatus.Translated,
        TranslationOutcome.StreamBypassed => RecordedStatus.Bypassed,
        TranslationOutcome.DeviceBypassed => RecordedStatus.Disabled,
        TranslationOutcome.Aborted => RecordedStatus.Aborted,
        _ => RecordedStatus.Faulted,
    };

    /// <summary>What unprivileged data accesses may do, as recordings say it: 1 read, 2 write.</summary>
    internal static int PermissionsOf(in TranslationResult result) =>
        ((result.Permissions & AccessPermissions.UnprivilegedRead) != 0 ? 1 : 0)
        | ((result.Permissions & AccessPermissions.UnprivilegedWrite) != 0 ? 2 : 0);

    private void Describe(RecordedTranslation recorded, in TranslationResult result)
    {
        FormattableString subject = $"{recorded.Access} of 0x{recorded.InputAddress:x} by stream 0x{recorded.Stream.Value:x}";
        var status = StatusOf(in result);
        if (status != recorded.Status)
        {
            differences.Add(
                DifferenceKind.Status, record, subject, Outcome(recorded.Status, recorded.Event), Outcome(status, result.Event));
            return;
        }

        if (result.Address.Value != recorded.OutputAddress)
            differences.Add(
                DifferenceKind.OutputAddress, record, subject, Hex(recorded.OutputAddress), Hex(result.Address.Value));
        if (status == RecordedStatus.Faulted && !IsSameEvent(recorded, in result))
            differences.Add(DifferenceKind.EventNumber, record, subject, recorded.Event.ToString(), result.Event.ToString());
        if (status != RecordedStatus.Translated) return;
        if (result.LeafSize - 1 != recorded.Mask)
            differences.Add(DifferenceKind.LeafSize, record, subject, Hex(recorded.Mask + 1), Hex(result.LeafSize));
        if (PermissionsOf(in result) != recorded.Permissions)
            differences.Add(
                DifferenceKind.Permissions, record, subject,
                Permissions(recorded.Permissions), Permissions(PermissionsOf(in result)));
    }

    private static string Outcome(RecordedStatus status, EventType eventType) =>
        eventType == EventType.None ? status.ToString() : $"{status} ({eventType})";

    internal static string Permissions(int bits) => bits switch { 0 => "none", 1 => "read", 2 => "write", _ => "read, write" };

    /// <summary>
    /// The stages that took part bound what the result may say: its leaf is the smaller one, its permissions those of both.
    /// Levels, granules and the intermediate address are not in a result; the event record shows the latter for faults.
    /// </summary>
    private void CompareStages(RecordedStages stages)
    {
        if (lastStatus != RecordedStatus.Translated || lastResult.Outcome != TranslationOutcome.Translated) return;
        if (stages.Stage is not (2 or 3)) return;   // Without stage 2 the translation itself says all of it.
        bool isNested = stages.Stage == 3;
        ulong mask = isNested && stages.Stage1Mask != 0
            ? Math.Min(stages.Stage1Mask, stages.Stage2Mask)
            : stages.Stage2Mask;
        int permissions = isNested ? stages.Stage1Permissions & stages.Stage2Permissions : stages.Stage2Permissions;
        if (mask == lastResult.LeafSize - 1 && permissions == PermissionsOf(in lastResult)) return;
        differences.Add(
            DifferenceKind.Stages, record, $"translation of stage {(isNested ? "1 and 2" : "2")}",
            $"leaf of {Hex(mask + 1)}, {Permissions(permissions)}",
            $"leaf of {Hex(lastResult.LeafSize)}, {Permissions(PermissionsOf(in lastResult))}");
    }

    private StreamTally TallyOf(uint stream)
    {
        if (lastStream.Boot == boots && lastStream.Stream == stream) return lastStream;
        if (!streamsById.TryGetValue(stream, out var tally))
        {
            tally = new StreamTally(boots, stream);
            streamsById.Add(stream, tally);
            streams.Add(tally);
        }

        return lastStream = tally;
    }

    private void NameStream(StreamId stream, string name) => TallyOf(stream.Value).Device = name;

    // In another boot the same StreamID is another device; the tallies of the boot before stay in the report.
    private void ForgetStreams() => streamsById.Clear();

    private sealed class StreamTally(int boot, uint stream)
    {
        public int Boot { get; } = boot;

        public uint Stream { get; } = stream;

        public string Device { get; set; } = "";

        public long Translations { get; set; }

        public long Faults { get; set; }

        public long Disagreements { get; set; }

        public StreamReport ToReport() => new(Boot, Stream, Device, Translations, Faults, Disagreements);
    }
}
