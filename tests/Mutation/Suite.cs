using System.Diagnostics;
using System.Globalization;
using Smmu.Fast.Tests.Mutation.Weaving;

namespace Smmu.Fast.Tests.Mutation;

/// <summary>The tests beside the engine with mutants: a folder of its own, gone at the end.</summary>
internal sealed class Suite : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("mutation-").FullName;
    private readonly string prefix;

    /// <summary>Brings together the tests.</summary>
    /// <param name="outputs">Build output of the test projects.</param>
    /// <param name="prefix">Only classes whose full name begins so are run; empty for all.</param>
    /// <exception cref="DirectoryNotFoundException">A project is not built.</exception>
    public Suite(IEnumerable<string> outputs, string prefix)
    {
        this.prefix = prefix;
        foreach (string output in outputs)
        {
            foreach (string file in Directory.EnumerateFiles(output, "*.dll"))
            {
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
            }
        }
    }

    /// <summary>Path of the engine that is tested.</summary>
    public string Engine => Path.Combine(folder, "Smmu.Fast.dll");

    /// <summary>Runs the tests until the first failure.</summary>
    /// <param name="number">The mutant's number, or 0 for the whole engine.</param>
    /// <param name="mutant">The mutant, or null for the whole engine.</param>
    /// <param name="limit">After this time the run is ended.</param>
    /// <returns>How it ended, the test, and how many tests passed when all did.</returns>
    public (MutantEnd End, string? Test, int Passed) Run(int number, Mutant? mutant, TimeSpan limit)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
        string self = typeof(Suite).Assembly.Location;
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(self);
        string[] arguments =
            [SuiteProcess.Command, folder, prefix, mutant?.Room ?? "", .. mutant?.Rules ?? []];
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        start.Environment[EngineBuild.Variable] = number.ToString(CultureInfo.InvariantCulture);
        start.Environment["SMMU_TEST_SCALE"] = "0.1";

        using var process = Process.Start(start)!;
        string? current = null;
        string? failed = null;
        int passed = -1;
        process.OutputDataReceived += (_, line) =>
        {
            string text = line.Data ?? "";
            if (text.StartsWith(SuiteProcess.Begins, StringComparison.Ordinal)) current = text[SuiteProcess.Begins.Length..];
            if (text.StartsWith(SuiteProcess.Fails, StringComparison.Ordinal)) failed ??= text[SuiteProcess.Fails.Length..];
            if (text.StartsWith(SuiteProcess.Passes, StringComparison.Ordinal))
            {
                passed = int.Parse(text.AsSpan(SuiteProcess.Passes.Length), CultureInfo.InvariantCulture);
            }
        };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        bool ended = process.WaitForExit(limit);
        if (!ended) process.Kill(entireProcessTree: true);
        process.WaitForExit();   // Until all that it wrote is read.

        return failed is not null ? (MutantEnd.Failed, failed, 0)
            : !ended ? (MutantEnd.TimedOut, current, 0)
            : process.ExitCode == 0 && passed >= 0 ? (MutantEnd.Survived, null, passed)
            : (MutantEnd.Crashed, current, 0);
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(folder, recursive: true);
}
