using Smmu.Fast.Formats;

namespace Smmu.Fast.Scenarios.Machines;

/// <summary>A stage 1 address space over TTB0, written descriptor by descriptor: small, plain, for scenes of tests.</summary>
public sealed class Stage1Space
{
    /// <summary>Valid, page or table.</summary>
    public const ulong TableOrPage = 0b11;

    /// <summary>Valid, block.</summary>
    public const ulong Block = 0b01;

    /// <summary>Leaf attributes of a normal page: AF, inner shareable, not global, read and write at every privilege.</summary>
    public const ulong ReadWrite = (1UL << 11) | (1UL << 10) | (3UL << 8) | (1UL << 6);

    /// <summary>The same, read-only.</summary>
    public const ulong ReadOnly = ReadWrite | (1UL << 7);

    private readonly GuestMachine machine;
    private readonly int startLevel;

    /// <summary>Makes an empty space.</summary>
    /// <param name="machine">Whose RAM holds the tables.</param>
    /// <param name="asid">Its ASID.</param>
    /// <param name="sizeOffset">T0SZ: the space has 2^(64 - T0SZ) bytes.</param>
    /// <param name="granuleLog2">12, 14 or 16.</param>
    public Stage1Space(GuestMachine machine, ushort asid, int sizeOffset = 16, int granuleLog2 = 12)
    {
        this.machine = machine;
        Asid = asid;
        SizeOffset = sizeOffset;
        GranuleLog2 = granuleLog2;
        startLevel = 3 - ((64 - sizeOffset - 1 - granuleLog2) / (granuleLog2 - 3));
        Root = NewTable();
    }

    /// <summary>Its ASID.</summary>
    public ushort Asid { get; }

    /// <summary>T0SZ.</summary>
    public int SizeOffset { get; }

    /// <summary>Address bits of the granule.</summary>
    public int GranuleLog2 { get; }

    /// <summary>Physical address of the first table.</summary>
    public ulong Root { get; }

    /// <summary>Level of the first table.</summary>
    public int StartLevel => startLevel;

    /// <summary>A CD for it: EPD1, 48-bit IPS, faults abort and are recorded.</summary>
    public ContextDescriptor Descriptor() => default(ContextDescriptor)
        .With(ContextDescriptorField.V, 1)
        .With(ContextDescriptorField.T0SZ, (ulong)SizeOffset)
        .With(ContextDescriptorField.TG0, GranuleLog2 switch { 12 => 0UL, 14 => 2, _ => 1 })
        .With(ContextDescriptorField.EPD1, 1)
        .With(ContextDescriptorField.IPS, 5)
        .With(ContextDescriptorField.AA64, 1)
        .With(ContextDescriptorField.A, 1)
        .With(ContextDescriptorField.R, 1)
        .With(ContextDescriptorField.ASID, Asid)
        .With(ContextDescriptorField.TTB0, Root)
        .With(ContextDescriptorField.MAIR0, 0x0000_04ff);

    /// <summary>Maps one leaf; tables are made on the way.</summary>
    /// <param name="iova">Input address.</param>
    /// <param name="output">Output address.</param>
    /// <param name="attributes">Bits of the leaf besides type and address.</param>
    /// <param name="level">Level of the leaf; 3 is a page.</param>
    public void Map(ulong iova, ulong output, ulong attributes = ReadWrite, int level = 3) =>
        machine.Write64(Slot(iova, level, create: true), output | attributes | (level == 3 ? TableOrPage : Block));

    /// <summary>Makes the leaf invalid.</summary>
    public void Unmap(ulong iova, int level = 3) => machine.Write64(Slot(iova, level, create: true), 0);

    /// <summary>Physical address of the descriptor that an address uses at a level; tables are made on the way if asked.</summary>
    public ulong Slot(ulong iova, int level, bool create = false)
    {
        ulong table = Root;
        for (int at = startLevel; ; at++)
        {
            ulong slot = table + (Index(iova, at) * sizeof(ulong));
            if (at == level) return slot;
            ulong descriptor = machine.Read64(slot);
            if ((descriptor & 1) == 0)
            {
                if (!create) throw new InvalidOperationException($"There is no table of level {at + 1} for 0x{iova:x}.");
                descriptor = NewTable() | TableOrPage;
                machine.Write64(slot, descriptor);
            }

            table = descriptor & AddressMask;
        }
    }

    /// <summary>log2 of the bytes that one descriptor of a level covers.</summary>
    public int LeafLog2(int level) => GranuleLog2 + ((3 - level) * (GranuleLog2 - 3));

    private ulong AddressMask => ((1UL << 48) - 1) & ~((1UL << GranuleLog2) - 1);

    private ulong Index(ulong iova, int level)
    {
        int low = LeafLog2(level);
        int high = level == startLevel ? 64 - SizeOffset : low + GranuleLog2 - 3;
        return (iova >> low) & ((1UL << (high - low)) - 1);
    }

    private ulong NewTable()
    {
        ulong bytes = 1UL << GranuleLog2;
        return machine.Allocate(bytes, bytes);
    }
}
