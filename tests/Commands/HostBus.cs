using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Commands;

/// <summary>A page or more behind the host's bus: notes each access, and may stop or refuse it.</summary>
internal sealed class HostBus : IGuestBus
{
    /// <summary>Physical address of the first byte.</summary>
    public const ulong Base = 0x1_0000_0000;

    private readonly Lock access = new();
    private readonly byte[] bytes = new byte[64 << 10];
    private readonly List<(ulong Address, int Length)> reads = [];
    private readonly List<(ulong Address, byte[] Bytes)> writes = [];

    /// <summary>Runs before a read, on the thread that makes it.</summary>
    public Action<ulong>? Reading { get; set; }

    /// <summary>Runs after a read has its bytes, on the thread that made it.</summary>
    public Action<ulong>? Answered { get; set; }

    /// <summary>Runs before a write, on the thread that makes it.</summary>
    public Action<ulong>? Writing { get; set; }

    /// <summary>Addresses whose accesses abort.</summary>
    public HashSet<ulong> Refused { get; } = [];

    /// <summary>Reads since <see cref="Forget"/>.</summary>
    public IReadOnlyList<(ulong Address, int Length)> Reads
    {
        get
        {
            lock (access) return [.. reads];
        }
    }

    /// <summary>Writes since <see cref="Forget"/>.</summary>
    public IReadOnlyList<(ulong Address, byte[] Bytes)> Writes
    {
        get
        {
            lock (access) return [.. writes];
        }
    }

    /// <summary>Begins the notes anew.</summary>
    public void Forget()
    {
        lock (access)
        {
            reads.Clear();
            writes.Clear();
        }
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        Reading?.Invoke(address);
        lock (access)
        {
            reads.Add((address, destination.Length));
            if (Refused.Contains(address) || !Holds(address, destination.Length)) return false;
            bytes.AsSpan((int)(address - Base), destination.Length).CopyTo(destination);
        }

        Answered?.Invoke(address);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        Writing?.Invoke(address);
        lock (access)
        {
            writes.Add((address, source.ToArray()));
            if (Refused.Contains(address) || !Holds(address, source.Length)) return false;
            source.CopyTo(bytes.AsSpan((int)(address - Base), source.Length));
            return true;
        }
    }

    private bool Holds(ulong address, int length) =>
        address >= Base && address - Base <= (ulong)(bytes.Length - length);
}
