using System.CommandLine;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;
using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>smmu replay: compares every answer with recordings and snapshots.</summary>
internal sealed class ReplayCommand
{
    private const int DefaultDifferences = 20;
    private const int LargestDifferences = 1_000_000;

    private readonly IReplayTargetSource source;
    private readonly Terminal terminal;
    private readonly ReplayOptions options;
    private readonly CancellationToken cancellation;

    private ReplayCommand(
        IReplayTargetSource source, Terminal terminal, ReplayOptions options, CancellationToken cancellation)
    {
        this.source = source;
        this.terminal = terminal;
        this.options = options;
        this.cancellation = cancellation;
    }

    public static Command Create(IReplayTargetSource source, Terminal terminal)
    {
        var files = new Argument<string[]>("FILE")
        {
            Description = "Recordings (.smr.zst, .smr) and snapshots (.snap.zst); without any, those that come with the project.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var noCaches = new Option<bool>("--no-caches") { Description = "Turn every cache of the SMMU off." };
        var oneOff = new Option<bool>("--one-off")
        {
            Description = "Ask the SMMU for each access instead of a port for each stream.",
        };
        var json = Arguments.Json();
        var maximum = Arguments.Number(
            "--max-differences", $"How many differences to show in full; {DefaultDifferences} by default.", LargestDifferences);
        var command = new Command("replay", "Replay recordings and check snapshots.") { files, noCaches, oneOff, json, maximum };
        command.SetAction((parsed, cancellation) => Task.Run(
            () => new ReplayCommand(
                source,
                terminal,
                new ReplayOptions
                {
                    Target = new ReplayTargetOptions(!parsed.GetValue(noCaches), parsed.GetValue(oneOff)),
                    MaximumDetails = parsed.GetValue(maximum) ?? DefaultDifferences,
                },
                cancellation).Run(parsed.GetValue(files) ?? [], parsed.GetValue(json)),
            cancellation));
        return command;
    }

    private int Run(string[] paths, bool isJson)
    {
        if (paths.Length == 0) paths = [.. ShippedRecordings.Find()];

        // All of them first: a file that cannot be used is known before anything is shown.
        InputFile[] files = [.. paths.Select(InputFile.Open)];
        var console = terminal.CreateConsole();
        var tables = new ReplayTables(terminal);
        var results = new List<object>();
        long differences = 0;
        foreach (var file in files)
        {
            cancellation.ThrowIfCancellationRequested();
            bool showsProgress = terminal.IsInteractive && !isJson;
            if (file.Recording is { } recording)
            {
                var report = showsProgress ? ReplayWithProgress(console, recording) : Replay(recording, options);
                differences += report.Differences;
                results.Add(new { Kind = "recording", Report = report });
                if (!isJson) tables.Write(console, report);
            }
            else
            {
                var report = SnapshotChecker.Check(file.Snapshot!, source, options, cancellation);
                differences += report.Differences;
                results.Add(new { Kind = "snapshot", Report = report });
                if (!isJson) tables.Write(console, report);
            }
        }

        if (isJson) JsonOutput.Write(terminal.Output, new { Differences = differences, Files = results });
        return differences == 0 ? CommandLine.Agree : CommandLine.Differ;
    }

    private ReplayReport Replay(Recording recording, ReplayOptions replayOptions)
    {
        using var replayer = new Replayer(recording, source, replayOptions);
        return replayer.Run(cancellation);
    }

    private ReplayReport ReplayWithProgress(IAnsiConsole console, Recording recording) => console.Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(context =>
        {
            var task = context.AddTask(Markup.Escape(recording.Name), maxValue: recording.Index.Records);
            return Replay(recording, options with { Progress = records => task.Value = records });
        });
}
