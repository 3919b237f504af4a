using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Smmu.Fast.Tests.Mutation.Weaving;

namespace Smmu.Fast.Tests.Mutation;

/// <summary>The tests beside the engine with mutants: a folder of its own, gone at the end.</summary>
internal sealed class Suite : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("mutation-").FullName;
    private readonly string runner;
    private readonly string prefix;

    /// <summary>Brings together the tests.</summary>
    /// <param name="outputs">Build output of the test projects.</param>
    /// <param name="prefix">Only classes whose full name begins so are run; empty for all.</param>
    /// <exception cref="DirectoryNotFoundException">A project is not built.</exception>
    public Suite(IEnumerable<string> outputs, string prefix)
    {
        this.prefix = prefix;
        foreach (string output in outputs) Copy(output, folder, "*.dll");

        // This program, too: a build while it runs must not take it away.
        runner = Directory.CreateDirectory(Path.Combine(folder, "runner")).FullName;
        Copy(AppContext.BaseDirectory, runner, "*");
    }

    /// <summary>Path of the engine that is tested.</summary>
    public string Engine => Path.Combine(folder, "Smmu.Fast.dll");

    /// <summary>Runs the tests until the first failure.</summary>
    /// <param name="number">The mutant's number, or 0 for the whole engine.</param>
    /// <param name="mutant">The mutant, or null for the whole engine.</param>
    /// <param name="known">The test that is known to catch it, which goes first; empty for none.</param>
    /// <param name="limit">After this time the run is ended.</param>
    /// <returns>How it ended, the test, and how many tests passed when all did.</returns>
    /// <exception cref="InvalidOperationException">The tests did not even begin.</exception>
    public (MutantEnd End, string? Test, int Passed) Run(int number, Mutant? mutant, string known, TimeSpan limit)
    {
        var start = new ProcessStartInfo(Host()) { RedirectStandardOutput = true, RedirectStandardError = true };
        string self = Path.Combine(runner, Path.GetFileName(typeof(Suite).Assembly.Location));
        string[] arguments =
            ["exec", self, SuiteProcess.Command, folder, prefix, known, mutant?.Room ?? "", .. mutant?.Rules ?? []];
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        start.Environment[EngineBuild.Variable] = number.ToString(CultureInfo.InvariantCulture);
        start.Environment["SMMU_TEST_SCALE"] = "0.1";

        using var process = Process.Start(start)!;
        var slow = new List<string>();
        string? complaint = null;
        string? current = null;
        string? failed = null;
        int passed = -1;
        process.OutputDataReceived += (_, line) =>
        {
            string text = line.Data ?? "";
            if (text.StartsWith(SuiteProcess.Begins, StringComparison.Ordinal)) current = text[SuiteProcess.Begins.Length..];
            if (text.StartsWith(SuiteProcess.Fails, StringComparison.Ordinal)) failed ??= text[SuiteProcess.Fails.Length..];
            if (text.StartsWith(SuiteProcess.Slow, StringComparison.Ordinal)) slow.Add(text[SuiteProcess.Slow.Length..]);
            if (text.StartsWith(SuiteProcess.Passes, StringComparison.Ordinal))
            {
                passed = int.Parse(text.AsSpan(SuiteProcess.Passes.Length), CultureInfo.InvariantCulture);
            }
        };
        process.ErrorDataReceived += (_, line) => complaint ??= line.Data;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        bool ended = process.WaitForExit(limit);
        if (!ended) process.Kill(entireProcessTree: true);
        process.WaitForExit();   // Until all that it wrote is read.

        if (mutant is null) File.WriteAllLines(Path.Combine(folder, SuiteProcess.SlowFile), slow.Distinct());
        if (failed is null && ended && current is null) throw new InvalidOperationException(
            $"The tests did not begin; the process ended with {process.ExitCode}: {complaint}");
        return failed is not null ? (MutantEnd.Failed, failed, 0)
            : !ended ? (MutantEnd.TimedOut, current, 0)
            : process.ExitCode == 0 && passed >= 0 ? (MutantEnd.Survived, null, passed)
            : (MutantEnd.Crashed, current, 0);
    }

    // The dotnet program that runs this process: three folders above its runtime.
    private static string Host()
    {
        string name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        return Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", name));
    }

    private static void Copy(string from, string to, string names)
    {
        foreach (string file in Directory.EnumerateFiles(from, names))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(folder, recursive: true);
}
