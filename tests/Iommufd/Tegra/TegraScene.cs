using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Submission;
using Smmu.Fast.Iommufd.Tegra;
using Smmu.Fast.Memory;
using Smmu.Fast.Tests.Ats;
using Smmu.Fast.Tests.VirtualQueues;

namespace Smmu.Fast.Tests.Iommufd.Tegra;

/// <summary>
/// A process whose devices are behind an SMMU with a block of command queues; the page tables are the mock's. What the SMMU
/// reads of the process's memory is to be pinned.
/// </summary>
internal sealed class TegraScene : IDisposable
{
    public const ulong Page = MockUserMemory.PageBytes;
    public const ulong Iova = MockIommu.ApertureStart;
    public const ushort FirstVmid = 0x21;
    public const uint FirstStream = 40;

    private const int LongestQueueLog2 = 8;

    private readonly CommandSubmitter submitter;
    private ushort nextVmid = FirstVmid;

    public TegraScene(int streamSlotsLog2 = 2)
    {
        Hardware = new VirtualQueueScene(
            new PinnedMemory(Process.Memory),
            VirtualQueueScene.Small with { StreamSlotsLog2 = streamSlotsLog2 },
            AtsScene.Everything.With(SmmuFeatureField.CMDQS, LongestQueueLog2));
        Driver = new TegraQueueDriver(Hardware.Block);
        submitter = new CommandSubmitter(Hardware.Smmu);
        Process.Iommu.Wrappers[TegraQueueDriver.ViommuType] = Make;
        Process.Iommu.Information[TegraQueueDriver.HardwareInformationType] = Driver.HardwareInformation;
        Ioas = Process.NewIoas();
        Device = Process.NewDomain(Ioas, out _);
        Assert.Equal(Errno.None, Process.AllocateHwpt(Device.Id, Ioas, HwptFlags.NestParent, out uint parent));
        Parent = parent;
        Queues = Process.Memory.Allocate(16 * Page);
        Assert.Equal(Errno.None, Process.MapFixed(Ioas, Queues, 16 * Page, Iova));
    }

    public IommufdScene Process { get; } = new();

    public VirtualQueueScene Hardware { get; }

    public TegraQueueDriver Driver { get; }

    public uint Ioas { get; }

    public uint Parent { get; }

    public IommufdDevice Device { get; }

    /// <summary>Memory of the process that the queues lie in; it is mapped at <see cref="Iova"/>.</summary>
    public ulong Queues { get; }

    /// <summary>CMD_SYNCs that teardowns have had submitted.</summary>
    public int Synchronizations { get; private set; }

    /// <summary>Interface of the vIOMMU that was made last.</summary>
    public TegraVirtualInterface? LastInterface { get; private set; }

    /// <summary>Makes a vIOMMU.</summary>
    /// <param name="viommu">Its id.</param>
    /// <param name="window">Offset of its window.</param>
    public Errno TryNewViommu(out uint viommu, out ulong window)
    {
        Process.WriteLongs(Process.Scratch, 0, 0);
        Errno errno = Process.NewViommu(Device.Id, Parent, TegraQueueDriver.ViommuType, out viommu, 16, Process.Scratch);
        window = Process.ReadLong(Process.Scratch);
        return errno;
    }

    public uint NewViommu(out ulong window)
    {
        Assert.Equal(Errno.None, TryNewViommu(out uint viommu, out window));
        return viommu;
    }

    public Errno NewQueue(uint viommu, uint index, ulong offset, ulong length, out uint queue) =>
        Process.NewHardwareQueue(viommu, TegraQueueDriver.HardwareQueueType, index, Iova + offset, length, out queue);

    /// <summary>Binds one more device and gives it a number.</summary>
    public Errno Join(uint viommu, ulong virtualId, out uint vdevice) =>
        Process.NewVdevice(viommu, Process.Bind(Process.NewDevice()).Id, virtualId, out vdevice);

    /// <summary>Stores commands of the process.</summary>
    public void Store(ulong offset, params ReadOnlySpan<Command> commands)
    {
        foreach (var command in commands)
        {
            Process.WriteLongs(Queues + offset, command.Word0, command.Word1);
            offset += 16;
        }
    }

    public void Dispose()
    {
        Process.Dispose();
        Driver.Dispose();
        submitter.Dispose();
        Hardware.Dispose();
    }

    private Errno Make(in ViommuRequest request, in UserData data, IViommu inner, out IViommu? viommu)
    {
        viommu = null;
        Errno errno = TegraVirtualInterface.Create(Driver, new Vmid(nextVmid), request.Host, Synchronize, in data, out var queues);
        if (errno != Errno.None) return errno;
        nextVmid++;
        LastInterface = queues;
        uint stream = FirstStream;
        viommu = new TegraViommu(inner, queues!, _ => new StreamId(stream++));
        return Errno.None;
    }

    private void Synchronize()
    {
        Assert.Equal(SubmissionStatus.Completed, submitter.Submit([]).Status);
        Synchronizations++;
    }

    private sealed class PinnedMemory(MockUserMemory memory) : IGuestBus
    {
        public bool TryRead(ulong address, Span<byte> destination)
        {
            memory.ReadPinned(new PhysicalAddress(address), destination);
            return true;
        }

        public bool TryWrite(ulong address, ReadOnlySpan<byte> source) => false;
    }
}
