using Smmu.Fast.Device;
using Smmu.Fast.Tests.Memory;

namespace Smmu.Fast.Tests.Device;

/// <summary>A thread that is inside a scope of a port from the constructor until it is told to leave.</summary>
internal sealed class ScopeHolder : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly ManualResetEventSlim isInside = new();
    private readonly ManualResetEventSlim mayLeave = new();
    private readonly Worker worker;

    /// <param name="port">The port.</param>
    /// <param name="before">What the thread does inside before it tells that it is there.</param>
    public ScopeHolder(DmaPort port, Action? before = null)
    {
        worker = new Worker(() =>
        {
            using var scope = port.Enter();
            before?.Invoke();
            isInside.Set();
            Assert.True(mayLeave.Wait(Limit));
        });
        Assert.True(isInside.Wait(Limit));
    }

    /// <summary>Ends the scope; returns when the thread has made everything that follows from it.</summary>
    public void Leave()
    {
        mayLeave.Set();
        worker.Join();
    }

    public void Dispose()
    {
        Leave();
        isInside.Dispose();
        mayLeave.Dispose();
    }
}
