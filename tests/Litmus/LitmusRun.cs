using System.Diagnostics;

namespace Smmu.Fast.Tests.Litmus;

/// <summary>One run of a scenario: its threads, its end, and the first violation that one of them sees.</summary>
internal sealed class LitmusRun
{
    private static readonly TimeSpan JoinLimit = TimeSpan.FromSeconds(30);

    private readonly long end;
    private string? violation;
    private bool isOver;

    public LitmusRun(TimeSpan length, int seed)
    {
        end = Stopwatch.GetTimestamp() + (long)(length.TotalSeconds * Stopwatch.Frequency);
        Seed = seed;
    }

    /// <summary>What every sequence of random numbers begins from.</summary>
    public int Seed { get; }

    /// <summary>The first violation; null while there is none.</summary>
    public string? Violation => Volatile.Read(ref violation);

    /// <summary>How much the run looked at, for the report.</summary>
    public string Summary { get; set; } = string.Empty;

    /// <summary>True when the time is up or something was violated.</summary>
    public bool IsOver
    {
        get
        {
            if (!Volatile.Read(ref isOver) && Stopwatch.GetTimestamp() >= end) Volatile.Write(ref isOver, true);
            return Volatile.Read(ref isOver);
        }
    }

    /// <summary>Reports a violation and ends the run.</summary>
    public void Fail(string what)
    {
        Interlocked.CompareExchange(ref violation, what, null);
        Volatile.Write(ref isOver, true);
    }

    /// <summary>Waits until another thread has raised its counter: a round without that thread would be wasted.</summary>
    public void AwaitProgress(ref long counter)
    {
        long before = Volatile.Read(ref counter);

        // Without a yield: who gives its processor away misses the time in which both threads have one.
        while (Volatile.Read(ref counter) == before && !IsOver) Thread.SpinWait(1);
    }

    /// <summary>Runs each body on a thread of its own, with random numbers of its own, until all have returned.</summary>
    public void Race(params ReadOnlySpan<Action<Random>> bodies)
    {
        var threads = new Thread[bodies.Length];
        for (int i = 0; i < threads.Length; i++)
        {
            var body = bodies[i];
            var random = new Random((Seed * 1000) + i);
            threads[i] = new Thread(() =>
            {
                try
                {
                    body(random);
                }
                catch (Exception exception)
                {
                    Fail(exception.ToString());
                }
            })
            { IsBackground = true };
        }

        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads)
        {
            while (!thread.Join(100))
            {
                if (IsOver && Stopwatch.GetTimestamp() > end + (long)(JoinLimit.TotalSeconds * Stopwatch.Frequency))
                {
                    Fail("A thread hangs.");
                    return;
                }
            }
        }
    }
}
