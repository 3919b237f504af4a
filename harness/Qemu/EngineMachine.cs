using System.Runtime.InteropServices;
using Smmu.Fast.Device;
using Smmu.Fast.Formats;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Qemu;

/// <summary>How our SMMU answered an access.</summary>
/// <param name="Event">The record that it wrote, or null.</param>
/// <param name="Output">Where the access went, or null.</param>
/// <param name="Value">What it read; 0 when nothing was there.</param>
/// <param name="Result">The translation.</param>
internal readonly record struct EngineAnswer(EventRecord? Event, ulong? Output, uint Value, TranslationResult Result);

/// <summary>Our side of a comparison: the engine with QEMU's features, with RAM and ports of its own.</summary>
internal sealed class EngineMachine : IDisposable
{
    private readonly GuestMemory memory = new();
    private readonly byte[] ram = GC.AllocateUninitializedArray<byte>((int)MachineMap.RamBytes, pinned: true);
    private readonly SmmuDevice smmu;
    private readonly DmaPort[] ports;
    private uint eventBytes;
    private ulong eventBase;

    public EngineMachine()
    {
        MachineMap.FillPristine(ram);
        memory.AddBorrowed(MachineMap.RamBase, ram.AsMemory());
        smmu = new SmmuDevice(new SmmuOptions { Memory = memory, Features = SmmuFeatures.QemuVirt });
        ports = [.. MachineMap.Streams.Select(stream => smmu.OpenPort(stream))];
    }

    public Span<byte> Ram => ram;

    /// <summary>The array behind <see cref="Ram"/>.</summary>
    public byte[] Memory => ram;

    public void Begin() => smmu.Reset();

    public void Write32(uint offset, uint value) => smmu.WriteRegister32(offset, value);

    public void Write64(uint offset, ulong value)
    {
        smmu.WriteRegister64(offset, value);
        if (offset != RegisterOffset.EVENTQ_BASE) return;
        eventBytes = (uint)EventRecord.SizeBytes << (int)(value & 0x1f);
        eventBase = value & ~0x1fUL;
    }

    public EngineAnswer Access(AccessStep step, int access)
    {
        uint before = smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD);
        uint word = step.IsWrite ? MachineMap.Token(step.Device, access) : 0;
        var bytes = MemoryMarshal.AsBytes(new Span<uint>(ref word));
        var port = ports[step.Device];
        var progress = step.IsWrite ? port.WriteSome(step.Iova, bytes) : port.ReadSome(step.Iova, bytes);
        uint after = smmu.ReadRegister32(RegisterOffset.EVENTQ_PROD);
        return new EngineAnswer(
            HaveMoved(before, after) ? EventAt(Ram, before) : null,
            progress.Last.IsSuccess ? progress.Last.Address.Value : null,
            progress.IsComplete && !step.IsWrite ? word : 0,
            progress.Last);
    }

    public Observation Observe()
    {
        var values = new uint[Observation.Offsets.Length];
        for (int i = 0; i < values.Length; i++) values[i] = smmu.ReadRegister32(Observation.Offsets[i]);
        return new Observation(values[0], values[1], values[2], values[3], values[4]);
    }

    /// <summary>The records between two values of EVENTQ_PROD, in either side's RAM.</summary>
    public List<EventRecord> Events(ReadOnlySpan<byte> source, uint from, uint to)
    {
        var events = new List<EventRecord>();
        uint mask = (eventBytes / EventRecord.SizeBytes * 2) - 1;
        for (uint at = from; HaveMoved(at, to) && events.Count <= mask; at = (at + 1) & mask) events.Add(EventAt(source, at));
        return events;
    }

    public void Dispose()
    {
        smmu.Dispose();
        memory.Dispose();
    }

    private bool HaveMoved(uint from, uint to) =>
        eventBytes != 0 && ((from ^ to) & ((eventBytes / EventRecord.SizeBytes * 2) - 1)) != 0;

    private EventRecord EventAt(ReadOnlySpan<byte> source, uint index)
    {
        ulong address = eventBase + ((index * EventRecord.SizeBytes) & (eventBytes - 1));
        return address - MachineMap.RamBase < MachineMap.RamBytes
            ? MemoryMarshal.Read<EventRecord>(source[(int)(address - MachineMap.RamBase)..])
            : default;
    }
}
