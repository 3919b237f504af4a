using Smmu.Fast.Commands;
using Smmu.Fast.Formats;
using Smmu.Fast.Foundation;

namespace Smmu.Fast.VirtualQueues;

/// <summary>The registers of one interface: whose its queues are, and which of them has which number. Written behind the gate.</summary>
internal sealed class VirtualInterface
{
    private const uint Enable = 1;
    private const uint HypervisorOwned = 1 << 17;
    private const uint ConfigurationFields = (1u << 18) - 1;
    private const int None = -1;

    private readonly GuestCommandFilter filter;
    private readonly int[] queues;
    private uint configuration;

    /// <summary>Makes an interface in its reset state.</summary>
    /// <param name="streams">StreamID slots.</param>
    /// <param name="queues">Queues of the block.</param>
    public VirtualInterface(int streams, int queues)
    {
        filter = new GuestCommandFilter(streams);
        this.queues = new int[queues];
        Array.Fill(this.queues, None);
    }

    /// <summary>CONFIG.</summary>
    public uint ConfigurationRegister => Volatile.Read(ref configuration);

    /// <summary>EN.</summary>
    public bool IsEnabled => (ConfigurationRegister & Enable) != 0;

    /// <summary>What its commands go through; null when they are the host's own.</summary>
    public GuestCommandFilter? FilterOfCommands => (configuration & HypervisorOwned) != 0 ? null : filter;

    /// <summary>Takes a write of CONFIG; the block does what follows from it.</summary>
    public void WriteConfiguration(uint value)
    {
        Volatile.Write(ref configuration, value & ConfigurationFields);
        filter.Vmid = new Vmid((ushort)BitField.Get(value, 16, 1));
    }

    /// <summary>Reads SID_MATCH; 0 where there is no slot.</summary>
    public uint ReadMatch(uint slot) => slot < (uint)filter.Streams ? filter.MatchOf((int)slot) : 0;

    /// <summary>Reads SID_REPLACE; 0 where there is no slot.</summary>
    public uint ReadReplacement(uint slot) => slot < (uint)filter.Streams ? filter.ReplacementOf((int)slot) : 0;

    /// <summary>Takes a write of SID_MATCH.</summary>
    public void WriteMatch(uint slot, uint value)
    {
        if (slot < (uint)filter.Streams) filter.SetMatch((int)slot, value);
    }

    /// <summary>Takes a write of SID_REPLACE.</summary>
    public void WriteReplacement(uint slot, uint value)
    {
        if (slot < (uint)filter.Streams) filter.SetReplacement((int)slot, value);
    }

    /// <summary>Finds the queue that has a number here; false when none has.</summary>
    public bool TryFindQueue(uint localNumber, out int queue)
    {
        queue = localNumber < (uint)queues.Length ? Volatile.Read(ref queues[localNumber]) : None;
        return queue != None;
    }

    /// <summary>Gives a number to a queue, or to none.</summary>
    public void SetQueue(int localNumber, int? queue)
    {
        if (localNumber < queues.Length) Volatile.Write(ref queues[localNumber], queue ?? None);
    }

    /// <summary>Returns to the reset state.</summary>
    public void Reset()
    {
        WriteConfiguration(0);
        for (int slot = 0; slot < filter.Streams; slot++)
        {
            filter.SetMatch(slot, 0);
            filter.SetReplacement(slot, 0);
        }

        Array.Fill(queues, None);
    }
}
