using System.CommandLine;
using Smmu.Fast.Scenarios.Recordings;
using Smmu.Fast.Scenarios.Snapshots;
using Spectre.Console;

namespace Smmu.Fast.Cli;

/// <summary>smmu replay: compares every answer with recordings and snapshots, in each way to translate.</summary>
internal sealed class ReplayCommand
{
    private const int DefaultDifferences = 20;
    private const int LargestDifferences = 1_000_000;
    private const string AllModes = "all";

    private readonly IReplayTargetSource source;
    private readonly Terminal terminal;
    private readonly ReplayOptions options;
    private readonly ReplayTargetOptions[] modes;
    private readonly CancellationToken cancellation;

    private ReplayCommand(
        IReplayTargetSource source,
        Terminal terminal,
        ReplayOptions options,
        ReplayTargetOptions[] modes,
        CancellationToken cancellation)
    {
        this.source = source;
        this.terminal = terminal;
        this.options = options;
        this.modes = modes;
        this.cancellation = cancellation;
    }

    public static Command Create(IReplayTargetSource source, Terminal terminal)
    {
        string[] names = [.. ReplayTargetOptions.Modes.Select(mode => mode.Mode), AllModes];
        var files = new Argument<string[]>("FILE")
        {
            Description = "Recordings (.smr.zst, .smr) and snapshots (.snap.zst); without any, those that come with the project.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var mode = new Option<string>("--mode")
        {
            Description = "How to translate: through a port for each stream or one-off, with the SMMU's caches or without; "
                + $"{string.Join(", ", names)}. By default all of them, one after the other.",
            DefaultValueFactory = _ => AllModes,
        };
        mode.AcceptOnlyFromAmong(names);
        var strict = new Option<bool>("--strict")
        {
            Description = "Hold the SMMU to the architecture also where the recorded one departed from it: "
                + "invalidations with a Reserved combination of fields get CERROR_ILL.",
        };
        var json = Arguments.Json();
        var maximum = Arguments.Number(
            "--max-differences",
            $"How many differences of a replay to show in full; {DefaultDifferences} by default.",
            LargestDifferences);
        var command = new Command("replay", "Replay recordings and check snapshots.") { files, mode, strict, json, maximum };
        command.SetAction((parsed, cancellation) => Task.Run(
            () => new ReplayCommand(
                source,
                terminal,
                new ReplayOptions
                {
                    IsStrict = parsed.GetValue(strict),
                    MaximumDetails = parsed.GetValue(maximum) ?? DefaultDifferences,
                },
                ModesOf(parsed.GetValue(mode)!),
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
        var tables = new ReplayTables(terminal, console);
        var results = new List<object>();
        var summary = new List<ReplaySummary>();
        foreach (var file in files)
        {
            bool showsProgress = terminal.IsInteractive && !isJson;
            if (file.Recording is { } recording)
            {
                ReplayReport[] reports =
                [
                    .. modes.Select(OptionsOf).Select(replay => showsProgress
                        ? ReplayWithProgress(console, recording, replay)
                        : Replay(recording, replay)),
                ];
                results.AddRange(reports.Select(report => new { Kind = "recording", report.Options.Mode, Report = report }));
                summary.AddRange(reports.Select(ReplaySummary.Of));
                if (!isJson) tables.Write(reports);
            }
            else
            {
                SnapshotReport[] reports =
                [
                    .. modes.Select(mode => SnapshotChecker.Check(file.Snapshot!, source, OptionsOf(mode), cancellation)),
                ];
                results.AddRange(reports.Select(report => new { Kind = "snapshot", report.Options.Mode, Report = report }));
                summary.AddRange(reports.Select(ReplaySummary.Of));
                if (!isJson) tables.Write(reports);
            }
        }

        long differences = summary.Sum(one => one.Differences);
        if (isJson) JsonOutput.Write(terminal.Output, new { Differences = differences, Files = results });
        else tables.Write(summary);
        return differences == 0 ? CommandLine.Agree : CommandLine.Differ;
    }

    private static ReplayTargetOptions[] ModesOf(string name) =>
        [.. ReplayTargetOptions.Modes.Where(mode => name is AllModes || name == mode.Mode)];

    private ReplayOptions OptionsOf(ReplayTargetOptions mode) => options with { Target = mode };

    private ReplayReport Replay(Recording recording, ReplayOptions replayOptions)
    {
        cancellation.ThrowIfCancellationRequested();
        using var replayer = new Replayer(recording, source, replayOptions);
        return replayer.Run(cancellation);
    }

    private ReplayReport ReplayWithProgress(
        IAnsiConsole console, Recording recording, ReplayOptions replayOptions) => console.Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(context =>
        {
            var task = context.AddTask(Markup.Escape($"{recording.Name}, {replayOptions.Target.Mode}"), maxValue: recording.Index.Records);
            return Replay(recording, replayOptions with { Progress = records => task.Value = records });
        });
}
