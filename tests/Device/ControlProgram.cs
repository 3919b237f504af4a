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
    public static (int Code, string Output) Run(TimeSpan limit, params ReadOnlySpan<string> arguments) =>
        ChildProgram.Run("tests/Litmus", "litmus", limit, arguments);
}
