using Smmu.Fast.Formats;

namespace Smmu.Fast.Comparison;

internal sealed partial class SceneGenerator
{
    private const int LeastWindowBits = 23;

    // The STE of the first stream, with all that hangs on it.
    private StreamTableEntry Translating(uint stream)
    {
        ulong config = !features.S2P ? 0b101UL
            : !features.S1P ? 0b110UL
            : random.Next(8) switch { 0 => 0b110, 1 or 2 => 0b101, _ => 0b111 };
        var entry = default(StreamTableEntry)
            .With(StreamTableEntryField.V, 1)
            .With(StreamTableEntryField.Config, config)
            .With(StreamTableEntryField.SHCFG, 1);
        if (features.S2P) entry = entry.With(StreamTableEntryField.S2VMID, Below(features.VMID16 ? 0x1_0000 : 0x100));
        if (config == 0b101 && features.Hyp && Chance(2)) entry = entry.With(StreamTableEntryField.STRW, 0b10);
        if (Chance(2)) entry = WithOverrides(entry);

        bool hasStage1 = (config & 1) != 0;
        if ((config & 2) != 0) entry = WithStage2(entry, hasStage1 ? LeastWindowBits : 0);
        if (hasFailed) return entry;
        if (hasStage1) return WithStage1(stream, entry);

        var addresses = new List<ulong>();
        stages.AddAddresses(intermediate!.Space, addresses);
        addresses.Add(1UL << Math.Min(63, features.OutputAddressBits));
        scene.Clients.Add(new SceneClient(stream, null, addresses));
        if (Chance(3)) scene.Clients.Add(new SceneClient(stream, (uint)random.Next(4), addresses));
        return entry;
    }

    private StreamTableEntry WithOverrides(StreamTableEntry entry) => entry
        .With(StreamTableEntryField.MTCFG, Below(2))
        .With(StreamTableEntryField.MemAttr, Below(16))
        .With(StreamTableEntryField.ALLOCCFG, Below(16))
        .With(StreamTableEntryField.SHCFG, Below(4))
        .With(StreamTableEntryField.PRIVCFG, Below(4))
        .With(StreamTableEntryField.INSTCFG, Below(4));

    private StreamTableEntry WithStage2(StreamTableEntry entry, int leastInputBits)
    {
        var shape = stages.Stage2Shape(leastInputBits);
        bool forced = features.FWB && Chance(2);
        var space = stages.NewSpace(shape);
        if (space is null)
        {
            hasFailed = true;
            return entry;
        }

        int mostBits = Math.Min(48, features.OutputAddressBits);
        intermediate = new Intermediate(stages, space, random, forced, mostBits);
        if (leastInputBits != 0) intermediate.NameOf(CaseImage.Window.Base, 8);
        stages.FillStage2(space, forced);
        scene.Leaves.AddRange(space.Leaves.Select(leaf => new SceneLeaf(leaf.Input, leaf.SizeLog2, leaf.Descriptor, IsStage2: true)));
        scene.Notes.Add($"stage 2: {shape}");
        scene.Shapes.Add(shape);

        bool hasAccessFlag = features.HTTU != 0 && Chance(2);
        return entry
            .With(StreamTableEntryField.S2T0SZ, (ulong)(64 - shape.InputBits))
            .With(StreamTableEntryField.S2TG, shape.GranuleLog2 switch { 12 => 0UL, 14 => 2, _ => 1 })
            .With(StreamTableEntryField.S2SL0, StartCode(shape) & 3)
            .With(StreamTableEntryField.S2SL0_2, StartCode(shape) >> 2)
            .With(StreamTableEntryField.S2DS, shape.LargeAddresses ? 1UL : 0)
            .With(StreamTableEntryField.S2PS, SizeCode(shape.OutputBits))
            .With(StreamTableEntryField.S2SH0, Below(4))
            .With(StreamTableEntryField.S2AA64, 1)
            .With(StreamTableEntryField.S2ENDI, shape.IsBigEndian ? 1UL : 0)
            .With(StreamTableEntryField.S2FWB, forced ? 1UL : 0)
            .With(StreamTableEntryField.S2PTW, Below(2))
            .With(StreamTableEntryField.S2AFFD, Below(2))
            .With(StreamTableEntryField.S2HA, hasAccessFlag ? 1UL : 0)
            .With(StreamTableEntryField.S2HD, hasAccessFlag && features.HTTU == 2 ? Below(2) : 0)
            .With(StreamTableEntryField.S2R, Chance(6) ? 0UL : 1)
            .With(StreamTableEntryField.S2S, Stall())
            .With(StreamTableEntryField.S2TTB, stages.TableBase(space));
    }

    private StreamTableEntry WithStage1(uint stream, StreamTableEntry entry)
    {
        bool isEl2 = entry.STRW == 0b10 && !e2h;
        var descriptor = Context(isEl2, out var addresses);
        if (hasFailed) return entry;

        int tableBits = features.SubstreamIdBits == 0 || Chance(2) ? 0 : random.Next(1, features.SubstreamIdBits + 1);
        int format = features.CD2L && tableBits != 0 ? random.Next(3) : 0;
        if (format == 0) tableBits = Math.Min(tableBits, 7);
        entry = entry
            .With(StreamTableEntryField.S1Fmt, (ulong)format)
            .With(StreamTableEntryField.S1CDMax, (ulong)tableBits)
            .With(StreamTableEntryField.S1DSS, Below(3));

        ulong table = ContextTable(tableBits, format, out int leafBits);
        uint first = tableBits == 0 || entry.S1DSS == 2 ? 0 : (uint)random.Next(1 << tableBits);
        StoreContext(descriptor, table, leafBits, first);
        scene.Clients.Add(new SceneClient(stream, tableBits == 0 || entry.S1DSS == 2 ? null : first, addresses));
        if (tableBits != 0)
        {
            uint second = first ^ (1u << random.Next(tableBits));
            StoreContext(Varied(descriptor), table, leafBits, second);
            scene.Clients.Add(new SceneClient(stream, second, addresses));
            scene.Clients.Add(new SceneClient(stream, Chance(2) ? null : (uint)random.Next(1 << 20) >> random.Next(20), addresses));
        }
        else
        {
            scene.Clients.Add(new SceneClient(stream, Chance(6) ? 0 : null, addresses));
        }

        return entry.With(StreamTableEntryField.S1ContextPtr, table);
    }

    // A CD table; leafBits is -1 where CDs lie in one piece.
    private ulong ContextTable(int tableBits, int format, out int leafBits)
    {
        leafBits = format switch { 1 => 6, 2 => 10, _ => -1 };
        ulong bytes = leafBits < 0 ? 64UL << tableBits : Math.Max(64, 8UL << Math.Max(0, tableBits - leafBits));
        return Structure(bytes).Named;
    }

    private void StoreContext(ContextDescriptor descriptor, ulong table, int leafBits, uint index)
    {
        ulong physical = Physical(table);
        if (leafBits >= 0)
        {
            ulong slot = physical + ((index >> leafBits) * 8UL);
            if (intermediate is not null) intermediate.NameOf(slot, 8);
            if (Image.Get(slot) == 0)
            {
                Image.Set(slot, Structure(64UL << leafBits).Named | 1);
                Image.Places.Add(new Place(PlaceKind.Level1ContextDescriptor, slot));
            }

            physical = Physical(Image.Get(slot) & ~0xfffUL);
            index &= (1u << leafBits) - 1;
        }

        ulong address = physical + (index * 64UL);
        if (intermediate is not null) intermediate.NameOf(address, 64);
        Span<ulong> words = stackalloc ulong[8];
        descriptor.CopyTo(words);
        Image.Set(address, words);
        Image.Places.Add(new Place(PlaceKind.ContextDescriptor, address));
        scene.Notes.Add($"CD at 0x{address:x}: {descriptor}");
    }

    private TableMemory Structure(ulong bytes)
    {
        ulong? physical = intermediate is null
            ? Image.Allocate(random, bytes, bytes, features.OutputAddressBits)
            : Image.AllocateInWindow(bytes, bytes);
        ulong? named = intermediate is null || physical is null ? physical : intermediate.NameOf(physical.Value, 64);
        hasFailed |= named is null;
        return new TableMemory(named ?? CaseImage.Window.Base, physical ?? CaseImage.Window.Base);
    }

    private ulong Physical(ulong named) => intermediate is null
        ? named : named - intermediate.NameOf(CaseImage.Window.Base, 8).GetValueOrDefault() + CaseImage.Window.Base;

    private ContextDescriptor Context(bool isEl2, out List<ulong> addresses)
    {
        addresses = [];
        ulong size;
        do size = Below(8);
        while (intermediate is not null && stages.EffectiveBits((int)size) < LeastOutputBits(intermediate));
        int outputBits = stages.EffectiveBits((int)size);

        bool large = features.DS && Chance(2);
        bool bigEndian = stages.IsBigEndian();
        bool hasAccessFlag = features.HTTU != 0 && Chance(2);
        var descriptor = default(ContextDescriptor)
            .With(ContextDescriptorField.V, 1)
            .With(ContextDescriptorField.AA64, 1)
            .With(ContextDescriptorField.IPS, size)
            .With(ContextDescriptorField.DS, large ? 1UL : 0)
            .With(ContextDescriptorField.ENDI, bigEndian ? 1UL : 0)
            .With(ContextDescriptorField.HA, hasAccessFlag ? 1UL : 0)
            .With(ContextDescriptorField.HD, hasAccessFlag && features.HTTU == 2 ? Below(2) : 0)
            .With(ContextDescriptorField.S, Stall())
            .With(ContextDescriptorField.ASID, Below(features.ASID16 ? 0x1_0000 : 0x100))
            .With(ContextDescriptorField.MAIR0, (ulong)random.NextInt64(1L << 32) | (Chance(2) ? 0xff44_ff00 : 0))
            .With(ContextDescriptorField.MAIR1, (ulong)random.NextInt64(1L << 32))
            .With(ContextDescriptorField.EPD1, isEl2 ? Below(2) : 0);
        descriptor = Varied(descriptor.With(ContextDescriptorField.A, 1));

        int halves = isEl2 ? 0 : random.Next(3);   // 0 TTB0 alone, 1 TTB1 alone, 2 both.
        if (halves != 1) descriptor = WithHalf(descriptor, outputBits, large, bigEndian, false, addresses);
        else descriptor = descriptor.With(ContextDescriptorField.EPD0, 1);
        if (halves != 0) descriptor = WithHalf(descriptor, outputBits, large, bigEndian, true, addresses);
        else if (!isEl2) descriptor = descriptor.With(ContextDescriptorField.EPD1, 1);
        return descriptor;
    }

    // Fields that are legal with any value; another CD of the stream may have others.
    private ContextDescriptor Varied(ContextDescriptor descriptor) => descriptor
        .With(ContextDescriptorField.AFFD, Below(2))
        .With(ContextDescriptorField.WXN, Chance(6) ? 1UL : 0)
        .With(ContextDescriptorField.PAN, Chance(6) ? 1UL : 0)
        .With(ContextDescriptorField.TBI0, Below(2))
        .With(ContextDescriptorField.TBI1, Below(2))
        .With(ContextDescriptorField.HAD0, Below(2))
        .With(ContextDescriptorField.HAD1, Below(2))
        .With(ContextDescriptorField.SH0, Below(4))
        .With(ContextDescriptorField.SH1, Below(4))
        .With(ContextDescriptorField.ASET, Below(2))
        .With(ContextDescriptorField.R, Chance(6) ? 0UL : 1)
        .With(ContextDescriptorField.A, features.TERM_MODEL || !Chance(4) ? 1UL : 0);

    private ContextDescriptor WithHalf(
        ContextDescriptor descriptor, int outputBits, bool large, bool bigEndian, bool isUpper, List<ulong> addresses)
    {
        var shape = stages.Stage1Shape(outputBits, large, bigEndian);
        var space = intermediate is null ? stages.NewSpace(shape) : stages.NewSpace(shape, InWindow);
        if (space is null)
        {
            hasFailed = true;
            return descriptor;
        }

        var found = new List<ulong>();
        stages.FillStage1(space, intermediate?.Space, found);
        ulong sign = isUpper ? ulong.MaxValue << shape.InputBits : 0;
        addresses.AddRange(found.Select(address => address | sign));
        scene.Leaves.AddRange(space.Leaves.Select(leaf => new SceneLeaf(leaf.Input | sign, leaf.SizeLog2, leaf.Descriptor, IsStage2: false)));
        scene.Notes.Add($"TTB{(isUpper ? 1 : 0)}: {shape}");
        scene.Shapes.Add(shape);
        ulong code = shape.GranuleLog2 switch { 12 => isUpper ? 2UL : 0, 14 => isUpper ? 1UL : 2, _ => isUpper ? 3UL : 1 };
        return isUpper
            ? descriptor.With(ContextDescriptorField.T1SZ, (ulong)(64 - shape.InputBits))
                .With(ContextDescriptorField.TG1, code).With(ContextDescriptorField.TTB1, stages.TableBase(space))
            : descriptor.With(ContextDescriptorField.T0SZ, (ulong)(64 - shape.InputBits))
                .With(ContextDescriptorField.TG0, code).With(ContextDescriptorField.TTB0, stages.TableBase(space));
    }

    // Tables have to be named; that stage 1 also reaches all that stage 2 maps is usual, and no more.
    private int LeastOutputBits(Intermediate through) =>
        Chance(6) ? through.WindowBits : Math.Max(through.WindowBits, Math.Min(48, through.Space.Shape.InputBits));

    private TableMemory? InWindow(ulong bytes, ulong alignment, int bits) =>
        Image.AllocateInWindow(bytes, alignment) is { } physical && intermediate!.NameOf(physical, bytes) is { } named
            ? new TableMemory(named, physical) : null;

    private ulong Stall() => features.STALL_MODEL switch { 0 => Chance(5) ? 1UL : 0, 1 => 0, _ => 1 };

    private static ulong StartCode(TableShape shape) => (shape.GranuleLog2, shape.StartLevel) switch
    {
        (12, -1) => 4,
        (12, 3) => 3,
        (12, _) => (ulong)(2 - shape.StartLevel),
        _ => (ulong)(3 - shape.StartLevel),
    };

    private static ulong SizeCode(int bits) => bits switch { 32 => 0, 36 => 1, 40 => 2, 42 => 3, 44 => 4, 48 => 5, _ => 6 };
}
