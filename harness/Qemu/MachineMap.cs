using Smmu.Fast.Formats;

namespace Smmu.Fast.Qemu;

/// <summary>What lies where on the machine that both sides have: QEMU's <c>virt</c> without high memory, and ours.</summary>
/// <remarks>
/// Below RAM are QEMU's devices, which no access of a case may reach; above it is nothing. Each 32-bit word of untouched RAM
/// holds its own address, so that a read tells where it went; as a descriptor, such a word pair is invalid.
/// </remarks>
internal static class MachineMap
{
    public const ulong RamBase = 0x4000_0000;
    public const ulong RamBytes = 16 << 20;
    public const ulong RamEnd = RamBase + RamBytes;

    /// <summary>What pages of cases map to: 8 MiB.</summary>
    public const ulong Outputs = RamBase;
    public const ulong OutputBytes = 8 << 20;

    /// <summary>The Stream table, aligned for 2^16 entries; StreamIDs end at 0xff, so that its first 16 KiB are used.</summary>
    public const ulong StreamTable = RamBase + 0x80_0000;
    public const ulong Tables = RamBase + 0x82_0000;
    public const ulong TablesEnd = RamBase + 0xc0_0000;
    public const ulong Level1Table = RamBase + 0xc0_0000;
    public const ulong Level2Tables = RamBase + 0xc1_0000;
    public const ulong Contexts = RamBase + 0xc8_0000;
    public const ulong CommandQueue = RamBase + 0xf0_0000;
    public const ulong EventQueue = RamBase + 0xf4_0000;
    public const ulong EventQueueBytes = 0x1000;

    /// <summary>From here on RAM belongs to the harness.</summary>
    public const ulong Private = RamBase + 0xf7_0000;
    public const ulong CleanQueue = Private;
    public const ulong Results = RamBase + 0xf8_0000;
    public const ulong Tokens = RamBase + 0xfc_0000;
    public const ulong Loop = RamEnd - 0x1000;

    /// <summary>Nothing answers here, and 44 bits reach it.</summary>
    public const ulong Hole = 0x2_0000_0000;

    public const ulong SmmuRegisters = 0x0905_0000;
    public const ulong PciConfiguration = 0x3f00_0000;
    public const ulong PciWindow = 0x1000_0000;

    /// <summary>Bytes that one access moves. Wider ones may reach QEMU's SMMU as two.</summary>
    public const int AccessBytes = 4;

    /// <summary>Accesses of one device in one case: its buffer holds a token or a result for each.</summary>
    public const int MostAccesses = 128;

    /// <summary>The StreamIDs of the DMA engines: device and function on PCI bus 0.</summary>
    public static StreamId[] Streams { get; } =
    [
        .. from slot in new uint[] { 1, 2, 3, 31 }
           from function in Enumerable.Range(0, 8)
           select new StreamId((slot << 3) | (uint)function),
    ];

    /// <summary>True when an access of 4 bytes there is one to RAM.</summary>
    public static bool IsRam(ulong address) => address - RamBase <= RamBytes - AccessBytes;

    /// <summary>
    /// True when accesses of cases must keep away: from QEMU's own devices and what belongs to the harness, and with writes
    /// from all structures, because that would be a change without its invalidation.
    /// </summary>
    public static bool IsForbidden(ulong address, bool isWrite) =>
        address < RamBase || (address < RamEnd && address >= (isWrite ? StreamTable : Private));

    /// <summary>What a device writes with its nth access: no word of untouched RAM.</summary>
    public static uint Token(int device, int access) => 0x8000_0000 | ((uint)device << 16) | (uint)access;

    /// <summary>Fills RAM with what it holds between cases.</summary>
    public static void FillPristine(Span<byte> ram)
    {
        var words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(ram);
        for (int i = 0; i < words.Length; i++) words[i] = (uint)RamBase + ((uint)i * sizeof(uint));

        // A CPU that sleeps for ever: the clock of the machine then runs from timer to timer.
        const uint WaitForInterrupt = 0xd503207f;
        const uint BranchBack = 0x17ffffff;
        words[(int)((Loop - RamBase) / sizeof(uint))] = WaitForInterrupt;
        words[(int)((Loop - RamBase) / sizeof(uint)) + 1] = BranchBack;

        var clean = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(ram[(int)(CleanQueue - RamBase)..]);
        Command[] commands = [Command.CfgiAll(), Command.TlbiNsnhAll(), Command.Sync()];
        for (int i = 0; i < commands.Length; i++)
        {
            clean[2 * i] = commands[i].Word0;
            clean[(2 * i) + 1] = commands[i].Word1;
        }

        for (int device = 0; device < Streams.Length; device++)
        {
            var tokens = words[(int)((Tokens - RamBase) / sizeof(uint))..][(device * MostAccesses)..];
            for (int access = 0; access < MostAccesses; access++) tokens[access] = Token(device, access);
        }
    }
}
