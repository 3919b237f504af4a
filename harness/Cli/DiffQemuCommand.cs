using System.CommandLine;
using System.Globalization;
using Smmu.Fast.Qemu;
using Spectre.Console;
using Command = System.CommandLine.Command;

namespace Smmu.Fast.Cli;

/// <summary>smmu diff-qemu: compares random cases with a stock QEMU.</summary>
internal static class DiffQemuCommand
{
    private const long DefaultCases = 2_000;
    private const int DefaultSeed = 1;
    private const int DefaultDetails = 3;
    private const int MostWorkers = 64;

    public static Command Create(Terminal terminal)
    {
        var cases = Arguments.Number("--cases", $"How many cases; {DefaultCases} by default.", long.MaxValue / 2);
        var seed = Arguments.Number("--seed", $"What they are made of; {DefaultSeed} by default.", int.MaxValue);
        var first = Arguments.Number("--first", "The first case's index: with --cases 1, one case again.", long.MaxValue / 2);
        var workers = Arguments.Number("--workers", "How many QEMUs run at a time; one for each CPU by default.", MostWorkers);
        var details = Arguments.Number(
            "--max-differences", $"How many cases that differ to show in full; {DefaultDetails} by default.", 1_000);
        var qemu = new Option<string>("--qemu") { Description = "The program; qemu-system-aarch64 in PATH by default." };
        var json = Arguments.Json();
        var command = new Command("diff-qemu", "Compare random cases with a stock QEMU 7.2.")
        {
            cases, seed, first, workers, details, qemu, json,
        };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                var options = new DifferentialOptions
                {
                    Cases = parsed.GetValue(cases) ?? DefaultCases,
                    Seed = parsed.GetValue(seed) ?? DefaultSeed,
                    First = parsed.GetValue(first) ?? 0,
                    Workers = Math.Max(parsed.GetValue(workers) ?? Environment.ProcessorCount, 1),
                    MaximumDetails = parsed.GetValue(details) ?? DefaultDetails,
                    Qemu = parsed.GetValue(qemu),
                };
                bool isJson = parsed.GetValue(json);
                var report = terminal.IsInteractive && !isJson
                    ? RunWithProgress(terminal, options, cancellation)
                    : DifferentialRun.Run(options, cancellation);
                if (isJson) JsonOutput.Write(terminal.Output, ToJson(report));
                else Write(terminal, report);
                return report.Failures == 0 ? CommandLine.Agree : CommandLine.Differ;
            },
            cancellation));
        return command;
    }

    private static DifferentialReport RunWithProgress(
        Terminal terminal, DifferentialOptions options, CancellationToken cancellation) => terminal.CreateConsole().Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
        .Start(context =>
        {
            var task = context.AddTask("cases", maxValue: options.Cases);
            return DifferentialRun.Run(options with { Progress = done => task.Value = done }, cancellation);
        });

    private static object ToJson(DifferentialReport report) => new
    {
        report.Version,
        report.Seed,
        report.Cases,
        Seconds = report.Elapsed.TotalSeconds,
        report.Failures,
        Departures = report.Departures.Select(pair => new
        {
            Number = (int)pair.Key,
            Name = pair.Key.ToString(),
            Section = Departures.SectionOf(pair.Key),
            Times = pair.Value,
        }),
        Coverage = report.Coverage.Counts,
        Details = report.Details.Select(failed => new
        {
            failed.Index,
            Differences = failed.Differences.Select(difference => difference.ToString()),
            Script = failed.Script.ReplaceLineEndings("\n").Split('\n'),
        }),
    };

    private static void Write(Terminal terminal, DifferentialReport report)
    {
        var console = terminal.CreateConsole();
        var summary = terminal.CreateTable("QEMU and Smmu.Fast").HideHeaders().AddColumns("name", "value");
        double rate = report.Cases / Math.Max(report.Elapsed.TotalSeconds, 1e-9);
        Add(summary, "QEMU", report.Version);
        Add(summary, "seed", Number(report.Seed));
        Add(summary, "cases", Number(report.Cases));
        Add(summary, "accesses", Number(report.Coverage.Accesses));
        Add(summary, "accesses that a leaf decides", Share(report.Coverage.ReachedLeaves, report.Coverage.Accesses));
        Add(summary, "time", FormattableString.Invariant($"{report.Elapsed.TotalSeconds:n1} s, {rate:n0} cases a second"));
        Add(summary, "cases that differ", Number(report.Failures));
        console.Write(summary);

        var coverage = terminal.CreateTable("what the accesses reached").AddColumns("what", "times");
        foreach (var (name, count) in report.Coverage.Counts) Add(coverage, name, Number(count));
        console.Write(coverage);

        var departures = terminal.CreateTable("known departures of QEMU").AddColumns("number", "departure", "section", "times");
        foreach (var (departure, count) in report.Departures)
        {
            departures.AddRow(
                new Text(Number((int)departure)), new Text(departure.ToString()),
                new Text(Departures.SectionOf(departure)), new Text(Number(count)));
        }

        console.Write(departures);
        foreach (var failed in report.Details)
        {
            foreach (var difference in failed.Differences) terminal.Output.WriteLine(difference);
            terminal.Output.WriteLine(failed.Script);
            terminal.Output.WriteLine();
        }
    }

    private static void Add(Table table, string name, string value) => table.AddRow(new Text(name), new Text(value));

    private static string Number(long value) => value.ToString("n0", CultureInfo.InvariantCulture);

    private static string Share(long part, long whole) => whole == 0
        ? "none"
        : string.Create(CultureInfo.InvariantCulture, $"{part:n0} ({(double)part / whole:p1})");
}
