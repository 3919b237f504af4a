namespace Smmu.Fast.Perf.Scenes;

/// <summary>Threads that all do the same work at the same time, again and again.</summary>
internal sealed class Producers : IDisposable
{
    private readonly Barrier start;
    private readonly Barrier end;
    private readonly Thread[] threads;
    private readonly Action<int> work;
    private Exception? failure;
    private bool isOver;

    /// <summary>Makes the threads; they wait.</summary>
    /// <param name="count">How many.</param>
    /// <param name="work">What each does, by its number.</param>
    public Producers(int count, Action<int> work)
    {
        this.work = work;
        start = new Barrier(count + 1);
        end = new Barrier(count + 1);
        threads = [.. Enumerable.Range(0, count).Select(number => new Thread(() => Live(number)) { IsBackground = true })];
        foreach (var thread in threads) thread.Start();
    }

    /// <summary>Lets each of them do the work once, and returns when the last one is done.</summary>
    /// <exception cref="InvalidOperationException">The work failed.</exception>
    public void Run()
    {
        start.SignalAndWait();
        end.SignalAndWait();
        if (failure is not null) throw new InvalidOperationException("A producer failed.", failure);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        isOver = true;
        start.SignalAndWait();
        foreach (var thread in threads) thread.Join();
        start.Dispose();
        end.Dispose();
    }

    private void Live(int number)
    {
        while (true)
        {
            start.SignalAndWait();
            if (isOver) return;
            try
            {
                work(number);
            }
            catch (Exception exception)
            {
                failure = exception;
            }

            end.SignalAndWait();
        }
    }
}
