using Smmu.Fast.Device;
using Smmu.Fast.Queues;

namespace Smmu.Fast.VirtualQueues;

/// <summary>
/// Command queues beside an SMMU that the host gives to guests, as the CMDQV block of Tegra241 has them: a guest invalidates
/// what is its own without the host.
/// </summary>
/// <remarks>
/// An interface (VINTF) is for one guest, and has queues (VCMDQ) in memory of the host's choice. A guest reaches the page of
/// its interface alone (<see cref="PageOf"/>) and has four commands: CMD_TLBI_NH_ASID and CMD_TLBI_NH_VA, in which the VMID of
/// the interface takes the place of whatever the guest wrote; CMD_ATC_INV of streams that the host gave it; and CMD_SYNC
/// without a signal. Any other one stops that queue with CERROR_ILL. The queues of an interface with HYP_OWN take what the
/// SMMU's own do. CR0.VMW widens these commands like all others: leave it 0 unless VMIDs that differ below it are of one guest.
/// <para>
/// Reads and writes come from any thread at any time, as those of the SMMU; commands run inside of the write that publishes
/// them, in turns with all other queues, at most a queue's worth a call. A reset of the SMMU resets the block.
/// </para>
/// </remarks>
public sealed partial class VirtualQueueBlock : IAttachedQueues
{
    private const uint Enable = 1;

    private readonly VirtualQueueOptions options;
    private readonly VirtualInterface[] interfaces;
    private readonly VirtualCommandQueue[] queues;
    private uint configuration;
    private ulong interruptMask;

    /// <summary>Puts a block in its reset state beside an SMMU, which can have one.</summary>
    /// <param name="smmu">The SMMU.</param>
    /// <param name="options">How large it is; as the hardware if null.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The SMMU has a block.</exception>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public VirtualQueueBlock(SmmuDevice smmu, VirtualQueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(smmu);
        this.options = options ?? new VirtualQueueOptions();
        this.options.Check();
        Smmu = smmu;
        var features = smmu.Features;
        queues = new VirtualCommandQueue[1 << this.options.QueuesLog2];
        for (int number = 0; number < queues.Length; number++)
        {
            var reader = new CommandQueueReader(smmu.Options.Memory, features.CommandQueueLog2, features.OutputAddressBits);
            queues[number] = new VirtualCommandQueue(this, reader, features.OutputAddressBits);
        }

        interfaces = new VirtualInterface[1 << this.options.InterfacesLog2];
        for (int number = 0; number < interfaces.Length; number++)
        {
            interfaces[number] = new VirtualInterface(1 << this.options.StreamSlotsLog2, queues.Length);
        }

        smmu.Attach(this);
    }

    /// <summary>
    /// An interface has a queue with a new error, and is not masked; or is not masked any more. The argument is its number.
    /// Handlers run with no lock held and may call the block and the SMMU.
    /// </summary>
    public event Action<int>? ErrorRaised;

    /// <summary>The SMMU.</summary>
    public SmmuDevice Smmu { get; }

    /// <summary>Its size.</summary>
    public VirtualQueueOptions Options => options;

    /// <summary>Interfaces.</summary>
    public int Interfaces => interfaces.Length;

    /// <summary>Queues of all interfaces.</summary>
    public int Queues => queues.Length;

    /// <summary>Bytes of registers, from 0 on.</summary>
    public uint SizeBytes => VirtualQueueOffset.VINTF_PAGE0 + ((uint)interfaces.Length * VirtualQueueOffset.VINTF_PAGE_STRIDE);

    /// <summary>The page of an interface that its guest reaches directly.</summary>
    /// <param name="number">Number of the interface.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such interface.</exception>
    public VirtualInterfacePage PageOf(int number)
    {
        if ((uint)number >= (uint)interfaces.Length) throw new ArgumentOutOfRangeException(
            nameof(number), number, $"The block has {interfaces.Length} interfaces, counted from 0.");
        return new VirtualInterfacePage(this, number);
    }

    /// <summary>Resets the block alone. The SMMU's own Command queue waits for ATC invalidations that are out.</summary>
    /// <exception cref="ObjectDisposedException">The SMMU is disposed.</exception>
    public void Reset()
    {
        Smmu.EnterGate();
        ResetBehindGate();
        Smmu.RunAndLeaveGate();
    }

    void IAttachedQueues.ResetBehindGate() => ResetBehindGate();

    /// <summary>Tells the host of an error, unless the interface is masked; with the gate open.</summary>
    internal void TellOfError(int number)
    {
        bool isMasked = (Volatile.Read(ref interruptMask) & (1UL << number)) != 0;
        if (!isMasked && number < interfaces.Length) ErrorRaised?.Invoke(number);
    }

    private void ResetBehindGate()
    {
        foreach (var queue in queues)
        {
            queue.Reset();
            Smmu.TakeOverInvalidations(queue.Consumer);
        }

        foreach (var owner in interfaces) owner.Reset();
        Volatile.Write(ref configuration, 0);
        Volatile.Write(ref interruptMask, 0);
    }

    private void WriteConfiguration(uint value)
    {
        Volatile.Write(ref configuration, value & Enable);
        foreach (var queue in queues) Follow(queue);
    }

    private void WriteInterfaceConfiguration(int number, uint value)
    {
        interfaces[number].WriteConfiguration(value);
        foreach (var queue in queues)
        {
            if (queue.Interface == number) Follow(queue);
        }
    }

    // A queue that changes hands leaves what its endpoints owe behind; the reader of the page of an interface finds the queue
    // with the lowest number, should the host give several the same place.
    private void WriteAllocation(int number, uint value)
    {
        var queue = queues[number];
        var (wasAllocated, oldInterface, oldPlace) = (queue.IsAllocated, queue.Interface, queue.LocalNumber);
        queue.WriteAllocation(value);
        if (wasAllocated) FindAnew(oldInterface, oldPlace);
        FindAnew(queue.Interface, queue.LocalNumber);
        Follow(queue);
        if (wasAllocated && (!queue.IsAllocated || queue.Interface != oldInterface)) Smmu.TakeOverInvalidations(queue.Consumer);
    }

    private void FindAnew(int number, int place)
    {
        if (number >= interfaces.Length) return;
        int found = Array.FindIndex(queues, queue => queue.IsAllocated && queue.Interface == number && queue.LocalNumber == place);
        interfaces[number].SetQueue(place, found < 0 ? null : found);
    }

    private void Follow(VirtualCommandQueue queue)
    {
        bool isOwned = queue.IsAllocated && queue.Interface < interfaces.Length;
        var owner = isOwned ? interfaces[queue.Interface] : null;
        queue.SetPermitted((configuration & Enable) != 0 && owner is { IsEnabled: true }, owner?.FilterOfCommands);
    }
}
