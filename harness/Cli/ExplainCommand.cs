using System.CommandLine;
using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;
using Command = System.CommandLine.Command;

namespace Smmu.Fast.Cli;

/// <summary>smmu explain: draws how one access is resolved, in the state a recording or snapshot leads to.</summary>
internal static class ExplainCommand
{
    private const uint LargestSubstream = (1 << 20) - 1;

    public static Command Create(IReplayTargetSource source, Terminal terminal)
    {
        var file = new Argument<string>("FILE") { Description = "A recording or a snapshot." };
        var stream = Arguments.Number("--stream", "StreamID; by default that of the translation at --at.", uint.MaxValue);
        var address = Arguments.Number("--iova", "Input address; by default that of the translation at --at.", ulong.MaxValue);
        var substream = Arguments.Number("--substream", "SubstreamID (PASID).", LargestSubstream);
        var at = Arguments.Number(
            "--at", "Replay the records before this one, counted from 1; by default all of them.", long.MaxValue);
        var write = new Option<bool>("--write") { Description = "The access writes memory; by default it reads." };
        var json = Arguments.Json();
        var command = new Command("explain", "Show how one access is resolved.")
        {
            file, stream, address, substream, at, write, json,
        };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                var question = new Question(
                    parsed.GetValue(stream), parsed.GetValue(substream), parsed.GetValue(address),
                    parsed.GetValue(write) ? AccessKind.Write : null, parsed.GetValue(at));
                var input = InputFile.Open(parsed.GetValue(file)!);
                var answer = input.Recording is { } recording
                    ? Explain(recording, source, question, cancellation)
                    : Explain(input.Snapshot!, source, question);
                if (parsed.GetValue(json)) JsonOutput.Write(terminal.Output, ExplanationTree.ToJson(answer));
                else ExplanationTree.Write(terminal, answer);
                return CommandLine.Agree;
            },
            cancellation));
        return command;
    }

    private static Answer Explain(
        Recording recording, IReplayTargetSource source, Question question, CancellationToken cancellation)
    {
        if (question.At is { } at)
        {
            if (at == 0 || at > recording.Index.Records + 1)
                throw new RecordingException(
                    $"{recording.Name}: --at {at}: the recording has records 1 to {recording.Index.Records}");
            question = question.CompletedBy(TranslationAt(recording, at));
        }

        var (stream, address, access) = question.Complete(recording.Name);
        using var replayer = new Replayer(
            recording, source, new ReplayOptions { StopBeforeRecord = question.At ?? long.MaxValue, MaximumDetails = 0 });
        var report = replayer.Run(cancellation);
        return report.Boots == 0
            ? throw new RecordingException(
                $"{recording.Name}: --at {question.At}: the SMMU has not been reset yet at that record")
            : new Answer(
                recording.Name, report.Records, stream, question.Substream, address, access,
                replayer.Target.Explain(new StreamId(stream), SubstreamOf(question), address, access));
    }

    private static Answer Explain(Snapshot snapshot, IReplayTargetSource source, Question question)
    {
        if (question.At is not null)
            throw new RecordingException($"{snapshot.Name}: --at is for recordings; a snapshot has no records");
        var (stream, address, access) = question.Complete(snapshot.Name);
        using var target = source.Open(new ReplayTargetOptions());
        SnapshotLoader.Load(snapshot, target);
        return new Answer(
            snapshot.Name, null, stream, question.Substream, address, access,
            target.Explain(new StreamId(stream), SubstreamOf(question), address, access));
    }

    private static SubstreamId? SubstreamOf(Question question) =>
        question.Substream is { } substream ? new SubstreamId(substream) : null;

    private static Question TranslationAt(Recording recording, long at)
    {
        var reader = recording.Read();
        while (reader.TryRead(out var record))
        {
            if (record.Number != at) continue;
            if (record.Type != RecordType.Translation) break;
            var translation = new RecordedTranslation(record.Payload);
            return new Question(translation.Stream.Value, null, translation.InputAddress, translation.Access, at);
        }

        return new Question(null, null, null, null, at);
    }

    /// <summary>What was asked; what is missing may come from the translation recorded there.</summary>
    private sealed record Question(uint? Stream, uint? Substream, ulong? Address, AccessKind? Access, long? At)
    {
        public Question CompletedBy(Question recorded) => this with
        {
            Stream = Stream ?? recorded.Stream,
            Address = Address ?? recorded.Address,
            Access = Access ?? recorded.Access,
        };

        public (uint Stream, ulong Address, AccessKind Access) Complete(string name)
        {
            if (Stream is not { } stream || Address is not { } address)
                throw new RecordingException(
                    $"{name}: name an access with --stream and --iova, or a translation's record with --at");
            return (stream, address, Access ?? AccessKind.Read);
        }
    }
}

/// <summary>An explained access and where it was asked.</summary>
/// <param name="File">The file's name.</param>
/// <param name="Records">Records replayed before; null for a snapshot.</param>
/// <param name="Stream">The StreamID.</param>
/// <param name="Substream">The SubstreamID, if any.</param>
/// <param name="Address">The input address.</param>
/// <param name="Access">Read or write.</param>
/// <param name="Translation">The explanation.</param>
internal sealed record Answer(
    string File, long? Records, uint Stream, uint? Substream, ulong Address, AccessKind Access, ExplainedTranslation Translation);
