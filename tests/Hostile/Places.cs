namespace Smmu.Fast.Tests.Hostile;

/// <summary>What lies where in the physical address space.</summary>
internal static class Places
{
    /// <summary>Memory that nobody may write; it ends where RAM begins.</summary>
    public const ulong Firmware = Ram - FirmwareBytes;

    public const ulong FirmwareBytes = 0x8000;

    /// <summary>Structures and tables, which the guest's CPUs write.</summary>
    public const ulong Ram = 0x4000_0000;

    public const ulong RamBytes = 1 << 20;

    /// <summary>Behind a hole; all stores to it are watched.</summary>
    public const ulong Observed = Ram + RamBytes + 0x4000;

    public const ulong ObservedBytes = 0x1_0000;

    /// <summary>Comes and goes.</summary>
    public const ulong Lent = Observed + ObservedBytes;

    public const ulong LentBytes = 0x2000;

    /// <summary>Read-only at times, watched at times.</summary>
    public const ulong Switched = Lent + LentBytes;

    public const ulong SwitchedBytes = 0x3000;

    /// <summary>Regions the host adds for a while begin at a multiple of their distance.</summary>
    public const ulong Passing = 0x4800_0000;

    public const ulong PassingDistance = 0x1_0000;

    public const int PassingCount = 4;

    /// <summary>The last page of 48 bits.</summary>
    public const ulong LastPage = (1UL << 48) - PageBytes;

    /// <summary>The last page of 64 bits, which no SMMU can address.</summary>
    public const ulong Unreachable = ulong.MaxValue - PageBytes + 1;

    /// <summary>Memory that no word of a guest points to.</summary>
    public const ulong Secret = 0x0000_7a5c_3961_0000;

    public const ulong SecretBytes = 0x1_0000;

    /// <summary>On the bus: the registers of the SMMU.</summary>
    public const ulong Registers = 0x0900_0000;

    public const ulong RegistersBytes = 0x2_0000;

    /// <summary>On the bus: memory that takes its time.</summary>
    public const ulong Slow = 0x0a00_0000;

    /// <summary>On the bus: memory whose every access calls back into the SMMU.</summary>
    public const ulong Calling = 0x0b00_0000;

    /// <summary>Bytes of <see cref="Slow"/> and of <see cref="Calling"/>.</summary>
    public const int BusBytes = 0x1_0000;

    public const ulong PageBytes = 4096;

    // In RAM:
    public const int Log2Streams = 4;
    public const int QueueLog2 = 6;
    public const ulong StreamTable = Ram;
    public const ulong Level1StreamTable = Ram + 0x2000;
    public const ulong Level2StreamTables = Ram + 0x3000;
    public const ulong CommandQueue = Ram + 0x4000;
    public const ulong EventQueue = Ram + 0x6000;
    public const ulong Level1Contexts = Ram + 0x8000;
    public const ulong Contexts = Ram + 0x1_0000;
    public const ulong Tables = Ram + 0x2_0000;

    /// <summary>First and last addresses of all that can be addressed.</summary>
    public static ReadOnlySpan<ulong> Edges =>
    [
        Firmware, Ram, Ram + RamBytes, Observed, Lent, Switched, Switched + SwitchedBytes,
        LastPage, LastPage + PageBytes, Registers, Registers + RegistersBytes, Slow, Slow + BusBytes, Calling,
        Calling + BusBytes, 0, 1UL << 32, 1UL << 52, 1UL << 56, Unreachable,
    ];
}
