using System.Diagnostics;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Perf.Counts;

/// <summary>How far the façade goes: all VMIDs, 65,536 streams, a tebibyte in one address space, a thousand contexts.</summary>
internal sealed class ScaleCounts : ICounts
{
    private const ulong DriverBytes = 1UL << 30;
    private const ulong ConfigurationBytes = 64 << 20;
    private const MapFlags Flags = MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable;
    private const int Vmids = 65_535;
    private const int Streams = 65_536;
    private const int Contexts = 1_000;
    private const ulong Tebibyte = 1UL << 40;
    private const ulong Frames = 1UL << 30;

    /// <inheritdoc/>
    public IEnumerable<Count> Take() => [AllVmids(), AllStreams(), .. OneTebibyte(), ManyContexts()];

    private static Count AllVmids()
    {
        using VirtualizationHost host = MakeHost();
        var memory = new RegionUserMemory(host.AddRam(2 << 20));
        using var context = new IommufdContext(memory);
        using IommufdDevice device = context.Bind(host.Driver.AddEndpoint(new StreamId(1)));
        uint ioas = context.AllocateIoas();
        long start = Stopwatch.GetTimestamp();
        for (int made = 0; made < Vmids; made++) context.AllocateHwpt(device.Id, context.AllocateIoas(), HwptFlags.NestParent);
        var count = new Count("making an address space and its stage 2", "65,535 of them", Microseconds(start) / Vmids, "us");
        TranslationScene.Require(IsRefused(() => context.AllocateHwpt(device.Id, ioas, HwptFlags.NestParent), Errno.ENOSPC), "there was one VMID more");
        return count;
    }

    private static Count AllStreams()
    {
        using VirtualizationHost host = MakeHost();
        var memory = new RegionUserMemory(host.AddRam(2 << 20));
        using var context = new IommufdContext(memory);
        uint ioas = context.AllocateIoas();
        context.Map(ioas, Flags, 0, 2 << 20, 0);
        var devices = new IommufdDevice[Streams];
        long start = Stopwatch.GetTimestamp();
        for (int stream = 0; stream < Streams; stream++)
        {
            devices[stream] = context.Bind(host.Driver.AddEndpoint(new StreamId((uint)stream)));
            devices[stream].Attach(ioas);
        }

        var count = new Count("binding and attaching a stream", "65,536 of them", Microseconds(start) / Streams, "us");
        using (var port = host.Smmu.OpenPort(new StreamId(Streams - 1)))
        {
            TranslationScene.Require(port.Read(0x1000, new byte[8]), "the last stream is not attached");
        }

        foreach (IommufdDevice device in devices) device.Dispose();
        return count;
    }

    private static IEnumerable<Count> OneTebibyte()
    {
        using VirtualizationHost host = MakeHost();
        var memory = new RegionUserMemory(host.AddRam(Frames));
        using var context = new IommufdContext(memory);
        using IommufdDevice device = context.Bind(host.Driver.AddEndpoint(new StreamId(1)));
        uint ioas = context.AllocateIoas();
        device.Attach(ioas);
        long start = Stopwatch.GetTimestamp();
        for (ulong iova = Tebibyte; iova < 2 * Tebibyte; iova += Frames) context.Map(ioas, Flags, 0, Frames, iova);
        yield return new Count("mapping 1 TiB in areas of 1 GiB", "shared frames", Microseconds(start) / 1000, "ms");
        using (var port = host.Smmu.OpenPort(new StreamId(1)))
        {
            TranslationScene.Require(port.Read((2 * Tebibyte) - 8, new byte[8]), "the last page is not there");
        }

        start = Stopwatch.GetTimestamp();
        context.Unmap(ioas, 0, ulong.MaxValue);
        yield return new Count("unmapping 1 TiB in one call", "shared frames", Microseconds(start) / 1000, "ms");
    }

    private static Count ManyContexts()
    {
        using VirtualizationHost host = MakeHost();
        var machines = new List<VirtualMachine>(Contexts);
        long start = Stopwatch.GetTimestamp();
        for (int number = 0; number < Contexts; number++)
        {
            machines.Add(new VirtualMachine(host, new StreamId((uint)number), new VirtualMachineOptions { RamBytes = 4 << 20 }));
        }

        var count = new Count("making a virtual machine with its vIOMMU", "1,000 contexts", Microseconds(start) / Contexts, "us");
        foreach (VirtualMachine machine in machines)
        {
            TranslationScene.Require(machine.Port.Read(VirtualMachine.RamBase, new byte[8]), "a machine reaches nothing");
            machine.Dispose();
        }

        return count;
    }

    private static VirtualizationHost MakeHost() => new(
        configureDriver: (_, options) => options with { ConfigurationBytes = ConfigurationBytes },
        configureSmmu: options => options with { MaximumPorts = 2048 },
        driverBytes: DriverBytes);

    private static bool IsRefused(Action action, Errno errno)
    {
        try
        {
            action();
            return false;
        }
        catch (IommufdException refusal)
        {
            return refusal.Errno == errno;
        }
    }

    private static double Microseconds(long start) => Stopwatch.GetElapsedTime(start).TotalMicroseconds;
}
