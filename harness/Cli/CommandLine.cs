using System.CommandLine;
using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Qemu;
using Smmu.Fast.Scenarios.Recordings;

namespace Smmu.Fast.Cli;

/// <summary>The tool: its commands, and how each of them may end.</summary>
/// <param name="source">Makes the SMMUs that recordings are replayed into.</param>
/// <param name="terminal">Where to write.</param>
public sealed class CommandLine(IReplayTargetSource source, Terminal terminal)
{
    /// <summary>Everything agrees.</summary>
    public const int Agree = 0;

    /// <summary>Answers differ.</summary>
    public const int Differ = 1;

    /// <summary>A file or an argument cannot be used; one line on the error stream says which and why.</summary>
    public const int Unusable = 2;

    /// <summary>The user ended the run, as shells number it: 128 + SIGINT.</summary>
    public const int Interrupted = 130;

    /// <summary>What scripts are run with, for tests of the checkers.</summary>
    internal MachineOptions Machine { get; init; } = new();

    /// <summary>Runs one command.</summary>
    /// <param name="arguments">The arguments behind the program's name.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        var root = new RootCommand("Replays recordings of SMMUv3 drivers, explains translations, compares with QEMU and with an Oracle.")
        {
            ReplayCommand.Create(source, terminal),
            ExplainCommand.Create(source, terminal),
            InfoCommand.Create(source, terminal),
            DiffQemuCommand.Create(terminal),
            RunCommand.Create(terminal, Machine),
            FuzzCommand.Create(terminal, Machine),
            DemoCommand.Create(terminal),
        };
        try
        {
            // An argument that starts with @ is a file of that name, not a file of arguments.
            var parsed = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parsed.Errors.Count > 0) return Refuse(parsed.Errors[0].Message);
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
            });
        }
        catch (OperationCanceledException)
        {
            terminal.Error.WriteLine("smmu: interrupted");
            return Interrupted;
        }
        catch (RecordingException exception)
        {
            return Refuse(exception.Message);
        }
        catch (ScriptException exception)
        {
            return Refuse(exception.Message);
        }
        catch (QemuException exception)
        {
            return Refuse(exception.Message);
        }
        catch (OutOfMemoryException)
        {
            return Refuse("not enough memory for this file");
        }
        catch (IOException exception)
        {
            return Refuse(exception.Message);
        }
    }

    private int Refuse(string message)
    {
        terminal.Error.WriteLine($"smmu: {message.ReplaceLineEndings(" ").Trim()}");
        return Unusable;
    }
}
