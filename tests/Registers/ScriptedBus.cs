using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Registers;

/// <summary>64 KiB behind the bus that can abort, and that run a script in the middle of an access.</summary>
internal sealed class ScriptedBus : IGuestBus
{
    /// <summary>Physical address of the first byte.</summary>
    public const ulong Base = 0x8000_0000;

    private readonly byte[] bytes = new byte[0x1_0000];

    /// <summary>True while accesses abort.</summary>
    public bool Aborts { get; set; }

    /// <summary>Runs with the address before a read is served.</summary>
    public Action<ulong>? Reading { get; set; }

    /// <summary>Runs with the address before a write is served.</summary>
    public Action<ulong>? Writing { get; set; }

    /// <summary>Addresses that were read, in order.</summary>
    public List<ulong> Reads { get; } = [];

    /// <summary>Addresses that were written and how long the write was, in order.</summary>
    public List<(ulong Address, int Length)> Writes { get; } = [];

    /// <inheritdoc/>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        Reads.Add(address);
        Reading?.Invoke(address);
        if (Aborts || !Holds(address, destination.Length)) return false;
        bytes.AsSpan((int)(address - Base), destination.Length).CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        Writes.Add((address, source.Length));
        Writing?.Invoke(address);
        if (Aborts || !Holds(address, source.Length)) return false;
        source.CopyTo(bytes.AsSpan((int)(address - Base)));
        return true;
    }

    private bool Holds(ulong address, int length) =>
        address >= Base && address - Base <= (ulong)(bytes.Length - length);
}
