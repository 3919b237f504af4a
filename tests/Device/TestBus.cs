using Smmu.Fast.Device;
using Smmu.Fast.Memory;

namespace Smmu.Fast.Tests.Device;

/// <summary>
/// The bus of a machine: the register pages of its SMMU, some memory that only the bus reaches, and host code that runs
/// before an access.
/// </summary>
internal sealed class TestBus : IGuestBus
{
    public const ulong Registers = 0x0900_0000;
    public const ulong Slow = 0x0a00_0000;
    public const ulong Doorbell = 0x0b00_0000;

    private const int SlowBytes = 1 << 16;

    private readonly byte[] slow = new byte[SlowBytes];

    /// <summary>Whose registers these are.</summary>
    public SmmuDevice? Smmu { get; set; }

    /// <summary>Runs before each read with its address; it may change what the read finds or throw.</summary>
    public Action<ulong>? Reading { get; set; }

    /// <summary>Runs after a read has its bytes and before it returns.</summary>
    public Action<ulong>? HasRead { get; set; }

    /// <summary>Runs before each write with its address.</summary>
    public Action<ulong>? Writing { get; set; }

    public bool TryRead(ulong address, Span<byte> destination)
    {
        Reading?.Invoke(address);
        if (address - Slow >= SlowBytes) return false;
        slow.AsSpan((int)(address - Slow), destination.Length).CopyTo(destination);
        HasRead?.Invoke(address);
        return true;
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        Writing?.Invoke(address);
        if (address == Doorbell) return true;
        if (address - Registers < 0x2_0000 && source.Length == sizeof(uint))
        {
            Smmu!.WriteRegister32((uint)(address - Registers), BitConverter.ToUInt32(source));
            return true;
        }

        if (address - Slow >= SlowBytes) return false;
        source.CopyTo(slow.AsSpan((int)(address - Slow)));
        return true;
    }
}
