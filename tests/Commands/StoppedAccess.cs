namespace Smmu.Fast.Tests.Commands;

/// <summary>Work on a thread of its own that stops at a chosen place until it is released.</summary>
internal sealed class StoppedAccess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly ManualResetEventSlim arrived = new();
    private readonly ManualResetEventSlim released = new();
    private Thread? thread;
    private int stops;

    /// <summary>Call it at the place: the first caller stops there, later ones pass.</summary>
    public void StopHere()
    {
        if (Interlocked.Increment(ref stops) != 1) return;
        arrived.Set();
        released.Wait(Patience);
    }

    /// <summary>Starts the work and returns when it has stopped.</summary>
    public void Start(Action work)
    {
        thread = new Thread(() => work()) { IsBackground = true };
        thread.Start();
        Assert.True(arrived.Wait(Patience), "The access never came to the place.");
    }

    /// <summary>Lets the work go on and waits for its end.</summary>
    public void Finish()
    {
        released.Set();
        Assert.True(thread is null || thread.Join(Patience), "The access never ended.");
    }

    public void Dispose()
    {
        Finish();
        arrived.Dispose();
        released.Dispose();
    }
}
