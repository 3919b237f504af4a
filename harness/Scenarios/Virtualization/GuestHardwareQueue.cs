using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;
using Smmu.Fast.Iommufd.Tegra;
using Smmu.Fast.VirtualQueues;

namespace Smmu.Fast.Scenarios.Virtualization;

/// <summary>A command queue that a guest has for itself: in its memory, published through a window, without a call of the host.</summary>
/// <remarks>Serves one thread at a time.</remarks>
public sealed class GuestHardwareQueue : IDisposable
{
    private const int Log2 = 8;
    private const uint Mask = (1u << Log2) - 1;

    private readonly VirtualMachine machine;
    private readonly ulong address;
    private readonly uint queue;
    private readonly WindowMapping window;
    private uint producer;

    /// <summary>Makes queue 0 of the machine's vIOMMU, which is of type 2, and switches it on.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="address">Guest-physical address of 4 KiB for it.</param>
    public GuestHardwareQueue(VirtualMachine machine, ulong address)
    {
        ArgumentNullException.ThrowIfNull(machine);
        this.machine = machine;
        this.address = address;
        queue = machine.Context.AllocateHardwareQueue(
            machine.Viommu, TegraQueueDriver.HardwareQueueType, index: 0, address, (ulong)Command.SizeBytes << Log2);
        ReadOnlySpan<ulong> answer = MemoryMarshal.Cast<byte, ulong>(machine.ViommuAnswer.Span);
        window = machine.Context.MapWindow(answer[0], answer[1]);
        window.Write32(VirtualQueueOffset.VCMDQ_CONFIG, 1);
    }

    /// <summary>Commands that were submitted.</summary>
    public long Submitted { get; private set; }

    /// <summary>The SMMU refused a command, and the queue stands still.</summary>
    public bool IsStopped => ((window.Read32(VirtualQueueOffset.VCMDQ_GERROR) ^ window.Read32(VirtualQueueOffset.VCMDQ_GERRORN)) & 1) != 0;

    /// <summary>Submits commands and waits until they are consumed, or the queue stops.</summary>
    /// <param name="commands">At most 255.</param>
    /// <returns>False when the queue has stopped.</returns>
    public bool Submit(params ReadOnlySpan<Command> commands)
    {
        foreach (Command command in commands)
        {
            MemoryMarshal.Write(machine.At(address + ((producer & Mask) * (ulong)Command.SizeBytes), Command.SizeBytes), in command);
            producer++;
        }

        const uint PointerMask = (Mask << 1) | 1;
        window.Write32(VirtualQueueOffset.VCMDQ_PROD, producer & PointerMask);
        Submitted += commands.Length;
        var spin = new SpinWait();
        while (((window.Read32(VirtualQueueOffset.VCMDQ_CONS) ^ producer) & PointerMask) != 0)
        {
            if (IsStopped) return false;
            spin.SpinOnce();
        }

        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        window.Dispose();
        machine.Context.Destroy(queue);
    }
}
