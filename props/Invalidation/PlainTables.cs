using Smmu.Fast.Formats;
using Smmu.Fast.Scenarios.Machines;

namespace Smmu.Fast.Props.Invalidation;

/// <summary>RAM for tables that is taken piece by piece, and given back and zeroed all at once.</summary>
internal sealed class TableMemory(GuestMachine machine, ulong bytes)
{
    private readonly ulong first = machine.Allocate(bytes, 1 << 21);
    private ulong used;

    /// <summary>Its first address.</summary>
    public ulong First => first;

    /// <summary>Takes a table that is zero.</summary>
    public ulong Take(int granuleLog2)
    {
        ulong size = 1UL << granuleLog2;
        ulong table = (first + used + size - 1) & ~(size - 1);
        used = table + size - first;
        if (used > bytes) throw new InvalidOperationException("The scene has no room left for tables: give it more.");
        return table;
    }

    /// <summary>Zeroes all.</summary>
    public void Clear()
    {
        machine.Memory.Write(first, new byte[used]);
        used = 0;
    }
}

/// <summary>Tables of one stage over 47 bits, descriptor by descriptor, at addresses that are physical ones too.</summary>
internal sealed class PlainTables
{
    /// <summary>A stage 2 leaf: AF, inner shareable, read and write, Normal Write-Back.</summary>
    public const ulong Stage2Leaf = (1UL << 10) | (3UL << 8) | (3UL << 6) | (0xfUL << 2);

    private const ulong TableOrPage = 0b11;
    private const ulong Block = 0b01;
    private const ulong AddressMask = (1UL << 48) - 1;

    private readonly GuestMachine machine;
    private readonly TableMemory memory;
    private readonly int granuleLog2;
    private readonly ulong attributes;

    /// <summary>Bits of input addresses: as many as 16 KiB tables have without a level 0.</summary>
    public const int InputBits = 47;

    /// <summary>Makes tables that map nothing.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="memory">Where they lie.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    /// <param name="attributes">Bits of leaves besides type and address.</param>
    public PlainTables(GuestMachine machine, TableMemory memory, int granuleLog2, ulong attributes)
    {
        (this.machine, this.memory, this.granuleLog2, this.attributes) = (machine, memory, granuleLog2, attributes);
        StartLevel = StartLevelOf(granuleLog2);
        Root = TakeTable();
    }

    /// <summary>Address of the first table.</summary>
    public ulong Root { get; }

    /// <summary>Its level.</summary>
    public int StartLevel { get; }

    /// <summary>Tables there are, in the order in which they were made.</summary>
    public List<ulong> Tables { get; } = [];

    /// <summary>log2 of the bytes that a descriptor of a level covers.</summary>
    public static int EntryLog2(int granuleLog2, int level) => granuleLog2 + ((3 - level) * (granuleLog2 - 3));

    /// <summary>Level of the first table.</summary>
    public static int StartLevelOf(int granuleLog2) => granuleLog2 == 12 ? 0 : 1;

    /// <summary>The lowest level at which blocks are allowed without 52-bit addresses.</summary>
    public static int FirstBlockLevel(int granuleLog2) => granuleLog2 == 12 ? 1 : 2;

    /// <summary>The codes of CD.TG0 and STE.S2TG.</summary>
    public static ulong GranuleCode(int granuleLog2) => granuleLog2 switch { 12 => 0UL, 14 => 2, _ => 1 };

    /// <summary>An STE with these tables as its stage 2, which records faults.</summary>
    public StreamTableEntry Stage2Entry(StreamTableEntry entry) => entry
        .With(StreamTableEntryField.S2T0SZ, 64 - InputBits)
        .With(StreamTableEntryField.S2TG, GranuleCode(granuleLog2))
        .With(StreamTableEntryField.S2SL0, 2)   // Level 0 with 4 KiB, level 1 with the others.
        .With(StreamTableEntryField.S2PS, 5)
        .With(StreamTableEntryField.S2AA64, 1)
        .With(StreamTableEntryField.S2R, 1)
        .With(StreamTableEntryField.S2TTB, Root);

    /// <summary>Maps the leaf of a level that an address lies in; whatever was there goes.</summary>
    public void Map(ulong input, ulong output, int level)
    {
        int sizeLog2 = EntryLog2(granuleLog2, level);
        output = output >> sizeLog2 << sizeLog2;
        machine.Write64(SlotOf(input, level), output | attributes | (level == 3 ? TableOrPage : Block));
    }

    /// <summary>Makes the descriptor of a level invalid.</summary>
    public void Cut(ulong input, int level) => machine.Write64(SlotOf(input, level), 0);

    /// <summary>True when something is mapped at an address.</summary>
    public bool IsMapped(ulong input)
    {
        ulong table = Root;
        for (int level = StartLevel; ; level++)
        {
            ulong descriptor = machine.Read64(table + IndexOf(input, level));
            if ((descriptor & 1) == 0) return false;
            if (level == 3 || (descriptor & 2) == 0) return true;
            table = TableOf(descriptor);
        }
    }

    /// <summary>Where the descriptor of a level lies; tables above it are made, in the place of leaves too.</summary>
    public ulong SlotOf(ulong input, int level)
    {
        ulong table = Root;
        for (int at = StartLevel; ; at++)
        {
            ulong slot = table + IndexOf(input, at);
            if (at == level) return slot;
            ulong descriptor = machine.Read64(slot);
            if ((descriptor & TableOrPage) != TableOrPage)
            {
                descriptor = TakeTable() | TableOrPage;
                machine.Write64(slot, descriptor);
            }

            table = TableOf(descriptor);
        }
    }

    private ulong TakeTable()
    {
        ulong table = memory.Take(granuleLog2);
        Tables.Add(table);
        return table;
    }

    private ulong TableOf(ulong descriptor) => (descriptor & AddressMask) >> granuleLog2 << granuleLog2;

    private ulong IndexOf(ulong input, int level)
    {
        int low = EntryLog2(granuleLog2, level);
        int bits = Math.Min(granuleLog2 - 3, InputBits - low);
        return ((input >> low) & ((1UL << bits) - 1)) * sizeof(ulong);
    }
}
