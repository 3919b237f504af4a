using Smmu.Fast.VirtualQueues;
using Offset = Smmu.Fast.VirtualQueues.VirtualQueueOffset;

namespace Smmu.Fast.Iommufd.Tegra;

/// <summary>The driver of a <see cref="VirtualQueueBlock"/>: who has which interface, and what a user is told of the block.</summary>
/// <remarks>
/// Interface 0 is the host's and never a guest's, as in Linux; all others are for <see cref="TegraViommu"/>s. Each interface
/// has as many queues as there are for all. Thread-safe.
/// </remarks>
public sealed class TegraQueueDriver : IDisposable
{
    /// <summary>Type of vIOMMU, and of the answer to its creation.</summary>
    public const uint ViommuType = 2;

    /// <summary>Type of event: the error maps of the interface.</summary>
    public const uint EventType = 2;

    /// <summary>Type of hardware queue.</summary>
    public const uint HardwareQueueType = 1;

    /// <summary>Type of <see cref="HardwareInformation"/>.</summary>
    public const uint HardwareInformationType = 3;

    private const uint Enable = 1;

    private readonly Lock gate = new();
    private readonly TegraVirtualInterface?[] users;
    private readonly bool[] taken;

    /// <summary>Takes a block over and resets it.</summary>
    /// <param name="block">The block, which nobody else writes from now on but through the pages of interfaces.</param>
    public TegraQueueDriver(VirtualQueueBlock block)
    {
        ArgumentNullException.ThrowIfNull(block);
        Block = block;
        users = new TegraVirtualInterface?[block.Interfaces];
        taken = new bool[block.Interfaces];
        taken[0] = true;
        block.Reset();
        block.Write32(Offset.CONFIG, Enable);
        block.ErrorRaised += Report;
    }

    /// <summary>The block.</summary>
    public VirtualQueueBlock Block { get; }

    /// <summary>Queues of each interface.</summary>
    public int QueuesOfInterface => Block.Queues / Block.Interfaces;

    /// <summary>
    /// What GET_HW_INFO answers for <see cref="HardwareInformationType"/>: flags (32 bits, 0), version, log2 of the queues of
    /// an interface, log2 of its StreamID slots, 0.
    /// </summary>
    public ReadOnlyMemory<byte> HardwareInformation => new byte[]
    {
        0, 0, 0, 0,
        (byte)Block.Options.Version,
        (byte)(Block.Options.QueuesLog2 - Block.Options.InterfacesLog2),
        (byte)Block.Options.StreamSlotsLog2,
        0,
    };

    /// <summary>Switches the block off. All vIOMMUs are to be gone.</summary>
    /// <exception cref="InvalidOperationException">A vIOMMU has an interface.</exception>
    public void Dispose()
    {
        lock (gate)
        {
            if (Array.Exists(users, user => user is not null)) throw new InvalidOperationException(
                "A vIOMMU has an interface of the block: destroy all of them first.");
        }

        Block.ErrorRaised -= Report;
        Block.Write32(Offset.CONFIG, 0);
    }

    /// <summary>Takes the lowest interface that is free.</summary>
    internal bool TryTake(out int number)
    {
        lock (gate)
        {
            number = Array.IndexOf(taken, false);
            if (number < 0) return false;
            taken[number] = true;
            return true;
        }
    }

    /// <summary>Has errors of an interface told from now on.</summary>
    internal void Listen(int number, TegraVirtualInterface user) => Volatile.Write(ref users[number], user);

    /// <summary>Gives an interface back, which is off.</summary>
    internal void Return(int number)
    {
        lock (gate)
        {
            Volatile.Write(ref users[number], null);
            taken[number] = false;
        }
    }

    private void Report(int number) => Volatile.Read(ref users[number])?.ReportErrors();
}
