using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Smmu.Fast.Foundation;

/// <summary>Claims of the engine about itself. They are checked in Debug builds and are not there in Release.</summary>
internal static class Invariant
{
    /// <summary>Throws when the claim does not hold; the message shows its expression.</summary>
    [Conditional("SMMU_ASSERT")]
    public static void Holds(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string claim = "")
    {
        if (!condition) Throw(claim);
    }

    [DoesNotReturn]
    [StackTraceHidden]
    private static void Throw(string claim) => throw new InvalidOperationException($"Invariant broken: {claim}");
}
