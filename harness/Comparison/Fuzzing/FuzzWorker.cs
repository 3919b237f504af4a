using System.Globalization;
using System.Text;
using Smmu.Fast.Comparison.Machine;
using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison.Fuzzing;

/// <summary>A case that differs, before it is shrunk.</summary>
/// <param name="Script">The case as a script.</param>
/// <param name="Difference">What differs.</param>
/// <param name="Scene">The scene that the script was made of, when the scene itself differs and the script does not.</param>
internal sealed record RawFailure(Script Script, string Difference, OracleCase? Scene = null);

/// <summary>Makes and runs the cases of one thread.</summary>
internal sealed class FuzzWorker : IDisposable
{
    private const int CasesPerSweep = 512;

    private readonly Corpus corpus;
    private readonly CoverageKeys coverage = new();
    private readonly MachineRunner runner;
    private readonly MachineRunner quiet;
    private readonly CaseRunner scenes;
    private int sinceSweep;

    public FuzzWorker(Corpus corpus, FuzzOptions options)
    {
        this.corpus = corpus;
        runner = new MachineRunner(new MachineOptions { Coverage = coverage, Plant = options.Plant });
        quiet = new MachineRunner(new MachineOptions { Plant = options.Plant });
        scenes = new CaseRunner(new Distribution()) { Distort = options.DistortScenes };
    }

    /// <summary>Runs one case.</summary>
    /// <param name="index">Which one.</param>
    /// <returns>The failure, or null.</returns>
    public RawFailure? Run(long index)
    {
        var random = new Random(HashCode(corpus.Seed, index));
        string name = string.Create(CultureInfo.InvariantCulture, $"{index:d9}");
        RawFailure? failure;
        if (random.Next(8) == 0)
        {
            failure = RunScene(OracleCase.Next(random), name);
        }
        else
        {
            bool isMutation = random.Next(2) == 0 & corpus.TryPick(random, out var one, out var other);
            failure = Run(isMutation ? new ScriptMutator(random).Mutate(one, other) : ProgramGenerator.Next(random), name);
        }

        if (failure is not null || ++sinceSweep < CasesPerSweep) return failure;
        sinceSweep = 0;
        string? stray = runner.CompareEverything();
        return stray is null ? null : new RawFailure(
            new Script(SmmuFeatures.Default, CachesEnabled: true, TwinMemory.Stretches, []),
            FormattableString.Invariant($"{stray}, in this case or one of the {CasesPerSweep} before it in this thread"));
    }

    /// <summary>Makes a failure as small as it goes on failing.</summary>
    /// <param name="failure">The failure.</param>
    /// <param name="name">Its name.</param>
    /// <param name="cancellation">Ends it early, with what is the smallest by then.</param>
    public FuzzFailure Shrink(RawFailure failure, string name, CancellationToken cancellation)
    {
        var script = failure.Script;
        string difference = failure.Difference;
        var text = new StringBuilder();
        if (failure.Scene is { } scene)
        {
            var smallest = CaseShrinker.Shrink(scene, candidate => !cancellation.IsCancellationRequested && Compare(candidate) is not null);
            difference = Compare(smallest) ?? difference;
            script = SceneScript.Of(smallest);
            text.Append("# This scene differs only where each client begins with empty caches; as a script it agrees.\n");
        }
        else if (quiet.Run(script) is not null)
        {
            script = ScriptShrinker.Shrink(script, candidate => !cancellation.IsCancellationRequested && quiet.Run(candidate) is not null);
            difference = quiet.Run(script)?.ToString() ?? difference;
        }
        else
        {
            text.Append("# This was seen once and not again.\n");
        }

        foreach (string line in difference.ReplaceLineEndings("\n").Split('\n')) text.Append("# ").Append(line).Append('\n');
        return new FuzzFailure(name, difference, text.Append(script).ToString());
    }

    public void Dispose()
    {
        runner.Dispose();
        quiet.Dispose();
        scenes.Dispose();
    }

    private RawFailure? Run(Script script, string name)
    {
        coverage.Clear();
        var difference = runner.Run(script);
        if (difference is not null) return new RawFailure(script, difference.ToString());
        corpus.TryKeep(coverage.Keys, name, () => script);
        return null;
    }

    private RawFailure? RunScene(OracleCase scene, string name)
    {
        string? difference = Compare(scene);
        var script = SceneScript.Of(scene);
        var asScript = Run(script, name);
        return difference is null || asScript is not null ? asScript : new RawFailure(script, difference, scene);
    }

    private string? Compare(OracleCase scene)
    {
        try
        {
            return scenes.Run(scene);
        }
        catch (Exception exception) when (exception is not (OutOfMemoryException or OperationCanceledException))
        {
            return $"an exception: {exception.GetType().Name}: {exception.Message}\n{exception.StackTrace}";
        }
    }

    // The same in every process.
    private static int HashCode(int seed, long index)
    {
        ulong hash = Fingerprint.Begin().With((ulong)seed).With((ulong)index).Value;
        return (int)(hash ^ (hash >> 32)) & int.MaxValue;
    }
}
