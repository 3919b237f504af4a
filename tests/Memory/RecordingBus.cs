using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Memory;

/// <summary>A bus with bytes of its own that writes down what it was asked, and aborts from an address on.</summary>
internal sealed class RecordingBus : IGuestBus
{
    private readonly Dictionary<ulong, byte> bytes = [];

    public List<(bool IsWrite, ulong Address, int Length)> Accesses { get; } = [];

    public ulong AbortsFrom { get; init; } = ulong.MaxValue;

    public Action? Called { get; init; }

    public byte this[ulong address]
    {
        get => bytes.GetValueOrDefault(address);
        set => bytes[address] = value;
    }

    public bool TryRead(ulong address, Span<byte> destination)
    {
        Called?.Invoke();
        Accesses.Add((false, address, destination.Length));
        if (address >= AbortsFrom) return false;
        for (int i = 0; i < destination.Length; i++) destination[i] = this[address + (ulong)i];
        return true;
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        Called?.Invoke();
        Accesses.Add((true, address, source.Length));
        if (address >= AbortsFrom) return false;
        for (int i = 0; i < source.Length; i++) this[address + (ulong)i] = source[i];
        return true;
    }
}
