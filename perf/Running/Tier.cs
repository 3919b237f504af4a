using System.Runtime.Intrinsics;

namespace Smmu.Fast.Perf.Running;

/// <summary>The widest vectors that code may use.</summary>
internal static class Tier
{
    private const string Wanted = "SMMU_TIER";

    // Switches of the runtime, which ignores names that it does not know: so the child checks what it has become.
    private static readonly Dictionary<string, string?> switches = new()
    {
        ["scalar"] = "DOTNET_EnableHWIntrinsic",
        ["vector128"] = "DOTNET_EnableAVX2",
        ["vector256"] = "DOTNET_EnableAVX512",
        ["vector512"] = null,
    };

    /// <summary>Names of tiers, narrow ones first.</summary>
    public static IEnumerable<string> Names => switches.Keys;

    /// <summary>That of this process.</summary>
    public static string Own => Vector512.IsHardwareAccelerated ? "vector512"
        : Vector256.IsHardwareAccelerated ? "vector256"
        : Vector128.IsHardwareAccelerated ? "vector128" : "scalar";

    /// <summary>Makes a process begin in a tier; in that of the machine when it is null.</summary>
    public static void Impose(string? tier, IDictionary<string, string?> environment)
    {
        if (tier is null) return;
        environment[Wanted] = tier;
        if (switches[tier] is { } name) environment[name] = "0";
    }

    /// <summary>Checks that this process has the tier that it was asked for.</summary>
    /// <exception cref="InvalidOperationException">It has another.</exception>
    public static void RequireWanted()
    {
        string? wanted = Environment.GetEnvironmentVariable(Wanted);
        if (!string.IsNullOrEmpty(wanted) && wanted != Own) throw new InvalidOperationException(
            $"The run asks for {wanted}, and this process has {Own}: the processor has no such vectors, or the runtime has renamed its switch.");
    }
}
