using Smmu.Fast.Device;
using Smmu.Fast.Faults;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Driver;
using Smmu.Fast.Memory;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Tests.Iommufd.Driver;

/// <summary>A process with memory and devices behind an SMMU, without a virtual machine.</summary>
internal sealed class DriverScene : IDisposable
{
    public const ulong Page = 4096;
    public const ulong MemoryBytes = 8 << 20;
    public const MapFlags ReadWrite = MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable;

    private readonly List<IDisposable> open = [];

    public DriverScene(
        SmmuFeatures? features = null,
        Func<SmmuDriverOptions, SmmuDriverOptions>? configure = null,
        IommufdOptions? context = null,
        Func<SmmuOptions, SmmuOptions>? configureSmmu = null)
    {
        Host = new VirtualizationHost(features, configure is null ? null : (_, options) => configure(options), configureSmmu);
        Region = Host.AddRam(MemoryBytes);
        Process = new RegionUserMemory(Region);
        Context = new IommufdContext(Process, context);
        Ioas = Context.AllocateIoas();
    }

    public VirtualizationHost Host { get; }

    public SmmuDevice Smmu => Host.Smmu;

    public GuestRegion Region { get; }

    public RegionUserMemory Process { get; }

    public IommufdContext Context { get; }

    public uint Ioas { get; }

    public (IommufdDevice Device, DmaPort Port) NewDevice(uint stream, SmmuEndpointOptions? options = null)
    {
        IommufdDevice device = Context.Bind(Host.Driver.AddEndpoint(new StreamId(stream), options));
        DmaPort port = Smmu.OpenPort(new StreamId(stream));
        open.Add(device);
        open.Add(port);
        return (device, port);
    }

    public DmaPort OpenPort(uint stream, uint substream, IStallClient? stalls = null)
    {
        DmaPort port = Smmu.OpenPort(new StreamId(stream), new SubstreamId(substream), stalls: stalls);
        open.Add(port);
        return port;
    }

    public void Map(ulong iova, ulong user, ulong bytes = Page, MapFlags flags = ReadWrite) => Context.Map(Ioas, flags, user, bytes, iova);

    public unsafe Span<byte> At(ulong user, int bytes) => new(Region.HostPointer + user, bytes);

    /// <summary>A read of one byte through a port; null when it aborts.</summary>
    public static byte? ReadByte(DmaPort port, ulong iova)
    {
        Span<byte> value = stackalloc byte[1];
        return port.Read(iova, value) ? value[0] : null;
    }

    public static bool WriteByte(DmaPort port, ulong iova, byte value) => port.Write(iova, [value]);

    /// <summary>Ends everything, and makes sure that nothing is left.</summary>
    public void Dispose()
    {
        foreach (IDisposable holder in open.AsEnumerable().Reverse()) holder.Dispose();
        Context.Dispose();
        Assert.Equal(0, Process.PinnedPages);
        Host.Dispose();
    }
}
