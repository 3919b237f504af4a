using System.Buffers.Binary;
using Smmu.Fast.Device;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Hostile;

/// <summary>The host's bus: registers of the SMMU, slow memory, memory that calls back, and aborts everywhere else.</summary>
internal sealed class HostileBus : IGuestBus
{
    private readonly byte[] slow = new byte[Places.BusBytes];
    private readonly byte[] calling = new byte[Places.BusBytes];

    /// <summary>Whose registers these are.</summary>
    public SmmuDevice? Smmu { get; set; }

    /// <summary>True when every access aborts and nothing is called: the guest's time is up.</summary>
    public bool IsQuiet { get; set; }

    /// <summary>A defect to make at the next access: an exception or a hang.</summary>
    public Plant Planted { get; set; }

    /// <inheritdoc/>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (Planted == Plant.Hang) Thread.Sleep(Timeout.Infinite);
        if (Planted == Plant.Exception) throw new InvalidOperationException("This exception is planted.");
        if (IsQuiet) return false;
        if (Find(address, destination.Length) is { IsEmpty: false } memory)
        {
            memory.CopyTo(destination);
            return true;
        }

        if (address - Places.Registers >= Places.RegistersBytes) return false;
        uint offset = (uint)(address - Places.Registers);
        return destination.Length switch
        {
            sizeof(uint) => BinaryPrimitives.TryWriteUInt32LittleEndian(destination, Smmu!.ReadRegister32(offset)),
            sizeof(ulong) => BinaryPrimitives.TryWriteUInt64LittleEndian(destination, Smmu!.ReadRegister64(offset)),
            _ => false,
        };
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (IsQuiet) return false;
        if (Find(address, source.Length) is { IsEmpty: false } memory)
        {
            source.CopyTo(memory);
            return true;
        }

        if (address - Places.Registers >= Places.RegistersBytes) return false;
        uint offset = (uint)(address - Places.Registers);
        if (source.Length == sizeof(uint)) Smmu!.WriteRegister32(offset, BinaryPrimitives.ReadUInt32LittleEndian(source));
        else if (source.Length == sizeof(ulong)) Smmu!.WriteRegister64(offset, BinaryPrimitives.ReadUInt64LittleEndian(source));
        return source.Length is sizeof(uint) or sizeof(ulong);
    }

    /// <summary>Stores a word as a CPU does, without calling anybody; false where there is no memory.</summary>
    public bool TryStore(ulong address, ulong word)
    {
        var memory = Memory(address, sizeof(ulong));
        return !memory.IsEmpty && BinaryPrimitives.TryWriteUInt64LittleEndian(memory, word);
    }

    private Span<byte> Find(ulong address, int length)
    {
        if (address - Places.Calling < Places.BusBytes) Actor.Current?.CallBack();
        else if (address - Places.Slow < Places.BusBytes) Thread.SpinWait(200);
        return Memory(address, length);
    }

    private Span<byte> Memory(ulong address, int length)
    {
        byte[] memory = address < Places.Calling ? slow : calling;
        ulong start = address - (address < Places.Calling ? Places.Slow : Places.Calling);
        return start < Places.BusBytes && length <= Places.BusBytes - (int)start ? memory.AsSpan((int)start, length) : default;
    }
}
