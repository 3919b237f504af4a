using System.Diagnostics;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Perf.Counts;

/// <summary>
/// Memory of a device with default options: unmanaged blocks as the engine counts them, what is live on the managed heap, and
/// the growth of the process's working set, which has only what was touched.
/// </summary>
internal sealed class MemoryCounts : ICounts
{
    private const int Streams = 65_536;
    private const int Ports = 256;

    /// <inheritdoc/>
    public IEnumerable<Count> Take()
    {
        // Whatever the first device of a process brings along is no part of a device.
        using (var first = new TranslationScene(pages: 64)) first.Port.Translate(TranslationScene.FirstPage, AccessKind.Read);

        using var memory = new GuestMemory();
        memory.AddOwned(GuestMachine.RamBase, 1 << 20);
        var before = Footprint.Take();
        using var device = new SmmuDevice(new SmmuOptions { Memory = memory });
        foreach (var count in before.Growth("a device at its start", 1)) yield return count;

        before = Footprint.Take();
        DmaPort[] ports = [.. Enumerable.Range(0, Ports).Select(stream => device.OpenPort(new StreamId((uint)stream)))];
        foreach (var count in before.Growth("an open port", Ports)) yield return count;
        foreach (var port in ports) port.Dispose();

        using var scene = ManyStreams.Attach(Streams);
        before = Footprint.Take();
        ManyStreams.TouchAll(scene, Streams);
        foreach (var count in before.Growth("65,536 streams that translate, over a device without", 1)) yield return count;
    }

    private readonly record struct Footprint(long Blocks, long Managed, long WorkingSet)
    {
        public static Footprint Take()
        {
            long managed = GC.GetTotalMemory(forceFullCollection: true);
            using var process = Process.GetCurrentProcess();
            return new Footprint(NativeBlock.LiveBytes, managed, process.WorkingSet64);
        }

        public IEnumerable<Count> Growth(string of, int items)
        {
            const double Kibibyte = 1024;
            var now = Take();
            yield return new Count("unmanaged blocks", of, (now.Blocks - Blocks) / Kibibyte / items, "KiB");
            yield return new Count("managed heap", of, (now.Managed - Managed) / Kibibyte / items, "KiB");
            yield return new Count("working set", of, Math.Max(0, now.WorkingSet - WorkingSet) / Kibibyte / items, "KiB");
        }
    }
}
