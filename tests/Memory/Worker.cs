using System.Runtime.ExceptionServices;

namespace Smmu.Fast.Tests.Memory;

/// <summary>A thread of a test; what it throws comes out of <see cref="Join"/>.</summary>
internal sealed class Worker
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Thread thread;
    private Exception? failure;

    public Worker(Action body)
    {
        thread = new Thread(() =>
        {
            try
            {
                body();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        thread.IsBackground = true;
        thread.Start();
    }

    public bool IsOver => !thread.IsAlive;

    public bool EndsWithin(int milliseconds) => thread.Join(milliseconds);

    public void Join()
    {
        Assert.True(thread.Join(Limit), "The thread hangs.");
        if (failure != null) ExceptionDispatchInfo.Throw(failure);
    }
}
