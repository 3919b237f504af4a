using System.Runtime.CompilerServices;

namespace Smmu.Fast.Foundation;

/// <summary>A small number for each thread, never 0 and never reused, cheaper to compare than a managed thread id.</summary>
internal static class ThreadToken
{
    [ThreadStatic]
    private static int token;

    private static int last;

    /// <summary>The number of the calling thread.</summary>
    public static int Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            int value = token;
            return value != 0 ? value : Assign();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Assign() => token = Interlocked.Increment(ref last);
}
