using System.Collections.Concurrent;
using System.Diagnostics;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>How something ended.</summary>
/// <param name="Problems">What was found; nothing when all is well.</param>
/// <param name="Hangs">True when a thread is still out.</param>
internal sealed record Verdict(string[] Problems, bool Hangs)
{
    /// <summary>True when all is well.</summary>
    public bool Held => Problems.Length == 0;
}

/// <summary>What one thread does.</summary>
/// <param name="Actors">Whose steps it makes; without any, the whole of it counts as one step.</param>
/// <param name="Body">The work.</param>
internal sealed record Strand(IReadOnlyList<Actor> Actors, Action Body);

/// <summary>Runs work on threads, catches what it throws, and notices when it stops moving.</summary>
internal static class Watchdog
{
    private const int LookMilliseconds = 20;

    /// <summary>Runs each strand on a thread of its own until all have ended or one has not moved for too long.</summary>
    /// <param name="patience">How long a thread may take for one step; generous, because machines may be busy.</param>
    /// <param name="strands">What to run.</param>
    public static Verdict Run(TimeSpan patience, params ReadOnlySpan<Strand> strands)
    {
        var problems = new ConcurrentQueue<string>();
        var runners = new Runner[strands.Length];
        for (int i = 0; i < runners.Length; i++) runners[i] = new Runner(strands[i], problems);
        foreach (var runner in runners) runner.Thread.Start();
        foreach (var runner in runners)
        {
            while (!runner.Thread.Join(LookMilliseconds))
            {
                var stuck = runners.FirstOrDefault(each => each.IsStuck(patience));
                if (stuck != null) return new Verdict([.. problems, $"A thread does not move: {stuck.Name}."], true);
            }
        }

        return new Verdict([.. problems], false);
    }

    private sealed class Runner
    {
        private readonly Strand strand;
        private long seen = -1;
        private long moved = Stopwatch.GetTimestamp();

        public Runner(Strand strand, ConcurrentQueue<string> problems)
        {
            this.strand = strand;
            Thread = new Thread(() =>
            {
                try
                {
                    strand.Body();
                }
                catch (Exception problem)
                {
                    problems.Enqueue(problem.ToString());
                }
            })
            { IsBackground = true };   // A thread that hangs must not keep the process from ending.
        }

        public Thread Thread { get; }

        public string Name =>
            strand.Actors.Count == 0 ? "judgement" : string.Join(", ", strand.Actors.Select(actor => actor.Name));

        public bool IsStuck(TimeSpan patience)
        {
            if (!Thread.IsAlive) return false;
            long steps = strand.Actors.Sum(actor => actor.Steps);
            if (steps != seen) (seen, moved) = (steps, Stopwatch.GetTimestamp());
            return Stopwatch.GetElapsedTime(moved) > patience;
        }
    }
}
