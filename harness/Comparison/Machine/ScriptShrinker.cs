namespace Smmu.Fast.Comparison.Machine;

/// <summary>Makes a failing script as short as it goes on failing, then its steps as simple.</summary>
internal static class ScriptShrinker
{
    private const int MostRuns = 6_000;

    /// <summary>Shrinks a script.</summary>
    /// <param name="failing">A script that fails.</param>
    /// <param name="fails">Runs a script.</param>
    public static Script Shrink(Script failing, Func<Script, bool> fails)
    {
        int left = MostRuns;
        bool goesOn;
        do
        {
            int before = left;
            var shorter = Fewer(failing);
            var simpler = Simpler(shorter);
            goesOn = !simpler.Steps.SequenceEqual(failing.Steps) && left > 0 && left != before;
            failing = simpler;
        }
        while (goesOn);

        var uncached = failing with { CachesEnabled = false };
        return failing.CachesEnabled && Try(uncached) ? uncached : failing;

        bool Try(Script smaller) => left-- > 0 && fails(smaller);

        // Leaves out what comes behind the failure by itself: halves, then quarters, then single steps.
        Script Fewer(Script kept)
        {
            for (int part = Math.Max(1, kept.Steps.Count / 2); part >= 1; part /= 2)
            {
                for (int from = kept.Steps.Count - part; from > -part && left > 0; from -= part)
                {
                    int first = Math.Max(0, from);
                    int end = from + part;
                    var fewer = kept with { Steps = [.. kept.Steps.Where((_, index) => index < first || index >= end)] };
                    if (fewer.Steps.Count != kept.Steps.Count && Try(fewer)) kept = fewer;
                }
            }

            return kept;
        }

        Script Simpler(Script kept)
        {
            for (int i = 0; i < kept.Steps.Count; i++)
            {
                bool hasChanged;
                do
                {
                    hasChanged = false;
                    foreach (var step in kept.Steps[i].Simpler())
                    {
                        if (left <= 0) return kept;
                        ScriptStep[] steps = [.. kept.Steps];
                        steps[i] = step;
                        if (!Try(kept with { Steps = steps })) continue;
                        kept = kept with { Steps = steps };
                        hasChanged = true;
                        break;
                    }
                }
                while (hasChanged);
            }

            return kept;
        }
    }
}
