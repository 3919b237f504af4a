namespace Smmu.Fast.Qemu;

/// <summary>Makes a failing case smaller: leaves out what it fails without.</summary>
/// <remarks>
/// A change and its invalidation go together or not at all, and registers stay, so that a smaller case is as well-behaved as
/// the one it comes from.
/// </remarks>
internal static class Shrinker
{
    private const int MostAttempts = 2_000;

    /// <summary>Shrinks a case.</summary>
    /// <param name="failing">A case that fails.</param>
    /// <param name="fails">Runs a case; true when it still fails.</param>
    public static QemuCase Shrink(QemuCase failing, Func<QemuCase, bool> fails)
    {
        int attempts = MostAttempts;
        for (int part = Math.Max(failing.Steps.Count / 2, 1); part >= 1; part = part == 1 ? 0 : part / 2)
        {
            for (int at = failing.Steps.Count - part; at > -part && attempts > 0; at -= part, attempts--)
            {
                int from = Math.Max(at, 0);
                var kept = failing.Steps.Where((step, i) => i < from || i >= at + part || !MayGo(step)).ToArray();
                if (kept.Length == failing.Steps.Count) continue;
                var smaller = failing with { Steps = kept };
                if (fails(smaller)) failing = smaller;
            }
        }

        return failing;
    }

    private static bool MayGo(Step step) => step is AccessStep or ChangeStep or StoreStep;
}
