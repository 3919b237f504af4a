using System.Collections.Concurrent;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd.Driver;
using Smmu.Fast.Iommufd.Tegra;
using Smmu.Fast.Memory;
using Smmu.Fast.VirtualQueues;

namespace Smmu.Fast.Scenarios.Virtualization;

/// <summary>A host with an SMMU that its driver has, and memory for virtual machines.</summary>
/// <remarks>Dispose virtual machines first.</remarks>
public sealed class VirtualizationHost : IDisposable
{
    /// <summary>Physical address of the driver's memory; virtual machines follow it, with gaps.</summary>
    public const ulong DriverMemory = 0x8000_0000;

    private const ulong DriverBytes = 64 << 20;
    private const ulong Gap = 2 << 20;
    private const int MostRegions = 2048;

    private readonly Lock gate = new();
    private ulong free = DriverMemory + DriverBytes + Gap;

    /// <summary>Makes a host whose SMMU translates and has no device.</summary>
    /// <param name="features">The ID registers; <see cref="SmmuFeatures.Default"/> unless given.</param>
    /// <param name="configureDriver">Changes the options of the driver.</param>
    /// <param name="configureSmmu">Changes the options of the SMMU.</param>
    /// <param name="driverBytes">Memory of the driver.</param>
    /// <param name="hasVirtualQueues">There is a block of command queues for guests beside the SMMU.</param>
    public VirtualizationHost(
        SmmuFeatures? features = null,
        Func<SmmuDevice, SmmuDriverOptions, SmmuDriverOptions>? configureDriver = null,
        Func<SmmuOptions, SmmuOptions>? configureSmmu = null,
        ulong driverBytes = DriverBytes,
        bool hasVirtualQueues = false)
    {
        free = DriverMemory + driverBytes + Gap;
        Memory = new GuestMemory(maxRegions: MostRegions);
        var ofDriver = Memory.AddOwned(DriverMemory, driverBytes);
        var options = new SmmuOptions { Memory = Memory, Features = features ?? SmmuFeatures.Default };
        Smmu = new SmmuDevice(configureSmmu is null ? options : configureSmmu(options));
        if (hasVirtualQueues) VirtualQueues = new TegraQueueDriver(new VirtualQueueBlock(Smmu));
        var driver = new SmmuDriverOptions { Region = ofDriver, HostEvent = HostEvents.Enqueue, VirtualQueues = VirtualQueues };
        Driver = new SmmuDriver(Smmu, configureDriver is null ? driver : configureDriver(Smmu, driver));
    }

    /// <summary>Physical memory.</summary>
    public GuestMemory Memory { get; }

    /// <summary>The SMMU.</summary>
    public SmmuDevice Smmu { get; }

    /// <summary>Its driver.</summary>
    public SmmuDriver Driver { get; }

    /// <summary>The driver of the block of command queues for guests, if there is one.</summary>
    public TegraQueueDriver? VirtualQueues { get; }

    /// <summary>Events that are the host's.</summary>
    public ConcurrentQueue<EventRecord> HostEvents { get; } = new();

    /// <summary>Gives a virtual machine its RAM: zeroed, and nobody else's.</summary>
    /// <param name="bytes">Size, a multiple of 2 MiB for large leaves.</param>
    public GuestRegion AddRam(ulong bytes)
    {
        lock (gate)
        {
            var region = Memory.AddOwned(free, bytes);
            free += bytes + Gap;
            return region;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        VirtualQueues?.Dispose();
        Driver.Dispose();
        Smmu.Dispose();
        Memory.Dispose();
    }
}
