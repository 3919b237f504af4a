using System.Diagnostics;
using System.Runtime.InteropServices;
using Smmu.Fast.Tests.Repository;

namespace Smmu.Fast.Tests.Device;

/// <summary>The control build of the engine, in a process of its own: litmus scenarios, and replays of recordings.</summary>
internal static class ControlProgram
{
    /// <summary>Exit code: nothing was violated, nothing differed.</summary>
    public const int Held = 0;

    /// <summary>Exit code: something was violated or differed.</summary>
    public const int Violated = 1;

    /// <summary>Exit code: the command line or a file makes no sense.</summary>
    public const int Misused = 2;

    /// <summary>Runs the program to its end.</summary>
    /// <param name="limit">After this long it hangs, and the test fails.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>The exit code, and what the program wrote.</returns>
    public static (int Code, string Output) Run(TimeSpan limit, params ReadOnlySpan<string> arguments)
    {
        string program = Path.Combine(
            RepositoryFiles.Root, "tests", "Litmus", "bin", RepositoryFiles.Configuration, "net10.0", "litmus.dll");
        var start = new ProcessStartInfo(Host()) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(program);
        foreach (string argument in arguments) start.ArgumentList.Add(argument);

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(limit))
        {
            process.Kill();
            process.WaitForExit();
            Assert.Fail($"litmus {string.Join(' ', start.ArgumentList.Skip(2))} does not end.");
        }

        return (process.ExitCode, output.Result + errors.Result);
    }

    // The dotnet program that runs this process: three folders above its runtime.
    private static string Host()
    {
        string name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        return Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", name));
    }
}
