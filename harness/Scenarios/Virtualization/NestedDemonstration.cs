using Smmu.Fast.Device;
using Smmu.Fast.Iommufd.Driver;

namespace Smmu.Fast.Scenarios.Virtualization;

/// <summary>
/// Three virtual machines with nested guests on one SMMU, each on a thread: one whose stage 2 the host remaps, one that
/// invalidates by a command queue of its own, and one whose memory is tracked as for a migration.
/// </summary>
public sealed class NestedDemonstration : IDisposable
{
    private readonly VirtualizationHost host = new(
        configureDriver: (_, options) => options with { EventServicing = EventServicing.ThreadPool }, hasVirtualQueues: true);

    private readonly List<Thread> threads = [];
    private volatile bool isStopping;
    private Exception? failure;

    /// <summary>Makes the machines.</summary>
    public NestedDemonstration()
    {
        Machines =
        [
            new DemonstrationMachine(host, 1, DemonstrationRole.Remapped),
            new DemonstrationMachine(host, 2, DemonstrationRole.OwnQueue),
            new DemonstrationMachine(host, 3, DemonstrationRole.Tracked),
        ];
    }

    /// <summary>The machines.</summary>
    public IReadOnlyList<DemonstrationMachine> Machines { get; }

    /// <summary>True while a machine runs.</summary>
    public bool IsRunning => threads.Exists(thread => thread.IsAlive);

    /// <summary>Counters of the SMMU.</summary>
    public SmmuStatistics Statistics => host.Smmu.GetStatistics();

    /// <summary>Events that were the host's so far.</summary>
    public int HostEvents => host.HostEvents.Count;

    /// <summary>Starts all machines.</summary>
    /// <param name="rounds">What each of them does, above 0.</param>
    /// <param name="seed">Of their random choices.</param>
    public void Start(int rounds, int seed)
    {
        foreach (DemonstrationMachine machine in Machines)
        {
            var thread = new Thread(() => Run(machine, rounds, seed)) { IsBackground = true, Name = machine.Name };
            threads.Add(thread);
            thread.Start();
        }
    }

    /// <summary>Asks all machines to end.</summary>
    public void Stop() => isStopping = true;

    /// <summary>Waits until all machines have ended.</summary>
    /// <exception cref="InvalidOperationException">A machine read or wrote what it should not have, or could not what it should.</exception>
    public void Join()
    {
        foreach (Thread thread in threads) thread.Join();
        if (failure is not null) throw new InvalidOperationException(failure.Message, failure);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        foreach (Thread thread in threads) thread.Join();
        foreach (DemonstrationMachine machine in Machines) machine.Dispose();
        host.Dispose();
    }

    private void Run(DemonstrationMachine machine, int rounds, int seed)
    {
        var random = new Random(seed + machine.Number);
        try
        {
            for (int round = 0; round < rounds && !isStopping; round++) machine.Step(random);
        }
        catch (Exception exception)
        {
            failure ??= exception;
            isStopping = true;
        }
    }
}
