using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Smmu.Fast.Tests.Repository;

/// <summary>Runs programs of this repository in processes of their own, which may crash.</summary>
internal static class ChildProgram
{
    /// <summary>Runs a program to its end.</summary>
    /// <param name="folder">Its project's folder, relative to the root.</param>
    /// <param name="name">Name of its assembly.</param>
    /// <param name="limit">After this time it is ended, and the test fails.</param>
    /// <param name="arguments">Its command line.</param>
    /// <returns>The exit code, and all it wrote.</returns>
    public static (int Code, string Output) Run(string folder, string name, TimeSpan limit, params ReadOnlySpan<string> arguments)
    {
        string output = Path.Combine(RepositoryFiles.Root, folder, "bin", RepositoryFiles.Configuration, "net10.0");
        string program = Path.Combine(output, $"{name}.dll");
        var start = new ProcessStartInfo(Host()) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (ReadOnlySpan<string>)["exec", program, .. arguments]) start.ArgumentList.Add(argument);

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var written = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(limit))
        {
            process.Kill();
            process.WaitForExit();
            Assert.Fail($"{name} {string.Join(' ', arguments)} does not end.");
        }

        return (process.ExitCode, written.Result + errors.Result);
    }

    // The dotnet program that runs this process: three folders above its runtime.
    private static string Host()
    {
        string name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        return Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", name));
    }
}
