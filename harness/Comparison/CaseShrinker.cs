namespace Smmu.Fast.Comparison;

/// <summary>Makes a failing case as small as it goes on failing: fewer steps first, then fewer changes of the legal scene.</summary>
internal static class CaseShrinker
{
    /// <summary>Shrinks a case.</summary>
    /// <param name="failing">A case that fails.</param>
    /// <param name="fails">Runs a case.</param>
    public static OracleCase Shrink(OracleCase failing, Func<OracleCase, bool> fails)
    {
        bool goesOn;
        do
        {
            var before = failing;
            failing = failing with { Steps = Fewer(failing.Steps, steps => fails(failing with { Steps = steps })) };
            failing = failing with { Mutations = Fewer(failing.Mutations, left => fails(failing with { Mutations = left })) };
            var uncached = failing with { CachesEnabled = false };
            if (failing.CachesEnabled && fails(uncached)) failing = uncached;
            goesOn = failing != before;
        }
        while (goesOn);
        return failing;
    }

    // Leaves out halves, then quarters, then single items.
    private static IReadOnlyList<T> Fewer<T>(IReadOnlyList<T> items, Func<IReadOnlyList<T>, bool> fails)
    {
        var kept = items;
        for (int part = Math.Max(1, kept.Count / 2); part >= 1; part /= 2)
        {
            for (int from = 0; from < kept.Count;)
            {
                int first = from;
                int end = from + part;
                IReadOnlyList<T> fewer = [.. kept.Where((_, index) => index < first || index >= end)];
                if (fails(fewer)) kept = fewer;
                else from += part;
            }
        }

        return kept;
    }
}
