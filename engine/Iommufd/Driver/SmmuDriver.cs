using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Tables;

namespace Smmu.Fast.Iommufd.Driver;

/// <summary>The driver of an SMMU under <see cref="IommufdContext"/>s: tables in memory, registers and commands, and nothing else.</summary>
/// <remarks>
/// It owns the Non-secure programming interface of the SMMU from its constructor to its disposal; nobody else writes registers
/// or queues meanwhile. Any number of contexts may use it at a time, each for its own devices. Attaching, and making and
/// disposing of page tables, happens one at a time; page tables of different address spaces are changed side by side but for
/// the moments in which they are stored to.
/// <para>
/// Streams without a device abort. A call that the SMMU does not complete in time ends with a <see cref="TimeoutException"/>,
/// and memory that it may still reach stays pinned.
/// </para>
/// </remarks>
public sealed unsafe partial class SmmuDriver : IIommuDriver, IDisposable
{
    private const int CommandLog2 = 4;
    private const int EventLog2 = 5;
    private const int EnhancedQueueLog2 = 7;
    private const int SecondLevelSplit = 8;
    private const ulong LeastConfigurationBytes = 1 << 20;

    private readonly SmmuDriverOptions options;
    private readonly CommandSubmitter submitter;
    private readonly EnhancedQueueDriver? enhanced;
    private readonly EventService events;
    private readonly ConcurrentDictionary<uint, SmmuEndpoint> endpoints = new();
    private readonly ConditionalWeakTable<IommufdContext, VmidAssignment> assignments = [];
    private readonly VmidAllocator vmids;
    private bool isDisposed;

    /// <summary>Takes an SMMU over, whatever state it is in, and starts translation with all streams aborting.</summary>
    /// <param name="smmu">The SMMU.</param>
    /// <param name="options">What the driver works with.</param>
    /// <exception cref="ArgumentException">The SMMU lacks what the driver needs, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">The region is too small.</exception>
    /// <exception cref="TimeoutException">The SMMU does not acknowledge its registers.</exception>
    public SmmuDriver(SmmuDevice smmu, SmmuDriverOptions options)
    {
        ArgumentNullException.ThrowIfNull(smmu);
        ArgumentNullException.ThrowIfNull(options);
        SmmuBringUp.ThrowIfUnfit(smmu.Features);
        ThrowIfBad(options);
        Smmu = smmu;
        this.options = options;
        var region = options.Region;
        Configuration = new FramePool(region, region.Address, options.ConfigurationBytes);
        Tables = new FramePool(region, region.Address + options.ConfigurationBytes, region.Size - options.ConfigurationBytes);
        Asids = new TagPool(Features.ASID16 ? 16 : 8);

        SmmuBringUp.Quiesce(smmu);
        int streamBits = Math.Min(options.StreamIdBits, Features.StreamIdBits);
        bool hasTwoLevels = (Features.ST_LEVEL & 1) != 0 && streamBits > SecondLevelSplit;
        Streams = new StreamTableWriter(Configuration, streamBits, hasTwoLevels ? SecondLevelSplit : 0);
        int commandLog2 = Math.Min(options.CommandQueueLog2, Features.CommandQueueLog2);
        int eventLog2 = Math.Min(options.EventQueueLog2, Features.EventQueueLog2);
        int eventQueue = Take(eventLog2 + EventLog2);
        SmmuBringUp.SetUp(
            smmu, Streams, Configuration.AddressOf(Take(commandLog2 + CommandLog2)), commandLog2, Configuration.AddressOf(eventQueue), eventLog2);

        submitter = new CommandSubmitter(smmu, options.Submission);
        Channel = new CommandChannel(submitter);
        vmids = new VmidAllocator(Features.VMID16 ? 16 : 8, Channel.InvalidateAll);
        Channel.Submit([Command.CfgiAll()]);
        if (Features.Hyp) Channel.Submit([Command.TlbiEl2All()]);
        Channel.Submit([Command.TlbiNsnhAll()]);
        if (options.UseEnhancedQueues && Features.EnhancedCommandQueues != 0) enhanced = SetUpEnhancedQueues();
        events = new EventService(this, Configuration.HostOf(eventQueue), eventLog2, options.HostEvent);
        if (options.EventServicing == EventServicing.ThreadPool) smmu.InterruptRaised += OnInterrupt;
        SmmuBringUp.Start(smmu);
    }

    /// <summary>The SMMU.</summary>
    public SmmuDevice Smmu { get; }

    /// <summary>What the SMMU can do.</summary>
    public SmmuFeatures Features => Smmu.Features;

    /// <summary>Page tables can tell what was written (IDR0.HTTU is 2).</summary>
    public bool TracksDirty => Features.HTTU == 2;

    /// <summary>Times that an endpoint has not answered the invalidation of its translations in time.</summary>
    public long AtcTimeouts => Channel.AtcTimeouts;

    /// <summary>Times that the Event queue was full, and events were lost.</summary>
    public long EventOverflows => events.Overflows;

    /// <summary>Held by whoever changes STEs, CDs and users of page tables. Comes before <see cref="TablesGate"/>.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>Held around each change of translation tables, as they share a pool.</summary>
    internal Lock TablesGate { get; } = new();

    /// <summary>Memory of the Stream table, CDs and queues; under <see cref="Gate"/>.</summary>
    internal FramePool Configuration { get; }

    /// <summary>Memory of translation tables; under <see cref="TablesGate"/>.</summary>
    internal FramePool Tables { get; }

    /// <summary>The Stream table; under <see cref="Gate"/>.</summary>
    internal StreamTableWriter Streams { get; }

    internal TagPool Asids { get; }

    internal CommandChannel Channel { get; }

    internal GroupOwners Owners { get; } = new();

    /// <summary>Makes a device known.</summary>
    /// <param name="stream">Its StreamID.</param>
    /// <param name="endpoint">What it is like; a plain device if null.</param>
    /// <exception cref="ArgumentException">The Stream table does not reach it, or it is known already, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">There is no memory for its CD table.</exception>
    public SmmuEndpoint AddEndpoint(StreamId stream, SmmuEndpointOptions? endpoint = null)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        endpoint ??= new SmmuEndpointOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(endpoint.MaxPasidLog2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endpoint.MaxPasidLog2, 20);
        int streamBits = Streams.Configuration.LOG2SIZE;
        if ((ulong)stream.Value >> streamBits != 0) throw new ArgumentException(
            $"StreamID {stream.Value} has more than {streamBits} bits: raise SmmuDriverOptions.StreamIdBits.", nameof(stream));
        lock (Gate)
        {
            if (endpoints.ContainsKey(stream.Value)) throw new ArgumentException(
                $"StreamID {stream.Value} has a device already.", nameof(stream));
            var made = new SmmuEndpoint(this, stream, endpoint, MakeContexts(Math.Min(endpoint.MaxPasidLog2, Features.SubstreamIdBits)));
            endpoints[stream.Value] = made;
            return made;
        }
    }

    /// <summary>Takes events out of the Event queue and brings them to guests, fault queues or the host; any thread.</summary>
    /// <returns>How many there were; at most as many as the queue has room for.</returns>
    public int ServiceEvents() => events.Service();

    /// <summary>The VMID that the STE of a stream has; 0 for none. For tests and displays of the host: no guest is to see it.</summary>
    /// <param name="stream">The stream.</param>
    public Vmid VmidOf(StreamId stream)
    {
        lock (Gate) return Streams.TryRead(stream, out StreamTableEntry entry) ? entry.S2VMID : default;
    }

    /// <summary>Stops translation: traffic aborts. All contexts that use the driver are to be disposed before.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            if (isDisposed) return;
            isDisposed = true;
        }

        Smmu.InterruptRaised -= OnInterrupt;
        enhanced?.Dispose();
        submitter.Dispose();
        SmmuBringUp.Quiesce(Smmu);
        Streams.Dispose();
        Tables.Dispose();
        Configuration.Dispose();
    }

    internal bool TryFindEndpoint(StreamId stream, [NotNullWhen(true)] out SmmuEndpoint? endpoint) =>
        endpoints.TryGetValue(stream.Value, out endpoint);

    /// <summary>A queue for the commands of a guest: one of its own if there is one.</summary>
    internal CommandSubmitter TakeQueue() => enhanced?.TryTake() ?? submitter;

    /// <summary>Gives it back.</summary>
    internal void ReturnQueue(CommandSubmitter queue)
    {
        if (queue != submitter) enhanced!.Return(queue);
    }

    /// <summary>There is memory for a first table.</summary>
    internal bool HasTableMemory(PageTableOptions shape)
    {
        const int MostConcatenatedLog2 = 4;
        lock (TablesGate) return Tables.Available(shape.GranuleLog2 + MostConcatenatedLog2) != 0;
    }

    /// <summary>There is memory for a piece. Under <see cref="Gate"/>.</summary>
    internal bool HasConfigurationMemory(int sizeLog2) => Configuration.Available(sizeLog2) != 0;

    private static void ThrowIfBad(SmmuDriverOptions options)
    {
        ArgumentNullException.ThrowIfNull(options.Region, nameof(options));
        ulong bytes = options.ConfigurationBytes;
        if (bytes < LeastConfigurationBytes || !ulong.IsPow2(bytes) || bytes >= options.Region.Size) throw new ArgumentException(
            $"ConfigurationBytes is {bytes}: pass a power of two from 1 MiB that leaves room in the region for tables.", nameof(options));
        ThrowUnless(options.StreamIdBits is >= 0 and <= 32, nameof(options.StreamIdBits), "0 to 32");
        ThrowUnless(options.CommandQueueLog2 is >= 6 and <= 19, nameof(options.CommandQueueLog2), "6 to 19");
        ThrowUnless(options.EventQueueLog2 is >= 0 and <= 19, nameof(options.EventQueueLog2), "0 to 19");

        static void ThrowUnless(bool isGood, string name, string range)
        {
            if (!isGood) throw new ArgumentException($"{name} is out of range: pass {range}.", nameof(options));
        }
    }

    private ContextDescriptorTableWriter? MakeContexts(int pasidLog2)
    {
        const int LinearLog2 = 6;
        if (pasidLog2 == 0) return null;
        bool isLinear = !Features.CD2L || pasidLog2 <= LinearLog2;
        return new ContextDescriptorTableWriter(
            Configuration, pasidLog2, isLinear ? ContextDescriptorTableFormat.Linear : ContextDescriptorTableFormat.TwoLevel4K);
    }

    private EnhancedQueueDriver SetUpEnhancedQueues()
    {
        int log2 = Math.Min(EnhancedQueueLog2, Features.CommandQueueLog2);
        ulong bytes = EnhancedQueueDriver.BytesFor(Smmu, log2);
        return new EnhancedQueueDriver(
            Smmu, Configuration.AddressOf(Take(System.Numerics.BitOperations.Log2(bytes))), log2, options.Submission);
    }

    private int Take(int sizeLog2) => Configuration.TryTakeFrame(sizeLog2, out int frame)
        ? frame
        : throw new InvalidOperationException("There is no memory for queues: raise SmmuDriverOptions.ConfigurationBytes.");

    private void OnInterrupt(InterruptLine line)
    {
        if (line == InterruptLine.EventQueue) ThreadPool.UnsafeQueueUserWorkItem(static driver => driver.ServiceEventsLater(), this, preferLocal: false);
    }

    private void ServiceEventsLater()
    {
        if (!Volatile.Read(ref isDisposed)) ServiceEvents();
    }
}
