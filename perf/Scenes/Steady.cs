using System.Diagnostics;

namespace Smmu.Fast.Perf.Scenes;

/// <summary>Brings code to its last tier of compilation, for benchmarks whose iterations are too short to do that themselves.</summary>
internal static class Steady
{
    private const int LeastCalls = 3;
    private const int Milliseconds = 300;

    /// <summary>False while nothing is measured, so that nothing waits.</summary>
    public static bool IsWanted { get; set; }

    /// <summary>Does the work again and again.</summary>
    public static void Reach(Action work)
    {
        if (!IsWanted) return;
        long start = Stopwatch.GetTimestamp();
        for (int calls = 0; calls < LeastCalls || Stopwatch.GetElapsedTime(start).TotalMilliseconds < Milliseconds; calls++) work();
    }
}
