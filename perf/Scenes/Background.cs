namespace Smmu.Fast.Perf.Scenes;

/// <summary>A thread that does something over and over, beside what is measured.</summary>
internal sealed class Background : IDisposable
{
    private readonly Thread thread;
    private readonly ManualResetEventSlim hasBegun = new();
    private Exception? failure;
    private volatile bool isOver;

    /// <summary>Starts it, and returns when it has done its work once.</summary>
    public Background(Action work)
    {
        thread = new Thread(() => Live(work)) { IsBackground = true };
        thread.Start();
        hasBegun.Wait();
    }

    /// <summary>Stops it.</summary>
    /// <exception cref="InvalidOperationException">Its work failed.</exception>
    public void Dispose()
    {
        isOver = true;
        thread.Join();
        hasBegun.Dispose();
        if (failure is not null) throw new InvalidOperationException("The work beside the measured one failed.", failure);
    }

    private void Live(Action work)
    {
        try
        {
            do
            {
                work();
                if (!hasBegun.IsSet) hasBegun.Set();
            }
            while (!isOver);
        }
        catch (Exception exception)
        {
            failure = exception;
            hasBegun.Set();
        }
    }
}
