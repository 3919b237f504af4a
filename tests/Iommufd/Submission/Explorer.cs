using Smmu.Fast.Iommufd.Submission;

namespace Smmu.Fast.Tests.Iommufd.Submission;

/// <summary>Runs a few threads through every order of their steps that takes no more than so many preemptions.</summary>
/// <remarks>
/// One thread runs at a time. Each of them tells where a step begins (<see cref="Reach"/>) and where it can only wait for
/// others (<see cref="Pass"/>); at each such place the explorer decides who goes on, and comes back to decide otherwise until
/// all is tried. Taking a thread off that could have gone on is a preemption. A thread that waits leaves to the next one, in a
/// circle; so a run that does not end is a finding: nobody would ever go on.
/// </remarks>
internal sealed class Explorer : IDisposable
{
    private const int MostSteps = 20_000;

    [ThreadStatic]
    private static Explorer? explorerOfThread;

    [ThreadStatic]
    private static int numberOfThread;

    private readonly int mostPreemptions;
    private readonly List<(int Chosen, int Options)> path = [];
    private readonly Thread[] threads;
    private readonly SemaphoreSlim[] turns;
    private readonly SemaphoreSlim finished = new(0);
    private readonly bool[] alive;
    private Action[] bodies = [];
    private Exception? failure;
    private int depth;
    private int preemptions;
    private int steps;
    private bool isOver;

    public Explorer(int threads, int mostPreemptions)
    {
        this.mostPreemptions = mostPreemptions;
        alive = new bool[threads];
        turns = [.. Enumerable.Range(0, threads).Select(_ => new SemaphoreSlim(0))];
        this.threads = [.. Enumerable.Range(0, threads).Select(number => new Thread(() => Live(number)) { IsBackground = true })];
        foreach (var thread in this.threads) thread.Start();
    }

    /// <summary>Orders that were tried.</summary>
    public int Runs { get; private set; }

    /// <summary>Steps of the run so far: the time of the explored world.</summary>
    public static long Now => explorerOfThread?.steps ?? 0;

    /// <summary>A step begins here.</summary>
    public static void Reach() => explorerOfThread?.Decide(isWaiting: false);

    /// <summary>The thread has nothing to do until somebody else has done something.</summary>
    public static void Pass() => explorerOfThread?.Decide(isWaiting: true);

    /// <summary>Tries all orders.</summary>
    /// <param name="begin">Makes a new world and returns what its threads do, and what must hold when all are done.</param>
    public void Explore(Func<(Action[] Bodies, Action Check)> begin)
    {
        do
        {
            var (parts, check) = begin();
            Assert.Equal(threads.Length, parts.Length);
            Run(parts);
            Runs++;
            if (failure is not null) throw new InvalidOperationException($"After {Runs} runs: {Order()}", failure);
            check();
        }
        while (TryTurnToNext());
    }

    public void Dispose()
    {
        isOver = true;
        foreach (var turn in turns) turn.Release();
        foreach (var thread in threads) thread.Join();
        foreach (var turn in turns) turn.Dispose();
        finished.Dispose();
    }

    private string Order() => string.Join(' ', path.Select(choice => choice.Chosen));

    private void Run(Action[] parts)
    {
        (bodies, failure, depth, preemptions, steps) = (parts, null, 0, 0, 0);
        Array.Fill(alive, true);
        turns[Choose([.. Enumerable.Range(0, threads.Length)])].Release();
        finished.Wait();
    }

    private bool TryTurnToNext()
    {
        while (path.Count > 0)
        {
            var (chosen, options) = path[^1];
            path.RemoveAt(path.Count - 1);
            if (chosen + 1 == options) continue;
            path.Add((chosen + 1, options));
            return true;
        }

        return false;
    }

    private int Choose(List<int> options)
    {
        if (options.Count == 1) return options[0];
        if (depth == path.Count) path.Add((0, options.Count));
        return options[path[depth++].Chosen];
    }

    private void Live(int number)
    {
        (explorerOfThread, numberOfThread) = (this, number);
        while (true)
        {
            turns[number].Wait();
            if (isOver) return;
            try
            {
                if (failure is null) bodies[number]();
            }
            catch (Exception exception)
            {
                failure ??= exception;
            }

            alive[number] = false;
            int next = failure is null ? NextAfterEnd() : Array.IndexOf(alive, true);
            if (next < 0) finished.Release();
            else turns[next].Release();
        }
    }

    private int NextAfterEnd()
    {
        List<int> others = [.. Enumerable.Range(0, threads.Length).Where(thread => alive[thread])];
        return others.Count == 0 ? -1 : Choose(others);
    }

    private void Decide(bool isWaiting)
    {
        if (failure is not null) throw new OperationCanceledException("Another thread has failed.");
        if (++steps > MostSteps) throw new InvalidOperationException("The run does not end: nobody would ever go on.");
        int self = numberOfThread;
        var options = new List<int>();
        if (!isWaiting) options.Add(self);
        for (int distance = 1; distance <= alive.Length && (isWaiting ? options.Count == 0 : preemptions < mostPreemptions); distance++)
        {
            int other = (self + distance) % alive.Length;
            if (alive[other] && (other != self || isWaiting)) options.Add(other);
        }

        int next = Choose(options);
        if (next == self) return;
        if (!isWaiting) preemptions++;
        turns[next].Release();
        turns[self].Wait();
        if (failure is not null) throw new OperationCanceledException("Another thread has failed.");
    }
}

/// <summary>Steps of a ring that an <see cref="Explorer"/> decides on.</summary>
internal readonly struct ExploredSteps : ISubmissionSteps
{
    public static long Now => Explorer.Now;

    public static void Reach() => Explorer.Reach();

    public static void Pass(int turns) => Explorer.Pass();
}
