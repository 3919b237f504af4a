using System.Numerics;
using Smmu.Fast.Commands;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;
using Smmu.Fast.Memory;
using Smmu.Fast.Queues;
using Smmu.Fast.Registers;
using Smmu.Fast.Streams;
using Smmu.Fast.Tlbs;

namespace Smmu.Fast.Device;

/// <summary>An Arm SMMUv3: registers for the CPUs, ports for the devices, tables and queues in the memory of the guest.</summary>
/// <remarks>
/// Registers may be read and written from any thread at any time, inside of callbacks too; ports serve a thread each. A
/// register write never waits for a port. Host code (the bus, interrupts, watched regions) runs with no lock of the engine
/// held; register writes that come from inside it take effect at once, and the commands they publish run after the outer
/// call. Nothing that a guest does makes a call throw; what does is misuse by the host program, and the host's own code.
/// </remarks>
public sealed unsafe partial class SmmuDevice : IDisposable
{
    private const int MostPorts = 65_536;
    private const int MostRequesters = 65_536;
    private const int SmallestCache = 16;
    private const int LargestCache = 1 << 20;

    private readonly SmmuOptions options;
    private readonly NativeBlock slotBlock;
    private readonly TranslationEpoch epoch;
    private readonly OneOffSlots oneOffs;
    private readonly TranslationCaches caches;
    private readonly ConfigurationCache configuration;
    private readonly ConfigurationDates dates = new();
    private readonly ControlGate gate = new();
    private readonly CommandContext context;
    private readonly CommandSchedule schedule;
    private readonly CommandConsumer consumer;
    private readonly EnhancedCommandQueues enhanced;
    private readonly RegisterFile registers;
    private readonly InterruptDelivery interrupts;
    private readonly TranslationPath path;
    private readonly EventQueueWriter events;
    private readonly StallTable stalls;
    private readonly Lock portsLock = new();
    private readonly List<DmaPort> ports = [];
    private readonly List<DmaBus> buses = [];
    private PathStatistics closedPorts;
    private bool isDisposed;

    /// <summary>Makes a device in its reset state.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A capacity is out of its range.</exception>
    public SmmuDevice(SmmuOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(options.Memory);
        ArgumentNullException.ThrowIfNull(options.Features);
        CheckCache(options.TlbEntries, nameof(SmmuOptions.TlbEntries));
        CheckCache(options.WalkCacheEntries, nameof(SmmuOptions.WalkCacheEntries));
        CheckCache(options.ConfigurationCacheEntries, nameof(SmmuOptions.ConfigurationCacheEntries));
        if (options.MaximumPorts is < 1 or > MostPorts) throw new ArgumentOutOfRangeException(
            nameof(options), options.MaximumPorts, $"{nameof(SmmuOptions.MaximumPorts)} must be 1 to {MostPorts}.");

        this.options = options;
        var features = options.Features;
        var memory = options.Memory;

        int slots = options.MaximumPorts + OneOffSlots.Count;
        slotBlock = new NativeBlock((ulong)slots * EpochSlot.SizeBytes, EpochSlot.SizeBytes);
        epoch = new TranslationEpoch((EpochSlot*)slotBlock.Pointer, slots, gate);
        caches = new TranslationCaches(features, options.TlbEntries, options.WalkCacheEntries);
        configuration = new ConfigurationCache(options.ConfigurationCacheEntries);

        int outputBits = features.OutputAddressBits;
        stalls = new StallTable(features);
        context = new CommandContext(features, caches, dates, stalls)
        {
            TolerateReservedRange = options.TolerateReservedRange,
            HasEndpoints = options.AtsEndpoints is not null,
        };
        schedule = context.Schedule;
        var commands = new CommandQueueReader(memory, features.CommandQueueLog2, outputBits);
        events = new EventQueueWriter(memory, features.EventQueueLog2, outputBits);
        consumer = new CommandConsumer(commands, context, epoch, events);
        enhanced = new EnhancedCommandQueues(features, memory, context, epoch, events);
        registerBytes = features.FirstCommandQueuePage + ((uint)features.EnhancedCommandQueuePages * RegisterOffset.PageSize);
        registers = new RegisterFile(
            features, caches.Device, commands, consumer, context, events, stalls,
            new PageRequestQueueWriter(memory, features.PageRequestQueueLog2, outputBits), enhanced, options.GlobalBypassReset);
        interrupts = new InterruptDelivery(gate, registers, memory, context);
        var faults = new FaultReporter(events, stalls, interrupts);
        path = new TranslationPath(options, gate, registers, faults, caches, configuration, dates);
        oneOffs = new OneOffSlots(epoch, path);
        memory.Attach(epoch, gate);
    }

    /// <summary>Pulses of the wired interrupts, and wake-up events. Handlers run with no lock held and may call the device.</summary>
    public event Action<InterruptLine>? InterruptRaised
    {
        add => interrupts.Raised += value;
        remove => interrupts.Raised -= value;
    }

    /// <summary>What the ID registers say.</summary>
    public SmmuFeatures Features => options.Features;

    /// <summary>What the device was made of.</summary>
    public SmmuOptions Options => options;

    /// <summary>
    /// True when something is left over that no call has done: more than one queue's worth of commands came with one write, a
    /// CMD_SYNC waits for scopes to end, or ends of stalls are to be told. The next call continues; call
    /// <see cref="RunPending"/> when none may come. What waits for an endpoint does not count:
    /// <see cref="CompleteInvalidation"/> continues it.
    /// </summary>
    public bool HasPendingWork => Volatile.Read(ref workLeft) || HasRetries;

    /// <summary>Opens a port for a client device.</summary>
    /// <param name="stream">Its StreamID.</param>
    /// <param name="substream">Its SubstreamID (PASID), or none.</param>
    /// <param name="security">SEC_SID; Non-secure is the only state that the features offer.</param>
    /// <param name="stalls">
    /// Hears how stalled accesses end. Without it the client cannot wait, and its accesses are aborted where software has
    /// configured a stall (IHI 0070, 3.12).
    /// </param>
    /// <exception cref="InvalidOperationException">All ports are open.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The SubstreamID has more than 20 bits.</exception>
    /// <exception cref="ArgumentException">The SMMU does not implement the Security state.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public DmaPort OpenPort(
        StreamId stream,
        SubstreamId? substream = null,
        SecurityState security = SecurityState.NonSecure,
        IStallClient? stalls = null)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        CheckSubstream(substream);
        if (security != SecurityState.NonSecure) throw new ArgumentException(
            $"This SMMU has no {security} state: its features announce Non-secure streams only.", nameof(security));

        lock (portsLock)
        {
            var port = new DmaPort(this, path, epoch, ClaimSlot(), options.Memory, stream, substream, stalls);
            ports.Add(port);
            return port;
        }
    }

    /// <summary>Opens a connection for many client devices, which names the stream with each access.</summary>
    /// <param name="requesters">
    /// Pairs of StreamID and SubstreamID that it remembers at a time, 1 to 65,536. Others are right as well; when there are too
    /// many, it learns all of them anew.
    /// </param>
    /// <exception cref="InvalidOperationException">All ports are open: a bus counts as one.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of requesters is out of range.</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public DmaBus OpenBus(int requesters = 1024)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        ArgumentOutOfRangeException.ThrowIfLessThan(requesters, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(requesters, MostRequesters);
        lock (portsLock)
        {
            var bus = new DmaBus(this, path, epoch, ClaimSlot(), options.Memory, requesters);
            buses.Add(bus);
            return bus;
        }
    }

    /// <summary>
    /// Translates one access of any stream, without a port: the answer is advice once this returns. Nobody waits for the end
    /// of a stall, so an access that would stall is aborted.
    /// </summary>
    /// <param name="stream">The StreamID.</param>
    /// <param name="substream">The SubstreamID, or none.</param>
    /// <param name="iova">The address that the client uses, all 64 bits.</param>
    /// <param name="access">What it does there.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The access neither reads nor writes, or the SubstreamID has more than 20 bits.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public TranslationResult Translate(StreamId stream, SubstreamId? substream, ulong iova, AccessKind access)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        CheckSubstream(substream);
        int slot = oneOffs.Enter();
        bool awaited = false;
        try
        {
            return path.Translate(
                ref oneOffs.StateOf(slot, stream, substream), iova, access, null, ref oneOffs.StatisticsOf(slot));
        }
        finally
        {
            awaited = oneOffs.Exit(slot);
            if (awaited) RunPending();
        }
    }

    /// <summary>Counters since the device was made.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public SmmuStatistics GetStatistics()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        PathStatistics sum;
        lock (portsLock)
        {
            sum = closedPorts;
            foreach (var port in ports) sum.Add(in port.Statistics);
            foreach (var bus in buses) sum.Add(in bus.Statistics);
        }

        oneOffs.AddTo(ref sum);
        return new SmmuStatistics(
            sum.TlbLookups,
            sum.TlbHits,
            sum.WalkCacheLookups,
            sum.WalkCacheHits,
            sum.ConfigurationLookups,
            sum.ConfigurationLookups - sum.ConfigurationReads,
            sum.Walks,
            sum.DescriptorReads,
            events.Recorded,
            events.Lost,
            schedule.Consumed);
    }

    /// <summary>Frees the device and closes its ports.</summary>
    /// <exception cref="InvalidOperationException">A port is inside a scope, or commands are running.</exception>
    public void Dispose()
    {
        if (isDisposed) return;
        RefuseWhileBusy(isLast: false);

        IDisposable[] open;
        lock (portsLock) open = [.. ports, .. buses];
        foreach (var connection in open) connection.Dispose();

        RefuseWhileBusy(isLast: true);
        options.Memory.Detach(epoch);
        oneOffs.Dispose();
        caches.Dispose();
        configuration.Dispose();
        dates.Dispose();
        slotBlock.Dispose();
    }

    // The client of an access that was restored: the port was opened anew.
    private StallClient? FindStallClient(StreamId stream, SubstreamId? substream)
    {
        lock (portsLock)
        {
            foreach (var port in ports)
            {
                if (port.StallClient != null && port.Stream == stream && port.Substream == substream) return port.StallClient;
            }
        }

        return null;
    }

    // Behind the lock of the ports.
    private EpochSlot* ClaimSlot()
    {
        EpochSlot* slot = ports.Count + buses.Count < options.MaximumPorts ? epoch.TryClaim() : null;
        return slot != null ? slot : throw new InvalidOperationException(
            $"All {options.MaximumPorts} ports are open: close one, or raise {nameof(SmmuOptions.MaximumPorts)}.");
    }

    internal void Close(DmaBus bus, EpochSlot* slot)
    {
        lock (portsLock)
        {
            buses.Remove(bus);
            closedPorts.Add(in bus.Statistics);
            TranslationEpoch.Release(slot);
        }
    }

    internal void Close(DmaPort port, EpochSlot* slot)
    {
        lock (portsLock)
        {
            ports.Remove(port);
            closedPorts.Add(in port.Statistics);
            TranslationEpoch.Release(slot);
        }
    }

    internal static void CheckSubstream(SubstreamId? substream)
    {
        const uint Most = (1 << 20) - 1;
        if (substream is { Value: > Most }) throw new ArgumentOutOfRangeException(
            nameof(substream), substream.Value.Value, "A SubstreamID has at most 20 bits (IHI 0070, 3.2).");
    }

    private static void CheckCache(int entries, string name)
    {
        if (entries is < SmallestCache or > LargestCache || !BitOperations.IsPow2(entries)) throw new ArgumentOutOfRangeException(
            name, entries, $"A cache has a power of two of entries, {SmallestCache} to {LargestCache}.");
    }
}
