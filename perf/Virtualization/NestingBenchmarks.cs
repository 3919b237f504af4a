using BenchmarkDotNet.Attributes;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Perf.Running;
using Smmu.Fast.Perf.Scenes;
using Smmu.Fast.Scenarios.Virtualization;

namespace Smmu.Fast.Perf.Virtualization;

/// <summary>What a monitor asks for in the name of a guest: another STE, and commands.</summary>
[Allocates]
public class NestingBenchmarks
{
    private const int Commands = 1_024;
    private const ulong V = 1;
    private const ulong Stage1 = 5UL << 1;

    private readonly Command[] commands = [.. Enumerable.Range(0, Commands).Select(page => Command.TlbiNhVa(default, new Asid(1), (ulong)page << 12))];
    private VirtualizationHost? host;
    private VirtualMachine? machine;

    [GlobalSetup]
    public void SetUp()
    {
        host = new VirtualizationHost();
        machine = new VirtualMachine(host, new StreamId(1));
        _ = new GuestDriver(machine);
        TranslationScene.Require(Arrays(Commands) == Commands, "commands were refused");
        TranslationScene.Require(NestedAttach() == Errno.None, "the STE was refused");
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        machine!.Dispose();
        host!.Dispose();
    }

    [Benchmark(Description = "a guest's new STE: allocate, replace, destroy")]
    public Errno NestedAttach() => machine!.Smmu.TrySetStream(V | Stage1 | (VirtualMachine.RamBase + 0x2000), 0);

    [Benchmark(Description = "detach from stage 2 and attach")]
    public uint DetachAndAttach()
    {
        machine!.Device.Detach();
        return machine.Device.Attach(machine.Parent);
    }

    [Benchmark(Description = "an array of 1 command")]
    public uint One() => Arrays(1);

    [Benchmark(OperationsPerInvoke = 16, Description = "a command of an array of 16")]
    public uint Sixteen() => Arrays(16);

    [Benchmark(OperationsPerInvoke = Commands, Description = "a command of an array of 1,024")]
    public uint Thousand() => Arrays(Commands);

    private uint Arrays(int count)
    {
        machine!.Context.Invalidate(machine.Viommu, commands.AsSpan(0, count), out uint done);
        return done;
    }
}
