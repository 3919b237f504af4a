using System.CommandLine;
using System.Globalization;
using Smmu.Fast.Comparison.Fuzzing;
using Smmu.Fast.Comparison.Machine;
using Spectre.Console;
using Command = System.CommandLine.Command;

namespace Smmu.Fast.Cli;

/// <summary>smmu fuzz: random scripts on the engine and on the Oracle, for as long as somebody has time.</summary>
internal static class FuzzCommand
{
    private const double DefaultMinutes = 10;
    private const double MostMinutes = 60_000;
    private const int DefaultSeed = 1;
    private const int MostThreads = 256;
    private const int MostFailures = 1_000;
    private const int DefaultFailures = 20;
    private const int LineWidth = 90;   // Longer than any line, so that nothing of the one before is left.

    public static Command Create(Terminal terminal, MachineOptions machine)
    {
        var minutes = new Option<double?>("--minutes")
        {
            Description = FormattableString.Invariant($"How long; {DefaultMinutes} by default."),
            CustomParser = result =>
            {
                string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
                bool isNumber = double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value);
                if (isNumber && value > 0 && value <= MostMinutes) return value;
                result.AddError(FormattableString.Invariant($"--minutes: '{text}' is no number above 0 and up to {MostMinutes}."));
                return null;
            },
        };
        var seed = Arguments.Number("--seed", $"What cases are made of; {DefaultSeed} by default, or that of the folder.", int.MaxValue);
        var folder = new Option<string>("--corpus")
        {
            Description = "A folder for corpus, failures and state; a run that is in it goes on, with its own seed. Without one nothing is kept.",
        };
        var threads = Arguments.Number("--threads", "Threads; one for each CPU by default.", MostThreads);
        var failures = Arguments.Number("--max-failures", $"The most failures to shrink and save; {DefaultFailures} by default.", MostFailures);
        var command = new Command("fuzz", "Random scripts on the SMMU and on the Oracle. Exit codes: 0 agree, 1 differ, 2 unusable, 130 interrupted.") { minutes, seed, folder, threads, failures };
        command.SetAction((parsed, cancellation) => Task.Run(() => Run(
            terminal,
            new FuzzOptions
            {
                Duration = TimeSpan.FromMinutes(parsed.GetValue(minutes) ?? DefaultMinutes),
                Seed = parsed.GetValue(seed) ?? DefaultSeed,
                Folder = parsed.GetValue(folder),
                Threads = Math.Max(1, parsed.GetValue(threads) ?? Environment.ProcessorCount),
                MaximumFailures = parsed.GetValue(failures) ?? DefaultFailures,
                Plant = machine.Plant,
            },
            cancellation)));
        return command;
    }

    private static int Run(Terminal terminal, FuzzOptions options, CancellationToken cancellation)
    {
        var shown = TimeSpan.Zero;
        var report = FuzzRun.Run(options with { Progress = ShowProgress }, cancellation);
        if (terminal.IsInteractive) terminal.Output.WriteLine();
        Write(terminal, report, options.Folder);
        if (report.WasInterrupted) throw new OperationCanceledException(cancellation);
        return report.Status.Failures == 0 ? CommandLine.Agree : CommandLine.Differ;

        // On a terminal one line that changes; elsewhere a line a minute.
        void ShowProgress(FuzzStatus status)
        {
            if (!terminal.IsInteractive && status.Elapsed - shown < TimeSpan.FromMinutes(1)) return;
            shown = status.Elapsed;
            string line = string.Create(
                CultureInfo.InvariantCulture,
                $"{status.Elapsed:hh\\:mm\\:ss}  {status.Cases:n0} cases  {status.Rate:n0}/s  {status.Keys:n0} keys  {status.Kept:n0} kept  {status.Failures:n0} failures");
            if (!terminal.IsInteractive) terminal.Output.WriteLine(line);
            else terminal.Output.Write("\r" + line.PadRight(LineWidth));
            terminal.Output.Flush();
        }
    }

    private static void Write(Terminal terminal, FuzzReport report, string? folder)
    {
        var status = report.Status;
        var table = terminal.CreateTable("fuzz").HideHeaders().AddColumns("name", "value");
        Add("seed", report.Seed.ToString(CultureInfo.InvariantCulture));
        Add("time", FormattableString.Invariant($"{status.Elapsed.TotalSeconds:n0} s"));
        Add("cases", FormattableString.Invariant($"{status.Cases:n0}, {status.Rate:n0} a second"));
        if (status.CasesBefore != 0) Add("cases with those before", FormattableString.Invariant($"{status.CasesBefore + status.Cases:n0}"));
        Add("distinct keys", FormattableString.Invariant($"{status.Keys:n0}"));
        foreach (var (kind, count) in report.KeysByKind) Add($"  {kind}", FormattableString.Invariant($"{count:n0}"));
        Add("kept scripts", FormattableString.Invariant($"{status.Kept:n0}"));
        Add("failures", FormattableString.Invariant($"{status.Failures:n0}"));
        terminal.CreateConsole().Write(table);
        foreach (var failure in report.Failures)
        {
            terminal.Output.WriteLine();
            terminal.Output.WriteLine(folder is null
                ? failure.Script
                : $"{Path.Combine(folder, "failures", failure.Name + ".smmu")}: {failure.Difference}");
        }

        void Add(string name, string value) => table.AddRow(new Text(name), new Text(value));
    }
}
