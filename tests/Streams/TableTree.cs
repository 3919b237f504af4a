using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Tests.Streams;

/// <summary>
/// Translation tables of any granule, size and first level, written descriptor by descriptor. Where a granule keeps its
/// address bits is written down apart from the walker's (Arm ARM, D8.3.1).
/// </summary>
internal sealed class TableTree
{
    public const ulong AccessFlag = 1UL << 10;
    public const ulong Contiguous = 1UL << 52;

    private readonly GuestMachine machine;
    private readonly bool isLarge;
    private readonly ulong shift;

    /// <summary>Makes an empty first table, or as many in a row as the size needs.</summary>
    /// <param name="machine">Whose RAM holds the tables.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="inputBits">Bits of an input address.</param>
    /// <param name="startLevel">Level of the first table.</param>
    /// <param name="isLarge">DS or S2DS: of no effect with 64 KiB.</param>
    /// <param name="shift">What tables are called, less where they are: not 0 for stage 1 behind a stage 2.</param>
    public TableTree(
        GuestMachine machine, int granuleLog2, int inputBits, int startLevel, bool isLarge = false, ulong shift = 0)
    {
        this.machine = machine;
        this.isLarge = isLarge;
        this.shift = shift;
        GranuleLog2 = granuleLog2;
        InputBits = inputBits;
        StartLevel = startLevel;
        ulong bytes = 8UL << (inputBits - LeafLog2(startLevel));
        Root = machine.Allocate(bytes, Math.Max(bytes, 64)) + shift;
    }

    public int GranuleLog2 { get; }

    public int InputBits { get; }

    public int StartLevel { get; }

    /// <summary>What TTBx or S2TTB has to say.</summary>
    public ulong Root { get; }

    /// <summary>log2 of the bytes that one descriptor of a level covers.</summary>
    public int LeafLog2(int level) => GranuleLog2 + ((3 - level) * (GranuleLog2 - 3));

    /// <summary>Writes a leaf, and the tables on the way to it.</summary>
    public void Map(ulong input, ulong output, ulong attributes, int level = 3)
    {
        const ulong TableOrPage = 0b11, Block = 0b01;
        ulong table = Root - shift;
        for (int at = StartLevel; ; at++)
        {
            int indexBits = (at == StartLevel ? InputBits : LeafLog2(at - 1)) - LeafLog2(at);
            ulong slot = table + (((input >> LeafLog2(at)) & ((1UL << indexBits) - 1)) * 8);
            if (at == level)
            {
                machine.Write64(slot, Place(output) | attributes | (level == 3 ? TableOrPage : Block));
                return;
            }

            ulong descriptor = machine.Read64(slot);
            if (descriptor == 0)
            {
                descriptor = Place(machine.Allocate(1UL << GranuleLog2, 1UL << GranuleLog2) + shift) | TableOrPage;
                machine.Write64(slot, descriptor);
            }

            table = TableOf(descriptor) - shift;
        }
    }

    /// <summary>Writes a contiguous run, which has to be aligned in both spaces; or one leaf when it has no more.</summary>
    public void MapRun(ulong input, ulong output, ulong attributes, int level, int log2Members)
    {
        ulong flag = log2Members == 0 ? 0 : Contiguous;
        for (ulong member = 0; member < 1UL << log2Members; member++)
        {
            ulong offset = member << LeafLog2(level);
            Map(input + offset, output + offset, attributes | flag, level);
        }
    }

    private ulong Place(ulong address)
    {
        if (GranuleLog2 == 16) return (address & 0x0000_ffff_ffff_0000) | ((address >> 48) << 12);
        if (isLarge) return (address & 0x0003_ffff_ffff_f000) | ((address >> 50) << 8);
        return address;
    }

    // Tables lie in the RAM of the machine, so their addresses have none of the bits that some layouts move.
    private ulong TableOf(ulong descriptor) => descriptor & 0x0000_ffff_ffff_f000 & (ulong.MaxValue << GranuleLog2);
}
