using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Perf.Virtualization;

/// <summary>The dirty bitmap of 65,536 pages of stage 2, read without clearing it: for each page.</summary>
[Allocates]
public class HarvestBenchmarks
{
    private const int Pages = 65_536;
    private const ulong Page = GuestDriver.PageBytes;

    private readonly byte[] bitmap = new byte[Pages / 8];
    private VirtualizationHost? host;
    private VirtualMachine? machine;

    /// <summary>Share of pages that are dirty, in percent.</summary>
    [Params(0, 1, 50)]
    public int Dirty { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        host = new VirtualizationHost();
        machine = new VirtualMachine(host, new StreamId(1), new VirtualMachineOptions
        {
            RamBytes = Pages * Page,
            ParentFlags = HwptFlags.DirtyTracking,
            HasHugePages = false,
        });
        machine.Context.SetDirtyTracking(machine.Parent, enable: true);
        var random = new Random(3);
        int written = 0;
        for (int page = 0; page < Pages; page++)
        {
            if (random.Next(100) >= Dirty) continue;
            TranslationScene.Require(machine.Port.Write(VirtualMachine.RamBase + ((ulong)page * Page), [1]), "a write was aborted");
            written++;
        }

        Array.Clear(bitmap);
        Smmu();
        int found = bitmap.Sum(eight => int.PopCount(eight));
        TranslationScene.Require(found == written, $"{found} pages are dirty, and {written} were written");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        machine!.Dispose();
        host!.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Pages, Description = "harvest dirty state of a page")]
    public void Smmu() =>
        machine!.Context.GetDirtyBitmap(machine.Parent, VirtualMachine.RamBase, Pages * Page, Page, bitmap, clear: false);
}
