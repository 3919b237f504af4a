using System.CommandLine;
using Smmu.Fast.Comparison.Machine;

namespace Smmu.Fast.Cli;

/// <summary>smmu run: replays a script on the engine and on the Oracle, and says where they part.</summary>
internal static class RunCommand
{
    public static Command Create(Terminal terminal, MachineOptions machine)
    {
        var file = new Argument<string>("SCRIPT") { Description = "The script; harness/Comparison/README.md has the format." };
        var quiet = new Option<bool>("--quiet") { Description = "Show the difference alone." };
        var command = new Command("run", "Replay a script on the SMMU and on the Oracle. Exit codes: 0 agree, 1 differ, 2 unusable, 130 interrupted.") { file, quiet };
        command.SetAction((parsed, cancellation) => Task.Run(
            () =>
            {
                var script = ScriptReader.ReadFile(parsed.GetValue(file)!);
                bool isQuiet = parsed.GetValue(quiet);
                using var runner = new MachineRunner(machine with { Trace = Say });
                var difference = runner.Run(script);
                string? stray = difference is null ? runner.CompareEverything() : null;
                if (difference is null && stray is null)
                {
                    terminal.Output.WriteLine(FormattableString.Invariant($"{script.Steps.Count} steps, no difference"));
                    return CommandLine.Agree;
                }

                terminal.Output.WriteLine($"differs: {difference?.ToString() ?? stray}");
                return CommandLine.Differ;

                void Say(string line)
                {
                    cancellation.ThrowIfCancellationRequested();
                    if (!isQuiet) terminal.Output.WriteLine(line);
                }
            },
            cancellation));
        return command;
    }
}
