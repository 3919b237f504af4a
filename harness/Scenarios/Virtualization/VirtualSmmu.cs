using System.Runtime.InteropServices;
using Smmu.Fast.Formats;
using Smmu.Fast.Iommufd;

namespace Smmu.Fast.Scenarios.Virtualization;

/// <summary>
/// The SMMU that a guest sees, as its monitor emulates it: a Command queue and a Stream table in guest memory. It answers
/// CMD_CFGI_STE by attaching what the guest's STE says, CMD_SYNC by itself, and hands everything else to the host in batches.
/// </summary>
public sealed class VirtualSmmu : IDisposable
{
    private const int HeaderBytes = 8;
    private const int StreamEntryBytes = 64;

    private readonly VirtualMachine machine;
    private readonly List<Command> batch = [];
    private readonly VeventQueueFile events;
    private uint nested;
    private uint consumer;

    internal VirtualSmmu(VirtualMachine machine)
    {
        this.machine = machine;
        events = machine.Context.AllocateVeventQueue(machine.Viommu, IommuTypes.ViommuSmmuV3, depth: 64, out _);
    }

    /// <summary>Guest-physical address of the linear Stream table.</summary>
    public ulong StreamTable { get; set; }

    /// <summary>Guest-physical address of the Command queue.</summary>
    public ulong CommandQueue { get; set; }

    /// <summary>log2 of the commands in it.</summary>
    public int CommandQueueLog2 { get; set; }

    /// <summary>What the host has refused so far, as the guest would see it: the command and the errno.</summary>
    public List<(Command Command, Errno Errno)> Refused { get; } = [];

    /// <summary>Commands that the host has carried out.</summary>
    public long Invalidations { get; private set; }

    /// <summary>Consumes commands up to an index that the guest has written to CMDQ_PROD.</summary>
    /// <param name="producer">Index with wrap flag.</param>
    public void WriteProducer(uint producer)
    {
        uint mask = (2u << CommandQueueLog2) - 1;
        for (; (consumer & mask) != (producer & mask); consumer++)
        {
            ulong address = CommandQueue + ((consumer & (mask >> 1)) * (ulong)Command.SizeBytes);
            Execute(MemoryMarshal.Read<Command>(machine.At(address, Command.SizeBytes)));
        }

        Flush();
    }

    /// <summary>Carries out one command of the guest.</summary>
    /// <param name="command">The command.</param>
    public void Execute(Command command)
    {
        switch (command.Opcode)
        {
            case CommandOpcode.CfgiSte:
                Flush();
                LoadStream(command.StreamId);
                break;
            case CommandOpcode.Sync:
                Flush();
                break;
            default:
                batch.Add(command);
                break;
        }
    }

    /// <summary>Attaches the device to what a guest's STE says.</summary>
    /// <param name="word0">Word 0.</param>
    /// <param name="word1">Word 1.</param>
    /// <returns>None, or what the host says to the STE; the device stays where it was then.</returns>
    public Errno TrySetStream(ulong word0, ulong word1)
    {
        ReadOnlySpan<ulong> words = [word0, word1];
        uint made;
        try
        {
            made = machine.Context.AllocateHwpt(
                machine.Device.Id, machine.Viommu, dataType: IommuTypes.HwptDataSmmuV3, data: MemoryMarshal.AsBytes(words));
        }
        catch (IommufdException refusal)
        {
            return refusal.Errno;
        }

        machine.Device.Replace(made);
        if (nested != 0) machine.Context.Destroy(nested);
        nested = made;
        return Errno.None;
    }

    /// <summary>Takes the events that the guest has not seen yet.</summary>
    public List<EventRecord> TakeEvents()
    {
        machine.Host.Driver.ServiceEvents();
        var taken = new List<EventRecord>();
        Span<byte> bytes = stackalloc byte[HeaderBytes + EventRecord.SizeBytes];
        for (int length; (length = events.Read(bytes)) != 0;)
        {
            if (length == bytes.Length) taken.Add(MemoryMarshal.Read<EventRecord>(bytes[HeaderBytes..]));
        }

        return taken;
    }

    /// <inheritdoc/>
    public void Dispose() => events.Dispose();

    private void LoadStream(StreamId stream)
    {
        if (stream.Value != machine.Options.VirtualStream) return;
        Span<byte> entry = machine.At(StreamTable + (stream.Value * (ulong)StreamEntryBytes), 2 * sizeof(ulong));
        ulong word0 = MemoryMarshal.Read<ulong>(entry);
        ulong word1 = MemoryMarshal.Read<ulong>(entry[sizeof(ulong)..]);
        Errno errno = TrySetStream(word0, word1);
        if (errno != Errno.None) Refused.Add((Command.CfgiSte(stream), errno));
    }

    private void Flush()
    {
        int from = 0;
        while (from < batch.Count)
        {
            Errno errno = machine.Context.Invalidate(machine.Viommu, CollectionsMarshal.AsSpan(batch)[from..], out uint done);
            Invalidations += done;
            from += (int)done;
            if (errno == Errno.None) break;
            Refused.Add((batch[from], errno));
            from++;   // A guest sees CERROR_ILL here, and goes on behind the command.
        }

        batch.Clear();
    }
}
