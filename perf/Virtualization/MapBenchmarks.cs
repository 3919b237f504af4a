using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Perf.Virtualization;

/// <summary>How pages are mapped.</summary>
public enum MappedBy
{
    /// <summary>One area of 16 MiB, in leaves as large as they can be.</summary>
    LargeLeaves,

    /// <summary>One area of 16 MiB, in pages of 4 KiB.</summary>
    SmallLeaves,

    /// <summary>An area for each page.</summary>
    SmallAreas,
}

/// <summary>16 MiB mapped in an IOAS and unmapped again, invalidation included, for a device that has used them: for each page of 4 KiB.</summary>
[Allocates]
public class MapBenchmarks
{
    private const int Pages = 4096;
    private const ulong Page = GuestDriver.PageBytes;
    private const ulong Iova = 1UL << 40;

    private VirtualizationHost? host;
    private VirtualMachine? machine;

    /// <summary>How.</summary>
    [Params(MappedBy.LargeLeaves, MappedBy.SmallLeaves, MappedBy.SmallAreas)]
    public MappedBy By { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        host = new VirtualizationHost();
        machine = new VirtualMachine(
            host, new StreamId(1), new VirtualMachineOptions { RamBytes = Pages * Page, HasHugePages = By == MappedBy.LargeLeaves });
        Map();
        TranslationScene.Require(machine.Port.Read(Iova + (5 * Page), new byte[8]), "the pages are not there");
        Unmap();
        TranslationScene.Require(!machine.Port.Read(Iova + (5 * Page), new byte[8]), "the pages are still there");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        machine!.Dispose();
        host!.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Pages, Description = "map + unmap a page of 4 KiB")]
    public void Smmu()
    {
        Map();
        Unmap();
    }

    private void Map()
    {
        const MapFlags Flags = MapFlags.FixedIova | MapFlags.Readable | MapFlags.Writeable;
        ulong each = By == MappedBy.SmallAreas ? Page : Pages * Page;
        for (ulong at = 0; at < Pages * Page; at += each) machine!.Context.Map(machine.Ioas, Flags, at, each, Iova + at);
    }

    private void Unmap()
    {
        ulong each = By == MappedBy.SmallAreas ? Page : Pages * Page;
        for (ulong at = 0; at < Pages * Page; at += each) machine!.Context.Unmap(machine.Ioas, Iova + at, each);
    }
}
