namespace Smmu.Fast.Iommufd;

/// <summary>Registers of vIOMMUs that can be mapped, by the offset in the context's file: the lowest free one, and never 0.</summary>
internal sealed class Windows(IommufdContext context)
{
    private readonly Lock gate = new();
    private readonly RangeTree<Window> windows = new();

    public ulong Publish(Viommu viommu, IMmioWindow registers, ulong bytes)
    {
        ArgumentNullException.ThrowIfNull(registers);
        if (bytes == 0 || (bytes & (UserPages.PageBytes - 1)) != 0)
        {
            throw new ArgumentException("A window is mapped in pages: give it a multiple of 4 KiB.", nameof(bytes));
        }

        lock (gate)
        {
            windows.TryFindHole(UserPages.PageBytes, bytes, out IovaRange hole);
            windows.Add(hole.First, hole.First + (bytes - 1), new Window(viommu, registers));
            return hole.First;
        }
    }

    public void WithdrawAll(Viommu viommu)
    {
        lock (gate)
        {
            for (var node = windows.FirstFrom(0); node is not null;)
            {
                var next = windows.After(node);
                if (node.Value.Viommu == viommu) windows.Remove(node);
                node = next;
            }
        }
    }

    public Errno Map(ulong offset, ulong length, bool isShared, bool isExecutable, out WindowMapping? mapping)
    {
        mapping = null;
        if ((length & (UserPages.PageBytes - 1)) != 0 || !isShared) return Errno.EINVAL;
        if (isExecutable) return Errno.EPERM;
        if (length == 0) return Errno.ENXIO;
        lock (gate)
        {
            if (windows.FirstFrom(offset) is not { } node || node.First != offset || node.Last - node.First != length - 1) return Errno.ENXIO;
            if (!context.Objects.TryAddUser(node.Value.Viommu)) return Errno.ENXIO;
            context.AddHolder();
            mapping = new WindowMapping(context, node.Value.Viommu, node.Value.Registers, length);
            return Errno.None;
        }
    }

    private sealed record Window(Viommu Viommu, IMmioWindow Registers);
}

/// <summary>Registers of a vIOMMU, mapped; it keeps the vIOMMU and the context until it is disposed.</summary>
public sealed class WindowMapping : IDisposable
{
    private readonly IommufdContext context;
    private readonly Viommu viommu;
    private readonly IMmioWindow registers;
    private int isUnmapped;

    internal WindowMapping(IommufdContext context, Viommu viommu, IMmioWindow registers, ulong length)
    {
        this.context = context;
        this.viommu = viommu;
        this.registers = registers;
        Length = length;
    }

    /// <summary>Size in bytes, a multiple of 4 KiB.</summary>
    public ulong Length { get; }

    /// <summary>Reads a register of 32 bits.</summary>
    /// <param name="offset">Offset in the window, a multiple of 4.</param>
    /// <exception cref="ArgumentOutOfRangeException">The offset is unaligned or outside of the window.</exception>
    /// <exception cref="ObjectDisposedException">It is unmapped.</exception>
    public uint Read32(ulong offset)
    {
        ThrowIfBad(offset);
        return registers.Read32(offset);
    }

    /// <summary>Writes a register of 32 bits.</summary>
    /// <param name="offset">Offset in the window, a multiple of 4.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentOutOfRangeException">The offset is unaligned or outside of the window.</exception>
    /// <exception cref="ObjectDisposedException">It is unmapped.</exception>
    public void Write32(ulong offset, uint value)
    {
        ThrowIfBad(offset);
        registers.Write32(offset, value);
    }

    /// <summary>Unmaps it; later calls do nothing.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref isUnmapped, 1) != 0) return;
        context.Objects.DropUser(viommu);
        context.DropHolder();
    }

    private void ThrowIfBad(ulong offset)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref isUnmapped) != 0, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(offset, Length);
        if ((offset & 3) != 0) throw new ArgumentOutOfRangeException(nameof(offset), offset, "Registers are aligned to 4 bytes.");
    }
}
